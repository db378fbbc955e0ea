//! Stories at the edges, one each; what goes wrong at random is in `tests/submit_simulation`.

mod batched;
mod fenced;
mod steps;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::ask::{Answer, Ask, Finding, Receipt};
use super::row::{MarkerBase, Plan, RowId, Session};
use super::settings::{Manner, Settings};
use super::{Kept, Submitter};
use crate::engine::decision::BuildKey;
use crate::engine::names::Name;
use crate::event::Position;
use crate::governor::clock::Millis;
use crate::governor::hub::Jitter;
use crate::governor::lanes::{Lane, Place};
use crate::governor::queue::Admitted;
use crate::governor::rate::Rate;
use crate::governor::settings::Settings as GovernorSettings;
use crate::time::Second;

const NO_JITTER: Jitter = Jitter(0);
const BATCHED: Manner =
    Manner::Batched { names_max: NonZeroU32::new(2).unwrap(), chunk_timeout: Duration::from_secs(600) };

fn settings(manner: Manner) -> Settings {
    let many = NonZeroU32::new(100).unwrap();
    let mut settings = Settings::new(GovernorSettings::new(Rate::per_hour(3_600), many, many), manner);
    settings.checks = false;
    settings
}

/// A submitter with three builds, and ten seconds' worth of tokens.
fn begun(manner: Manner) -> Submitter {
    let mut submitter = Submitter::restore(settings(manner), Millis(0), [], Kept::default()).unwrap();
    for build in 0..3 {
        submitter.admit(Millis(0), plan(build)).unwrap();
    }
    assert_eq!(submitter.next(Millis(0)), None, "the bucket is empty at the first start");
    submitter
}

fn key(build: u64) -> BuildKey {
    BuildKey { instance: Name(1), id: build }
}

fn plan(build: u64) -> Plan {
    let admitted = Admitted {
        build: key(build),
        package: format!("package-{build}").into(),
        lane: Lane::Fresh,
        place: Place::InOrder,
        group: None,
        tagged_at: Second(0),
        position: Position { partition: 0, offset: build },
        admitted_at: Millis(0),
    };
    Plan {
        id: RowId(build),
        admitted,
        nvr: format!("package-{build}-1-1").into(),
        tag: "f42".into(),
        trigger_tags: vec!["f42".into()],
        target: Some("eln".into()),
        marker_base: MarkerBase::new("s", "koji", build),
        priority: None,
        slice: 0,
    }
}

/// Answers until a call that submits is asked for: logs in, and finds all builds ready.
fn until_submit(submitter: &mut Submitter, now: Millis, session: u64) -> Vec<RowId> {
    for _ in 0..5 {
        let answer = match submitter.next(now) {
            Some(Ask::LogIn { .. }) => Answer::LoggedIn { session: Session(session), next_callnum: 1 },
            Some(Ask::Check(inquiries)) => {
                let ready = |row| (row, Finding::Ready { source: Arc::from("git+https://x#1") });
                Answer::Checked(inquiries.iter().map(|inquiry| ready(inquiry.row)).collect())
            }
            Some(Ask::Submit { orders, .. }) => return orders.iter().map(|order| order.row).collect(),
            other => panic!("not on the way to a submission: {other:?}"),
        };
        submitter.answer(now, NO_JITTER, answer);
    }
    panic!("five asks, and no submission")
}

fn receipts(rows: &[RowId], receipt: &Receipt) -> Answer {
    Answer::Submitted(rows.iter().map(|row| (*row, receipt.clone())).collect())
}
