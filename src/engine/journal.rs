//! How the engine's memory grows, fact by fact: what the state writes down and reads back.
//!
//! Only results are kept, never inputs to be judged anew: another version of the rules cannot change what was decided.

use serde::{Deserialize, Serialize};

/// Facts since they were last taken; nothing is kept where nobody asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal<T>(Option<Vec<T>>);

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Journal<T> {
    /// Begins to keep facts.
    pub fn start(&mut self) {
        self.0.get_or_insert_default();
    }

    /// Whether facts are kept.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps a fact.
    pub fn note(&mut self, fact: impl FnOnce() -> T) {
        if let Some(facts) = &mut self.0 {
            facts.push(fact());
        }
    }

    /// Gives the facts since this was last called.
    pub fn take(&mut self) -> Vec<T> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// A fact that was written down: of builds in tags, or of builds on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// Of builds in tags.
    Seen(super::seen::SeenFact),
    /// Of builds on their way.
    Trail(super::trail::TrailFact),
}
