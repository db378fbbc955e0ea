//! Asks the hub what the pipeline wants to know of it. Anonymous, and nothing is decided here.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use super::read::{self, History};
use super::{BATCH_MAX, Builds, Inquiry, Report};
use crate::engine::witness::{Finding, Question, Witnessed};
use crate::koji::answers::{Build, HistoryRow};
use crate::koji::cache::Cache;
use crate::koji::client::{Client, ClientSettings, SetupError};
use crate::koji::error::{CallError, Problem};
use crate::koji::fault::GENERIC;
use crate::koji::query::{self, HistoryFilter, Query};
use crate::koji::xmlrpc::Fault;
use crate::live::reconcile::{Past, ROWS_MAX};
use crate::live::shell::Input;
use crate::time::Second;

/// Answers of the hub that are kept for a moment.
const KEPT_MAX: usize = 1_000;
/// Calls in one: those of a batch go together.
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(BATCH_MAX - 1);

/// A hub that is asked.
#[derive(Debug)]
pub struct Hub {
    client: Client,
    cache: Cache,
}

impl Hub {
    /// The hub at an address; nothing is sent yet.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(address: &str) -> Result<Self, SetupError> {
        let client = Client::new(&ClientSettings::new(address))?;
        Ok(Self { cache: Cache::new(client.clone(), KEPT_MAX), client })
    }

    /// Answers inquiries until nobody makes any or takes the reports. One that takes long keeps no other waiting.
    pub async fn serve(self, mut inquiries: mpsc::Receiver<Inquiry>, inputs: mpsc::Sender<Input>) {
        let hub = Arc::new(self);
        while let Some(inquiry) = inquiries.recv().await {
            let (hub, inputs) = (Arc::clone(&hub), inputs.clone());
            tokio::spawn(async move {
                let report = hub.answer(inquiry).await;
                // A pipeline that ends takes no more.
                drop(inputs.send(Input::Koji(report)).await);
            });
        }
    }

    /// Finds out what an inquiry asks for.
    pub async fn answer(&self, inquiry: Inquiry) -> Report {
        match inquiry {
            Inquiry::Builds(builds) => {
                Report::Builds(self.builds(builds).await.map_err(|error| told(&error)))
            }
            Inquiry::Past(past) => Report::Past(self.past(&past).await),
        }
    }

    async fn builds(&self, builds: Builds) -> Result<Vec<Finding>, CallError> {
        let Builds { questions, asked_at, scope } = builds;
        let all: Vec<u64> = questions.iter().map(|question| question.build_id).collect();
        let rows = self.all(&all, query::build_history, asked_at).await?;
        let histories: Vec<Option<History>> =
            rows.into_iter().map(|rows| rows.ok().map(|rows| read::history(&rows, &scope))).collect();
        // When it was complete matters only of what may be new.
        let may_be_new = |history: &Option<History>| matches!(history, Some(History::Tagged { earlier, .. }) if earlier.is_empty());
        let wanted: Vec<u64> = all
            .iter()
            .zip(&histories)
            .filter(|(_, history)| may_be_new(history))
            .map(|(id, _)| *id)
            .collect();
        let found = self.all(&wanted, |id| query::get_build(whole(id)), asked_at).await?;
        let found: BTreeMap<u64, Result<Option<Build>, Fault>> = wanted.into_iter().zip(found).collect();
        let finding = |(question, history): (Question, Option<History>)| {
            let witnessed = match (history, found.get(&question.build_id)) {
                (None, _) | (Some(_), Some(Err(_))) => Witnessed::Unanswered,
                (Some(history), Some(Ok(build))) => read::witnessed(history, build.as_ref()),
                (Some(history), None) => read::witnessed(history, None),
            };
            Finding { question, asked_at, witnessed }
        };
        Ok(questions.into_iter().zip(histories).map(finding).collect())
    }

    /// Asks the same of many builds in one call. Where an answer to one of them cannot be read, each is asked about alone, so
    /// that it does not stand for all.
    async fn all<T: 'static>(
        &self,
        ids: &[u64],
        query: fn(u64) -> Query<T>,
        now: Second,
    ) -> Result<Vec<Result<T, Fault>>, CallError> {
        let batch = self.cache.ask_all(ids.iter().map(|id| query(*id)).collect(), AT_ONCE, now).await;
        let Err(CallError { problem: Problem::Unexpected(_) | Problem::Unreadable(_), .. }) = &batch else {
            return batch;
        };
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            answers.push(match self.client.ask(&query(*id)).await {
                Ok(answer) => Ok(answer),
                Err(CallError { problem: Problem::Fault(fault), .. }) if fault.code == GENERIC => Err(fault),
                Err(CallError { problem: Problem::Unexpected(error), .. }) => {
                    Err(Fault::new(GENERIC, error.to_string()))
                }
                Err(CallError { problem: Problem::Unreadable(error), .. }) => {
                    Err(Fault::new(GENERIC, error.to_string()))
                }
                Err(error) => return Err(error),
            });
        }
        Ok(answers)
    }

    async fn past(&self, past: &Past) -> Result<Vec<HistoryRow>, String> {
        let before = self.client.ask(&query::last_event_before(past.since)).await;
        let after_event = before.map_err(|error| told(&error))?.map(|event| event.koji_event_id);
        let mut newest = BTreeMap::new();
        for tag in &past.tags {
            self.past_of(tag, after_event, &mut newest).await?;
        }
        let mut rows: Vec<HistoryRow> = newest.into_values().collect();
        rows.sort_by_key(|row| row.koji_event_id);
        Ok(rows)
    }

    /// Adds the newest stay of each build in one tag.
    async fn past_of(
        &self,
        tag: &str,
        after_event: Option<u64>,
        newest: &mut BTreeMap<(u64, u64), HistoryRow>,
    ) -> Result<(), String> {
        let filter = HistoryFilter { tag: Some(tag), after_event, ..HistoryFilter::default() };
        let mut rows = pin!(self.client.list(query::query_history(filter)));
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| told(&error))?;
            let key = (row.tag_id, row.build_id);
            if newest.len() >= ROWS_MAX && !newest.contains_key(&key) {
                return Err(format!(
                    "Koji's history of {tag} has more than {ROWS_MAX} builds since then: begin later, with --since"
                ));
            }
            let known = newest.get(&key).map(|row| row.koji_event_id);
            if known.is_none_or(|known| known < row.koji_event_id) {
                newest.insert(key, row);
            }
        }
        Ok(())
    }
}

/// A number of a build as an argument; beyond 2^63 there are none.
fn whole(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// An error in words.
fn told(error: &CallError) -> String {
    if error.is_offline() { "the hub says that it is offline".to_owned() } else { error.to_string() }
}
