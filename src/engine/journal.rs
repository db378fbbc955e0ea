//! How the engine's memory grows, fact by fact: what the state writes down and reads back.
//!
//! Only results are kept, never inputs to be judged anew: another version of the rules cannot change what was decided.

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

/// Facts that were written down. The two kinds do not depend on each other; each stands in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Of builds in tags.
    pub seen: Vec<super::seen::SeenFact>,
    /// Of builds on their way.
    pub trail: Vec<super::trail::TrailFact>,
}
