//! The sink that submits nothing: it takes every build, and asks a hub where it has one.

use super::reads::Reads;
use super::{Sink, all, beside};
use crate::submit::ask::{Answer, Ask, Finding, Receipt};

/// Takes every build and does nothing with it.
#[derive(Debug, Default)]
pub struct DryRunSink {
    reads: Option<Reads>,
}

impl DryRunSink {
    /// With a hub that builds are looked up at, so that a dry run decides as the real one would; without one every build
    /// passes.
    pub fn new(reads: Option<Reads>) -> Self {
        Self { reads }
    }
}

impl Sink for DryRunSink {
    async fn perform(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Submit { orders, .. } => Answer::Submitted(all(&orders, || Receipt::Taken)),
            Ask::Check(inquiries) if self.reads.is_none() => {
                let ready = || Finding::Ready { source: "".into() };
                Answer::Checked(inquiries.iter().map(|inquiry| (inquiry.row, ready())).collect())
            }
            ask @ (Ask::Sample | Ask::LogIn { .. } | Ask::Check(_) | Ask::Find { .. } | Ask::Follow(_)) => {
                beside(ask, self.reads.as_mut(), "\"dry_run\"").await
            }
        }
    }
}
