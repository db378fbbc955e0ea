//! Pauses of intake and of submission: by whom, why, and until when.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Second;

/// What is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing is read: records stay in Kafka.
    Intake,
    /// Records are judged, and nothing is sent.
    Submission,
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Intake, Self::Submission];

    /// The word for it in commands, pages and the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Submission => "submission",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// What is paused.
    pub kind: Kind,
    /// Who paused it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: Second,
    /// When it ends by itself; `None`: a person has to end it.
    pub until: Option<Second>,
}

/// Why a pause or its end was refused. It names who was faster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PauseError {
    /// Somebody paused it before.
    #[error("{} is paused already, by {} since {}: {}", .0.kind, .0.who, .0.since, .0.why)]
    Paused(Pause),
    /// It is not paused.
    #[error("{0} is not paused")]
    NotPaused(Kind),
}

/// The pauses in force, at most one of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses(Vec<Pause>);

impl Pauses {
    /// Those that were in force when the state was last written.
    pub fn new(pauses: impl IntoIterator<Item = Pause>) -> Self {
        let mut all = Self::default();
        for pause in pauses {
            // One of each kind: the state writes no second one.
            if all.of(pause.kind).is_none() {
                all.0.push(pause);
            }
        }
        all
    }

    /// Begins a pause.
    ///
    /// # Errors
    /// Where one of its kind is in force.
    pub fn pause(&mut self, pause: Pause) -> Result<(), PauseError> {
        if let Some(before) = self.of(pause.kind) {
            return Err(PauseError::Paused(before.clone()));
        }
        self.0.push(pause);
        Ok(())
    }

    /// Ends a pause and gives it.
    ///
    /// # Errors
    /// Where none of its kind is in force.
    pub fn resume(&mut self, kind: Kind) -> Result<Pause, PauseError> {
        let index = self.0.iter().position(|pause| pause.kind == kind).ok_or(PauseError::NotPaused(kind))?;
        Ok(self.0.swap_remove(index))
    }

    /// Ends the pauses whose time is over, and gives them.
    pub fn end_due(&mut self, now: Second) -> Vec<Pause> {
        let (over, on): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|pause| pause.until.is_some_and(|until| until <= now));
        self.0 = on;
        over
    }

    /// The pause of a kind, if it is in force.
    pub fn of(&self, kind: Kind) -> Option<&Pause> {
        self.0.iter().find(|pause| pause.kind == kind)
    }

    /// All pauses in force.
    pub fn iter(&self) -> impl Iterator<Item = &Pause> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(kind: Kind, who: &str, until: Option<i64>) -> Pause {
        Pause { kind, who: who.into(), why: "branching".into(), since: Second(100), until: until.map(Second) }
    }

    #[test]
    fn the_second_of_two_is_told_who_was_first() {
        let mut pauses = Pauses::default();
        pauses.pause(pause(Kind::Intake, "ana", None)).unwrap();
        pauses.pause(pause(Kind::Submission, "bo", None)).unwrap();
        let error = pauses.pause(pause(Kind::Intake, "cy", None)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "intake is paused already, by ana since 1970-01-01T00:01:40Z: branching"
        );
        assert_eq!(pauses.resume(Kind::Intake).unwrap().who, "ana");
        assert_eq!(pauses.resume(Kind::Intake).unwrap_err().to_string(), "intake is not paused");
        assert_eq!(Pauses::new(pauses.iter().cloned()), pauses);
    }

    #[test]
    fn a_pause_ends_at_its_second_and_one_without_an_end_does_not() {
        let mut pauses =
            Pauses::new([pause(Kind::Intake, "ana", Some(200)), pause(Kind::Submission, "bo", None)]);
        assert!(pauses.end_due(Second(199)).is_empty());
        assert_eq!(pauses.end_due(Second(200)).len(), 1);
        assert!(pauses.of(Kind::Intake).is_none() && pauses.end_due(Second(i64::MAX)).is_empty());
    }
}
