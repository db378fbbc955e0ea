//! The events that wait for their turn: the watermark has not passed them yet.
//!
//! Turns go by (effective time, partition, offset), whatever the order of reading.

use std::collections::{BTreeMap, VecDeque};

use crate::event::Position;
use crate::time::Second;

/// Something that has a place in the stream.
pub trait Placed {
    /// Effective time.
    fn effective(&self) -> Second;
    /// Where its record stood.
    fn position(&self) -> Position;
}

/// A queue that gives events back in the order of their turns.
#[derive(Debug, Clone)]
pub struct Reorder<T> {
    /// Events that came in order, as nearly all do.
    in_order: VecDeque<T>,
    /// Events that came behind one of a later turn.
    behind: BTreeMap<(Second, Position), T>,
}

impl<T> Default for Reorder<T> {
    fn default() -> Self {
        Self { in_order: VecDeque::new(), behind: BTreeMap::new() }
    }
}

impl<T: Placed> Reorder<T> {
    /// Adds an event; its effective time is not before the watermark that [`Reorder::pop_before`] was last given.
    pub fn push(&mut self, event: T) {
        let turn = turn(&event);
        if self.in_order.back().is_none_or(|last| self::turn(last) <= turn) {
            self.in_order.push_back(event);
        } else {
            self.behind.insert(turn, event);
        }
    }

    /// Effective time of the event whose turn is next.
    pub fn next(&self) -> Option<Second> {
        let in_order = self.in_order.front().map(Placed::effective);
        let behind = self.behind.first_key_value().map(|((second, _), _)| *second);
        match (in_order, behind) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes the next event if its effective time lies before `watermark`.
    pub fn pop_before(&mut self, watermark: Second) -> Option<T> {
        let in_order = self.in_order.front().map(turn);
        let entry =
            self.behind.first_entry().filter(|entry| in_order.is_none_or(|first| *entry.key() < first));
        match entry {
            Some(entry) => (entry.key().0 < watermark).then(|| entry.remove()),
            None => {
                in_order.filter(|(second, _)| *second < watermark).and_then(|_| self.in_order.pop_front())
            }
        }
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.in_order.len() + self.behind.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.behind.is_empty()
    }

    /// All waiting events, in the order of their turns.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let mut all: Vec<&T> = self.in_order.iter().chain(self.behind.values()).collect();
        all.sort_by_key(|event| turn(*event));
        all.into_iter()
    }
}

fn turn(event: &impl Placed) -> (Second, Position) {
    (event.effective(), event.position())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Placed for (i64, u64) {
        fn effective(&self) -> Second {
            Second(self.0)
        }
        fn position(&self) -> Position {
            Position { partition: (self.1 % 2) as u32, offset: self.1 }
        }
    }

    proptest! {
        #[test]
        fn gives_back_everything_before_the_watermark_in_order(
            events in prop::collection::btree_set((0i64..9, 0u64..1_000), 0..60), watermark in 0i64..10,
        ) {
            let mut queue = Reorder::default();
            for event in &events {
                queue.push(*event);
            }
            let mut expected: Vec<_> = events.iter().filter(|event| event.0 < watermark).copied().collect();
            expected.sort_by_key(|event| (event.effective(), event.position()));
            let mut got = Vec::new();
            while let Some(event) = queue.pop_before(Second(watermark)) {
                got.push(event);
            }
            let keys = |list: &[(i64, u64)]| list.iter().map(|e| (e.0, e.position())).collect::<Vec<_>>();
            prop_assert_eq!(keys(&got), keys(&expected));
            prop_assert_eq!(queue.len(), events.len() - expected.len());
            prop_assert_eq!(queue.iter().count(), queue.len());
        }
    }
}
