//! Which build was seen in which tag, under which message: dedupe, revocation, and the known builds.
//!
//! A million builds take less than 100 MB. Nothing is forgotten before its age: that would be a leak.

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::decision::{BuildKey, Reason};
use super::entries::{Entries, Entry};
use super::journal::Journal;
use super::names::Name;
use super::short::Short;
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

/// How the engine's memory of tags grows by one record: what the state writes down and reads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeenFact {
    /// A build was tagged, by a message with that fingerprint.
    Tagged(BuildInTag, Second, u64),
    /// A build was untagged.
    Untagged(BuildInTag, Second, u64),
    /// A build was in a tag at a time, as an import says.
    Known(BuildInTag, Second),
    /// A build may be tagged anew, since it is not in the tag any more.
    Revoked(BuildInTag),
    /// A build was submitted.
    Submitted(BuildKey),
    /// What was too old then was forgotten.
    Swept(Second),
    /// All that is remembered of a build in a tag, but for its messages.
    Entry(BuildInTag, Entry),
    /// A message about a build in a tag, that untagged it or tagged it again, when, and its fingerprint.
    Message(BuildInTag, bool, Second, u64),
}

impl SeenFact {
    /// Where it stands in a snapshot.
    fn order(&self) -> (u8, Option<BuildInTag>, Option<BuildKey>) {
        match *self {
            Self::Entry(key, _) => (0, Some(key), None),
            Self::Message(key, untag, ..) => (1 + u8::from(untag), Some(key), None),
            Self::Submitted(build) => (3, None, Some(build)),
            Self::Tagged(..) | Self::Untagged(..) | Self::Known(..) | Self::Revoked(_) | Self::Swept(_) => {
                (4, None, None)
            }
        }
    }
}

/// The memory of builds in tags.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    entries: Entries,
    /// Messages that tagged a build again, after it was untagged or not.
    tagged_again: HashMap<BuildInTag, Ids, foldhash::fast::RandomState>,
    /// Messages that untagged it.
    untagged: HashMap<BuildInTag, Ids, foldhash::fast::RandomState>,
    submitted: HashSet<BuildKey, foldhash::fast::RandomState>,
    /// How this memory grows, for the state.
    pub journal: Journal<SeenFact>,
}

/// Fingerprint of a message identity; it is compared only within one build and one tag, so that a chance hit would
/// need two messages about the same build.
type Fingerprint = u64;

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
        let Some(entry) = self.entries.get(key) else {
            self.journal.note(|| SeenFact::Tagged(key, at, print));
            self.entries.insert(key, Entry::streamed(at, print));
            return Ok(First::Yes);
        };
        let is_fresh = |when: Second| at - when <= id_age;
        let again = self.tagged_again.get(&key);
        if entry.is_of(print) && is_fresh(entry.first())
            || again.is_some_and(|ids| {
                ids.iter().any(|&(seen, when)| print != 0 && seen == print && is_fresh(when.second()))
            })
        {
            return Err(Reason::MessageSeen);
        }
        let revoked = entry.revoked;
        if revoked || print != 0 {
            self.journal.note(|| SeenFact::Tagged(key, at, print));
        }
        if print != 0 {
            remember(self.tagged_again.entry(key).or_default(), print, at);
        }
        if !revoked {
            return Err(Reason::BuildInTag);
        }
        if let Some(entry) = self.entries.get_mut(key) {
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
        self.journal.note(|| SeenFact::Untagged(key, at, print));
        if let Some(entry) = self.entries.get_mut(key) {
            entry.revoked = true;
        }
        Ok(())
    }

    /// Lets the next tag message of a build count again, since it is not in the tag any more.
    pub fn revoke(&mut self, key: BuildInTag) {
        self.journal.note(|| SeenFact::Revoked(key));
        if let Some(entry) = self.entries.get_mut(key) {
            entry.revoked = true;
        }
    }

    /// Takes note of a build that was in a tag at a time; an earlier time than the known one replaces it.
    pub fn know(&mut self, key: BuildInTag, at: Second) {
        self.journal.note(|| SeenFact::Known(key, at));
        match self.entries.get_mut(key) {
            Some(entry) => entry.was_there(at),
            None => self.entries.insert(key, Entry::imported(at)),
        }
    }

    /// When a build was first seen in a tag.
    pub fn first(&self, key: BuildInTag) -> Option<Second> {
        self.entries.get(key).map(Entry::first)
    }

    /// Whether a build is in a tag, as far as is known: `None` where it was never seen there.
    pub fn is_in(&self, key: BuildInTag) -> Option<bool> {
        self.entries.get(key).map(|entry| !entry.revoked)
    }

    /// Takes note that a build was submitted: for ever.
    pub fn submit(&mut self, build: BuildKey) {
        self.journal.note(|| SeenFact::Submitted(build));
        self.submitted.insert(build);
    }

    /// Whether a build was submitted.
    pub fn is_submitted(&self, build: BuildKey) -> bool {
        self.submitted.contains(&build)
    }

    /// Forgets what is too old to matter, to the day: `keep` says how old an entry of a tag may become.
    pub fn sweep(&mut self, now: Second, id_age: Seconds, mut keep: impl FnMut(Name) -> Seconds) {
        self.journal.note(|| SeenFact::Swept(now));
        let today = Short::new(now).day();
        self.entries.retain(|tag, entry| Seconds(entry.age_days(today) * 86_400) <= keep(tag));
        for ids in [&mut self.tagged_again, &mut self.untagged] {
            ids.retain(|_, ids| ids.iter().any(|(_, when)| now - when.second() <= id_age));
        }
    }

    /// Applies a fact that was written down before; a sweep is the owner's to repeat.
    pub fn replay(&mut self, fact: SeenFact) {
        match fact {
            SeenFact::Tagged(key, at, print) => match self.entries.get_mut(key) {
                Some(entry) => {
                    entry.revoked = false;
                    if print != 0 {
                        remember(self.tagged_again.entry(key).or_default(), print, at);
                    }
                }
                None => {
                    self.entries.insert(key, Entry::streamed(at, print));
                }
            },
            SeenFact::Untagged(key, at, print) => {
                remember(self.untagged.entry(key).or_default(), print, at);
                self.revoke(key);
            }
            SeenFact::Known(key, at) => self.know(key, at),
            SeenFact::Revoked(key) => self.revoke(key),
            SeenFact::Submitted(build) => self.submit(build),
            SeenFact::Swept(_) => {}
            SeenFact::Entry(key, entry) => {
                self.entries.insert(key, entry);
            }
            SeenFact::Message(key, untag, at, print) => {
                let messages = if untag { &mut self.untagged } else { &mut self.tagged_again };
                remember(messages.entry(key).or_default(), print, at);
            }
        }
    }

    /// The facts that rebuild this memory as it is, in an order that does not depend on its history.
    pub fn facts(&self) -> Vec<SeenFact> {
        let mut facts = Vec::with_capacity(self.entries.len() + self.untagged.len() + self.submitted.len());
        facts.extend(self.entries.iter().map(|(key, entry)| SeenFact::Entry(key, *entry)));
        for (messages, untag) in [(&self.tagged_again, false), (&self.untagged, true)] {
            for (&key, ids) in messages {
                facts
                    .extend(ids.iter().map(|(print, at)| SeenFact::Message(key, untag, at.second(), *print)));
            }
        }
        facts.extend(self.submitted.iter().copied().map(SeenFact::Submitted));
        // Stable: the messages of one build stay in their order.
        facts.sort_by_key(SeenFact::order);
        facts
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
            .filter(|(key, _)| key.tag() == tag)
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
        for (later, known) in [(10, true), (11, false)] {
            let mut seen = Seen::default();
            assert_eq!(seen.tag(key(1), &id("a"), Second(T), AGE), Ok(First::Yes));
            seen.sweep(Second(T + later * DAY), AGE, |_| Seconds(10 * DAY));
            assert_eq!(seen.first(key(1)).is_some(), known, "{later}");
        }
    }

    #[test]
    fn an_import_ages_from_the_day_it_was_read_however_old_the_build_is() {
        let mut seen = Seen::default();
        seen.know(key(1), Second(T - 3_000 * DAY));
        for (later, known) in [(0, true), (10, true), (11, false)] {
            seen.sweep(Second(T + later * DAY), AGE, |_| Seconds(10 * DAY));
            assert_eq!(seen.first(key(1)).is_some(), known, "{later}");
        }
    }

    #[test]
    fn what_is_noted_rebuilds_the_memory_as_it_was() {
        let mut seen = Seen::default();
        seen.journal.start();
        let (seen_before, in_tag) = (Err(Reason::MessageSeen), Err(Reason::BuildInTag));
        for (text, said) in [("a", Ok(First::Yes)), ("b", in_tag), ("b", seen_before), ("a", seen_before)] {
            assert_eq!(seen.tag(key(1), &id(text), Second(T), AGE), said, "{text}");
        }
        seen.untag(key(1), &id("c"), Second(T + 1), AGE).unwrap();
        let mut again = Seen::default();
        for fact in seen.journal.take() {
            again.replay(fact);
        }
        for seen in [&mut seen, &mut again] {
            assert_eq!(seen.tag(key(1), &id("b"), Second(T + 2), AGE), Err(Reason::MessageSeen));
            assert_eq!(seen.untag(key(1), &id("c"), Second(T + 2), AGE), Err(Reason::MessageSeen));
            assert_eq!(seen.tag(key(1), &id("d"), Second(T + 2), AGE), Ok(First::No));
        }
        assert_eq!(seen.facts(), again.facts());
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
        for fact in facts {
            seen.replay(fact);
        }
        let mut again = Seen::default();
        for fact in seen.facts() {
            again.replay(fact);
        }
        for mut seen in [seen, again] {
            assert!(seen.is_submitted(key(1).build()));
            assert_eq!(seen.tag(key(1), &id("x"), Second(T + 3), AGE), Err(Reason::BuildInTag));
            assert_eq!(seen.first(key(1)), Some(Second(T)));
        }
    }
}
