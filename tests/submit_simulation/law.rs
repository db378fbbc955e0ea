//! What must hold of all that is sent, kept in plain sets and sums beside the submitter.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::submit::Kept;
use tidegate::submit::ask::Order;
use tidegate::submit::row::{Row, RowId, Session};
use tidegate::submit::stage::Stage;

/// Parts of a token: an hour has as many milliseconds, times a million.
const TOKEN: u128 = 3_600_000 * 1_000_000;
/// The oldest finding that may be used, in milliseconds.
const FINDING_MAX: i64 = 60_000;

/// A bucket as one would write it down.
#[derive(Debug)]
pub(crate) struct Reference {
    level: u128,
    brim: u128,
    pub(crate) rate: u128,
    at: i64,
}

impl Reference {
    pub(crate) fn new(capacity: u32, rate: u128, at: i64) -> Self {
        Self { level: 0, brim: u128::from(capacity) * TOKEN, rate, at }
    }

    pub(crate) fn pass(&mut self, to: i64) {
        let elapsed = u128::try_from(to - self.at).unwrap();
        self.level = (self.level + elapsed * self.rate).min(self.brim);
        self.at = to;
    }

    fn take(&mut self) {
        assert!(self.level >= TOKEN, "I14: a call above the rate at {}, {} parts there", self.at, self.level);
        self.level -= TOKEN;
    }

    /// An old copy does not know what the later one spent.
    pub(crate) fn fill(&mut self) {
        self.level = self.brim;
    }
}

/// All that was sent.
#[derive(Debug)]
pub(crate) struct Law {
    pub(crate) bucket: Reference,
    callnums: BTreeSet<(Session, u64)>,
    markers: BTreeSet<String>,
    /// When Koji said of a build that it is ready.
    pub(crate) ready: BTreeMap<u64, i64>,
    /// Builds that were taken back: they are not sent from then on, whether or not they had been.
    pub(crate) withdrawn: BTreeSet<u64>,
}

impl Law {
    pub(crate) fn new(bucket: Reference) -> Self {
        let (callnums, markers) = (BTreeSet::new(), BTreeSet::new());
        let (ready, withdrawn) = (BTreeMap::new(), BTreeSet::new());
        Self { bucket, callnums, markers, ready, withdrawn }
    }

    /// Judges a call that is about to be sent, by what is durable.
    pub(crate) fn judge(
        &mut self,
        now: i64,
        rows: &BTreeMap<RowId, Row>,
        kept: &Kept,
        call: (Session, u64),
        order: &Order,
    ) {
        let build = order.build_id;
        assert!(kept.pause.is_none(), "build {build} was sent while submission is paused");
        assert!(kept.sessions.contains(&call.0), "I13: the session of a call is not durable");
        let row = &rows[&order.row];
        let Stage::Intent(intent) = row.stage() else {
            panic!("I13: build {build} was sent without a durable intent: {:?}", row.stage());
        };
        assert_eq!(
            (intent.session, intent.callnum),
            (Some(call.0), call.1),
            "I13: the intent names another call"
        );
        assert_eq!(row.instead(), None, "build {build} was sent, but is not to be tried again");
        assert_eq!(row.marker(), order.marker, "I13: the intent names another marker");
        assert!(self.callnums.insert(call), "I13: call {call:?} was made twice");
        assert!(self.markers.insert(order.marker.0.to_string()), "I13: {} was used twice", order.marker);
        assert!(!kept.denials.contains_key(&order.package), "package {} is denied", order.package);
        assert!(!self.withdrawn.contains(&build), "build {build} was sent after it was taken back");
        let age = now - self.ready.get(&build).copied().expect("I15: sent without a finding");
        assert!(age <= FINDING_MAX, "I15: build {build} was sent on a finding of {age} ms ago");
        self.bucket.take();
    }
}
