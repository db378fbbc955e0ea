//! Two lanes share the sink: of ten builds that both lanes want to send, seven are fresh and three are drained from holds.
//!
//! A lane that is alone takes every turn, and owes nothing for it later: the shares hold for the turns that both lanes
//! wanted, in every ten of them in a row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::decision::BuildKey;

/// What a build is admitted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A new build, just let through.
    Fresh,
    /// A build from a hold that was released.
    Drained,
}

/// Where in its lane a build is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before all that are in order: what a cutover let go.
    First,
    /// Behind those that came before.
    InOrder,
}

/// A build's place in its lane, by which the lane is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    pub(super) place: Place,
    /// Counts the builds that came.
    pub(super) number: u64,
}

/// Of ten turns that both lanes want, which are for drained builds: the shares are spread, not served in blocks.
const DRAINED_TURNS: [bool; 10] = [false, false, false, true, false, false, true, false, false, true];

/// The next of the ten turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Cycle(u8);

/// The builds that may go, by lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes {
    fresh: BTreeMap<Ticket, BuildKey>,
    drained: BTreeMap<Ticket, BuildKey>,
    pub(super) cycle: Cycle,
}

impl Lanes {
    pub(super) fn insert(&mut self, lane: Lane, ticket: Ticket, build: BuildKey) {
        self.of(lane).insert(ticket, build);
    }

    pub(super) fn remove(&mut self, lane: Lane, ticket: Ticket) {
        self.of(lane).remove(&ticket);
    }

    /// Takes out the build whose turn it is.
    pub(super) fn next(&mut self) -> Option<BuildKey> {
        let lane = match (self.fresh.is_empty(), self.drained.is_empty()) {
            (true, true) => return None,
            (false, true) => Lane::Fresh,
            (true, false) => Lane::Drained,
            (false, false) => self.cycle.next(),
        };
        self.of(lane).pop_first().map(|(_, build)| build)
    }

    /// The builds whose turns are next, at most `max`, as they would be taken if nothing came in between.
    pub(super) fn ahead(&self, max: usize) -> Vec<BuildKey> {
        let (mut fresh, mut drained) = (self.fresh.values().peekable(), self.drained.values().peekable());
        let mut cycle = self.cycle;
        let mut builds = Vec::new();
        while builds.len() < max {
            let lane = match (fresh.peek().is_some(), drained.peek().is_some()) {
                (true, true) => cycle.next(),
                (true, false) => Lane::Fresh,
                (false, _) => Lane::Drained,
            };
            let next = match lane {
                Lane::Fresh => fresh.next(),
                Lane::Drained => drained.next(),
            };
            match next {
                Some(build) => builds.push(*build),
                None => break,
            }
        }
        builds
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.drained.is_empty()
    }

    /// How many builds may go from a lane.
    pub(super) fn len(&self, lane: Lane) -> usize {
        match lane {
            Lane::Fresh => self.fresh.len(),
            Lane::Drained => self.drained.len(),
        }
    }

    fn of(&mut self, lane: Lane) -> &mut BTreeMap<Ticket, BuildKey> {
        match lane {
            Lane::Fresh => &mut self.fresh,
            Lane::Drained => &mut self.drained,
        }
    }
}

impl Cycle {
    fn next(&mut self) -> Lane {
        let turn = usize::from(self.0) % DRAINED_TURNS.len();
        self.0 = u8::try_from((turn + 1) % DRAINED_TURNS.len()).unwrap_or(0);
        if DRAINED_TURNS.get(turn) == Some(&true) { Lane::Drained } else { Lane::Fresh }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::names::Name;

    fn insert(lanes: &mut Lanes, lane: Lane, number: u64) {
        let build = BuildKey { instance: Name(u32::from(lane == Lane::Drained)), id: number };
        lanes.insert(lane, Ticket { place: Place::InOrder, number }, build);
    }

    #[test]
    fn fresh_builds_go_first_and_have_seven_of_ten() {
        let mut lanes = Lanes::default();
        for number in 0..1_000 {
            insert(&mut lanes, Lane::Fresh, number);
            insert(&mut lanes, Lane::Drained, number);
        }
        let served: String = (0..1_000).map(|_| lanes.next().unwrap().instance.0.to_string()).collect();
        assert_eq!(served, "0001001001".repeat(100));
    }

    #[test]
    fn a_cutover_goes_before_what_is_in_order() {
        let mut lanes = Lanes::default();
        insert(&mut lanes, Lane::Fresh, 1);
        for number in [3, 2] {
            let build = BuildKey { instance: Name(9), id: number };
            lanes.insert(Lane::Fresh, Ticket { place: Place::First, number }, build);
        }
        assert_eq!([2, 3, 1].map(Some), [(); 3].map(|()| lanes.next().map(|build| build.id)));
    }

    proptest! {
        /// A turn is never left unused while a build waits; where both lanes wait, every ten turns in a row are 7 : 3,
        /// whatever came between them.
        #[test]
        fn the_shares_are_exact_and_no_turn_is_lost(arrivals in prop::collection::vec((0u64..4, 0u64..4, 0u64..6), 1..300)) {
            let (mut lanes, mut number, mut contended) = (Lanes::default(), 0, Vec::new());
            for (fresh, drained, served) in arrivals {
                for lane in (0..fresh).map(|_| Lane::Fresh).chain((0..drained).map(|_| Lane::Drained)) {
                    insert(&mut lanes, lane, number);
                    number += 1;
                }
                let ahead = lanes.ahead(usize::try_from(served).unwrap());
                for turn in 0..usize::try_from(served).unwrap() {
                    let waiting = (lanes.len(Lane::Fresh), lanes.len(Lane::Drained));
                    let next = lanes.next();
                    prop_assert_eq!(next, ahead.get(turn).copied());
                    prop_assert_eq!(next.is_some(), waiting != (0, 0));
                    if waiting.0 > 0 && waiting.1 > 0 {
                        contended.extend(next.map(|build| build.instance.0));
                    }
                }
            }
            for ten in contended.windows(10) {
                prop_assert_eq!(ten.iter().sum::<u32>(), 3, "{:?}", ten);
            }
        }
    }
}
