//! How far the watermark of a silent partition may go on: as far as it is *proved* that nothing is missing.
//!
//! Silence proves nothing. That the consumer stands at the broker's end offset, fetched after its last poll, does: all that
//! had reached Kafka by then was read. When that was by Kafka's clock is told from the records of the whole source and the
//! time that passed since; what a message takes from the hub to Kafka is taken off (design section 5).
//!
//! Where the whole source is silent for too long nothing goes on: the backlog may stand before Kafka.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::time::{Second, Seconds};

/// Records that are remembered, of the source and of each partition.
const RECENT: usize = 64;

/// What the records of a source told about clocks and delays. Times of this machine are durations since any fixed moment.
#[derive(Debug, Clone)]
pub struct Silence {
    /// How long the whole source may be silent.
    max: Seconds,
    /// When a record came last, or reading began.
    last: Duration,
    /// Kafka's time less this machine's, in milliseconds: a lower bound of Kafka's clock each, of the last records.
    clocks: Recent,
    /// Milliseconds from the hub to Kafka, of the last records of any partition.
    delays: Recent,
    partitions: BTreeMap<u32, Recent>,
}

/// The last few of some numbers.
#[derive(Debug, Clone, Default)]
struct Recent(VecDeque<i64>);

impl Recent {
    fn add(&mut self, value: i64) {
        self.0.push_back(value);
        if self.0.len() > RECENT {
            self.0.pop_front();
        }
    }

    fn max(&self) -> Option<i64> {
        self.0.iter().max().copied()
    }
}

impl Silence {
    /// Reading begins at `now`.
    pub fn new(max: Seconds, now: Duration) -> Self {
        Self {
            max,
            last: now,
            clocks: Recent::default(),
            delays: Recent::default(),
            partitions: BTreeMap::new(),
        }
    }

    /// From now on the whole source may be silent for so long.
    pub fn set_max(&mut self, max: Seconds) {
        self.max = max;
    }

    /// A record came at `now`, or is known to have come before: `sent` by the hub, `kafka_millis` by Kafka's clock.
    pub fn record(&mut self, partition: u32, now: Duration, sent: Option<Second>, kafka_millis: Option<i64>) {
        self.last = self.last.max(now);
        let Some(kafka) = kafka_millis else { return };
        self.clocks.add(kafka.saturating_sub(millis(now)));
        if let Some(sent) = sent {
            let delay = kafka.saturating_sub(sent.0.saturating_mul(1_000)).max(0);
            self.delays.add(delay);
            self.partitions.entry(partition).or_default().add(delay);
        }
    }

    /// At `asked` a partition had been read to its end. Gives the event time before which nothing of it is missing, `disorder`
    /// of the bus allowed for; `None` where that cannot be told.
    pub fn proved(&self, partition: u32, asked: Duration, disorder: Seconds) -> Option<Second> {
        if self.is_silent(asked) {
            return None;
        }
        let clock = self.clocks.max()?.saturating_add(millis(asked));
        let own = self.partitions.get(&partition).and_then(Recent::max);
        let delay = own.or_else(|| self.delays.max())?;
        Some(Second::from_millis(clock.saturating_sub(delay)) - disorder)
    }

    /// Whether no record of any partition has come for too long.
    pub fn is_silent(&self, now: Duration) -> bool {
        millis(now.saturating_sub(self.last)) > self.max.0.saturating_mul(1_000)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_738_648_800;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn silence() -> Silence {
        Silence::new(Seconds(600), at(0))
    }

    fn record(silence: &mut Silence, partition: u32, now: u64, sent: i64, kafka: i64) {
        silence.record(partition, at(now), Some(Second(T + sent)), Some((T + kafka) * 1_000));
    }

    fn proved(silence: &Silence, partition: u32, asked: u64) -> Option<i64> {
        silence.proved(partition, at(asked), Seconds(5)).map(|second| second.0 - T)
    }

    #[test]
    fn time_goes_on_less_the_delay_of_the_bus_and_its_disorder() {
        let mut silence = silence();
        assert_eq!(proved(&silence, 0, 10), None);
        record(&mut silence, 0, 10, 0, 2);
        // Kafka's clock stood at 2 when this one stood at 10; 2 s of delay, 5 s of disorder.
        assert_eq!(proved(&silence, 0, 10), Some(-5));
        assert_eq!(proved(&silence, 0, 40), Some(25));
        // The slowest of the last records counts.
        record(&mut silence, 0, 50, 33, 42);
        assert_eq!(proved(&silence, 0, 50), Some(28));
    }

    #[test]
    fn a_partition_goes_by_the_clock_of_all_and_by_its_own_delay() {
        let mut silence = silence();
        record(&mut silence, 0, 10, 0, 3);
        record(&mut silence, 1, 110, 102, 103);
        assert_eq!((proved(&silence, 0, 110), proved(&silence, 1, 110)), (Some(95), Some(97)));
        // One that never had a record takes the worst delay there is.
        assert_eq!(proved(&silence, 2, 110), Some(95));
    }

    #[test]
    fn a_record_of_a_backlog_does_not_set_the_clock_back() {
        let mut silence = silence();
        record(&mut silence, 0, 10, 999, 1_000);
        record(&mut silence, 1, 10, 0, 1);
        assert_eq!(proved(&silence, 0, 20), Some(1_004));
    }

    #[test]
    fn a_slow_record_is_forgotten_in_time() {
        let mut silence = silence();
        record(&mut silence, 0, 0, 0, 500);
        for n in 0..RECENT {
            assert_eq!(proved(&silence, 0, 0), Some(-5), "{n}");
            record(&mut silence, 0, 0, 499, 500);
        }
        assert_eq!(proved(&silence, 0, 0), Some(494));
    }

    #[test]
    fn a_source_that_is_silent_too_long_proves_nothing_until_a_record_comes() {
        let mut silence = silence();
        record(&mut silence, 0, 10, 0, 0);
        assert_eq!(proved(&silence, 0, 610), Some(595));
        assert_eq!(proved(&silence, 0, 611), None);
        assert!(silence.is_silent(at(611)));
        record(&mut silence, 1, 700, 690, 690);
        assert_eq!(proved(&silence, 0, 700), Some(685));
    }

    #[test]
    fn without_times_nothing_is_proved() {
        let mut silence = silence();
        silence.record(0, at(1), Some(Second(T)), None);
        silence.record(0, at(1), None, Some(T * 1_000));
        assert_eq!(proved(&silence, 0, 1), None);
    }
}
