//! Event time and watermark of one partition (design section 5).
//!
//! Only a time that the hub gave moves the watermark, and only one that can be true. Invariant I5: a watermark never
//! goes back. What has no such time gets one that can be told from what came before it, and moves nothing.

use serde::{Deserialize, Serialize};

use super::decision::TimeMark;
use crate::event::SentAt;
use crate::settings::ClockSettings;
use crate::time::{Second, Seconds};

/// A good time this far ahead of its partition moves nothing before a second one confirms it.
const JUMP: Seconds = Seconds(30 * 60);
/// Records without a good time after which the newest good one is too old to stand in.
const UNDATED_RUN: u32 = 100;

/// 10000-01-01T00:00:00Z: no calendar of a message goes further.
const YEAR_10000: Second = Second(253_402_300_800);

/// The time an event has for windows and timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// What windows, hold-back and timers run on; never behind the watermark of the partition.
    pub effective: Second,
    /// When the event happened as far as is known: before `effective` only where it is late.
    pub happened: Second,
    /// How the time was told.
    pub mark: TimeMark,
    /// It came behind the watermark of its own partition.
    pub late: bool,
}

impl Stamp {
    /// The same where it is not before `reached`; else it came too late for its turn, as behind a watermark.
    #[must_use]
    pub fn not_before(self, reached: Second) -> Self {
        if self.effective == Second::MIN || self.effective >= reached {
            return self;
        }
        Self { effective: reached, late: true, ..self }
    }
}

/// The clock of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartitionClock {
    /// The newest good `sent-at` that is believed.
    newest_good: Option<Second>,
    /// The event time that the watermark trails.
    high: Option<Second>,
    /// A good time far ahead that waits for a second one.
    jump: Option<Second>,
    /// Records without a good time since the last that had one newer than all before.
    undated: u32,
    /// Watermark that elapsed time has proved, above what events show.
    proved: Option<Second>,
}

impl PartitionClock {
    /// The event time before which no more records are expected; `None` before the first good time.
    pub fn watermark(&self, settings: &ClockSettings) -> Option<Second> {
        let by_events = self.high.map(|high| high - settings.disorder);
        by_events.max(self.proved)
    }

    /// Gives a record its time and moves the watermark by it. `kafka_millis` is the record's Kafka timestamp.
    pub fn stamp(&mut self, settings: &ClockSettings, sent_at: SentAt, kafka_millis: Option<i64>) -> Stamp {
        let (time, mark) = match good_time(settings, sent_at, kafka_millis) {
            Ok(sent) => (sent, TimeMark::Sent),
            Err(mark) => (self.stand_in(kafka_millis), mark),
        };
        let watermark = self.watermark(settings);
        if mark == TimeMark::Sent {
            self.advance(time);
        } else {
            self.undated = self.undated.saturating_add(1);
        }
        match watermark {
            Some(watermark) if time < watermark => {
                let happened = if mark == TimeMark::Sent { time } else { watermark };
                Stamp { effective: watermark, happened, mark, late: true }
            }
            _ => Stamp { effective: time, happened: time, mark, late: false },
        }
    }

    /// The newest time that is believed; `None` before the first good one.
    pub fn newest(&self) -> Option<Second> {
        self.high
    }

    /// Raises the watermark to what a proof of being caught up shows; a lower one changes nothing.
    pub fn prove(&mut self, watermark: Second) {
        self.proved = self.proved.max(Some(watermark));
    }

    fn stand_in(&self, kafka_millis: Option<i64>) -> Second {
        let kafka = kafka_millis.map(Second::from_millis);
        match (kafka, self.newest_good) {
            (Some(kafka), Some(good)) if self.undated < UNDATED_RUN => kafka.min(good),
            (Some(kafka), _) => kafka,
            (None, Some(good)) => good,
            // Nothing tells a time yet: it is the first to be judged once something does.
            (None, None) => Second::MIN,
        }
    }

    fn advance(&mut self, sent: Second) {
        let Some(high) = self.high else {
            self.high = Some(sent);
            self.believe(sent);
            return;
        };
        let to = if sent - high <= JUMP {
            self.jump = None;
            sent
        } else if let Some(first) = self.jump.take() {
            first.min(sent)
        } else {
            self.jump = Some(sent);
            return;
        };
        self.high = Some(high.max(to));
        self.believe(to);
    }

    /// A good time that is newer than all before it ends a run of records without one. A copy of an old message tells
    /// nothing of the time now, nor does a jump before it is confirmed: the time that would stand in is still the old one.
    fn believe(&mut self, good: Second) {
        if self.newest_good < Some(good) {
            self.newest_good = Some(good);
            self.undated = 0;
        }
    }
}

/// The time that the hub gave, or why it cannot be believed.
fn good_time(
    settings: &ClockSettings,
    sent_at: SentAt,
    kafka_millis: Option<i64>,
) -> Result<Second, TimeMark> {
    let sent = match (sent_at, kafka_millis) {
        (SentAt::At(sent), _) => sent,
        (SentAt::Missing, Some(kafka)) if settings.kafka_time_is_publish => Second::from_millis(kafka),
        (SentAt::Missing | SentAt::Unreadable, _) => return Err(TimeMark::Arrival),
    };
    if sent < Second::YEAR_2010 {
        return Err(TimeMark::Arrival);
    }
    if sent >= YEAR_10000 {
        return Err(TimeMark::Future);
    }
    let ahead = kafka_millis.map(|kafka| sent.0.saturating_mul(1_000).saturating_sub(kafka));
    if ahead.is_some_and(|ahead| ahead > settings.max_future.0.saturating_mul(1_000)) {
        return Err(TimeMark::Future);
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    const T: i64 = 1_738_648_800;

    fn settings() -> ClockSettings {
        Settings::defaults("f42").clock
    }

    fn at(second: i64) -> SentAt {
        SentAt::At(Second(T + second))
    }

    /// Feeds (sent-at, Kafka's second) and gives back (effective, watermark) relative to `T` of the last.
    fn last(records: &[(SentAt, Option<i64>)]) -> (Stamp, Option<i64>) {
        let settings = settings();
        let mut clock = PartitionClock::default();
        let mut stamp = None;
        for (sent, kafka) in records {
            stamp = Some(clock.stamp(&settings, *sent, kafka.map(|second| (T + second) * 1_000)));
        }
        (stamp.unwrap(), clock.watermark(&settings).map(|watermark| watermark.0 - T))
    }

    #[test]
    fn late_is_behind_the_watermark_and_runs_on_it() {
        let (stamp, watermark) = last(&[(at(100), None), (at(95), None)]);
        assert_eq!((stamp.effective.0 - T, stamp.late, watermark), (95, false, Some(95)));
        let (stamp, _) = last(&[(at(100), None), (at(94), None)]);
        assert_eq!((stamp.effective.0 - T, stamp.happened.0 - T, stamp.late), (95, 94, true));
    }

    #[test]
    fn a_time_more_than_max_future_ahead_of_arrival_is_not_believed() {
        let (stamp, watermark) = last(&[(at(0), Some(1)), (at(61), Some(1))]);
        assert_eq!((stamp.mark, watermark), (TimeMark::Sent, Some(56)));
        let (stamp, watermark) = last(&[(at(0), Some(1)), (at(62), Some(1))]);
        assert_eq!((stamp.mark, stamp.effective.0 - T, watermark), (TimeMark::Future, 0, Some(-5)));
    }

    #[test]
    fn what_carries_no_time_that_can_be_true_takes_the_older_of_arrival_and_newest_good() {
        for sent in
            [SentAt::Missing, SentAt::Unreadable, SentAt::At(Second(0)), SentAt::At(Second(1_262_303_999))]
        {
            let (stamp, watermark) = last(&[(at(50), Some(51)), (sent, Some(9_000))]);
            assert_eq!((stamp.mark, stamp.effective.0 - T, watermark), (TimeMark::Arrival, 50, Some(45)));
            let (stamp, _) = last(&[(at(50), Some(51)), (sent, Some(48))]);
            assert_eq!(stamp.effective.0 - T, 48);
            let (stamp, _) = last(&[(sent, Some(48))]);
            assert_eq!(stamp.effective.0 - T, 48);
            let (stamp, _) = last(&[(sent, None)]);
            assert_eq!(stamp.effective, Second::MIN);
        }
    }

    #[test]
    fn after_a_hundred_undated_records_arrival_stands_in() {
        let mut records = vec![(at(0), Some(1))];
        records.extend((0..100).map(|n| (SentAt::Missing, Some(n))));
        assert_eq!(last(&records).0.effective.0 - T, 0);
        records.push((SentAt::Missing, Some(700)));
        assert_eq!(last(&records).0.effective.0 - T, 700);
    }

    #[test]
    fn a_copy_of_an_old_message_ends_no_run_of_undated_records() {
        for (sent, effective) in [(-60, 700), (0, 700), (1, 1)] {
            let mut records = vec![(at(0), Some(1))];
            records.extend((0..=100).map(|n| (SentAt::Missing, Some(n))));
            records.extend([(at(sent), Some(699)), (SentAt::Missing, Some(700))]);
            assert_eq!(last(&records).0.effective.0 - T, effective, "{sent}");
        }
    }

    #[test]
    fn a_jump_ends_a_run_of_undated_records_only_once_it_is_confirmed() {
        let undated = |second| (SentAt::Missing, Some(second));
        let mut records = vec![(at(0), Some(1))];
        records.extend((0..=100).map(|_| undated(7_000)));
        records.extend([(at(7_199), Some(7_200)), undated(7_201)]);
        assert_eq!(last(&records).0.effective.0 - T, 7_201, "the newest good time was hours old");
        records.extend([(at(7_202), Some(7_203)), undated(7_300)]);
        assert_eq!(last(&records).0.effective.0 - T, 7_199);
    }

    #[test]
    fn a_jump_of_more_than_half_an_hour_needs_a_second_witness() {
        assert_eq!(last(&[(at(0), None), (at(1_800), None)]).1, Some(1_795));
        assert_eq!(last(&[(at(0), None), (at(1_801), None)]).1, Some(-5));
        assert_eq!(last(&[(at(0), None), (at(9_000), None), (at(8_000), None)]).1, Some(7_995));
        assert_eq!(last(&[(at(0), None), (at(9_000), None), (at(9_500), None)]).1, Some(8_995));
        // A normal record in between shows that the first was wrong.
        assert_eq!(last(&[(at(0), None), (at(9_000), None), (at(1), None), (at(9_001), None)]).1, Some(-4));
    }

    #[test]
    fn a_proof_raises_the_watermark_and_never_lowers_it() {
        let settings = settings();
        let mut clock = PartitionClock::default();
        clock.prove(Second(T + 100));
        clock.prove(Second(T + 50));
        assert_eq!(clock.watermark(&settings), Some(Second(T + 100)));
        assert!(clock.stamp(&settings, at(99), None).late);
        assert_eq!(clock.watermark(&settings), Some(Second(T + 100)));
    }
}
