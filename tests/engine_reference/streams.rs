//! Random streams of one tag, and small settings that bring them to the edges of the rules.

use std::collections::BTreeMap;

use tidegate::event::Position;
use tidegate::settings::{Rule, Settings};
use tidegate::time::Seconds;

use super::common;

const DISORDER: i64 = 5;
/// Builds up to this one are seen in another tag of the family.
pub(crate) const KNOWN_TO: u64 = 8;
/// Builds behind those, up to this one, are seen to complete; those behind it are not.
pub(crate) const FRESH_TO: u64 = 24;

/// One message of the tag.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) position: Position,
    pub(crate) sent: i64,
    /// `max(sent, watermark of the partition)`.
    pub(crate) effective: i64,
    pub(crate) untag: bool,
    pub(crate) build: u64,
    pub(crate) id: String,
    pub(crate) actor: &'static str,
}

impl Event {
    /// Whether it came behind the watermark of its partition.
    pub(crate) fn late(&self) -> bool {
        self.sent < self.effective
    }
}

/// Whether a build is seen to complete, and is not known.
pub(crate) fn is_fresh(build: u64) -> bool {
    build > KNOWN_TO && build <= FRESH_TO
}

/// A generator of random numbers (`SplitMix64`), the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 2).unwrap() % limit
    }

    fn one_in(&mut self, times: i64) -> bool {
        self.below(times) == 0
    }

    fn pick<V: Copy>(&mut self, values: &[V]) -> V {
        values[usize::try_from(self.below(i64::try_from(values.len()).unwrap())).unwrap()]
    }
}

/// Small rules of one of several kinds.
pub(crate) fn random_settings(random: &mut Random) -> Settings {
    let mut settings = common::settings();
    let rule = |count, within| Rule { count, within: Seconds(within) };
    let burst = &mut settings.burst;
    burst.rules = random.pick(&[[rule(4, 5), rule(3, 9)], [rule(3, 2), rule(5, 9)]]).to_vec();
    burst.hold_back = Seconds(random.pick(&[10, 10, 14]));
    burst.quiet = Seconds(random.pick(&[5, 10, 25]));
    burst.large = random.pick(&[6, 500]);
    burst.quiet_large = Seconds(40);
    burst.suspect_max = Seconds(random.pick(&[25, 1_800]));
    burst.hold_size = random.pick(&[9, 6_000]);
    burst.actor_size = random.pick(&[5, 200]);
    settings
}

/// A stream of the tag, in the order of reading.
pub(crate) fn random_stream(random: &mut Random) -> Vec<Event> {
    let (first, last) = random.pick(&[(1, 32), (1, 12), (9, 24), (9, 32), (25, 40), (5, 28)]);
    let step = random.pick(&[2, 4, 7]);
    let mut events: Vec<Event> = Vec::new();
    let mut newest: BTreeMap<u32, i64> = BTreeMap::new();
    let mut offsets: BTreeMap<u32, u64> = BTreeMap::new();
    let mut now = 100;
    for number in 0..random.below(60) + 10 {
        now += if random.one_in(12) { random.below(40) } else { random.below(step) };
        let sent = now - if random.one_in(15) { random.below(60) } else { random.below(4) };
        let partition = u32::from(random.one_in(3));
        let repeated = if random.one_in(15) && !events.is_empty() {
            Some(events[usize::try_from(random.below(i64::try_from(events.len()).unwrap())).unwrap()].clone())
        } else {
            None
        };
        let build = u64::try_from(random.below(last - first + 1) + first).unwrap();
        let fresh = Event {
            position: Position { partition, offset: 0 },
            sent,
            effective: 0,
            untag: random.one_in(8),
            build,
            id: format!("m{number}"),
            actor: random.pick(&["bodhi", "releng", "releng", "kevin"]),
        };
        let mut event = repeated.unwrap_or(fresh);
        let offset = offsets.entry(partition).or_insert(1);
        *offset += 1;
        event.position = Position { partition, offset: *offset };
        let before = newest.get(&partition).copied();
        event.effective = before.map_or(event.sent, |newest| event.sent.max(newest - DISORDER));
        newest.insert(partition, before.map_or(event.sent, |newest| newest.max(event.sent)));
        events.push(event);
    }
    events
}
