//! The calls that only read: what is asked, and how its answer is read.
//!
//! None of them asks strictly: what does not exist is `None`, not a fault.

mod builds;
mod filters;
mod hub;
mod tags;
mod tasks;

pub use builds::{
    BuildFilter, average_build_duration, build_history, get_build, latest_builds, list_builds, list_tagged,
    list_tags, package_in_tag, query_history,
};
pub use filters::{HistoryFilter, Page, TaggedFilter, TaskFilter};
pub use hub::{api_version, koji_version, last_event, last_event_before, list_hosts, logged_in_user};
pub use tags::{
    build_config, build_target, build_targets, check_tag_package, full_inheritance, get_repo, get_tag,
    repo_info,
};
pub use tasks::{
    count_tasks, list_tasks, task_descendents, task_finished, task_info, task_infos, task_result,
};

use super::fields::{Read, Unexpected};
use super::xmlrpc::{Answer, Call, Fault, ListPlace, Value};

type ReadAnswer<T> = Box<dyn Fn(Value) -> Result<T, Unexpected> + Send + Sync>;

/// A call that changes nothing, and how its answer is read.
pub struct Query<T> {
    call: Call,
    read: ReadAnswer<T>,
}

/// A call that changes nothing, of which the answer is a list too long to keep: it is read item by item as it arrives.
pub struct Listing<T> {
    call: Call,
    place: ListPlace,
    read: Read<T>,
}

impl<T: 'static> Query<T> {
    pub(super) fn new(call: Call, read: Read<T>) -> Self {
        Self { call, read: Box::new(move |value| read(&value)) }
    }

    /// What is sent.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Reads the answer.
    pub fn read(&self, answer: Value) -> Result<T, Unexpected> {
        (self.read)(answer)
    }

    /// The same question, with the answer as it came beside what is read out of it.
    pub(super) fn with_raw(self) -> Query<(Value, T)> {
        let Self { call, read } = self;
        Query { call, read: Box::new(move |value| Ok((value.clone(), read(value)?))) }
    }

    /// Several queries in one call. The hub runs them one after the other; a fault of one is an answer like others.
    pub fn batch(queries: Vec<Self>) -> Query<Vec<Result<T, Fault>>> {
        let (calls, reads): (Vec<Call>, Vec<ReadAnswer<T>>) =
            queries.into_iter().map(|query| (query.call, query.read)).unzip();
        Query { call: Call::multi(calls), read: Box::new(move |value| read_batch(value, &reads)) }
    }
}

impl<T> Listing<T> {
    /// What is sent.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Where in the answer the items stand.
    pub fn place(&self) -> ListPlace {
        self.place
    }

    /// Reads one item.
    pub fn read(&self, item: &Value) -> Result<T, Unexpected> {
        (self.read)(item)
    }

    /// Looks at what is left of an answer when all items were taken out: an empty list must stand where it should.
    pub fn read_rest(&self, rest: &Value) -> Result<(), Unexpected> {
        let list = match self.place {
            ListPlace::Answer => rest,
            ListPlace::Member(name) => {
                let members = rest.as_struct().ok_or_else(|| Unexpected::value("a struct", rest))?;
                members.get(name).unwrap_or(&Value::Nil)
            }
        };
        // A hub leaves a table without entries out.
        let may_be_absent = self.place != ListPlace::Answer;
        if list.as_array().is_some_and(<[Value]>::is_empty) || (may_be_absent && list.is_nil()) {
            return Ok(());
        }
        Err(Unexpected::value("an array", list))
    }
}

impl<T> std::fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Query").field(&self.call.method).finish()
    }
}

impl<T> std::fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listing").field(&self.call.method).finish()
    }
}

/// Reads the answers of a `multiCall`, as many as there were calls.
fn read_batch<T>(answer: Value, reads: &[ReadAnswer<T>]) -> Result<Vec<Result<T, Fault>>, Unexpected> {
    let Value::Array(entries) = answer else {
        return Err(Unexpected::value("an array", &answer));
    };
    if entries.len() != reads.len() {
        return Err(Unexpected::new("", "one answer for each call", format!("{} answers", entries.len())));
    }
    let read = |(index, (entry, read)): (usize, (Value, &ReadAnswer<T>))| {
        let place = |error: Unexpected| error.inside(&format!("[{index}]"));
        match Answer::from_entry(entry) {
            Some(Answer::Value(value)) => read(value).map(Ok).map_err(place),
            Some(Answer::Fault(fault)) => Ok(Err(fault)),
            None => Err(place(Unexpected::new("", "a result or a fault", "neither"))),
        }
    };
    entries.into_iter().zip(reads).enumerate().map(read).collect()
}

/// An id as an argument. Beyond 2^63 there are none; the hub then finds nothing.
pub(super) fn whole(id: u64) -> Value {
    Value::Int(i64::try_from(id).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
