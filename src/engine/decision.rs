//! What the engine says of a record, and why.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::TagEvent;
use super::memory::Classes;
use super::names::Name;
use super::shards::Spread;
use crate::event::{MessageId, Position};
use crate::settings::Rule;
use crate::time::Second;

/// A build of one Koji instance. An NVR is for people; it is never a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuildKey {
    /// The Koji instance.
    pub instance: Name,
    /// The hub's number of the build.
    pub id: u64,
}

impl Spread for BuildKey {
    fn spread(&self) -> u64 {
        self.id
    }
}

/// What became of a record. All but [`Outcome::Held`] are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not ours, or not eligible, or of before `begin`.
    Ignored,
    /// This message, or this build in this tag, was seen before.
    Duplicate,
    /// Known, or dropped by an operator or a rule, or superseded.
    Dropped,
    /// Admitted: handed to the governor and the sink.
    Submitted,
    /// Withheld until an operator or a stated rule decides.
    Held,
    /// Cannot be read; kept.
    DeadLetter,
}

impl Outcome {
    /// All outcomes, in the order of the table of counts.
    pub const ALL: [Self; 6] =
        [Self::Ignored, Self::Duplicate, Self::Dropped, Self::Submitted, Self::Held, Self::DeadLetter];

    /// The word for it in decisions, metrics and pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Duplicate => "duplicate",
            Self::Dropped => "dropped",
            Self::Submitted => "submitted",
            Self::Held => "held",
            Self::DeadLetter => "dead_letter",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal in $outcome:ident),* $(,)?) => {
        /// Why a record has its outcome.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $($(#[$doc])* $variant),* }

        impl Reason {
            /// All reasons, in the order of [`Outcome::ALL`].
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it in decisions, metrics and pages.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The outcome that it explains.
            pub fn outcome(self) -> Outcome {
                match self { $(Self::$variant => Outcome::$outcome),* }
            }
        }
    };
}

reasons! {
    /// A topic of another bus, another application, or one that the engine does not read.
    OtherTopic = "other_topic" in Ignored,
    /// Another Koji instance.
    OtherInstance = "other_instance" in Ignored,
    /// A tag that triggers nothing; it was counted and remembered as evidence.
    OtherTag = "other_tag" in Ignored,
    /// An untag: it revokes and proves, but triggers nothing.
    Untag = "untag" in Ignored,
    /// A change of a build's state: evidence.
    BuildState = "build_state" in Ignored,
    /// A change of a tag's package list: an early warning.
    PackageList = "package_list" in Ignored,
    /// The package is not on the list, or excluded.
    NotEligible = "not_eligible" in Ignored,
    /// Before `begin`: it only teaches.
    BeforeBegin = "before_begin" in Ignored,
    /// This message was seen before.
    MessageSeen = "message_seen" in Duplicate,
    /// This build was seen in this tag before, and not untagged since.
    BuildInTag = "build_in_tag" in Duplicate,
    /// This build was submitted before.
    AlreadySubmitted = "already_submitted" in Duplicate,
    /// The build was in another tag of the family before.
    KnownBuild = "known_build" in Dropped,
    /// An operator dropped it.
    DroppedByOperator = "dropped_by_operator" in Dropped,
    /// The stated rule of its hold dropped it.
    DroppedByRule = "dropped_by_rule" in Dropped,
    /// A newer build of the package was admitted meanwhile.
    Superseded = "superseded" in Dropped,
    /// Fresh: the build was seen to complete.
    Completed = "completed" in Submitted,
    /// Fresh: the build was seen in a candidate, side or rebuild tag.
    Trail = "trail" in Submitted,
    /// Fresh: Koji was asked, and says so.
    KojiSaysFresh = "koji_says_fresh" in Submitted,
    /// An operator released it.
    ReleasedByOperator = "released_by_operator" in Submitted,
    /// The stated rule of its hold released it.
    ReleasedByRule = "released_by_rule" in Submitted,
    /// Nothing shows that the build is new.
    NoFreshEvidence = "no_fresh_evidence" in Held,
    /// It belongs to a mass rebuild, which an operator lets go.
    MassRebuild = "mass_rebuild" in Held,
    /// The stream ended before its turn came.
    EndOfInput = "end_of_input" in Held,
    /// The record cannot be read.
    Unreadable = "unreadable" in DeadLetter,
}

/// The number of a hold; people write `h7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub u32);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{}", self.0)
    }
}

/// How an event came by its effective time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum TimeMark {
    /// The hub said so.
    #[default]
    Sent,
    /// It carried no time that can be true: arrival stands in.
    Arrival,
    /// Its time lay too far ahead of its arrival.
    Future,
}

/// One decision about one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The record.
    pub position: Position,
    /// The identity it was published under.
    pub id: MessageId,
    /// Why; the outcome follows from it.
    pub reason: Reason,
    /// The code of what is wrong with a dead letter.
    pub code: Option<&'static str>,
    /// The hold it belongs or belonged to as a member of a burst.
    pub burst: Option<HoldId>,
    /// When the hub sent it, or what stands in for that; `None` where nothing does.
    pub event_time: Option<Second>,
    /// The time of the timer or event that decided.
    pub decided_at: Option<Second>,
    /// More, for events of a trigger tag.
    pub detail: Option<Box<Detail>>,
}

impl Decision {
    /// What became of the record.
    pub fn outcome(&self) -> Outcome {
        self.reason.outcome()
    }
}

/// What explains the decision about an event of a trigger tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// The event.
    pub event: Arc<TagEvent>,
    /// What was known of the build when it was judged.
    pub evidence: Evidence,
    /// The run it was a member of.
    pub run: Option<RunSummary>,
    /// The hold that it was put into, a burst's or not.
    pub hold: Option<HoldId>,
    /// The number of the operator's command that it carries out.
    pub command: Option<u32>,
}

/// What was known of a build when it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The other family tag it was seen in before, and when.
    pub known: Option<(Name, Second)>,
    /// When it was seen to complete, if not too long ago.
    pub completed: Option<Second>,
    /// The appearance that proves it new, and when.
    pub trail: Option<(Name, Second)>,
    /// An appearance that proves nothing since it was in a burst of its tag, and when.
    pub burst_trail: Option<(Name, Second)>,
    /// The mass-rebuild tag it was seen in.
    pub rebuild: Option<Name>,
    /// When it was complete, as Koji said when it was asked, and that it is new.
    #[serde(default)]
    pub koji: Option<Second>,
}

/// What a burst looked like when one of its members was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run's number.
    pub number: u32,
    /// The rule that held first.
    pub rule: Rule,
    /// Distinct builds that it counted then.
    pub count: u32,
    /// First second of its window.
    pub from: Second,
    /// Members until now, by class.
    pub members: Classes,
    /// Whether it had been decided that it is a burst.
    pub burst: bool,
}
