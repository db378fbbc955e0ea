//! What comes from Kafka: assignments are judged, records are given to the engine, and silence is proved or not.

use super::partitions::Assigned;
use super::pause::Kind;
use super::runner::{Now, RunError, Runner};
use super::truth::{self, Standing};
use crate::decode::decode;
use crate::event::{Position, Record, SentAt};
use crate::kafka::handover::{Assignment, KafkaRecord, Progress, ToKafka};
use crate::state::DeadLetter;
use crate::time::Second;

impl Runner {
    pub(super) fn assigned(&mut self, assignment: &Assignment, now: Now) -> Result<(), RunError> {
        let committed = assignment.partitions.iter().filter_map(|partition| partition.committed.as_ref());
        match truth::judge(&self.mark, committed.map(|committed| committed.metadata.as_str())) {
            Standing::Ours => {}
            Standing::OldCopy { committed, .. } => {
                if self.old_copy.is_none_or(|known| known < committed) {
                    self.old_copy = Some(committed);
                    self.meta.push((super::open::OLD_COPY, committed.to_string()));
                    self.dirty = true;
                }
            }
            Standing::Foreign { state } => {
                let (group, path) = (self.group.clone(), self.state.path().display().to_string());
                return Err(RunError::Foreign { group, state, path, ours: self.mark.state.clone() });
            }
        }
        // Whoever has read all of them before is not the newcomer.
        let is_newcomer = !self.partitions.were_all_ours();
        if is_newcomer && self.rivals.look(assignment, now.mono) {
            return Ok(());
        }
        self.recognised = true;
        let assigned = self.partitions.assign(assignment);
        self.own(assignment.generation, assigned);
        Ok(())
    }

    /// Ends where another member was there first, and lives.
    pub(super) fn give_way(&self, now: Now) -> Result<(), RunError> {
        let Some(seen) = self.rivals.alive(now.mono) else { return Ok(()) };
        let (who, partition) = (seen.who.clone(), seen.partition.clone());
        Err(RunError::SecondMember { group: self.group.clone(), who, partition })
    }

    fn own(&mut self, generation: u64, assigned: Assigned) {
        self.damages.clear();
        for number in assigned.new {
            self.engine.own(number);
        }
        for (number, name) in assigned.gone {
            tracing::warn!(
                partition = name,
                "the partition does not exist any more; what it brought stays judged"
            );
            self.engine.disown(number);
        }
        self.dirty = true;
        self.halted = false;
        self.to_kafka.push(ToKafka::Start { generation, partitions: assigned.starts });
        self.relieve();
    }

    pub(super) fn record(&mut self, generation: u64, record: &KafkaRecord, now: Now) {
        let KafkaRecord { partition, offset, kafka_millis, headers, value, cut } = record;
        // What comes of an assignment that is over would be read twice.
        let Some(number) = self.partitions.read(generation, *partition, *offset, *kafka_millis) else {
            return;
        };
        let position = Position { partition: number, offset: *offset };
        let record = Record { position, kafka_millis: *kafka_millis, headers, value, cut: *cut };
        let decoded = decode(&self.engine.settings().route, &record);
        let sent = match &decoded {
            Ok(decoded) => match decoded.sent_at {
                SentAt::At(sent) if sent >= Second::YEAR_2010 => Some(sent),
                SentAt::At(_) | SentAt::Missing | SentAt::Unreadable => None,
            },
            Err(unreadable) => {
                self.letters.push(DeadLetter::of(&record, unreadable));
                self.dead_letters += 1;
                None
            }
        };
        self.silence.record(number, now.mono, sent, *kafka_millis);
        self.engine.record(position, *kafka_millis, decoded);
        self.records += 1;
    }

    pub(super) fn progress(&mut self, progress: &Progress) {
        let disorder = self.engine.settings().clock.disorder;
        let asked = progress.asked_at.saturating_duration_since(self.epoch);
        for each in &progress.partitions {
            let Some(number) = self.partitions.progress(progress.generation, each) else { continue };
            let proved = || self.silence.proved(number, asked, disorder);
            if each.caught_up
                && !self.halted
                && let Some(proved) = proved()
            {
                self.engine.caught_up(number, proved);
            }
        }
        // A watermark alone is proved again after a restart.
        self.dirty |= self.engine.undelivered() > 0;
    }

    /// Stops reading where an operator paused it or a bound is reached, and goes on where neither is so.
    pub(super) fn relieve(&mut self) {
        self.pressure = self.engine.pressure();
        let halt = self.pressure.is_some() || self.pauses.of(Kind::Intake).is_some();
        let Some((_, positions)) = self.partitions.positions().filter(|_| halt != self.halted) else {
            return;
        };
        let indices = positions.into_iter().map(|(index, _)| index).collect();
        self.to_kafka.push(if halt { ToKafka::Pause(indices) } else { ToKafka::Resume(indices) });
        self.halted = halt;
    }
}
