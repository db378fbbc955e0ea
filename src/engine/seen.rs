//! Which build was seen in which tag, under which message: dedupe, revocation, and the known builds.
//!
//! A million builds take less than 100 MB: an entry is 33 bytes. Nothing is forgotten before its age: that would be a
//! leak.

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::decision::{BuildKey, Reason};
use super::names::Name;
use crate::event::MessageId;
use crate::time::{Second, Seconds};

/// Message identities kept of one build in one tag, of each kind, beyond the first.
const IDS_MAX: usize = 64;

/// A build in a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuildInTag {
    id: u64,
    instance: Name,
    tag: Name,
}

impl BuildInTag {
    /// The build `build` in the tag `tag`.
    pub fn new(build: BuildKey, tag: Name) -> Self {
        Self { id: build.id, instance: build.instance, tag }
    }

    /// The build.
    pub fn build(self) -> BuildKey {
        BuildKey { instance: self.instance, id: self.id }
    }

    /// The tag.
    pub fn tag(self) -> Name {
        self.tag
    }
}

/// What is remembered of a build in a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was first seen there.
    first: Short,
    /// It was untagged since it was last tagged.
    revoked: bool,
    /// Fingerprint of the message that tagged it first; 0 where that had no identity.
    id: Fingerprint,
}

impl Entry {
    /// When the build was first seen in the tag.
    pub fn first(&self) -> Second {
        self.first.second()
    }
}

/// Fingerprint of a message identity; it is compared only within one build and one tag, so that a chance hit would
/// need two messages about the same build.
type Fingerprint = u64;

/// A second from 2000 on in 32 bits: until 2136.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
struct Short(u32);

impl Short {
    const ORIGIN: i64 = 946_684_800;

    fn new(second: Second) -> Self {
        let since = second.0.saturating_sub(Self::ORIGIN).max(0);
        Self(u32::try_from(since).unwrap_or(u32::MAX))
    }

    fn second(self) -> Second {
        Second(Self::ORIGIN + i64::from(self.0))
    }
}

/// How the engine's memory of tags grows by one record: what the state writes down and reads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeenFact {
    /// A build was tagged, by a message with that fingerprint.
    Tagged(BuildInTag, Second, u64),
    /// A build was untagged.
    Untagged(BuildInTag, Second, u64),
    /// A build was submitted.
    Submitted(BuildKey),
}

/// The memory of builds in tags.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    entries: HashMap<BuildInTag, Entry, foldhash::fast::RandomState>,
    /// Messages that tagged a build again, after it was untagged or not.
    tagged_again: HashMap<BuildInTag, Ids, foldhash::fast::RandomState>,
    /// Messages that untagged it.
    untagged: HashMap<BuildInTag, Ids, foldhash::fast::RandomState>,
    submitted: HashSet<BuildKey, foldhash::fast::RandomState>,
}

type Ids = SmallVec<[(Fingerprint, Short); 1]>;

impl Seen {
    /// Takes note that a build was tagged. `Err` says why the record is a duplicate; of one that says nothing new, the
    /// identity is remembered all the same: read again after an untag, it is still old.
    pub fn tag(
        &mut self,
        key: BuildInTag,
        id: &MessageId,
        at: Second,
        id_age: Seconds,
    ) -> Result<First, Reason> {
        let print = fingerprint(id);
        let Some(entry) = self.entries.get(&key) else {
            self.entries.insert(key, Entry { first: Short::new(at), revoked: false, id: print });
            return Ok(First::Yes);
        };
        let fresh_id =
            |seen: Fingerprint, when: Short| print != 0 && seen == print && at - when.second() <= id_age;
        let again = self.tagged_again.get(&key);
        if fresh_id(entry.id, entry.first)
            || again.is_some_and(|ids| ids.iter().any(|&(seen, when)| fresh_id(seen, when)))
        {
            return Err(Reason::MessageSeen);
        }
        let revoked = entry.revoked;
        if print != 0 {
            remember(self.tagged_again.entry(key).or_default(), print, at);
        }
        if !revoked {
            return Err(Reason::BuildInTag);
        }
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.revoked = false;
        }
        Ok(First::No)
    }

    /// Takes note that a build was untagged: a later tag message is new again. `Err` where this message was seen: one
    /// that comes a second time must not revoke what was tagged in between.
    pub fn untag(
        &mut self,
        key: BuildInTag,
        id: &MessageId,
        at: Second,
        id_age: Seconds,
    ) -> Result<(), Reason> {
        let print = fingerprint(id);
        let ids = self.untagged.entry(key).or_default();
        if print != 0 && ids.iter().any(|&(seen, when)| seen == print && at - when.second() <= id_age) {
            return Err(Reason::MessageSeen);
        }
        remember(ids, print, at);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.revoked = true;
        }
        Ok(())
    }

    /// Lets the next tag message of a build count again, since it is not in the tag any more.
    pub fn revoke(&mut self, key: BuildInTag) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.revoked = true;
        }
    }

    /// Takes note of a build that was in a tag at a time; an earlier time than the known one replaces it.
    pub fn know(&mut self, key: BuildInTag, at: Second) {
        let entry = self.entries.entry(key).or_insert(Entry { first: Short::new(at), revoked: false, id: 0 });
        entry.first = entry.first.min(Short::new(at));
    }

    /// When a build was first seen in a tag, if that is no longer ago than `age`.
    pub fn first(&self, key: BuildInTag, now: Second, age: Seconds) -> Option<Second> {
        let first = self.entries.get(&key)?.first();
        (now - first <= age).then_some(first)
    }

    /// Takes note that a build was submitted: for ever.
    pub fn submit(&mut self, build: BuildKey) {
        self.submitted.insert(build);
    }

    /// Whether a build was submitted.
    pub fn is_submitted(&self, build: BuildKey) -> bool {
        self.submitted.contains(&build)
    }

    /// Forgets what is too old to matter: `keep` says how old an entry of a tag may become.
    pub fn sweep(&mut self, now: Second, id_age: Seconds, mut keep: impl FnMut(Name) -> Seconds) {
        self.entries.retain(|key, entry| now - entry.first() <= keep(key.tag));
        for ids in [&mut self.tagged_again, &mut self.untagged] {
            ids.retain(|_, ids| ids.iter().any(|(_, when)| now - when.second() <= id_age));
        }
    }

    /// Applies a fact that was written down before.
    pub fn replay(&mut self, fact: SeenFact) {
        match fact {
            SeenFact::Tagged(key, at, print) => match self.entries.get_mut(&key) {
                Some(entry) => {
                    entry.revoked = false;
                    remember(self.tagged_again.entry(key).or_default(), print, at);
                }
                None => {
                    self.entries.insert(key, Entry { first: Short::new(at), revoked: false, id: print });
                }
            },
            SeenFact::Untagged(key, at, print) => {
                remember(self.untagged.entry(key).or_default(), print, at);
                self.revoke(key);
            }
            SeenFact::Submitted(build) => self.submit(build),
        }
    }

    /// How many builds in tags are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries of one tag, by build: for export.
    pub fn in_tag(&self, tag: Name) -> Vec<(BuildKey, Second)> {
        let mut list: Vec<_> = self
            .entries
            .iter()
            .filter(|(key, _)| key.tag == tag)
            .map(|(key, entry)| (key.build(), entry.first()))
            .collect();
        list.sort_unstable();
        list
    }
}

/// Whether a build was seen in the tag for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// For the first time.
    Yes,
    /// Again, after it had been untagged.
    No,
}

/// Fingerprint of a message identity, the same on every machine and in every version; 0 for none.
pub fn fingerprint(id: &MessageId) -> u64 {
    match id {
        MessageId::None => 0,
        #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
        MessageId::Uuid(value) => ((value >> 64) as u64 ^ *value as u64).max(1),
        // FNV-1a.
        MessageId::Text(text) => {
            let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            text.bytes().fold(0xcbf2_9ce4_8422_2325, mix).max(1)
        }
    }
}

fn remember(ids: &mut Ids, print: Fingerprint, at: Second) {
    if ids.len() >= IDS_MAX {
        ids.remove(0);
    }
    ids.push((print, Short::new(at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const AGE: Seconds = Seconds(30 * DAY);
    const T: i64 = 1_738_648_800;

    fn key(id: u64) -> BuildInTag {
        BuildInTag::new(BuildKey { instance: Name(1), id }, Name(2))
    }

    fn id(text: &str) -> MessageId {
        MessageId::parse(text)
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<(BuildInTag, Entry)>(), 32);
    }

    #[test]
    fn a_build_in_a_tag_is_new_once_until_it_is_untagged() {
        let mut seen = Seen::default();
        assert_eq!(seen.tag(key(1), &id("a"), Second(T), AGE), Ok(First::Yes));
        assert_eq!(seen.tag(key(1), &id("a"), Second(T), AGE), Err(Reason::MessageSeen));
        assert_eq!(seen.tag(key(1), &id("b"), Second(T), AGE), Err(Reason::BuildInTag));
        assert_eq!(seen.tag(key(1), &MessageId::None, Second(T), AGE), Err(Reason::BuildInTag));
        assert_eq!(seen.untag(key(1), &id("c"), Second(T + 5), AGE), Ok(()));
        assert_eq!(seen.tag(key(1), &id("a"), Second(T + 9), AGE), Err(Reason::MessageSeen));
        assert_eq!(seen.tag(key(1), &id("d"), Second(T + 9), AGE), Ok(First::No));
        assert_eq!(seen.untag(key(1), &id("c"), Second(T + 10), AGE), Err(Reason::MessageSeen));
        assert_eq!(seen.tag(key(1), &id("e"), Second(T + 11), AGE), Err(Reason::BuildInTag));
        assert_eq!(seen.tag(key(1), &id("d"), Second(T + 11), AGE), Err(Reason::MessageSeen));
    }

    #[test]
    fn the_same_build_of_another_instance_or_tag_is_another() {
        let mut seen = Seen::default();
        let other = BuildInTag::new(BuildKey { instance: Name(9), id: 1 }, Name(2));
        let elsewhere = BuildInTag::new(BuildKey { instance: Name(1), id: 1 }, Name(3));
        for key in [key(1), other, elsewhere] {
            assert_eq!(seen.tag(key, &id("a"), Second(T), AGE), Ok(First::Yes));
        }
    }

    #[test]
    fn a_message_identity_is_remembered_for_its_age_and_not_a_second_longer() {
        for (later, expected) in [(30 * DAY, Err(Reason::MessageSeen)), (30 * DAY + 1, Ok(First::No))] {
            let mut seen = Seen::default();
            assert_eq!(seen.tag(key(1), &id("a"), Second(T), AGE), Ok(First::Yes));
            seen.revoke(key(1));
            assert_eq!(seen.tag(key(1), &id("a"), Second(T + later), AGE), expected);
        }
    }

    #[test]
    fn sweeping_forgets_what_is_older_than_its_age_only() {
        let mut seen = Seen::default();
        seen.know(key(1), Second(T));
        seen.sweep(Second(T + 10), AGE, |_| Seconds(10));
        assert_eq!(seen.first(key(1), Second(T + 10), Seconds(10)), Some(Second(T)));
        assert_eq!(seen.first(key(1), Second(T + 11), Seconds(10)), None);
        seen.sweep(Second(T + 11), AGE, |_| Seconds(10));
        assert!(seen.is_empty());
    }

    #[test]
    fn facts_rebuild_the_memory() {
        let facts = [
            SeenFact::Tagged(key(1), Second(T), 7),
            SeenFact::Untagged(key(1), Second(T + 1), 8),
            SeenFact::Tagged(key(1), Second(T + 2), 9),
            SeenFact::Submitted(key(1).build()),
        ];
        let mut seen = Seen::default();
        facts.into_iter().for_each(|fact| seen.replay(fact));
        assert!(seen.is_submitted(key(1).build()));
        assert_eq!(seen.tag(key(1), &id("x"), Second(T + 3), AGE), Err(Reason::BuildInTag));
    }
}
