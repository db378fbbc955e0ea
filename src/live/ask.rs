//! What operators ask of a running pipeline, and what it answers: plain data, the same on both ends of the socket.
//!
//! Each command is an input of the pipeline like a record: carried out between two records, written down with who and why
//! in the transaction that carries out its effects, and answered only when that is committed.

use serde::{Deserialize, Serialize};

use super::pause::{Kind, Pause};
use super::view::View;
use crate::engine::command::Action;
use crate::engine::hold::Selection;
use crate::time::Second;

/// A request with whoever makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Who asks: the name of the user at the other end of the socket, or the one given by `--as`, with the user in brackets.
    pub who: String,
    /// What is asked.
    pub request: Request,
}

/// What can be asked of a running pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How it stands.
    Status,
    /// Stop reading, or stop submitting.
    Pause {
        /// What.
        kind: Kind,
        /// Why; never empty.
        why: String,
        /// When it ends by itself.
        until: Option<Second>,
    },
    /// Go on reading, or submitting.
    Resume {
        /// What.
        kind: Kind,
        /// Why; never empty.
        why: String,
        /// Only say what would come.
        dry_run: bool,
    },
    /// The open holds.
    Holds,
    /// One hold with its members.
    Hold {
        /// Its number.
        id: u32,
        /// Most members that are shown.
        members_max: usize,
    },
    /// Decide members of a hold.
    Decide {
        /// The hold.
        hold: u32,
        /// The version that was seen; `None`: any.
        version: Option<u32>,
        /// Which members.
        selection: Selection,
        /// What is to become of them.
        action: Action,
        /// Why; never empty.
        why: String,
        /// Only say what would become of them.
        dry_run: bool,
    },
    /// Take the package list that waits.
    AcceptPackages {
        /// Why; never empty.
        why: String,
    },
    /// Compare Koji's history with what the bus brought, and judge what it lost.
    Reconcile {
        /// From when on; `None`: from where the last comparison ended, and some hours before.
        since: Option<Second>,
        /// Only say what is missing.
        dry_run: bool,
    },
    /// Read the pipeline file anew and apply it.
    Reload,
    /// Judge the record of a dead letter again, as a new record that names the old.
    Retry {
        /// Its number.
        letter: u64,
        /// Why; never empty.
        why: String,
    },
    /// A dead letter needs no more attention.
    Discard {
        /// Its number.
        letter: u64,
        /// Why; never empty.
        why: String,
    },
}

impl Request {
    /// The reason that is given, of what takes one.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Pause { why, .. }
            | Self::Resume { why, .. }
            | Self::Decide { why, .. }
            | Self::AcceptPackages { why }
            | Self::Retry { why, .. }
            | Self::Discard { why, .. } => Some(why),
            Self::Status | Self::Holds | Self::Hold { .. } | Self::Reconcile { .. } | Self::Reload => None,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How it stands.
    Status(Box<View>),
    /// The pause that began.
    Paused(Pause),
    /// The pause that ended, or would, and what was waiting behind it.
    Resumed {
        /// The pause.
        pause: Pause,
        /// Records that wait in Kafka, or admitted builds that wait for the sink.
        waiting: u64,
        /// Nothing was changed.
        dry_run: bool,
    },
    /// The open holds, the oldest first.
    Holds(Vec<HoldLine>),
    /// One hold.
    Hold(HoldPage),
    /// What became, or would become, of members of a hold.
    Decided {
        /// NVR and final reason, in the order of turns.
        builds: Vec<(String, String)>,
        /// Members that stay in the hold.
        stay: usize,
        /// Nothing was changed.
        dry_run: bool,
    },
    /// The list that was taken.
    PackagesAccepted {
        /// Its version.
        version: String,
        /// Its packages.
        names: usize,
    },
    /// The file was applied.
    Reloaded {
        /// Hash of the configuration in force now.
        hash: String,
        /// The keys that changed.
        changed: Vec<String>,
    },
    /// The dead letter was judged again, or put aside.
    Letter {
        /// Its number.
        letter: u64,
        /// What became of it.
        outcome: String,
    },
    /// What Koji's history has and the bus did not bring.
    Reconciled(Reconciled),
    /// Refused; nothing was changed.
    Refused(Refusal),
}

/// What came of a comparison of Koji's history with what the bus brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// From when on it was compared.
    pub since: Second,
    /// Up to when; what is younger may still come.
    pub until: Second,
    /// Builds whose tags changed.
    pub builds: u64,
    /// What was missing, the oldest first.
    pub missed: Vec<MissedLine>,
    /// Changes that are not shown.
    pub more: u64,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// A change of a tag that no record told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedLine {
    /// The build.
    pub nvr: String,
    /// The hub's number of it.
    pub build_id: u64,
    /// The tag.
    pub tag: String,
    /// `tag` or `untag`.
    pub what: String,
    /// When it happened, by the hub's clock.
    pub at: Second,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of refusal: it decides on the exit code.
    pub kind: RefusalKind,
    /// What happened, to what, and what to do.
    pub text: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// There is no such hold or dead letter.
    NotFound,
    /// It cannot be done as things stand: somebody was faster, a reason is missing, the file is wrong.
    Refused,
    /// It could not be written down, so it was not done.
    Failed,
}

/// One open hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLine {
    /// Its number.
    pub id: u32,
    /// `mass_rebuild`, `retag`, `flood` or `unproven`.
    pub kind: String,
    /// The Koji instance.
    pub instance: String,
    /// The tag.
    pub tag: String,
    /// Effective time of its opening.
    pub opened_at: Second,
    /// How often it was changed.
    pub version: u32,
    /// Builds in it.
    pub members: usize,
    /// The burst that feeds it is still going on.
    pub growing: bool,
}

/// A hold with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPage {
    /// The hold.
    pub hold: HoldLine,
    /// Its members, in the order of turns.
    pub members: Vec<HeldLine>,
    /// Members that are not shown.
    pub more: usize,
    /// Members by reason.
    pub reasons: Vec<(String, usize)>,
}

/// One build in a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLine {
    /// The build.
    pub nvr: String,
    /// The hub's number of it.
    pub build_id: u64,
    /// Why it is held.
    pub reason: String,
    /// Who tagged it.
    pub actor: String,
    /// When it was tagged, as far as is known.
    pub tagged_at: Second,
    /// When it was put into the hold.
    pub held_at: Second,
    /// What a release would make of it now.
    pub released_as: String,
}
