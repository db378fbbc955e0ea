//! How far each partition was read, and whether that can be gone on from. Pure.

use super::handover::{DamageKind, LastRead, StartAt};

/// How far one partition of ours was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Offset behind the last record that was taken over.
    pub(super) next: u64,
    /// The last record that was read, in this assignment or before.
    pub(super) last: Option<LastRead>,
    /// Kafka's time of the last record of this assignment.
    pub(super) last_kafka_millis: Option<i64>,
    /// Looks at the end for which reading counts as just begun at the first record there was: if that one goes before it
    /// was fetched, the next is as good.
    pub(super) fresh: u8,
    /// Records came since the last look at the end.
    pub(super) moved: bool,
    /// How many looks in a row showed an end before `next`.
    pub(super) shrunk: u8,
}

/// Looks are a second apart: the first fetch is done by then.
const FRESH_LOOKS: u8 = 2;
/// An old leader may answer once with an end from before it was replaced; twice is the truth.
const SHRUNK_LOOKS: u8 = 2;

impl Reading {
    /// Where to read from, or why not. `low` and `end` are what the broker has.
    pub(super) fn start(at: StartAt, low: u64, end: u64) -> Result<Self, DamageKind> {
        let (next, last, fresh) = match at {
            StartAt::Earliest => (low, None, FRESH_LOOKS),
            StartAt::Stored { next, .. } if next < low => return Err(DamageKind::Truncated { next, low }),
            StartAt::Stored { next, .. } if next > end => return Err(DamageKind::EndsBefore { next, end }),
            StartAt::Stored { next, last } => (next, last, 0),
            // Decided by a person who may not have seen the newest bounds.
            StartAt::Decided(next) => (next.clamp(low, end.max(low)), None, 0),
        };
        Ok(Self { next, last, last_kafka_millis: None, fresh, moved: false, shrunk: 0 })
    }

    /// A record was taken over.
    pub(super) fn advance(&mut self, offset: u64, kafka_millis: Option<i64>) {
        self.next = offset.saturating_add(1);
        if let Some(kafka_millis) = kafka_millis {
            self.last = Some(LastRead { offset, kafka_millis });
            self.last_kafka_millis = Some(kafka_millis);
        }
        self.fresh = 0;
        self.moved = true;
    }

    /// The broker says where the partition ends. A damage is told at the second such answer.
    pub(super) fn look(&mut self, end: u64) -> Option<DamageKind> {
        self.fresh = self.fresh.saturating_sub(1);
        if end >= self.next {
            self.shrunk = 0;
            return None;
        }
        self.shrunk = self.shrunk.saturating_add(1);
        (self.shrunk >= SHRUNK_LOOKS).then_some(DamageKind::EndsBefore { next: self.next, end })
    }

    /// The broker does not have the record at `next`: what it has is from `low` to `end`. A partition that reading
    /// has just begun goes on from its new first record.
    pub(super) fn out_of_range(&mut self, low: u64, end: u64) -> Option<DamageKind> {
        if self.fresh > 0 {
            self.next = low;
            return None;
        }
        let at = StartAt::Stored { next: self.next, last: None };
        Self::start(at, low, end).err()
    }
}

/// Compares the record that stands where the last one was read, or behind it, with that one. Where compaction or
/// retention took it away, there is nothing to compare.
pub(super) fn replaced(read: LastRead, found: Option<super::reader::Found>) -> Option<DamageKind> {
    let found = found.filter(|found| found.offset == read.offset)?;
    (found.kafka_millis != Some(read.kafka_millis))
        .then_some(DamageKind::Replaced { read, found_millis: found.kafka_millis })
}

#[cfg(test)]
mod tests {
    use super::super::reader::Found;
    use super::*;

    const STORED: fn(u64) -> StartAt = |next| StartAt::Stored { next, last: None };

    #[test]
    fn a_stored_position_is_good_from_the_first_record_kept_to_the_end() {
        for (next, low, end, expected) in [
            (5, 5, 5, Ok(5)),
            (5, 0, 9, Ok(5)),
            (9, 0, 9, Ok(9)),
            (4, 5, 9, Err(DamageKind::Truncated { next: 4, low: 5 })),
            (10, 0, 9, Err(DamageKind::EndsBefore { next: 10, end: 9 })),
            (1, 0, 0, Err(DamageKind::EndsBefore { next: 1, end: 0 })),
            (0, 0, 0, Ok(0)),
        ] {
            let got = Reading::start(STORED(next), low, end).map(|reading| reading.next);
            assert_eq!(got, expected, "{next} in {low}..{end}");
        }
    }

    #[test]
    fn earliest_and_decided_are_never_damage() {
        for (at, low, end, expected) in [
            (StartAt::Earliest, 7, 9, 7),
            (StartAt::Decided(3), 7, 9, 7),
            (StartAt::Decided(8), 7, 9, 8),
            (StartAt::Decided(12), 7, 9, 9),
        ] {
            assert_eq!(Reading::start(at, low, end).map(|reading| reading.next), Ok(expected), "{at:?}");
        }
    }

    #[test]
    fn an_end_before_the_position_is_damage_at_the_second_look_in_a_row() {
        let mut reading = Reading::start(STORED(5), 0, 9).unwrap();
        assert_eq!(reading.look(4), None);
        assert_eq!(reading.look(5), None);
        assert_eq!(reading.look(4), None);
        assert_eq!(reading.look(3), Some(DamageKind::EndsBefore { next: 5, end: 3 }));
    }

    #[test]
    fn where_reading_has_just_begun_a_new_first_record_is_no_loss() {
        let mut reading = Reading::start(StartAt::Earliest, 2, 9).unwrap();
        assert_eq!(reading.out_of_range(4, 9), None);
        assert_eq!(reading.next, 4);
        assert_eq!((reading.look(9), reading.look(9)), (None, None));
        assert_eq!(reading.out_of_range(7, 9), Some(DamageKind::Truncated { next: 4, low: 7 }));
        reading.advance(4, None);
        assert_eq!(reading.out_of_range(7, 9), Some(DamageKind::Truncated { next: 5, low: 7 }));
        assert_eq!(reading.out_of_range(0, 9), None);
    }

    #[test]
    fn only_another_record_at_the_same_offset_is_a_replacement() {
        let read = LastRead { offset: 5, kafka_millis: 100 };
        let found = |offset, kafka_millis| Some(Found { offset, kafka_millis });
        assert_eq!(replaced(read, None), None);
        assert_eq!(replaced(read, found(5, Some(100))), None);
        assert_eq!(replaced(read, found(6, Some(200))), None);
        for other in [Some(101), None] {
            assert_eq!(
                replaced(read, found(5, other)),
                Some(DamageKind::Replaced { read, found_millis: other })
            );
        }
    }

    #[test]
    fn a_record_without_a_time_keeps_the_last_that_had_one() {
        let mut reading = Reading::start(StartAt::Earliest, 0, 9).unwrap();
        reading.advance(0, Some(10));
        reading.advance(1, None);
        assert_eq!(reading.last, Some(LastRead { offset: 0, kafka_millis: 10 }));
        assert_eq!((reading.next, reading.last_kafka_millis), (2, Some(10)));
    }
}
