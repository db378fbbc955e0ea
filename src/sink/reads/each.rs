//! The same question about many things, such that a strange answer about one does not stand for all.

use std::num::NonZeroU32;

use crate::koji::client::Client;
use crate::koji::error::{CallError, Problem};
use crate::koji::fault::GENERIC;
use crate::koji::query::Query;
use crate::koji::xmlrpc::Fault;

/// Questions in one call of the hub.
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);

/// One answer for each key, in their order; a fault is an answer. An error is a hub that answers nothing at all.
pub(in crate::sink) async fn each<K: Sync, T: Send + 'static>(
    client: &Client,
    keys: &[K],
    query: impl Fn(&K) -> Query<T> + Send,
) -> Result<Vec<Result<T, Fault>>, CallError> {
    let batch = client.ask_all(keys.iter().map(&query).collect(), AT_ONCE).await;
    let Err(CallError { problem: Problem::Unexpected(_) | Problem::Unreadable(_), .. }) = &batch else {
        return batch;
    };
    let mut answers = Vec::with_capacity(keys.len());
    for key in keys {
        let answer = client.ask(&query(key)).await;
        answers.push(answer.map(Ok).or_else(alone)?);
    }
    Ok(answers)
}

/// What a failure about one thing says about it, if it does not concern the hub as a whole.
fn alone<T>(error: CallError) -> Result<Result<T, Fault>, CallError> {
    if let Some(fault) = error.fault().filter(|_| !error.is_offline()) {
        return Ok(Err(fault.clone()));
    }
    if matches!(error.problem, Problem::Unexpected(_) | Problem::Unreadable(_)) {
        return Ok(Err(Fault::new(GENERIC, error.problem.to_string())));
    }
    Err(error)
}
