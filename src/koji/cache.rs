//! Answers kept for a while, for what many tasks ask again and again.
//!
//! Only reads that may be a little old belong here. What is asked just before a submission is asked of the hub itself.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};

use dashmap::DashMap;

use super::client::Client;
use super::error::{CallError, Effect, Problem};
use super::query::Query;
use super::xmlrpc::{Fault, Value};
use crate::time::{Second, Seconds};

/// For how long the answers of a method are good; `None`: they are not kept.
pub fn lifetime(method: &str) -> Option<Seconds> {
    Some(Seconds(match method {
        "getAPIVersion" | "getKojiVersion" | "getAverageBuildDuration" => 3_600,
        "getTag" | "getBuildConfig" | "getFullInheritance" | "getBuildTarget" | "getBuildTargets"
        | "checkTagPackage" => 300,
        "getBuild" | "listTags" => 60,
        "getLastEvent" | "getRepo" => 10,
        _ => return None,
    }))
}

/// A client that keeps answers. Shared by many tasks; bounded in number.
#[derive(Debug)]
pub struct Cache {
    client: Client,
    entries: DashMap<Box<str>, Entry>,
    entries_max: usize,
    /// When old entries were last looked for, in seconds since 1970.
    swept_at: AtomicI64,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    good_until: Second,
}

impl Cache {
    /// Keeps at most `entries_max` answers, and for a moment as many more as tasks ask at once; beyond that new ones are
    /// not kept until old ones have ended.
    pub fn new(client: Client, entries_max: usize) -> Self {
        Self { client, entries: DashMap::new(), entries_max, swept_at: AtomicI64::new(i64::MIN) }
    }

    /// The answer of a moment ago, or else the hub's. A failure is not kept.
    pub async fn ask<T: 'static>(&self, query: &Query<T>, now: Second) -> Result<T, CallError> {
        let call = query.call();
        let failed = |problem| CallError::new(&call.method, Effect::Read, problem);
        let read = |value| query.read(value).map_err(|error| failed(Problem::Unexpected(error)));
        let Some(lifetime) = lifetime(&call.method) else { return self.client.ask(query).await };
        let key = call.encode().map_err(|error| failed(Problem::Unsendable(error)))?.into_boxed_str();
        if let Some(value) = self.find(&key, now) {
            return read(value);
        }
        let value = self.client.ask_raw(call).await?;
        let answer = read(value.clone())?;
        self.keep(key, Entry { value, good_until: now + lifetime }, now);
        Ok(answer)
    }

    /// Many answers: those of a moment ago, and for the rest at most `at_once` questions in one call of the hub. An answer may
    /// be a fault of its own, and is not kept then.
    pub async fn ask_all<T: 'static>(
        &self,
        queries: Vec<Query<T>>,
        at_once: NonZeroU32,
        now: Second,
    ) -> Result<Vec<Result<T, Fault>>, CallError> {
        let mut answers: Vec<Option<Result<T, Fault>>> = Vec::with_capacity(queries.len());
        let mut asked = Vec::new();
        for query in queries {
            let call = query.call();
            let failed = |problem| CallError::new(&call.method, Effect::Read, problem);
            let key = call.encode().map_err(|error| failed(Problem::Unsendable(error)))?.into_boxed_str();
            let kept = self.find(&key, now).map(|value| query.read(value));
            let kept = kept.transpose().map_err(|error| failed(Problem::Unexpected(error)))?;
            if kept.is_none() {
                asked.push((answers.len(), key, lifetime(&call.method), query));
            }
            answers.push(kept.map(Ok));
        }
        let (places, queries): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .map(|(place, key, lifetime, query)| ((place, key, lifetime), query.with_raw()))
            .unzip();
        let found = self.client.ask_all(queries, at_once).await?;
        for ((place, key, lifetime), answer) in places.into_iter().zip(found) {
            let answer = answer.map(|(value, answer)| {
                if let Some(lifetime) = lifetime {
                    self.keep(key, Entry { value, good_until: now + lifetime }, now);
                }
                answer
            });
            if let Some(slot) = answers.get_mut(place) {
                *slot = Some(answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Forgets everything: something is known to have changed.
    pub fn clear(&self) {
        self.entries.clear();
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no answer is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, key: &str, now: Second) -> Option<Value> {
        let entry = self.entries.get(key)?;
        (now < entry.good_until).then(|| entry.value.clone())
    }

    fn keep(&self, key: Box<str>, entry: Entry, now: Second) {
        // Looking through all of them costs time, so it is done once a second at most.
        if self.entries.len() >= self.entries_max && self.swept_at.swap(now.0, Ordering::Relaxed) != now.0 {
            self.entries.retain(|_, entry| now < entry.good_until);
        }
        if self.entries.len() < self.entries_max || self.entries.contains_key(&key) {
            self.entries.insert(key, entry);
        }
    }
}
