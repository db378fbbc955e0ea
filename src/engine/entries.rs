//! The entries of millions of builds in tags, in 24 bytes each.

use hashbrown::hash_map::Entry as Slot;
use serde::{Deserialize, Serialize};

use super::decision::BuildKey;
use super::names::Name;
use super::seen::BuildInTag;
use super::shards::{Shards, Spread};
use super::short::Short;
use crate::time::Second;

/// What is remembered of a build in a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was first seen there.
    first: Short,
    /// Half a fingerprint of the message that tagged it first; 0 where that had no identity. It is compared with messages
    /// about the same build and tag alone.
    id: u32,
    /// The day since 2000 that its age counts from: an import says what is in a tag now, however long ago it was tagged.
    /// 0: an import, and no time has passed since.
    learned: u16,
    /// It was untagged since it was last tagged.
    pub revoked: bool,
}

impl Entry {
    /// Of a build that a message, with that fingerprint, tagged at a time.
    pub fn streamed(at: Second, print: u64) -> Self {
        let first = Short::new(at);
        Self { first, learned: first.day(), revoked: false, id: half(print) }
    }

    /// Of a build that was in the tag at a time, as an import says.
    pub fn imported(at: Second) -> Self {
        Self { first: Short::new(at), learned: 0, revoked: false, id: 0 }
    }

    /// When the build was first seen in the tag.
    pub fn first(&self) -> Second {
        self.first.second()
    }

    /// Takes note that the build was there at a time.
    pub fn was_there(&mut self, at: Second) {
        self.first = self.first.min(Short::new(at));
    }

    /// Whether the message with that fingerprint made the entry.
    pub fn is_of(&self, print: u64) -> bool {
        print != 0 && self.id == half(print)
    }

    /// Days since it was learned; an import is learned on the day that this is first asked.
    pub fn age_days(&mut self, today: u16) -> i64 {
        if self.learned == 0 {
            self.learned = today;
        }
        i64::from(today.saturating_sub(self.learned))
    }
}

/// Half a fingerprint, as an entry keeps it; 0 of 0 alone.
pub fn half(print: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "half of it is wanted")]
    let half = (print ^ print >> 32) as u32;
    if print == 0 { 0 } else { half.max(1) }
}

/// A build in a tag of one instance; in halves, since eight bytes in one piece would be aligned to eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    id_high: u32,
    id_low: u32,
    tag: Name,
}

impl Key {
    fn new(key: BuildInTag) -> Self {
        let id = key.build().id;
        #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
        let (id_high, id_low) = ((id >> 32) as u32, id as u32);
        Self { id_high, id_low, tag: key.tag() }
    }

    fn of(self, instance: Name) -> BuildInTag {
        let id = u64::from(self.id_high) << 32 | u64::from(self.id_low);
        BuildInTag::new(BuildKey { instance, id }, self.tag)
    }
}

impl Spread for Key {
    fn spread(&self) -> u64 {
        u64::from(self.id_low)
    }
}

/// The entries, by Koji instance: there are few.
#[derive(Debug, Clone, Default)]
pub struct Entries(Vec<(Name, Shards<Key, Entry>)>);

impl Entries {
    /// The entry of a build in a tag.
    pub fn get(&self, key: BuildInTag) -> Option<&Entry> {
        let (_, entries) = self.0.iter().find(|(instance, _)| *instance == key.build().instance)?;
        entries.get(&Key::new(key))
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: BuildInTag) -> Option<&mut Entry> {
        let (_, entries) = self.0.iter_mut().find(|(instance, _)| *instance == key.build().instance)?;
        entries.get_mut(&Key::new(key))
    }

    /// Puts an entry in place of the one before.
    pub fn insert(&mut self, key: BuildInTag, entry: Entry) {
        match self.of(key.build().instance).entry(Key::new(key)) {
            Slot::Occupied(mut slot) => drop(slot.insert(entry)),
            Slot::Vacant(slot) => drop(slot.insert(entry)),
        }
    }

    /// Keeps only what `keep` says of a tag and an entry.
    pub fn retain(&mut self, mut keep: impl FnMut(Name, &mut Entry) -> bool) {
        for (_, entries) in &mut self.0 {
            entries.retain(|key, entry| keep(key.tag, entry));
        }
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (BuildInTag, &Entry)> {
        self.0
            .iter()
            .flat_map(|(instance, entries)| entries.iter().map(|(key, entry)| (key.of(*instance), entry)))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, entries)| entries.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, entries)| entries.is_empty())
    }

    fn of(&mut self, instance: Name) -> &mut Shards<Key, Entry> {
        let index = self.0.iter().position(|(other, _)| *other == instance).unwrap_or_else(|| {
            self.0.push((instance, Shards::default()));
            self.0.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or made just before")]
        &mut self.0[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Second = Second(1_738_648_800);

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<(Key, Entry)>(), 24);
    }

    #[test]
    fn builds_of_all_sizes_instances_and_tags_are_told_apart() {
        let mut entries = Entries::default();
        let mut keys = Vec::new();
        for instance in [1, 2] {
            for id in [1, u64::from(u32::MAX), 1 << 32, (1 << 32) + 1, i64::MAX as u64] {
                keys.extend(
                    [3, 4].map(|tag| BuildInTag::new(BuildKey { instance: Name(instance), id }, Name(tag))),
                );
            }
        }
        for (number, &key) in keys.iter().enumerate() {
            assert!(entries.get(key).is_none());
            entries.insert(key, Entry::streamed(T, number as u64 + 1));
        }
        assert_eq!(entries.len(), keys.len());
        for (number, &key) in keys.iter().enumerate() {
            assert!(entries.get(key).unwrap().is_of(number as u64 + 1));
        }
        let mut all: Vec<_> = entries.iter().map(|(key, _)| key).collect();
        all.sort_unstable();
        keys.sort_unstable();
        assert_eq!(all, keys);
    }

    #[test]
    fn no_identity_is_like_none() {
        assert!(!Entry::streamed(T, 0).is_of(0) && !Entry::imported(T).is_of(0));
        // Both halves are the same: they cancel out, and it is still an identity.
        let same = 7 << 32 | 7;
        assert!(Entry::streamed(T, same).is_of(same) && !Entry::streamed(T, 0).is_of(same));
    }
}
