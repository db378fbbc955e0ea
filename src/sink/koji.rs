//! The sink that orders builds of a Koji hub.
//!
//! Reads are anonymous and batched ([`Reads`]); the session carries logins, fences and orders alone. An order is sent
//! once, under the number that was written down before. What it looks like in doubt, and how it is found again, is told in
//! `docs/sinks.md`.

mod failure;
mod find;
mod follow;
mod order;

use std::sync::Arc;

use regex::Regex;

use super::reads::{Farm, Reads};
use super::{Sink, trouble};
use crate::koji::client::{Client, ClientSettings, SetupError};
use crate::koji::command::BuildKind;
use crate::koji::error::CallError;
use crate::koji::fault::GENERIC;
use crate::koji::login::Login;
use crate::koji::query;
use crate::koji::session::Session;
use crate::submit::ask::{Answer, Ask, Trouble};
use crate::submit::row;

/// Sessions ended by one login: as many as can have a call under way, with room.
const FENCE_MAX: usize = 100;

/// How a hub is used.
#[derive(Debug, Clone)]
pub struct KojiSettings {
    /// The hub, and how it is talked to.
    pub client: ClientSettings,
    /// Who we are there.
    pub login: Login,
    /// Which target a package is built for.
    pub targets: Targets,
    /// The number of the channel whose builders count for the load; `None`: all channels.
    pub channel: Option<u64>,
    /// How builds are made.
    pub options: BuildStyle,
}

/// How builds are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuildStyle {
    /// The task's place in the queue relative to 20, where an order states none; greater is later. Below 0 only
    /// administrators may.
    pub priority: Option<i32>,
    /// What becomes of the builds.
    pub kind: BuildKind,
    /// Ends all arches once one has failed.
    pub fail_fast: bool,
    /// Waits for a new repository of the buildroot first.
    pub wait_repo: bool,
}

/// Which target a package is built for: the first rule that fits, else the common one.
#[derive(Debug, Clone)]
pub struct Targets {
    /// The rules, in order.
    pub rules: Vec<TargetRule>,
    /// The target of all others.
    pub common: Arc<str>,
}

/// Packages that are built for a target of their own.
#[derive(Debug, Clone)]
pub struct TargetRule {
    /// Fits where it is found in the package's downstream name.
    pub packages: Regex,
    /// The target.
    pub target: Arc<str>,
}

impl Targets {
    /// The target of a package, downstream name.
    pub fn of(&self, package: &str) -> &Arc<str> {
        let rule = self.rules.iter().find(|rule| rule.packages.is_match(package));
        rule.map_or(&self.common, |rule| &rule.target)
    }
}

/// A Koji hub that builds are ordered of.
#[derive(Debug)]
pub struct KojiSink {
    client: Client,
    login: Login,
    options: BuildStyle,
    reads: Reads,
    access: Option<Access>,
}

/// A session, and whose it is.
#[derive(Debug)]
struct Access {
    session: Session,
    /// The hub's number of our user.
    user: u64,
}

impl KojiSink {
    /// A sink for the hub of the settings; nothing is sent yet.
    ///
    /// # Errors
    /// Where the address is none, or a file of certificates is of no use.
    pub fn new(settings: &KojiSettings) -> Result<Self, SetupError> {
        let client = Client::new(&settings.client)?;
        let farm = Farm { target: Arc::clone(&settings.targets.common), channel: settings.channel };
        Ok(Self {
            reads: Reads::new(client.clone(), farm),
            client,
            login: settings.login.clone(),
            options: settings.options,
            access: None,
        })
    }

    /// Opens a session, and ends the old ones through it.
    async fn log_in(&mut self, fence: &[row::Session]) -> Result<Answer, CallError> {
        self.access = None;
        self.reads.forget();
        if fence.len() > FENCE_MAX {
            let text =
                format!("{} sessions are to be ended at once, at most {FENCE_MAX} can be", fence.len());
            return Ok(Answer::Failed(Trouble::Forbidden(text.into())));
        }
        let mut session = self.client.log_in(&self.login).await?;
        match prepare(&mut session, fence).await {
            Ok(Some(user)) => {
                let answer = Answer::LoggedIn {
                    session: row::Session(session.id()),
                    next_callnum: session.next_callnum(),
                };
                self.access = Some(Access { session, user });
                Ok(answer)
            }
            Ok(None) => {
                let text =
                    "the hub opened a session and does not say whose it is: update the hub, or report it";
                Ok(Answer::Failed(Trouble::Forbidden(text.into())))
            }
            Err(error) => {
                // Nothing was ordered in it; if this fails too it ends by itself.
                drop(session.log_out().await);
                Err(error)
            }
        }
    }
}

/// Ends the old sessions, and asks whose the new one is.
async fn prepare(session: &mut Session, fence: &[row::Session]) -> Result<Option<u64>, CallError> {
    let own = session.id();
    for old in fence.iter().filter(|old| old.0 != own) {
        match session.fence(old.0).await {
            Err(error) if !is_gone(&error) => return Err(error),
            // A hub forgets old sessions altogether after some days.
            Ok(()) | Err(_) => {}
        }
    }
    Ok(session.ask(&query::logged_in_user()).await?.map(|user| user.id))
}

/// Whether the hub does not know the session that was to be ended: it runs no call, and takes none.
fn is_gone(error: &CallError) -> bool {
    error.fault().is_some_and(|fault| fault.code == GENERIC && fault.text.starts_with("No such session"))
}

impl Sink for KojiSink {
    async fn perform(&mut self, ask: Ask) -> Answer {
        let done = match ask {
            Ask::Sample => return self.reads.sample().await,
            Ask::Check(inquiries) => return self.reads.check(inquiries).await,
            Ask::Submit { session, callnum, orders } => {
                let access = self.access.as_mut();
                return Answer::Submitted(
                    order::submit(access, self.options, session, callnum, &orders).await,
                );
            }
            Ask::LogIn { fence } => self.log_in(&fence).await,
            Ask::Find { markers, since } => {
                let Some(access) = &self.access else {
                    let text = "nobody is logged in, so that our tasks cannot be told from others";
                    return Answer::Failed(Trouble::SessionOver(text.into()));
                };
                find::find(&self.client, access.user, &markers, since).await
            }
            Ask::Follow(tasks) => follow::follow(&self.client, &tasks).await.map(Answer::Followed),
        };
        done.unwrap_or_else(|error| Answer::Failed(trouble::of_call(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_names_the_target() {
        let rule = |packages, target: &str| TargetRule {
            packages: Regex::new(packages).unwrap(),
            target: target.into(),
        };
        let targets = Targets {
            rules: vec![rule("^kernel$", "eln-kernel"), rule("^k", "eln-k")],
            common: "eln".into(),
        };
        for (package, target) in
            [("kernel", "eln-kernel"), ("kernel-tools", "eln-k"), ("bash", "eln"), ("", "eln")]
        {
            assert_eq!(&**targets.of(package), target, "{package}");
        }
    }
}
