//! The sinks: what the submitter asks for is carried out here, and nothing is decided.
//!
//! What belongs here is I/O: calls of a hub, requests, records. When something is asked, and what follows from the
//! answer, is the submitter's ([`crate::submit`]). Each ask is carried out once; a submission of which the end is not
//! known is answered with [`Receipt::Lost`], never sent again.

pub mod carrier;
mod clock;
pub mod dry_run;
pub mod ebs;
pub mod kafka;
pub mod koji;
pub mod message;
pub mod post;
pub mod reads;
pub mod setup;
mod trouble;
pub mod webhook;

use std::future::Future;

use self::reads::Reads;
use crate::submit::ask::{Answer, Ask, Order, Receipt, Trouble};
use crate::submit::row::RowId;

/// Something that carries out what the submitter asks for.
pub trait Sink: Send {
    /// Carries out one ask, once, and answers it with the variant of the same name or with [`Answer::Failed`].
    ///
    /// A future that is dropped before its end may have sent what it was asked to submit; [`carrier::Carrier`] remembers
    /// that.
    fn perform(&mut self, ask: Ask) -> impl Future<Output = Answer> + Send;
}

/// The same receipt for all orders.
fn all(orders: &[Order], receipt: impl Fn() -> Receipt) -> Vec<(RowId, Receipt)> {
    orders.iter().map(|order| (order.row, receipt())).collect()
}

/// What a sink without a hub of its own answers to all but a submission: the hub beside it is asked, where there is one.
async fn beside(ask: Ask, reads: Option<&mut Reads>, sink: &str) -> Answer {
    match (ask, reads) {
        (Ask::Check(inquiries), Some(reads)) => reads.check(inquiries).await,
        (Ask::Sample, Some(reads)) => reads.sample().await,
        (ask, _) => unknown(&ask, sink),
    }
}

/// Nothing was done, since the sink knows no such ask.
fn unknown(ask: &Ask, sink: &str) -> Answer {
    let refused = |what: &str| Trouble::Unreachable(format!("the sink {sink} cannot {what}").into());
    match ask {
        Ask::Submit { orders, .. } => {
            Answer::Submitted(all(orders, || Receipt::NotDone(refused("submit builds"))))
        }
        Ask::LogIn { .. } => Answer::Failed(refused("log in")),
        Ask::Find { .. } => Answer::Failed(refused("look for what was submitted")),
        Ask::Follow(_) => Answer::Failed(refused("follow tasks")),
        Ask::Check(_) => Answer::Failed(refused("check builds: it has no hub to ask")),
        Ask::Sample => Answer::Failed(refused("measure the load: it has no hub to ask")),
    }
}
