//! The laws of the governor, for random rates, capacities, polls, restarts and clocks, against a bucket in plain integers.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::bucket::{Bucket, NoToken};
use super::clock::Millis;
use super::hub::Jitter;
use super::queue::Admitted;
use super::rate::Rate;
use super::refusal::Why;
use super::settings::Settings;
use super::tests::admitted;
use super::{Governor, Level};

/// Parts of a token in the reference: a token is as many as an hour has milliseconds, times a million.
const TOKEN: u128 = 3_600_000 * 1_000_000;

/// A bucket as one would write it down: a sum, cut at the brim.
struct Reference {
    level: u128,
    brim: u128,
    rate: u128,
}

impl Reference {
    fn pass(&mut self, millis: u64) {
        self.level = (self.level + u128::from(millis) * self.rate).min(self.brim);
    }

    fn take(&mut self) -> bool {
        let is_there = self.level >= TOKEN;
        self.level -= if is_there { TOKEN } else { 0 };
        is_there
    }

    fn wait(&self) -> Option<u64> {
        let missing = TOKEN.saturating_sub(self.level);
        (missing == 0 || self.rate > 0).then(|| u64::try_from(missing.div_ceil(self.rate.max(1))).unwrap())
    }
}

/// One thing that happens to a governor.
#[derive(Debug, Clone)]
enum Step {
    /// The clock moves by so many milliseconds, also back.
    Move(i64),
    /// Up to so many builds are asked for.
    Poll(u32),
    SetRate(Rate),
    /// The process ends and starts again.
    Restart,
    /// The hub is offline until the next `Online`.
    Offline(u32),
    Online,
    /// A call did not take effect.
    PutBack,
    /// All calls are over.
    FinishAll,
}

fn rates() -> impl Strategy<Value = Rate> {
    let millionths = prop_oneof![
        1 => Just(0u64),
        4 => 1u64..=1_000_000_000,
        4 => (1u64..=2_000).prop_map(|builds| builds * 1_000_000),
        1 => Just(1_000_000_000_000u64),
    ];
    millionths.prop_map(|millionths| Rate::try_from(millionths).unwrap())
}

fn moves() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0i64..5_000,
        6 => 0i64..600_000,
        1 => 0i64..864_000_000,
        1 => -864_000_000i64..0,
        1 => Just(0i64),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => moves().prop_map(Step::Move),
        8 => (1u32..6).prop_map(Step::Poll),
        1 => rates().prop_map(Step::SetRate),
        1 => Just(Step::Restart),
        1 => any::<u32>().prop_map(Step::Offline),
        1 => Just(Step::Online),
        1 => Just(Step::PutBack),
        2 => Just(Step::FinishAll),
    ];
    prop::collection::vec(step, 1..60)
}

fn settings(rate: Rate, capacity: u32, in_flight: u32) -> Settings {
    Settings::new(rate, NonZeroU32::new(capacity).unwrap(), NonZeroU32::new(in_flight).unwrap())
}

/// The whole governor under test, with all that it forgets over a restart.
struct World {
    governor: Governor,
    settings: Settings,
    now: i64,
    waiting: Vec<Admitted>,
    under_way: Vec<Admitted>,
    number: u64,
}

impl World {
    fn new(settings: Settings) -> Self {
        let governor = Governor::new(settings.clone(), Millis(0), None).unwrap();
        Self { governor, settings, now: 0, waiting: Vec::new(), under_way: Vec::new(), number: 0 }
    }

    /// Never lets the queue run dry.
    fn fill(&mut self) {
        while self.waiting.len() < 8 {
            self.number += 1;
            let build = admitted(self.number);
            self.governor.enqueue(Millis(self.now), build.clone()).unwrap();
            self.waiting.push(build);
        }
    }

    fn restart(&mut self) {
        let text = serde_json::to_string(&self.governor.save()).unwrap();
        let saved = serde_json::from_str(&text).unwrap();
        self.governor = Governor::new(self.settings.clone(), Millis(self.now), Some(saved)).unwrap();
        for build in &self.under_way {
            self.governor.resume(Millis(self.now), build.clone());
        }
        for build in &self.waiting {
            self.governor.enqueue(Millis(self.now), build.clone()).unwrap();
        }
    }

    /// Builds that went.
    fn poll(&mut self, max: u32) -> u64 {
        let permits = self.governor.poll(Millis(self.now), NonZeroU32::new(max).unwrap()).unwrap_or_default();
        for permit in &permits {
            self.waiting.retain(|build| build.build != permit.admitted.build);
            self.under_way.push(permit.admitted.clone());
        }
        u64::try_from(permits.len()).unwrap()
    }

    fn put_back(&mut self) {
        if let Some(build) = self.under_way.pop() {
            assert!(self.governor.put_back(Millis(self.now), build.build).is_some());
            self.waiting.push(build);
        }
    }

    fn finish_all(&mut self) {
        for build in self.under_way.drain(..) {
            assert!(self.governor.finished(build.build));
        }
    }
}

fn run(steps: &[Step], rate: Rate, capacity: u32, in_flight: u32) {
    let mut world = World::new(settings(rate, capacity, in_flight));
    let brim = u128::from(capacity) * TOKEN;
    let mut reference = Reference { level: 0, brim, rate: rate.millionths_per_hour().into() };
    // The integral of the rate and what went, in parts of a token, at each step.
    let (mut integral, mut gone) = (0, 0);
    let mut history = vec![(integral, gone)];
    let mut is_offline = false;
    for step in steps {
        world.fill();
        match *step {
            Step::Move(millis) => {
                world.now += millis;
                let passed = u64::try_from(millis).unwrap_or(0);
                reference.pass(passed);
                integral += u128::from(passed) * reference.rate;
            }
            Step::Poll(max) => {
                let room = u64::from(in_flight) - u64::try_from(world.under_way.len()).unwrap();
                let room = if is_offline { 0 } else { room.min(max.into()) };
                let expected = (0..room).take_while(|_| reference.take()).count();
                let polled = world.poll(max);
                assert_eq!(polled, u64::try_from(expected).unwrap(), "polled at {}", world.now);
                gone += u128::from(polled) * TOKEN;
            }
            Step::SetRate(rate) => {
                world.governor.set_rate(Millis(world.now), rate);
                world.settings.rate = rate;
                reference.rate = rate.millionths_per_hour().into();
            }
            Step::Restart => world.restart(),
            Step::Offline(jitter) => {
                world.governor.hub_offline(Millis(world.now), Jitter(jitter));
                is_offline = true;
            }
            Step::Online => {
                world.governor.hub_online(Millis(world.now));
                is_offline = false;
            }
            Step::PutBack => world.put_back(),
            Step::FinishAll => world.finish_all(),
        }
        let level = world.governor.status(Millis(world.now)).tokens_millionths;
        assert_eq!(u128::from(level), reference.level / (TOKEN / 1_000_000));
        history.push((integral, gone));
    }
    for (start, from) in history.iter().enumerate() {
        for to in history.iter().skip(start) {
            assert!(to.1 - from.1 <= brim + to.0 - from.0, "too many after step {start}: {history:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// The upper law, and that not one token is lost on the way: in flight, offline, over restarts and steps of the clock, the
    /// governor lets exactly those go that a plain bucket lets go.
    #[test]
    fn neither_more_nor_less_goes_than_the_bucket_allows(
        steps in steps(), rate in rates(), capacity in 1u32..8, in_flight in 1u32..12,
    ) {
        run(&steps, rate, capacity, in_flight);
    }

    /// The crate's limiter on our clock is a token bucket to the last part of a token; a refusal is exact to the millisecond.
    #[test]
    fn the_limiter_is_a_bucket_in_integers(
        moves in prop::collection::vec((0u64..4_000_000, 0u32..4, prop::option::weighted(0.1, rates())), 1..40),
        rate in rates(), capacity in prop_oneof![1u32..6, 1u32..=1_000_000], full in any::<bool>(),
    ) {
        let brim = u128::from(capacity) * TOKEN;
        let level = if full { brim } else { 0 };
        let mut reference = Reference { level, brim, rate: rate.millionths_per_hour().into() };
        let capacity = NonZeroU32::new(capacity).unwrap();
        let mut bucket = Bucket::new(capacity, rate, Level(u64::try_from(level).unwrap()));
        for (millis, takes, change) in moves {
            reference.pass(millis);
            bucket.advance(millis);
            for _ in 0..takes {
                let wait = reference.wait();
                let expected = if reference.take() { Ok(()) } else { Err(NoToken { wait }) };
                prop_assert_eq!(bucket.wait_for(1), wait);
                prop_assert_eq!(bucket.take(), expected);
            }
            prop_assert_eq!(u128::from(bucket.level().0), reference.level);
            if let Some(rate) = change {
                bucket.set_rate(rate);
                reference.rate = rate.millionths_per_hour().into();
            }
        }
    }

    /// The lower law by definition: who asks when told to, and takes what is there, gets the integral of the rate.
    #[test]
    fn a_full_queue_gets_exactly_the_rate(
        polls in prop::collection::vec(1u64..4_000, 1..60), millionths in 1u64..=900_000_000, capacity in 2u32..5,
    ) {
        // 900 an hour are one in 4 s: less than one token comes in each wait, so a bucket of two or more never fills.
        let rate = Rate::try_from(millionths).unwrap();
        let mut world = World::new(settings(rate, capacity, 1_000));
        let mut gone = 0;
        for millis in polls {
            world.fill();
            world.now += i64::try_from(millis).unwrap();
            gone += world.poll(4);
            let integral = u128::try_from(world.now).unwrap() * u128::from(rate.millionths_per_hour());
            prop_assert_eq!(u128::from(gone), integral / TOKEN);
        }
    }

    /// A refusal for want of a token says the very millisecond: one before, there is none; then, there is.
    #[test]
    fn a_refusal_names_the_first_moment(millionths in 1u64..=1_000_000_000_000, capacity in 1u32..5, idle in 0i64..10_000_000) {
        let rate = Rate::try_from(millionths).unwrap();
        let mut world = World::new(settings(rate, capacity, 1_000));
        world.now += idle;
        world.fill();
        while world.poll(1) > 0 {
            world.fill();
        }
        let refusal = world.governor.poll(Millis(world.now), NonZeroU32::MIN).unwrap_err();
        prop_assert_eq!(&refusal.why, &Why::Tokens { rate });
        let at = refusal.at.unwrap();
        prop_assert_eq!(world.governor.poll(Millis(at.0 - 1), NonZeroU32::MIN), Err(refusal));
        prop_assert!(world.governor.poll(at, NonZeroU32::MIN).is_ok());
    }
}

/// Millisecond by millisecond for an hour, at a rate that divides nothing.
#[test]
fn an_hour_in_milliseconds_gives_the_rate() {
    let rate = Rate::from_per_hour(1_234.567_891).unwrap();
    let mut bucket = Bucket::new(NonZeroU32::new(2).unwrap(), rate, Level::EMPTY);
    let mut gone = 0u64;
    for millis in 1..=3_600_000u64 {
        bucket.advance(1);
        gone += u64::from(bucket.take().is_ok());
        let integral = u128::from(millis) * u128::from(rate.millionths_per_hour());
        assert_eq!(u128::from(gone), integral / TOKEN, "after {millis} ms");
    }
    assert_eq!(gone, 1_234);
}

/// A bucket of one token is full within a millisecond and loses the rest of it, for it cannot be asked before the next. Larger
/// buckets lose nothing.
#[test]
fn a_bucket_of_one_loses_less_than_a_millisecond_for_each_token() {
    let rate = Rate::per_hour(7);
    let took = |capacity| {
        let mut bucket = Bucket::new(NonZeroU32::new(capacity).unwrap(), rate, Level::EMPTY);
        let wait = |bucket: &mut Bucket| {
            let NoToken { wait } = bucket.take().unwrap_err();
            bucket.advance(wait.unwrap());
            assert_eq!(bucket.take(), Ok(()));
            wait.unwrap()
        };
        (0..7).map(|_| wait(&mut bucket)).sum::<u64>()
    };
    assert_eq!((took(1), took(2)), (3_600_002, 3_600_000));
}

/// So many years at the greatest rate that the limiter's clock is set back many times.
#[test]
fn the_clock_of_the_limiter_never_ends() {
    let capacity = NonZeroU32::new(1_000_000).unwrap();
    let mut bucket = Bucket::new(capacity, Rate::MAX, Level::EMPTY);
    for _ in 0..100 {
        bucket.advance(u64::MAX);
        assert_eq!(bucket.level(), Level(3_600_000_000_000_000_000));
        for _ in 0..3 {
            assert_eq!(bucket.take(), Ok(()));
        }
        assert_eq!(bucket.level(), Level(3_600_000_000_000_000_000 - 3 * 3_600_000_000_000));
        assert_eq!(bucket.wait_for(1_000_000), Some(11));
    }
    assert_eq!(Duration::from_millis(bucket.wait_for(1_000_001).unwrap()), Duration::from_millis(15));
}
