//! How far the watermark of a silent partition may go on: as far as it is *proved* that nothing is missing.
//!
//! Silence proves nothing. That the consumer stands at the broker's end offset, fetched after its last poll, does: all that
//! reached Kafka until then was read. From then on it is the time that passes, less what the bus takes from the hub to
//! Kafka (design section 5).

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{Second, Seconds};

/// Records whose delay on the bus is remembered.
const RECENT: usize = 64;

/// What is known of the silence of one partition. Times of this machine are durations since any fixed moment.
#[derive(Debug, Clone, Default)]
pub struct Idle {
    /// Kafka's time of the newest record, in milliseconds since 1970.
    newest_millis: Option<i64>,
    /// Milliseconds from the hub to Kafka, of the last records with both times.
    delays: VecDeque<i64>,
    /// The first proof since the last record.
    first: Option<Duration>,
}

impl Idle {
    /// A record came: what was proved before ends with it.
    pub fn record(&mut self, sent: Option<Second>, kafka_millis: Option<i64>) {
        self.first = None;
        self.newest_millis = self.newest_millis.max(kafka_millis);
        if let (Some(sent), Some(kafka)) = (sent, kafka_millis) {
            let delay = kafka.saturating_sub(sent.0.saturating_mul(1_000)).max(0);
            self.delays.push_back(delay);
            if self.delays.len() > RECENT {
                self.delays.pop_front();
            }
        }
    }

    /// The proof was broken: the broker cannot be asked, or reading pauses.
    pub fn unprove(&mut self) {
        self.first = None;
    }

    /// At `now` the consumer stood at the end. Gives the event time before which nothing is missing, `disorder` of the bus
    /// allowed for; `None` where no time can be told from the partition yet.
    pub fn prove(&mut self, now: Duration, disorder: Seconds) -> Option<Second> {
        let first = *self.first.get_or_insert(now);
        let passed = i64::try_from(now.saturating_sub(first).as_millis()).unwrap_or(i64::MAX);
        // What Kafka showed last was at the latest now when it was first proved that nothing follows.
        let arrived_by = self.newest_millis?.saturating_add(passed);
        let delay = *self.delays.iter().max()?;
        Some(Second::from_millis(arrived_by.saturating_sub(delay)) - disorder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_738_648_800;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn proved(idle: &mut Idle, now: u64) -> Option<i64> {
        idle.prove(seconds(now), Seconds(5)).map(|second| second.0 - T)
    }

    #[test]
    fn time_goes_on_from_the_first_proof_less_delay_and_disorder() {
        let mut idle = Idle::default();
        assert_eq!(proved(&mut idle, 100), None);
        idle.record(Some(Second(T)), Some(T * 1_000 + 2_000));
        assert_eq!(proved(&mut idle, 100), Some(-5));
        assert_eq!(proved(&mut idle, 130), Some(25));
        // The slowest of the last records counts.
        idle.record(Some(Second(T + 40)), Some((T + 49) * 1_000));
        assert_eq!(proved(&mut idle, 150), Some(35));
        assert_eq!(proved(&mut idle, 160), Some(45));
    }

    #[test]
    fn a_record_and_a_broken_proof_begin_anew() {
        let mut idle = Idle::default();
        idle.record(Some(Second(T)), Some(T * 1_000));
        assert_eq!(proved(&mut idle, 10), Some(-5));
        assert_eq!(proved(&mut idle, 70), Some(55));
        idle.unprove();
        assert_eq!(proved(&mut idle, 200), Some(-5));
        assert_eq!(proved(&mut idle, 230), Some(25));
    }

    #[test]
    fn a_slow_record_is_forgotten_in_time() {
        let mut idle = Idle::default();
        idle.record(Some(Second(T)), Some((T + 500) * 1_000));
        for n in 0..RECENT {
            assert_eq!(proved(&mut idle, 1), Some(-5), "{n}");
            idle.record(Some(Second(T + 500)), Some((T + 500) * 1_000));
        }
        assert_eq!(proved(&mut idle, 1), Some(495));
    }

    #[test]
    fn without_times_nothing_is_proved() {
        let mut idle = Idle::default();
        idle.record(Some(Second(T)), None);
        assert_eq!(proved(&mut idle, 1), None);
        idle.record(None, Some(T * 1_000));
        assert_eq!(proved(&mut idle, 1), None);
    }
}
