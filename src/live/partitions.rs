//! The partitions of the source: their numbers in the state, who reads them, and how far they were read.
//!
//! A partition gets its number at its first assignment and keeps it for ever, so that a decision names the same record
//! whatever the broker lists first later. One that was deleted and made again is another partition with another number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rivals;
use crate::kafka::handover::{Assignment, LastRead, Owner, PartitionProgress, StartAt};
use crate::state::live::StoredPartition;

/// What an assignment means for the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assigned {
    /// Numbers of partitions that were never seen before.
    pub new: Vec<u32>,
    /// Numbers of partitions that do not exist any more, with their names.
    pub gone: Vec<(u32, String)>,
    /// Our partitions by their index in the assignment, and where to start.
    pub starts: Vec<(u32, StartAt)>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How far it was read.
    pub stored: StoredPartition,
    /// Who reads it.
    pub reader: Reader,
    /// Offset behind its last record, as far as is known.
    pub end: u64,
    /// It was read to its end when that was last asked.
    pub caught_up: bool,
    changed: bool,
}

/// Who reads a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// This process.
    Ours,
    /// Somebody else, or nobody that is known.
    Elsewhere(String),
    /// Nobody: there is no assignment.
    Nobody,
    /// It does not exist any more.
    Gone,
}

/// All partitions that were ever read.
#[derive(Debug, Clone, Default)]
pub struct Partitions {
    entries: BTreeMap<u32, Entry>,
    /// The assignment in force and, by index, the number of each of our partitions.
    assignment: Option<(u64, BTreeMap<u32, u32>)>,
    /// All of them were ours at some time.
    were_all_ours: bool,
    /// Where somebody has decided to read on, by topic and partition.
    decided: BTreeMap<(String, i32), Decided>,
}

/// Where to read on in spite of a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// At the first record that is kept; the partition was made anew.
    Earliest,
    /// At this offset, or the first record behind it.
    Offset(u64),
}

impl Partitions {
    /// Those of a state.
    pub fn new(stored: Vec<StoredPartition>, decided: BTreeMap<(String, i32), Decided>) -> Self {
        let entry = |stored: StoredPartition| {
            let reader = if is_gone(&stored) { Reader::Gone } else { Reader::Nobody };
            let entry = Entry { end: stored.next, stored, reader, caught_up: false, changed: false };
            (entry.stored.number, entry)
        };
        Self {
            entries: stored.into_iter().map(entry).collect(),
            assignment: None,
            were_all_ours: false,
            decided,
        }
    }

    /// Numbers of the partitions that exist, as far as is known.
    pub fn numbers(&self) -> Vec<u32> {
        let exists = |entry: &&Entry| entry.reader != Reader::Gone;
        self.entries.values().filter(exists).map(|entry| entry.stored.number).collect()
    }

    /// All partitions, by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// One partition.
    pub fn get(&self, number: u32) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// The assignment in force.
    pub fn generation(&self) -> Option<u64> {
        self.assignment.as_ref().map(|(generation, _)| *generation)
    }

    /// Whether all partitions were read by this process at some time.
    pub fn were_all_ours(&self) -> bool {
        self.were_all_ours
    }

    /// Takes an assignment in force.
    pub fn assign(&mut self, assignment: &Assignment) -> Assigned {
        let mut assigned = Assigned::default();
        let mut ours = BTreeMap::new();
        let mut listed = Vec::new();
        let mut order: Vec<_> = (0u32..).zip(&assignment.partitions).collect();
        order.sort_by(|a, b| (&a.1.topic, a.1.number).cmp(&(&b.1.topic, b.1.number)));
        for (index, partition) in order {
            let name = format!("{}/{}", partition.topic, partition.number);
            let found = self.find(&partition.topic, partition.number);
            let decided = self.decided.remove(&(partition.topic.to_string(), partition.number));
            let anew = decided == Some(Decided::Earliest);
            let (number, start) = match (found, decided) {
                (Some(number), None) => (number, None),
                (Some(number), Some(Decided::Offset(offset))) => (number, Some(StartAt::Decided(offset))),
                (None, _) => {
                    let number = self.add(&partition.topic, partition.number);
                    assigned.new.push(number);
                    (number, Some(StartAt::Earliest))
                }
                (Some(old), Some(Decided::Earliest)) => {
                    self.retire(old);
                    assigned.gone.push((old, name.clone()));
                    let number = self.add(&partition.topic, partition.number);
                    assigned.new.push(number);
                    (number, Some(StartAt::Earliest))
                }
            };
            listed.push(number);
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            entry.end = if anew { partition.end } else { entry.end.max(partition.end) };
            match &partition.owner {
                Owner::Ours => {
                    entry.reader = Reader::Ours;
                    let stored = StartAt::Stored { next: entry.stored.next, last: entry.stored.last };
                    assigned.starts.push((index, start.unwrap_or(stored)));
                    ours.insert(index, number);
                }
                other @ (Owner::Other { .. } | Owner::NotOurs) => {
                    entry.reader = Reader::Elsewhere(rivals::who(other).unwrap_or_default());
                }
            }
        }
        for entry in self.entries.values_mut() {
            let number = entry.stored.number;
            if entry.reader != Reader::Gone && !listed.contains(&number) {
                assigned.gone.push((number, format!("{}/{}", entry.stored.topic, entry.stored.partition)));
                retired(entry);
            }
        }
        assigned.starts.sort_by_key(|(index, _)| *index);
        self.were_all_ours |= !ours.is_empty() && self.elsewhere().next().is_none();
        self.assignment = Some((assignment.generation, ours));
        assigned
    }

    /// The partitions were taken away.
    pub fn revoke(&mut self, generation: u64) {
        if self.generation() != Some(generation) {
            return;
        }
        self.assignment = None;
        for entry in self.entries.values_mut().filter(|entry| entry.reader != Reader::Gone) {
            (entry.reader, entry.caught_up) = (Reader::Nobody, false);
        }
    }

    /// A record was read. Gives the number of its partition; `None` where the assignment is over.
    pub fn read(
        &mut self,
        generation: u64,
        index: u32,
        offset: u64,
        kafka_millis: Option<i64>,
    ) -> Option<u32> {
        let entry = self.entry(generation, index)?;
        entry.stored.next = offset + 1;
        entry.end = entry.end.max(offset + 1);
        if let Some(kafka_millis) = kafka_millis {
            entry.stored.last = Some(LastRead { offset, kafka_millis });
        }
        (entry.caught_up, entry.changed) = (false, true);
        Some(entry.stored.number)
    }

    /// How far a partition was read, as the source says. Gives its number.
    pub fn progress(&mut self, generation: u64, progress: &PartitionProgress) -> Option<u32> {
        let entry = self.entry(generation, progress.partition)?;
        if entry.stored.next != progress.next {
            // What stands between is no record: marks of transactions, or what was compacted away.
            (entry.stored.next, entry.changed) = (progress.next, true);
        }
        (entry.end, entry.caught_up) = (progress.end, progress.caught_up);
        Some(entry.stored.number)
    }

    /// The partitions that have to be written down.
    pub fn take_changed(&mut self) -> Vec<StoredPartition> {
        let changed = self.entries.values_mut().filter(|entry| entry.changed);
        changed
            .map(|entry| {
                entry.changed = false;
                entry.stored.clone()
            })
            .collect()
    }

    /// Our partitions by index, with the offset of the next record.
    pub fn positions(&self) -> Option<(u64, Vec<(u32, u64)>)> {
        let (generation, ours) = self.assignment.as_ref()?;
        let next = |(index, number): (&u32, &u32)| Some((*index, self.entries.get(number)?.stored.next));
        Some((*generation, ours.iter().filter_map(next).collect()))
    }

    /// Partitions that somebody else reads, and who.
    pub fn elsewhere(&self) -> impl Iterator<Item = (String, &str)> {
        self.entries.values().filter_map(|entry| match &entry.reader {
            Reader::Elsewhere(who) => {
                Some((format!("{}/{}", entry.stored.topic, entry.stored.partition), who.as_str()))
            }
            Reader::Ours | Reader::Nobody | Reader::Gone => None,
        })
    }

    fn entry(&mut self, generation: u64, index: u32) -> Option<&mut Entry> {
        let (current, ours) = self.assignment.as_ref()?;
        let number = ours.get(&index).filter(|_| *current == generation)?;
        self.entries.get_mut(number)
    }

    fn find(&self, topic: &str, partition: i32) -> Option<u32> {
        let is_it = |entry: &&Entry| {
            entry.reader != Reader::Gone && entry.stored.topic == topic && entry.stored.partition == partition
        };
        self.entries.values().find(is_it).map(|entry| entry.stored.number)
    }

    fn add(&mut self, topic: &Arc<str>, partition: i32) -> u32 {
        let number = self.entries.keys().next_back().map_or(0, |last| last + 1);
        let stored = StoredPartition { number, topic: topic.to_string(), partition, next: 0, last: None };
        let entry = Entry { stored, reader: Reader::Nobody, end: 0, caught_up: false, changed: true };
        self.entries.insert(number, entry);
        number
    }

    fn retire(&mut self, number: u32) {
        if let Some(entry) = self.entries.get_mut(&number) {
            retired(entry);
        }
    }
}

/// What stands behind the topic of a partition that does not exist any more; no topic's name has a space.
const GONE: &str = " (gone)";

fn is_gone(stored: &StoredPartition) -> bool {
    stored.topic.contains(' ')
}

fn retired(entry: &mut Entry) {
    entry.stored.topic = format!("{}{GONE} {}", entry.stored.topic, entry.stored.number);
    (entry.reader, entry.caught_up, entry.changed) = (Reader::Gone, false, true);
}

#[cfg(test)]
mod tests;
