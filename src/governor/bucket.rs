//! The token bucket: the `governor` crate's limiter on a clock that runs at the pace of the rate.
//!
//! The limiter is told once and for all that one token takes an hour. Its clock is ours, and runs as many times faster than
//! the world as there are builds an hour: at 40/h one of its hours is 90 seconds of ours. A change of rate only changes the
//! pace of that clock, so the tokens are kept; at 0/h it stands still. In the limiter's nanoseconds a token is
//! 3.6 · 10^12, and a millisecond of ours is as many as the rate has millionths of a build an hour: all whole numbers,
//! nothing is rounded.
//!
//! The limiter's state is the time at which the bucket would be full again (in the words of GCRA, the theoretical
//! arrival time). It lies in a store of ours, so that the level can be read, saved and set, which the crate's own store
//! does not allow.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::governor::clock::Clock;
use ::governor::middleware::NoOpMiddleware;
use ::governor::nanos::Nanos;
use ::governor::state::{NotKeyed, StateStore};
use ::governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};

use super::rate::Rate;

/// What a token takes on the limiter's clock, an hour, in its nanoseconds.
const PARTS_OF_A_TOKEN: u64 = 3_600_000_000_000;
/// When the limiter's clock has come so far, it is set back to 0: far from the end of 64 bits even with the fullest bucket.
const CLOCK_MAX: u64 = 1 << 62;

/// How much is in the bucket, in parts of a token: 3.6 · 10^12 are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(pub(super) u64);

impl Level {
    /// Nothing in it: so every first start begins.
    pub const EMPTY: Self = Self(0);

    /// The level in millionths of a token, cut off. For people; sums are made of the exact level.
    pub fn millionths(self) -> u64 {
        self.0 / (PARTS_OF_A_TOKEN / 1_000_000)
    }
}

/// A time on the limiter's clock that the limiter and the bucket share. The bucket is the only one that changes it from outside
/// the limiter, and only while the limiter is at rest: it is atomic because the limiter wants to be used from many threads.
#[derive(Debug, Clone)]
struct Shared(Arc<AtomicU64>);

impl Shared {
    fn new(nanos: u64) -> Self {
        Self(Arc::new(AtomicU64::new(nanos)))
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }
}

/// The limiter's clock.
#[derive(Debug, Clone)]
struct Pace(Shared);

impl Clock for Pace {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.get().into()
    }
}

/// The limiter's state: when the bucket is full again.
#[derive(Debug, Clone)]
struct FullAt(Shared);

impl StateStore for FullAt {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(Some(self.0.get().into()))?;
        self.0.set(next.into());
        Ok(outcome)
    }
}

/// A bucket of at most `capacity` tokens that fills at `rate`.
#[derive(Debug)]
pub(super) struct Bucket {
    capacity: NonZeroU32,
    rate: Rate,
    clock: Shared,
    full_at: Shared,
    limiter: RateLimiter<NotKeyed, FullAt, Pace, NoOpMiddleware<Nanos>>,
}

/// No token is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoToken {
    /// Milliseconds after which there is one; `None`: not before the rate is changed.
    pub(super) wait: Option<u64>,
}

impl Bucket {
    /// The largest bucket: with more, times on the limiter's clock would not fit into 64 bits.
    pub(super) const CAPACITY_MAX: u32 = 1_000_000;

    /// A bucket with `level` in it, or full where that is more than it holds. `capacity` is at most
    /// [`Bucket::CAPACITY_MAX`]; more counts as that.
    pub(super) fn new(capacity: NonZeroU32, rate: Rate, level: Level) -> Self {
        let capacity = capacity.min(NonZeroU32::MIN.saturating_add(Self::CAPACITY_MAX - 1));
        let (clock, full_at) = (Shared::new(0), Shared::new(room(capacity).saturating_sub(level.0)));
        let quota = Quota::per_hour(NonZeroU32::MIN).allow_burst(capacity);
        let limiter = RateLimiter::new(quota, FullAt(full_at.clone()), Pace(clock.clone()));
        Self { capacity, rate, clock, full_at, limiter }
    }

    /// Lets `millis` pass at the rate.
    pub(super) fn advance(&mut self, millis: u64) {
        // At the end of its numbers the clock may stand: by then the bucket is full, whatever its size.
        let refill = millis.saturating_mul(self.rate.millionths_per_hour());
        self.clock.set(self.clock.get().saturating_add(refill));
        if self.clock.get() >= CLOCK_MAX {
            *self = Self::new(self.capacity, self.rate, self.level());
        }
    }

    /// Takes one token out.
    pub(super) fn take(&mut self) -> Result<(), NoToken> {
        self.limiter
            .check()
            .map_err(|refusal| NoToken { wait: self.wait_until(refusal.earliest_possible().as_u64()) })
    }

    /// When `tokens` will have been there since now, if none were refused; 0 where they are there.
    pub(super) fn wait_for(&self, tokens: u64) -> Option<u64> {
        let missing = tokens.saturating_mul(PARTS_OF_A_TOKEN).saturating_sub(self.level().0);
        self.wait_until(self.clock.get().saturating_add(missing))
    }

    pub(super) fn level(&self) -> Level {
        let missing = self.full_at.get().saturating_sub(self.clock.get());
        Level(room(self.capacity).saturating_sub(missing))
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    pub(super) fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }

    pub(super) fn capacity(&self) -> NonZeroU32 {
        self.capacity
    }

    /// Milliseconds until the limiter's clock shows `nanos`, rounded up; `None` where it stands still.
    fn wait_until(&self, nanos: u64) -> Option<u64> {
        match (nanos.saturating_sub(self.clock.get()), self.rate.millionths_per_hour()) {
            (0, _) => Some(0),
            (_, 0) => None,
            (ahead, pace) => Some(ahead.div_ceil(pace)),
        }
    }
}

/// What a full bucket holds, in parts of a token.
fn room(capacity: NonZeroU32) -> u64 {
    u64::from(capacity.get()) * PARTS_OF_A_TOKEN
}
