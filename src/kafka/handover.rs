//! What passes between the Kafka thread and the pipeline: plain data, both ways.
//!
//! For each assignment the thread sends [`FromKafka::Assigned`] and waits for [`ToKafka::Start`]. It checks the offsets
//! that it is given; where one is not sound it answers [`FromKafka::Damaged`], reads nothing, and waits for another
//! `Start`. Then come [`FromKafka::Records`] and [`FromKafka::Progress`] until [`FromKafka::Revoked`] ends the
//! assignment. Nothing of an assignment comes after its `Revoked`, and the thread ignores what is said about an
//! assignment that is over.
//!
//! Partitions are named by their index in [`Assignment::partitions`], which is in force until the next assignment.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// From the Kafka thread to the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromKafka {
    /// Partitions were given to this process, perhaps none. Answer with [`ToKafka::Start`]. A partition that was read in
    /// an earlier run and is not listed does not exist any more.
    Assigned(Assignment),
    /// Reading has not begun, or has stopped: a start offset is not sound. Nothing was skipped. Answer with another
    /// [`ToKafka::Start`] once it is decided what to do.
    Damaged {
        /// The assignment.
        generation: u64,
        /// What is wrong, at most one for each partition.
        damages: Vec<Damage>,
    },
    /// A topic has more partitions than positions were stored for. The new ones are read from their first record.
    Repartitioned {
        /// The topic.
        topic: Arc<str>,
        /// Partitions with a stored position.
        before: usize,
        /// Partitions it has now.
        now: usize,
    },
    /// The partitions were taken away. Of what was handed over, everything stays valid.
    Revoked {
        /// The assignment that is over.
        generation: u64,
    },
    /// Records, each partition's in the order of its offsets; never empty, at most 500.
    Records {
        /// The assignment.
        generation: u64,
        /// The records.
        records: Vec<KafkaRecord>,
    },
    /// How far each owned partition was read, at most once a second. Sent after every record it counts.
    Progress(Progress),
    /// Something is wrong from now on: told once, until it is over.
    Trouble(Trouble),
    /// What was told as trouble is over.
    Over(TroubleKind),
    /// The thread has ended; nothing follows.
    Stopped {
        /// The group was left in order. `false`: the broker did not answer in time; it finds out by itself.
        left_group: bool,
    },
}

/// From the pipeline to the Kafka thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToKafka {
    /// Where to read on.
    Start {
        /// The assignment that this answers.
        generation: u64,
        /// Owned partitions by their index, and where to start; one that is not named starts at [`StartAt::Earliest`].
        partitions: Vec<(u32, StartAt)>,
    },
    /// Read no more of these partitions for now. What was read already still comes. In force until the assignment ends.
    Pause(Vec<u32>),
    /// Read these partitions again.
    Resume(Vec<u32>),
    /// Note in Kafka how far was read. The thread says only if it fails, as [`TroubleKind::Commit`].
    Commit {
        /// The assignment.
        generation: u64,
        /// Partition, and the offset of the next record to be read: last + 1.
        positions: Vec<(u32, u64)>,
        /// Text that is kept with each of them.
        metadata: String,
    },
    /// Leave the group and end: within 10 seconds, whatever the brokers do.
    Stop,
}

/// All partitions of the topics, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Number of the assignment: higher for each.
    pub generation: u64,
    /// Every partition that exists, by topic and number.
    pub partitions: Vec<Partition>,
}

/// One partition as it was when it was assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub number: i32,
    /// Who reads it.
    pub owner: Owner,
    /// Offset of the first record that is still kept.
    pub low: u64,
    /// Offset behind the last record, those of open transactions included.
    pub end: u64,
    /// What the group has committed for it.
    pub committed: Option<Committed>,
}

/// Who reads a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// This process.
    Ours,
    /// Another member of the group.
    Other {
        /// Its `client.id`.
        client_id: String,
        /// Where it connects from.
        host: String,
    },
    /// Not this process; the broker does not say who.
    NotOurs,
}

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Offset of the next record to be read.
    pub next: u64,
    /// The text that was committed with it.
    pub metadata: String,
}

/// Where reading of a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At the first record that is kept.
    Earliest,
    /// Where an earlier run stopped, also for a partition that has had no record yet ([`PartitionProgress::next`] says
    /// where it stands): one without a stored position counts as new. Checked: the records from here on must be kept, and the last one that was read must
    /// still be the one that stands there.
    Stored {
        /// Offset of the next record to be read.
        next: u64,
        /// The last record that was read, where one was.
        last: Option<LastRead>,
    },
    /// At this offset or the first record behind it, unchecked: somebody has decided what to do about a damage.
    Decided(u64),
}

/// The last record that was read of a partition: tells whether the partition is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRead {
    /// Its offset.
    pub offset: u64,
    /// Its Kafka time in milliseconds since 1970.
    pub kafka_millis: i64,
}

/// What is wrong with a position in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The partition's index.
    pub partition: u32,
    /// Topic and number, for people.
    pub name: String,
    /// What is wrong.
    pub kind: DamageKind,
}

/// Kinds of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// Records that were not read yet are gone: retention, or deleted by hand.
    Truncated {
        /// Offset of the next record to be read.
        next: u64,
        /// Offset of the first record that is kept.
        low: u64,
    },
    /// It ends before the position: it was deleted and made again, or lost its newest records.
    EndsBefore {
        /// Offset of the next record to be read.
        next: u64,
        /// Offset behind its last record.
        end: u64,
    },
    /// Another record stands where the last one was read: it was deleted and made again.
    Replaced {
        /// What was read there.
        read: LastRead,
        /// Kafka's time of what stands there now, in milliseconds since 1970.
        found_millis: Option<i64>,
    },
}

/// One record as Kafka gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaRecord {
    /// Index of its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Kafka's time in milliseconds since 1970, the producer's or the broker's; `None` in very old topics.
    pub kafka_millis: Option<i64>,
    /// Its headers in their order; a header without a value has an empty one. At most 1,000.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value, at most 4 MiB; empty where there is none.
    pub value: Vec<u8>,
    /// The value was longer, or there were more headers.
    pub cut: bool,
}

/// How far the owned partitions were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The assignment.
    pub generation: u64,
    /// Monotonic time just before the brokers were asked for the ends: what is said of them was true then or later.
    pub asked_at: Instant,
    /// Each owned partition.
    pub partitions: Vec<PartitionProgress>,
}

/// How far one partition was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Its index.
    pub partition: u32,
    /// Offset behind the last record that was handed over.
    pub next: u64,
    /// Offset behind its last record, as the broker said after `next` was reached.
    pub end: u64,
    /// Proved: at [`Progress::asked_at`] the broker had nothing that was not handed over, no open transaction included.
    pub caught_up: bool,
    /// Kafka's time of the last record that was handed over in this assignment, in milliseconds since 1970.
    pub last_kafka_millis: Option<i64>,
}

/// Something that keeps records from coming or positions from being noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// What happened, to what, and what to do, for people.
    pub text: String,
}

/// Kinds of trouble; of each there is at most one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// No broker can be reached.
    Unreachable,
    /// The brokers refuse the login or the certificate.
    Login,
    /// The user may not read a topic or use the group.
    Permission,
    /// A topic does not exist.
    NoTopic,
    /// The group has given nothing to read for a while, though brokers answer.
    Unassigned,
    /// Records are there, and none has come for a while.
    Stalled,
    /// A position cannot be noted in Kafka.
    Commit,
    /// Polling stood still for so long that the broker gave the partitions away.
    Expelled,
    /// Anything else that librdkafka complains about.
    Other,
}

impl fmt::Display for Damage {
    /// What happened, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match self.kind {
            DamageKind::Truncated { next, low } => write!(
                f,
                "the records at offsets {next} to {} are gone, unread ({} of them at most): the topic keeps its records \
                 for too short a time, or they were deleted. Replay them from another copy, then say where to go on",
                low.saturating_sub(1),
                low.saturating_sub(next),
            ),
            DamageKind::EndsBefore { next, end } => write!(
                f,
                "it ends at offset {end}, and was read up to {next} before: it was deleted and made again, or it has \
                 lost its newest records. Say whether to read it from its first record",
            ),
            DamageKind::Replaced { read, found_millis: _ } => write!(
                f,
                "another record stands at offset {} than was read there: the topic was deleted and made again. \
                 Say whether to read it from its first record",
                read.offset,
            ),
        }
    }
}
