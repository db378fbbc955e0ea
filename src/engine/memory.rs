//! What a key remembers of its bursts: decaying counts by class and by actor.
//!
//! Groups that were resolved count on, with a half-life of one hour: a mass-tag with pauses is seen as one. The classes
//! are kept apart, or an honest merge an hour after a branching would be taken for a part of it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::names::Name;
use crate::time::Second;

/// Half-life of what is remembered, in seconds.
const HALF_LIFE: f64 = 3_600.0;
/// Actors remembered for one key; the one with the least gives way.
const ACTORS_MAX: usize = 32;

/// What is known of a member of a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// In another tag of the family before.
    Known,
    /// Shown to be new.
    Fresh,
    /// Neither.
    Unproven,
}

/// Counts of members by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Classes {
    /// In another tag of the family before.
    pub known: u32,
    /// Shown to be new.
    pub fresh: u32,
    /// Neither.
    pub unproven: u32,
}

impl Classes {
    /// Counts one member more.
    pub fn add(&mut self, class: Class) {
        *self.of(class) += 1;
    }

    /// Counts a member otherwise than before.
    pub fn change(&mut self, from: Class, to: Class) {
        *self.of(from) -= 1;
        *self.of(to) += 1;
    }

    /// All members.
    pub fn total(&self) -> u32 {
        self.known + self.fresh + self.unproven
    }

    fn of(&mut self, class: Class) -> &mut u32 {
        match class {
            Class::Known => &mut self.known,
            Class::Fresh => &mut self.fresh,
            Class::Unproven => &mut self.unproven,
        }
    }
}

/// The decaying memory of one key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    at: Second,
    known: f64,
    fresh: f64,
    unproven: f64,
    /// Fresh members of each actor, as of `at`.
    actors: SmallVec<[(Name, f64); 4]>,
}

impl Memory {
    /// Remembers a member that came at `now`.
    pub fn add(&mut self, class: Class, actor: Name, now: Second) {
        self.decay(now);
        match class {
            Class::Known => self.known += 1.0,
            Class::Unproven => self.unproven += 1.0,
            Class::Fresh => {
                self.fresh += 1.0;
                self.add_actor(actor);
            }
        }
    }

    /// A member that was remembered as `from` turned out to be `to`.
    pub fn change(&mut self, from: Class, to: Class, actor: Name, now: Second) {
        self.decay(now);
        match from {
            Class::Known => self.known = (self.known - 1.0).max(0.0),
            Class::Unproven => self.unproven = (self.unproven - 1.0).max(0.0),
            Class::Fresh => {
                self.fresh = (self.fresh - 1.0).max(0.0);
                if let Some((_, count)) = self.actors.iter_mut().find(|(name, _)| *name == actor) {
                    *count = (*count - 1.0).max(0.0);
                }
            }
        }
        self.add(to, actor, now);
    }

    /// Decayed count of all members.
    pub fn size(&self, now: Second) -> f64 {
        (self.known + self.fresh + self.unproven) * self.rest(now)
    }

    /// Decayed count of fresh members.
    pub fn fresh(&self, now: Second) -> f64 {
        self.fresh * self.rest(now)
    }

    /// Decayed count of the fresh members of one actor.
    pub fn fresh_of(&self, actor: Name, now: Second) -> f64 {
        let found = self.actors.iter().find(|(name, _)| *name == actor);
        found.map_or(0.0, |(_, count)| count * self.rest(now))
    }

    /// The largest decayed count of fresh members of an actor that is not in `gating`.
    pub fn fresh_of_one_actor(&self, gating: &[Name], now: Second) -> f64 {
        let counts = self.actors.iter().filter(|(name, _)| !gating.contains(name)).map(|(_, count)| *count);
        counts.fold(0.0, f64::max) * self.rest(now)
    }

    /// Whether what is remembered has faded away.
    pub fn is_idle(&self, now: Second) -> bool {
        self.size(now) < 0.5
    }

    fn decay(&mut self, now: Second) {
        let rest = self.rest(now);
        for count in [&mut self.known, &mut self.fresh, &mut self.unproven] {
            *count *= rest;
        }
        self.actors.iter_mut().for_each(|(_, count)| *count *= rest);
        self.at = self.at.max(now);
    }

    fn add_actor(&mut self, actor: Name) {
        if let Some((_, count)) = self.actors.iter_mut().find(|(name, _)| *name == actor) {
            *count += 1.0;
            return;
        }
        if self.actors.len() >= ACTORS_MAX {
            let least =
                self.actors.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(index, _)| index);
            least.map(|index| self.actors.swap_remove(index));
        }
        self.actors.push((actor, 1.0));
    }

    #[expect(clippy::cast_precision_loss, reason = "a span of seconds is far below 2^52")]
    fn rest(&self, now: Second) -> f64 {
        (-((now - self.at).0.max(0) as f64) / HALF_LIFE).exp2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_every_hour_and_keeps_the_classes_apart() {
        let mut memory = Memory::default();
        for n in 0..8 {
            memory.add(if n < 6 { Class::Known } else { Class::Fresh }, Name(3), Second(1_000));
        }
        assert!((memory.size(Second(4_600)) - 4.0).abs() < 1e-9);
        assert!((memory.fresh(Second(4_600)) - 1.0).abs() < 1e-9);
        memory.add(Class::Fresh, Name(4), Second(4_600));
        assert!((memory.fresh(Second(8_200)) - 1.0).abs() < 1e-9);
        assert!(!memory.is_idle(Second(8_200)) && memory.is_idle(Second(80_000)));
    }

    #[test]
    fn actors_of_the_normal_gating_do_not_count() {
        let mut memory = Memory::default();
        (0..5).for_each(|_| memory.add(Class::Fresh, Name(3), Second(0)));
        (0..2).for_each(|_| memory.add(Class::Fresh, Name(4), Second(0)));
        assert!((memory.fresh_of_one_actor(&[Name(3)], Second(0)) - 2.0).abs() < 1e-9);
        assert!((memory.fresh_of_one_actor(&[], Second(0)) - 5.0).abs() < 1e-9);
        assert!((memory.fresh_of(Name(4), Second(3_600)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_actor_with_the_least_gives_way() {
        let mut memory = Memory::default();
        memory.add(Class::Fresh, Name(1), Second(0));
        memory.add(Class::Fresh, Name(1), Second(0));
        (2..100).for_each(|n| memory.add(Class::Fresh, Name(n), Second(0)));
        assert!((memory.fresh_of(Name(1), Second(0)) - 2.0).abs() < 1e-9);
        assert!(memory.actors.len() <= ACTORS_MAX);
    }
}
