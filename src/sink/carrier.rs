//! A sink that may break: a panic, a time limit and a caller that stopped waiting make no second submission.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::{Sink, all};
use crate::submit::ask::{Answer, Ask, Receipt, Trouble};
use crate::submit::row::Marker;

/// How long asks may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A submission; one that takes longer may have taken effect.
    pub submit: Duration,
    /// Any other ask.
    pub other: Duration,
}

impl Default for Limits {
    /// 6 min for a submission, which is longer than a call of the hub may take; 30 min for what reads long lists.
    fn default() -> Self {
        Self { submit: Duration::from_secs(360), other: Duration::from_secs(1_800) }
    }
}

/// A sink, with an answer to everything: also where it panics, takes too long, or nobody waited for its end.
#[derive(Debug)]
pub struct Carrier<S> {
    sink: S,
    limits: Limits,
    /// Markers of a submission that has begun and was not answered.
    begun: BTreeSet<Marker>,
}

impl<S: Sink> Carrier<S> {
    /// Carries a sink.
    pub fn new(sink: S, limits: Limits) -> Self {
        Self { sink, limits, begun: BTreeSet::new() }
    }
}

impl<S: Sink> Sink for Carrier<S> {
    async fn perform(&mut self, ask: Ask) -> Answer {
        let Ask::Submit { orders, .. } = &ask else {
            let done = within(self.limits.other, self.sink.perform(ask)).await;
            return done.unwrap_or_else(|why| Answer::Failed(Trouble::Unreachable(why.into())));
        };
        if orders.iter().any(|order| self.begun.contains(&order.marker)) {
            let again = "it was sent before, and nobody waited for the answer";
            let receipts = orders.iter().map(|order| {
                let is_begun = self.begun.contains(&order.marker);
                let trouble = Trouble::Unreachable(if is_begun { again } else { "it was not sent" }.into());
                (order.row, if is_begun { Receipt::Lost(trouble) } else { Receipt::NotDone(trouble) })
            });
            return Answer::Submitted(receipts.collect());
        }
        self.begun = orders.iter().map(|order| order.marker.clone()).collect();
        let orders = orders.clone();
        let done = within(self.limits.submit, self.sink.perform(ask)).await;
        self.begun.clear();
        done.unwrap_or_else(|why| {
            Answer::Submitted(all(&orders, || Receipt::Lost(Trouble::Unreachable(why.into()))))
        })
    }
}

/// What comes of a future, or why nothing does.
async fn within(
    limit: Duration,
    future: impl Future<Output = Answer> + Send,
) -> Result<Answer, &'static str> {
    let mut future = pin!(future);
    let guarded = poll_fn(|context| {
        // Nothing of a sink is used after a panic that the panic could have left half done: a session whose call has no
        // end takes no more calls.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Err(_) => {
                Poll::Ready(Err("the program made a mistake while it was under way; the log tells where"))
            }
        }
    });
    tokio::time::timeout(limit, guarded).await.unwrap_or(Err("it took longer than its time limit"))
}
