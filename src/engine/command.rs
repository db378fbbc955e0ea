//! Decisions of operators about holds: inputs of the engine like records, previewed, versioned, and final.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::decision::{HoldId, Outcome, Reason};
use super::hold::{HeldEvent, Selection};
use super::save::Change;
use crate::time::Second;

/// What an operator wants done with a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldCommand {
    /// The hold.
    pub hold: HoldId,
    /// The version that the operator saw: where somebody else was faster, nothing is done. `None`: any.
    pub version: Option<u32>,
    /// Which members.
    pub selection: Selection,
    /// What is to become of them.
    pub action: Action,
    /// Why, for whoever asks later; never empty.
    pub reason: String,
    /// Who decides.
    pub who: String,
}

/// What can be done with members of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Let them go, through the governor.
    Release,
    /// Drop them.
    Drop,
}

/// A command that was carried out, for whoever asks later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// Its number: 1 is the engine's first.
    pub number: u32,
    /// Event time when it was carried out.
    pub at: Second,
    /// What was commanded, by whom, and why.
    pub command: HoldCommand,
    /// Builds that it decided.
    pub builds: usize,
}

/// What a command does, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandReport {
    /// Builds by what becomes of them, in the order of their turns: NVR and final reason.
    pub builds: Vec<(String, Reason)>,
    /// Members that stay in the hold.
    pub stay: usize,
}

/// Why a command is refused; nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such hold.
    #[error(
        "hold {0} is not open: it was never opened, or all of it was decided; list the open ones with `tidegate holds list`"
    )]
    NoSuchHold(HoldId),
    /// Somebody changed it meanwhile.
    #[error(
        "hold {hold} changed since you looked at it (you saw version {seen}, it is at {now}): look again, then decide"
    )]
    Changed {
        /// The hold.
        hold: HoldId,
        /// The version that the operator saw.
        seen: u32,
        /// The version now.
        now: u32,
    },
    /// The selection names nothing.
    #[error("nothing in hold {0} matches: it is listed by `tidegate holds show {0}`")]
    NothingMatches(HoldId),
    /// No reason was given.
    #[error("a decision needs a reason: say why in a few words, for whoever asks later")]
    NoReason,
}

impl Engine {
    /// Shows what a command would do. Changes nothing.
    ///
    /// # Errors
    /// As [`Engine::command`].
    pub fn preview(&self, command: &HoldCommand) -> Result<CommandReport, Refused> {
        let members = self.selected(command)?;
        let stay = self.holds.get(command.hold).map_or(0, |hold| hold.members.len()) - members.len();
        let explicit = command.selection.is_explicit();
        // A build may be held twice: tagged again after it was untagged.
        let mut released = BTreeSet::new();
        let builds = members.iter().map(|held| {
            let reason = match command.action {
                Action::Drop => Reason::DroppedByOperator,
                Action::Release if released.contains(&held.event.build) => Reason::AlreadySubmitted,
                Action::Release => self.release_reason(held, Reason::ReleasedByOperator, explicit),
            };
            if reason.outcome() == Outcome::Submitted {
                released.insert(held.event.build);
            }
            (held.event.nvr.as_str().to_owned(), reason)
        });
        Ok(CommandReport { builds: builds.collect(), stay })
    }

    /// Carries out an operator's decision.
    ///
    /// # Errors
    /// Where the hold is not open, was changed meanwhile, holds nothing that is named, or no reason is given.
    pub fn command(&mut self, command: &HoldCommand) -> Result<CommandReport, Refused> {
        self.selected(command)?;
        let undecided = self.decisions.len();
        let taken = self.holds.take(command.hold, |held| command.selection.names(&held.event));
        let done: Vec<(HeldEvent, Reason)> = match command.action {
            Action::Release => {
                self.release(taken, Reason::ReleasedByOperator, command.selection.is_explicit())
            }
            Action::Drop => {
                for held in &taken {
                    self.finish(held, Reason::DroppedByOperator);
                }
                taken.into_iter().map(|held| (held, Reason::DroppedByOperator)).collect()
            }
        };
        let stay = self.holds.get(command.hold).map_or(0, |hold| hold.members.len());
        for index in 0..self.triggers.len() {
            self.close_empty_holds(index);
        }
        self.record_command(command, undecided);
        let builds =
            done.iter().map(|(held, reason)| (held.event.nvr.as_str().to_owned(), *reason)).collect();
        Ok(CommandReport { builds, stay })
    }

    /// Numbers the command, and names it in all that was decided from the decision `first` on.
    fn record_command(&mut self, command: &HoldCommand, first: usize) {
        self.commands += 1;
        let number = self.commands;
        let decided = self.decisions.get_mut(first..).unwrap_or_default();
        let builds = decided.len();
        for detail in decided.iter_mut().filter_map(|decision| decision.detail.as_mut()) {
            detail.command = Some(number);
        }
        let at = self.now;
        self.changes.note(|| {
            Change::Command(Box::new(CommandRecord { number, at, command: command.clone(), builds }))
        });
    }

    fn selected(&self, command: &HoldCommand) -> Result<Vec<&HeldEvent>, Refused> {
        if command.reason.trim().is_empty() {
            return Err(Refused::NoReason);
        }
        let hold = self.holds.get(command.hold).ok_or(Refused::NoSuchHold(command.hold))?;
        if let Some(seen) = command.version.filter(|&seen| seen != hold.version) {
            return Err(Refused::Changed { hold: hold.id, seen, now: hold.version });
        }
        let members: Vec<_> =
            hold.members.values().filter(|held| command.selection.names(&held.event)).collect();
        if members.is_empty() { Err(Refused::NothingMatches(hold.id)) } else { Ok(members) }
    }
}
