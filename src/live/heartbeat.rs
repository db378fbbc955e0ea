//! Whether the pipeline still turns: its last turn and its start, for whoever watches from outside.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Without a turn for so long the pipeline counts as stalled.
pub const STALLED: Duration = Duration::from_secs(60);

/// The last turn of a pipeline. The runner writes, anybody reads.
#[derive(Debug)]
pub struct Heartbeat {
    began: Instant,
    /// When the last turn was, in milliseconds since the beginning.
    last: AtomicU64,
    started: AtomicBool,
}

impl Heartbeat {
    /// The process begins; that counts as a turn.
    pub fn new(now: Instant) -> Self {
        Self { began: now, last: AtomicU64::new(0), started: AtomicBool::new(false) }
    }

    /// The pipeline made a turn. An earlier one changes nothing.
    pub fn turn(&self, now: Instant) {
        self.last.fetch_max(self.millis(now), Ordering::Relaxed);
    }

    /// The state is open and the first assignment of partitions is answered: the start is over.
    pub fn started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Whether the start is over.
    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// How long ago the last turn was.
    pub fn age(&self, now: Instant) -> Duration {
        Duration::from_millis(self.millis(now).saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_newest_turn() {
        let began = Instant::now();
        let heartbeat = Heartbeat::new(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(heartbeat.age(at(7)), Duration::from_secs(7));
        heartbeat.turn(at(10));
        heartbeat.turn(at(4));
        assert_eq!(heartbeat.age(at(70)), STALLED);
        assert_eq!(heartbeat.age(at(9)), Duration::ZERO);
    }

    #[test]
    fn a_start_is_over_once_it_is_said() {
        let heartbeat = Heartbeat::new(Instant::now());
        assert!(!heartbeat.is_started());
        heartbeat.started();
        assert!(heartbeat.is_started());
    }
}
