//! What any sink asks of a hub, anonymously: how loaded it is, and what it knows of builds just before they go.

mod check;
mod destination;
mod each;

pub(super) use self::each::each;

use std::sync::Arc;

use super::{clock, trouble};
use crate::governor::load::{self, Load, arch_load};
use crate::koji::answers::TaskState;
use crate::koji::client::Client;
use crate::koji::error::CallError;
use crate::koji::query::{self, TaskFilter};
use crate::submit::ask::{Answer, Inquiry, Sample, Trouble};

/// The channel that Koji makes first, and that builds go to.
pub const DEFAULT_CHANNEL: u64 = 1;
/// What is told of a hub that has no builders.
const NO_ARCH: &str = "any";

/// Which builders count for the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farm {
    /// The build target; builds are made on the arches of its build tag.
    pub target: Arc<str>,
    /// The number of the channel of builders; `None`: all channels.
    pub channel: Option<u64>,
}

/// A hub that is only asked.
#[derive(Debug, Clone)]
pub struct Reads {
    client: Client,
    farm: Farm,
    /// The arches of the target's build tag, once they are known.
    arches: Option<Vec<Box<str>>>,
}

impl Reads {
    /// Asks a hub; nothing is sent yet.
    pub fn new(client: Client, farm: Farm) -> Self {
        Self { client, farm, arches: None }
    }

    /// Forgets what seldom changes, so that it is asked for again.
    pub fn forget(&mut self) {
        self.arches = None;
    }

    /// What the hub knows of builds.
    pub async fn check(&self, inquiries: Vec<Inquiry>) -> Answer {
        match check::check(&self.client, &inquiries).await {
            Ok(findings) => Answer::Checked(findings),
            Err(error) => Answer::Failed(trouble::of_call(&error)),
        }
    }

    /// How loaded the hub is.
    pub async fn sample(&mut self) -> Answer {
        match self.measure().await {
            Ok(Some(sample)) => Answer::Sampled(sample),
            Ok(None) => {
                let text = format!("No such build target: {}", crate::text::bounded(&self.farm.target, 100));
                Answer::Failed(Trouble::Fault(trouble::generic(&text)))
            }
            Err(error) => Answer::Failed(trouble::of_call(&error)),
        }
    }

    /// `None` where the hub does not know the target.
    async fn measure(&mut self) -> Result<Option<Sample>, CallError> {
        // The cheapest call goes first: a hub that is offline is asked nothing more.
        let began = clock::now();
        self.client.ask(&query::last_event()).await?;
        let latency_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        let Some(arches) = self.arches().await? else { return Ok(None) };
        let hosts = self.client.ask(&query::list_hosts(self.farm.channel, Some(true))).await?;
        let hosts: Vec<load::Host> = hosts.into_iter().map(host).collect();
        let free = TaskFilter { states: vec![TaskState::Free], ..TaskFilter::default() };
        let repos = TaskFilter {
            method: Some("newRepo"),
            states: TaskState::UNDER_WAY.to_vec(),
            ..TaskFilter::default()
        };
        let free_tasks = self.client.ask(&query::count_tasks(&free)).await?;
        let new_repos = self.client.ask(&query::count_tasks(&repos)).await?;
        let loads = arches.iter().map(|arch| (arch_load(&hosts, arch), Arc::from(&**arch)));
        let (host_load, busiest) =
            loads.max_by_key(|(load, _)| *load).unwrap_or((Load::FULL, NO_ARCH.into()));
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Some(Sample {
            host_load,
            busiest,
            free_tasks: count(free_tasks),
            new_repos: count(new_repos),
            latency_ms,
        }))
    }

    async fn arches(&mut self) -> Result<Option<Vec<Box<str>>>, CallError> {
        if self.arches.is_none() {
            let Some(target) = self.client.ask(&query::build_target(&self.farm.target)).await? else {
                return Ok(None);
            };
            let tag = self.client.ask(&query::build_config(&target.build_tag)).await?;
            self.arches = Some(tag.arches.into_iter().map(String::into_boxed_str).collect());
        }
        Ok(self.arches.clone())
    }
}

fn host(host: crate::koji::answers::Host) -> load::Host {
    load::Host {
        arches: host.arches.into_iter().map(String::into_boxed_str).collect(),
        capacity: host.capacity,
        task_load: host.task_load,
        ready: host.ready,
    }
}
