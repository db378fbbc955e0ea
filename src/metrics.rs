//! What a running pipeline shows to Prometheus.
//!
//! All metrics stand in one table ([`table`]). Almost all are told from the [`View`] that the pipeline publishes after each
//! batch, so that nobody who counts can slow the engine down or disagree with `tidegate status`; the rest are direct calls.
//! No label ever holds the name of a build, a package, a tag of the world, a person or a message.

mod families;
pub mod table;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::families::Families;
use self::table as t;
use crate::engine::decision::{Outcome, Reason};
use crate::engine::hold::HoldKind;
use crate::kafka::handover::TroubleKind;
use crate::live::ask::HoldLine;
use crate::live::pause::Kind as PauseKind;
use crate::live::view::{Intake, PackagesView, PartitionView, Submission, View};
use crate::time::Second;

/// Most partitions that have metrics of their own.
const PARTITIONS_MAX: usize = 1_000;

/// The metrics of one pipeline, on a registry of their own.
pub struct Metrics {
    /// One at a time shows a view or reads the metrics: nobody sees half of a view.
    families: Mutex<Families>,
    pipeline: String,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl Metrics {
    /// All metrics of the table; what is known beforehand stands at 0.
    pub fn new(pipeline: &str, version: &str) -> Self {
        let families = Families::new();
        families.set(&t::BUILD_INFO, &[version], 1.0);
        Self { families: Mutex::new(families), pipeline: pipeline.to_owned() }
    }

    /// Takes over how the pipeline stands. The counters are moved up to its counts, which come from the state: a restart
    /// goes on where it stopped.
    pub fn show(&self, view: &View) {
        let families = self.locked();
        let labels = [&*self.pipeline, &view.trigger, &view.hash, &view.state];
        families.set_only(&t::PIPELINE_INFO, &labels, 1.0);
        families.set(&t::STARTED, &[], second(Some(view.started_at)));
        families.set(&t::TOLD, &[], second(Some(view.told_at)));
        families.set(&t::PARTITIONS, &[], count(view.partitions.len()));
        for partition in view.partitions.iter().take(PARTITIONS_MAX) {
            show_partition(&families, partition, view);
        }
        show_reasons(&families, &view.reasons);
        families.set(&t::WATERMARK, &[], second(view.watermark));
        families.set(&t::WATERMARK_AGE, &[], age(view.watermark, view.told_at));
        show_state(&families, view);
        for kind in HoldKind::ALL {
            show_holds(&families, kind.word(), &view.holds, view.told_at);
        }
        show_packages(&families, &view.packages, view.told_at);
        let koji = view.koji.unwrap_or_default();
        families.set(&t::KOJI_COMPARED, &[], second(koji.compared_until));
        for (metric, value) in [
            (&t::KOJI_WAITING, koji.waiting),
            (&t::DEAD_LETTERS, view.dead_letters),
            (&t::KNOWN_BUILDS, view.known_builds),
            (&t::TRAILS, view.trails),
            (&t::OUTBOX, view.outbox),
        ] {
            families.set(metric, &[], whole(value));
        }
        for (metric, value) in [
            (&t::KOJI_ASKED, koji.asked),
            (&t::KOJI_MISSED, koji.missed),
            (&t::BURSTS, view.runs),
            (&t::SUBMITTED, view.submitted),
            (&t::COMMANDS, view.commands),
            (&t::BATCHES, view.serial),
        ] {
            families.raise(metric, &[], value);
        }
    }

    /// The state has written a batch of so many records, which took so long.
    pub fn committed(&self, took: Duration, records: usize) {
        let families = self.locked();
        families.observe(&t::COMMIT_DURATION, took.as_secs_f64());
        families.observe(&t::BATCH_SIZE, count(records));
    }

    /// Kafka refused to note how far was read.
    pub fn commit_failed(&self) {
        self.locked().count(&t::COMMIT_FAILURES);
    }

    /// Partitions were given to this process.
    pub fn assigned(&self) {
        self.locked().count(&t::REBALANCES);
    }

    /// A trouble with Kafka began, or is over.
    pub fn kafka_trouble(&self, kind: TroubleKind, is_there: bool) {
        self.locked().set(&t::KAFKA_TROUBLE, &[t::kafka_trouble(kind)], flag(is_there));
    }

    /// All metrics in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        self.locked().render()
    }

    fn locked(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show_partition(families: &Families, partition: &PartitionView, view: &View) {
    let number = partition.partition.to_string();
    let labels = [&*partition.topic, &*number];
    let counts = &partition.counts;
    families.raise(&t::RECEIVED, &labels, counts.received);
    for outcome in t::final_outcomes() {
        let labels = [&*partition.topic, &*number, outcome.word()];
        families.raise(&t::DECIDED, &labels, counts.outcome(outcome));
    }
    let accounted: u64 = counts.pending + counts.outcomes.iter().sum::<u64>();
    let waiting = partition.end.saturating_sub(partition.next);
    for (metric, value) in [
        (&t::PENDING, whole(counts.pending)),
        (&t::HELD, whole(counts.outcome(Outcome::Held))),
        (&t::UNACCOUNTED, whole(counts.received) - whole(accounted)),
        (&t::PARTITION_OWNED, flag(partition.owner.is_none())),
        (&t::CAUGHT_UP, flag(partition.caught_up)),
        (&t::LAG_RECORDS, whole(waiting)),
        (&t::LAG_SECONDS, if waiting == 0 { 0.0 } else { lag(partition, view) }),
        (&t::PARTITION_WATERMARK, second(partition.watermark)),
        (&t::PARTITION_NEWEST, second(partition.newest)),
    ] {
        families.set(metric, &labels, value);
    }
}

/// The next record is not read yet: it is at most as old as the last one that was.
fn lag(partition: &PartitionView, view: &View) -> f64 {
    let read = partition.last_kafka_millis.map_or(view.started_at, Second::from_millis);
    age(Some(read), view.told_at)
}

fn show_reasons(families: &Families, counts: &[(String, u64)]) {
    for reason in Reason::ALL {
        let found = counts.iter().find(|(word, _)| word == reason.word());
        let count = found.map_or(0, |(_, count)| *count);
        if reason.outcome() == Outcome::Held {
            families.set(&t::HELD_REASONS, &[reason.word()], whole(count));
        } else {
            families.raise(&t::DECISIONS, &[reason.outcome().word(), reason.word()], count);
        }
    }
}

fn show_state(families: &Families, view: &View) {
    for state in t::INTAKES {
        families.set(&t::INTAKE, &[state], flag(view.intake.word() == state));
    }
    for phase in t::PHASES {
        families.set(&t::PHASE, &[phase], flag(view.phase == phase));
    }
    families.set(&t::SUBMISSION_OPEN, &[], flag(view.submission == Submission::Open));
    for kind in PauseKind::ALL {
        let pause = view.pauses.iter().find(|pause| pause.kind == kind);
        families.set(&t::PAUSED, &[kind.word()], flag(pause.is_some()));
        families.set(&t::PAUSE_STARTED, &[kind.word()], second(pause.map(|pause| pause.since)));
        families.set(&t::PAUSE_UNTIL, &[kind.word()], second(pause.and_then(|pause| pause.until)));
    }
    for (kind, there) in t::TROUBLES.into_iter().zip(troubles(view)) {
        families.set(&t::TROUBLE, &[kind], flag(there));
    }
    families.set(&t::TROUBLES_STATED, &[], count(view.troubles.len()));
}

/// Which conditions there are, in the order of [`t::TROUBLES`].
fn troubles(view: &View) -> [bool; t::TROUBLES.len()] {
    [
        view.intake == Intake::Waiting,
        view.unreachable,
        matches!(view.intake, Intake::Full { .. }),
        view.intake == Intake::Damaged,
        view.silent,
        view.packages.failed.is_some(),
        view.packages.proposed.is_some(),
        !view.troubles.is_empty(),
    ]
}

fn show_holds(families: &Families, kind: &str, holds: &[HoldLine], now: Second) {
    let of_kind = || holds.iter().filter(|hold| hold.kind == kind);
    let oldest = of_kind().map(|hold| hold.opened_at).min();
    families.set(&t::HOLDS, &[kind], count(of_kind().count()));
    families.set(&t::HOLD_MEMBERS, &[kind], count(of_kind().map(|hold| hold.members).sum()));
    families.set(&t::HOLD_OLDEST, &[kind], second(oldest));
    families.set(&t::HOLD_AGE, &[kind], age(oldest, now));
}

fn show_packages(families: &Families, packages: &PackagesView, now: Second) {
    let size = |list: &Option<(String, usize)>| count(list.as_ref().map_or(0, |(_, size)| *size));
    families.set(&t::PACKAGE_LIST_FETCHED, &[], second(packages.fetched_at));
    families.set(&t::PACKAGE_LIST_AGE, &[], age(packages.fetched_at, now));
    families.set(&t::PACKAGE_LIST_SIZE, &[], size(&packages.in_force));
    families.set(&t::PACKAGE_LIST_PROPOSED, &[], size(&packages.proposed));
}

/// A point in time, 0 where there is none.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact up to 2^53")]
fn second(at: Option<Second>) -> f64 {
    at.map_or(0.0, |at| at.0 as f64)
}

/// Seconds from a point in time until now, 0 where there is none or it is still to come.
#[expect(clippy::cast_precision_loss, reason = "seconds are exact up to 2^53")]
fn age(at: Option<Second>, now: Second) -> f64 {
    at.map_or(0.0, |at| (now - at).0.max(0) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "counts are exact up to 2^53")]
fn whole(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts are exact up to 2^53")]
fn count(count: usize) -> f64 {
    count as f64
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}
