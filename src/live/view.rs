//! How a running pipeline stands: published after each batch for whoever looks, so that nobody stops the engine to ask.

use serde::{Deserialize, Serialize};

use super::ask::HoldLine;
use super::pause::Pause;
use crate::engine::account::Counts;
use crate::time::Second;

/// How a running pipeline stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The pipeline's name.
    pub pipeline: String,
    /// Hash of the configuration in force.
    pub hash: String,
    /// The tag whose builds trigger.
    pub trigger: String,
    /// Identity of the state.
    pub state: String,
    /// Batches that the state has written.
    pub serial: u64,
    /// When the process started, by the clock of this machine.
    pub started_at: Second,
    /// When this was told, by the clock of this machine.
    pub told_at: Second,
    /// What the source is doing.
    pub intake: Intake,
    /// No broker answers.
    pub unreachable: bool,
    /// Whether what is admitted goes on to the sink.
    pub submission: Submission,
    /// State of the trigger tag: `quiet`, `suspect` or `burst`.
    pub phase: String,
    /// The event time before which no more records are expected.
    pub watermark: Option<Second>,
    /// No record of any partition has come for longer than `source_silence`.
    pub silent: bool,
    /// The partitions.
    pub partitions: Vec<PartitionView>,
    /// Records by reason; what never occurred is left out.
    pub reasons: Vec<(String, u64)>,
    /// Open holds, the oldest first.
    pub holds: Vec<HoldLine>,
    /// Pauses in force.
    pub pauses: Vec<Pause>,
    /// What is wrong now, in plain words.
    pub troubles: Vec<String>,
    /// Builds that are known.
    pub known_builds: u64,
    /// Builds whose trail is remembered.
    pub trails: u64,
    /// The package list.
    pub packages: PackagesView,
    /// Admitted builds that wait for the sink.
    pub outbox: u64,
    /// Admitted builds that went to the sink.
    pub submitted: u64,
    /// Records that cannot be read and wait for attention.
    pub dead_letters: u64,
    /// Bursts of the trigger tag so far.
    pub runs: u64,
    /// Commands of operators that were carried out.
    pub commands: u64,
    /// How Koji is asked; `None`: it is not.
    pub koji: Option<KojiView>,
    /// How admitted builds are submitted; `None`: they are not.
    pub sink: Option<SinkView>,
}

/// How admitted builds are submitted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SinkView {
    /// How fast, as people write it: `40/h`.
    pub rate: String,
    /// Whole tokens in the bucket, and how many it holds.
    pub tokens: (u64, u32),
    /// Builds under way, and how many may be.
    pub in_flight: (u32, u32),
    /// Builds of which it is not known whether they were submitted.
    pub in_doubt: u64,
    /// Rows of those that a person has to decide.
    pub for_a_person: Vec<u64>,
    /// Builds that wait for lower slices, for a held partner, or for the end of a denial.
    pub aside: u64,
    /// Why none is submitted now, in words; `None`: the next one goes.
    pub refusal: Option<String>,
    /// What is wrong with the sink, in words.
    pub trouble: Option<String>,
    /// When the last of those that wait has its token, if nothing but the rate stands in the way.
    pub drained_at: Option<Second>,
    /// Builds that were submitted twice, as look-ups have shown: the promise was broken.
    pub doubles: u64,
}

/// How Koji is asked about held builds, and how far its history was compared with what the bus brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KojiView {
    /// Held builds of which Koji may still say that they are new.
    pub waiting: u64,
    /// Builds that it was asked about since the start.
    pub asked: u64,
    /// Up to when its history was compared.
    pub compared_until: Option<Second>,
    /// Changes of tags that it had and the bus did not bring, since the state was made.
    pub missed: u64,
}

/// What the source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intake {
    /// It waits for the broker, or for the group to be given its partitions.
    Waiting,
    /// Records are read.
    Reading,
    /// An operator paused it.
    Paused,
    /// A bound is reached; reading goes on when there is room.
    Full {
        /// The bound.
        bound: String,
    },
    /// A partition is damaged: somebody has to decide.
    Damaged,
    /// It is coming to an end.
    Stopping,
}

impl Intake {
    /// The word for it in metrics and pages.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Paused => "paused",
            Self::Full { .. } => "full",
            Self::Damaged => "damaged",
            Self::Stopping => "stopping",
        }
    }
}

/// Whether what is admitted goes on to the sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submission {
    /// It does.
    Open,
    /// It does not, for these reasons, in plain words; never empty.
    Closed(Vec<String>),
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionView {
    /// Its number in the state.
    pub number: u32,
    /// The topic.
    pub topic: String,
    /// The partition's number in the topic.
    pub partition: i32,
    /// This process reads it; else whoever does.
    pub owner: Option<String>,
    /// Offset of the next record to be read.
    pub next: u64,
    /// Offset behind its last record, as far as is known.
    pub end: u64,
    /// It was read to its end when that was last asked.
    pub caught_up: bool,
    /// The event time before which no more of its records are expected.
    pub watermark: Option<Second>,
    /// Event time of its newest record.
    pub newest: Option<Second>,
    /// When its last record was written, by Kafka's clock, in milliseconds since 1970.
    pub last_kafka_millis: Option<i64>,
    /// Its accounts.
    pub counts: Counts,
}

/// The package list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct PackagesView {
    /// The pipeline takes a list.
    pub wanted: bool,
    /// Version and size of the one in force.
    pub in_force: Option<(String, usize)>,
    /// Version and size of one that waits to be accepted.
    pub proposed: Option<(String, usize)>,
    /// When the list was last fetched, by the clock of this machine.
    pub fetched_at: Option<Second>,
    /// Why the last fetch failed, if it did.
    pub failed: Option<String>,
}

impl View {
    /// Records that wait in Kafka, as far as is known.
    pub fn backlog(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.end.saturating_sub(partition.next)).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pipeline that reads one partition, with nothing the matter.
    pub(in crate::live) fn view() -> View {
        View {
            pipeline: "eln".to_owned(),
            hash: "0a1b".to_owned(),
            trigger: "f42".to_owned(),
            state: "5e7a".to_owned(),
            serial: 7,
            started_at: Second(1_738_648_000),
            told_at: Second(1_738_648_800),
            intake: Intake::Reading,
            unreachable: false,
            submission: Submission::Open,
            phase: "quiet".to_owned(),
            watermark: Some(Second(1_738_648_790)),
            silent: false,
            partitions: vec![PartitionView {
                number: 0,
                topic: "bus".to_owned(),
                partition: 3,
                owner: None,
                next: 90,
                end: 100,
                caught_up: false,
                watermark: Some(Second(1_738_648_790)),
                newest: Some(Second(1_738_648_795)),
                last_kafka_millis: Some(1_738_648_796_000),
                counts: Counts::default(),
            }],
            reasons: Vec::new(),
            holds: Vec::new(),
            pauses: Vec::new(),
            troubles: Vec::new(),
            known_builds: 0,
            trails: 0,
            packages: PackagesView::default(),
            outbox: 0,
            submitted: 0,
            dead_letters: 0,
            runs: 0,
            commands: 0,
            koji: None,
            sink: None,
        }
    }

    #[test]
    fn the_backlog_is_what_waits_in_all_partitions() {
        let mut view = view();
        let mut second = view.partitions.clone();
        // An end that was asked before the last record came.
        for partition in &mut second {
            partition.end = 40;
        }
        view.partitions.extend(second);
        assert_eq!(view.backlog(), 10);
    }
}
