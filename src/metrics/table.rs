//! The table of all metrics: what is registered, and what `docs/metrics.md` says, both come from here.

use std::fmt::Write as _;

use crate::engine::decision::{Outcome, Reason};
use crate::engine::hold::HoldKind;
use crate::kafka::handover::TroubleKind;
use crate::live::pause::Kind as PauseKind;

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its whole name.
    pub name: &'static str,
    /// What it is to Prometheus.
    pub kind: Kind,
    /// What it counts or measures in.
    pub unit: &'static str,
    /// The label sets that it has.
    pub sets: Sets,
    /// What it tells, in one sentence.
    pub help: &'static str,
}

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size, in buckets.
    Histogram(&'static [f64]),
}

/// The label sets of a metric: all of them are there from the first look on, but for those that only a running pipeline
/// knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sets {
    /// No label.
    One,
    /// Each partition.
    Partitions,
    /// Each partition with each final outcome.
    PartitionOutcomes,
    /// Each reason of a final outcome.
    Reasons,
    /// Each reason to hold.
    HeldReasons,
    /// Each kind of hold.
    HoldKinds,
    /// Each state of the trigger tag.
    Phases,
    /// Each thing that the source may be doing.
    Intakes,
    /// Each kind of pause.
    Pauses,
    /// Each condition that a person is to look at.
    Troubles,
    /// Each kind of trouble with Kafka.
    KafkaTroubles,
    /// The version of the program.
    Build,
    /// The pipeline as it is in force.
    Pipeline,
}

/// States of the trigger tag.
pub const PHASES: [&str; 3] = ["quiet", "suspect", "burst"];
/// What the source may be doing.
pub const INTAKES: [&str; 6] = ["waiting", "reading", "paused", "full", "damaged", "stopping"];
/// Conditions that a person is to look at.
pub const TROUBLES: [&str; 8] =
    ["waiting", "unreachable", "full", "damaged", "silent", "package_list", "package_proposed", "stated"];
/// Troubles with Kafka, in the order of their kinds.
pub const KAFKA_TROUBLES: [&str; 9] = [
    "unreachable",
    "login",
    "permission",
    "no_topic",
    "unassigned",
    "stalled",
    "commit",
    "expelled",
    "other",
];

/// The label of a trouble with Kafka.
pub fn kafka_trouble(kind: TroubleKind) -> &'static str {
    KAFKA_TROUBLES.get(kind as usize).copied().unwrap_or("other")
}

/// The outcomes that are final.
pub fn final_outcomes() -> impl Iterator<Item = Outcome> {
    Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Held)
}

impl Sets {
    /// The names of the labels.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::One => &[],
            Self::Partitions => &["topic", "partition"],
            Self::PartitionOutcomes => &["topic", "partition", "outcome"],
            Self::Reasons => &["outcome", "reason"],
            Self::HeldReasons => &["reason"],
            Self::HoldKinds | Self::Pauses | Self::Troubles | Self::KafkaTroubles => &["kind"],
            Self::Phases => &["phase"],
            Self::Intakes => &["state"],
            Self::Build => &["version"],
            Self::Pipeline => &["pipeline", "trigger", "hash", "state"],
        }
    }

    /// The label sets that are known before anything runs.
    pub fn known(self) -> Vec<Vec<&'static str>> {
        let each = |words: &[&'static str]| words.iter().map(|word| vec![*word]).collect();
        match self {
            Self::One => vec![Vec::new()],
            Self::Partitions | Self::PartitionOutcomes | Self::Build | Self::Pipeline => Vec::new(),
            Self::Reasons => Reason::ALL
                .iter()
                .filter(|reason| reason.outcome() != Outcome::Held)
                .map(|reason| vec![reason.outcome().word(), reason.word()])
                .collect(),
            Self::HeldReasons => {
                let held = Reason::ALL.iter().filter(|reason| reason.outcome() == Outcome::Held);
                held.map(|reason| vec![reason.word()]).collect()
            }
            Self::HoldKinds => HoldKind::ALL.iter().map(|kind| vec![kind.word()]).collect(),
            Self::Phases => each(&PHASES),
            Self::Intakes => each(&INTAKES),
            Self::Pauses => PauseKind::ALL.iter().map(|kind| vec![kind.word()]).collect(),
            Self::Troubles => each(&TROUBLES),
            Self::KafkaTroubles => each(&KAFKA_TROUBLES),
        }
    }
}

impl Kind {
    /// Prometheus' word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($const:ident = $name:literal, $kind:expr, $unit:literal, $sets:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $const: Metric = Metric { name: concat!("tidegate_", $name), kind: $kind, unit: $unit, sets: Sets::$sets, help: $help };
        )*
        /// All metrics, in the order of the page.
        pub const TABLE: &[Metric] = &[$($const),*];
    };
}

/// Seconds that the commit of a batch may take: a fast disk to one that is about to fail.
const COMMIT_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Records of a batch.
const BATCH_RECORDS: &[f64] = &[1.0, 10.0, 100.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

metrics! {
    BUILD_INFO = "build_info", Kind::Gauge, "1", Build, "The program's version; always 1.";
    PIPELINE_INFO = "pipeline_info", Kind::Gauge, "1", Pipeline, "The pipeline, its trigger tag, the hash of its configuration and the identity of its state; always 1.";
    STARTED = "started_timestamp_seconds", Kind::Gauge, "seconds since 1970", One, "When the process started.";
    TOLD = "view_timestamp_seconds", Kind::Gauge, "seconds since 1970", One, "When the pipeline last said how it stands; it does so after each batch, at least every few seconds.";
    RECEIVED = "records_received_total", Kind::Counter, "records", Partitions, "Records read, and records judged once more.";
    DECIDED = "records_decided_total", Kind::Counter, "records", PartitionOutcomes, "Records with a final outcome; submitted means admitted.";
    PENDING = "records_pending", Kind::Gauge, "records", Partitions, "Records that wait for their turn or their decision.";
    HELD = "records_held", Kind::Gauge, "records", Partitions, "Records that are held now.";
    UNACCOUNTED = "records_unaccounted", Kind::Gauge, "records", Partitions, "Received less decided, pending and held: anything but 0 is a defect.";
    DECISIONS = "decisions_total", Kind::Counter, "records", Reasons, "Final decisions by their reason.";
    HELD_REASONS = "held_by_reason", Kind::Gauge, "records", HeldReasons, "Records that are held now, by the reason.";
    PARTITIONS = "partitions", Kind::Gauge, "partitions", One, "Partitions of the topics that are read.";
    PARTITION_OWNED = "partition_owned", Kind::Gauge, "0 or 1", Partitions, "Whether this process reads the partition.";
    CAUGHT_UP = "partition_caught_up", Kind::Gauge, "0 or 1", Partitions, "Whether the partition was read to its end when that was last asked.";
    LAG_RECORDS = "lag_records", Kind::Gauge, "records", Partitions, "Records that wait in Kafka.";
    LAG_SECONDS = "lag_seconds", Kind::Gauge, "seconds", Partitions, "Age of the last record read where more wait, else 0; before the first record, time since the start.";
    PARTITION_WATERMARK = "partition_watermark_timestamp_seconds", Kind::Gauge, "seconds since 1970", Partitions, "Watermark of the partition; 0 before its first record.";
    PARTITION_NEWEST = "partition_newest_event_timestamp_seconds", Kind::Gauge, "seconds since 1970", Partitions, "Event time of the partition's newest record; 0 before its first record.";
    WATERMARK = "watermark_timestamp_seconds", Kind::Gauge, "seconds since 1970", One, "Watermark of the pipeline; 0 before there is one.";
    WATERMARK_AGE = "watermark_age_seconds", Kind::Gauge, "seconds", One, "How far the watermark lay behind the clock when the pipeline last said how it stands; 0 before there is one.";
    INTAKE = "intake", Kind::Gauge, "0 or 1", Intakes, "What the source is doing: 1 for one state, 0 for the others.";
    PHASE = "phase", Kind::Gauge, "0 or 1", Phases, "State of the trigger tag: 1 for one, 0 for the others.";
    BURSTS = "bursts_total", Kind::Counter, "bursts", One, "Bursts of the trigger tag.";
    SUBMISSION_OPEN = "submission_open", Kind::Gauge, "0 or 1", One, "Whether what is admitted goes on to the sink.";
    PAUSED = "paused", Kind::Gauge, "0 or 1", Pauses, "Whether an operator paused it.";
    PAUSE_STARTED = "pause_started_timestamp_seconds", Kind::Gauge, "seconds since 1970", Pauses, "When the pause began; 0 where there is none.";
    PAUSE_UNTIL = "pause_until_timestamp_seconds", Kind::Gauge, "seconds since 1970", Pauses, "When the pause ends by itself; 0 where there is none or a person has to end it.";
    HOLDS = "holds_open", Kind::Gauge, "holds", HoldKinds, "Open holds.";
    HOLD_MEMBERS = "hold_members", Kind::Gauge, "builds", HoldKinds, "Builds in open holds.";
    HOLD_OLDEST = "hold_oldest_opened_timestamp_seconds", Kind::Gauge, "seconds since 1970", HoldKinds, "When the oldest open hold was opened, in event time; 0 where there is none.";
    HOLD_AGE = "hold_oldest_age_seconds", Kind::Gauge, "seconds", HoldKinds, "Age of the oldest open hold when the pipeline last said how it stands; 0 where there is none.";
    TROUBLE = "trouble", Kind::Gauge, "0 or 1", Troubles, "Conditions that a person is to look at; stated: the pipeline says in words what is wrong.";
    TROUBLES_STATED = "troubles_stated", Kind::Gauge, "troubles", One, "Troubles that the pipeline tells in words.";
    KAFKA_TROUBLE = "kafka_trouble", Kind::Gauge, "0 or 1", KafkaTroubles, "Whether there is this trouble with Kafka.";
    DEAD_LETTERS = "dead_letters_waiting", Kind::Gauge, "records", One, "Records that cannot be read and wait for attention.";
    PACKAGE_LIST_FETCHED = "package_list_fetched_timestamp_seconds", Kind::Gauge, "seconds since 1970", One, "When the package list was last fetched; 0 before, or where none is wanted.";
    PACKAGE_LIST_AGE = "package_list_age_seconds", Kind::Gauge, "seconds", One, "Time since the package list was last fetched, when the pipeline last said how it stands; 0 before, or where none is wanted.";
    PACKAGE_LIST_SIZE = "package_list_packages", Kind::Gauge, "packages", One, "Packages of the list in force.";
    PACKAGE_LIST_PROPOSED = "package_list_proposed_packages", Kind::Gauge, "packages", One, "Packages of the list that waits to be accepted; 0 where none waits.";
    KNOWN_BUILDS = "known_builds", Kind::Gauge, "builds", One, "Builds that are known.";
    TRAILS = "trails", Kind::Gauge, "builds", One, "Builds whose trail is remembered.";
    KOJI_WAITING = "koji_waiting_builds", Kind::Gauge, "builds", One, "Held builds of which Koji may still say that they are new; 0 where it is not asked.";
    KOJI_ASKED = "koji_asked_builds_total", Kind::Counter, "builds", One, "Builds that Koji was asked about. Counted since the start.";
    KOJI_COMPARED = "koji_history_compared_timestamp_seconds", Kind::Gauge, "seconds since 1970", One, "Up to when Koji's history was compared with what the bus brought; 0 before.";
    KOJI_MISSED = "koji_history_missed_total", Kind::Counter, "messages", One, "Changes of tags that Koji's history had and the bus did not bring.";
    OUTBOX = "outbox_builds", Kind::Gauge, "builds", One, "Admitted builds that wait for the sink.";
    SUBMITTED = "submitted_total", Kind::Counter, "builds", One, "Admitted builds that went to the sink.";
    COMMANDS = "commands_total", Kind::Counter, "commands", One, "Commands of operators that were carried out.";
    BATCHES = "batches_total", Kind::Counter, "batches", One, "Batches that the state has written.";
    COMMIT_DURATION = "commit_duration_seconds", Kind::Histogram(COMMIT_SECONDS), "seconds", One, "How long the state took to write a batch.";
    BATCH_SIZE = "batch_records", Kind::Histogram(BATCH_RECORDS), "records", One, "Records in a batch.";
    COMMIT_FAILURES = "kafka_commit_failures_total", Kind::Counter, "commits", One, "Commits of positions that Kafka refused; nothing is lost by them. Counted since the start.";
    REBALANCES = "kafka_rebalances_total", Kind::Counter, "assignments", One, "Assignments of partitions to this process. Counted since the start.";
}

/// What the page says beside the table.
const ABOUT: &str = "# Metrics

`tidegate run` serves these at `/metrics` of the address given by `--listen`, in Prometheus' text format 0.0.4. Counters
go on where the state left off, but for those that say otherwise. No label holds the name of a build, a package, a person or a
message. Partitions beyond the first 1,000 are counted by `tidegate_partitions` only. Of the process itself there are
`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`, `process_start_time_seconds` and the
others that Prometheus' clients usually have.

For each partition holds: received = decided + pending + held. `tidegate_records_unaccounted` is what is left.

This page is written by `tidegate generate metrics`.

| name | type | unit | labels | what it tells |
|---|---|---|---|---|
";

/// The page about all metrics, in Markdown.
pub fn page() -> String {
    let mut page = ABOUT.to_owned();
    for Metric { name, kind, unit, sets, help } in TABLE {
        let labels: Vec<_> = sets.labels().iter().map(|label| format!("`{label}`")).collect();
        // Writing to a string does not fail.
        writeln!(page, "| `{name}` | {} | {unit} | {} | {help} |", kind.word(), labels.join(", "))
            .unwrap_or_default();
    }
    page.push_str("\nValues of labels that are fixed:\n\n");
    for (label, words) in [
        ("`phase`", PHASES.join("`, `")),
        ("`state` of `tidegate_intake`", INTAKES.join("`, `")),
        ("`kind` of holds", HoldKind::ALL.map(HoldKind::word).join("`, `")),
        ("`kind` of pauses", PauseKind::ALL.map(PauseKind::word).join("`, `")),
        ("`kind` of troubles", TROUBLES.join("`, `")),
        ("`kind` of troubles with Kafka", KAFKA_TROUBLES.join("`, `")),
        ("`outcome`", final_outcomes().map(Outcome::word).collect::<Vec<_>>().join("`, `")),
    ] {
        writeln!(page, "- {label}: `{words}`").unwrap_or_default();
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        for (index, Metric { name, kind, unit, help, .. }) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().take(index).all(|other| other.name != *name), "{name} stands there twice");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), unit.starts_with("seconds"), "{name}");
            assert_eq!(name.ends_with("_timestamp_seconds"), *unit == "seconds since 1970", "{name}");
            assert!(help.ends_with('.') && !help.contains(['|', '\n']), "{name}: {help}");
        }
    }

    #[test]
    fn the_page_is_the_one_that_is_written_down() {
        let written = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let written = std::fs::read_to_string(written).unwrap();
        assert_eq!(page(), written, "run `tidegate generate metrics > docs/metrics.md`");
    }

    #[test]
    fn every_trouble_with_kafka_has_its_label() {
        for (kind, label) in [
            (TroubleKind::Unreachable, "unreachable"),
            (TroubleKind::Login, "login"),
            (TroubleKind::Permission, "permission"),
            (TroubleKind::NoTopic, "no_topic"),
            (TroubleKind::Unassigned, "unassigned"),
            (TroubleKind::Stalled, "stalled"),
            (TroubleKind::Commit, "commit"),
            (TroubleKind::Expelled, "expelled"),
            (TroubleKind::Other, "other"),
        ] {
            assert_eq!(kafka_trouble(kind), label);
        }
    }

    #[test]
    fn known_label_sets_fit_the_labels() {
        for metric in TABLE {
            for set in metric.sets.known() {
                assert_eq!(set.len(), metric.sets.labels().len(), "{}", metric.name);
            }
        }
    }
}
