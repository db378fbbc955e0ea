//! Where builds were seen: from the facts that an engine is restored from.

use std::collections::BTreeSet;

use memchr::memmem;

use super::Reader;
use super::rows::Known;
use crate::engine::decision::BuildKey;
use crate::engine::entries::{Entry, half};
use crate::engine::names::Name;
use crate::engine::seen::{BuildInTag, SeenFact, fingerprint};
use crate::engine::trail::TrailFact;
use crate::event::MessageId;
use crate::explain::facts::{Sighted, Sighting, Story};
use crate::state::StateError;
use crate::state::load::unpack;
use crate::state::write::packed;
use crate::time::Second;

/// What is looked for among the facts, beside the builds of stories that are there.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Numbers of builds.
    pub(super) builds: BTreeSet<u64>,
    /// A message: the build that it is about.
    pub(super) message: Option<MessageId>,
}

/// One fact about a build that is looked for.
struct Fact {
    build: BuildKey,
    what: What,
}

enum What {
    Seen { at: Second, what: Sighted, tag: Option<Name>, by: Teller },
    Claimed { tag: Name, untag: bool, from: Second },
    Submitted,
}

/// Which message said so.
#[derive(Clone, Copy)]
enum Teller {
    /// Not known.
    Unknown,
    /// The one with this fingerprint.
    Message(u64),
    /// The one that made this entry, which keeps half its fingerprint.
    First(Entry),
}

impl Teller {
    /// Whether it is the message with the fingerprint `print`; 0 is none.
    fn is(&self, print: u64) -> bool {
        print != 0
            && match self {
                Self::Unknown => false,
                Self::Message(own) => *own == print,
                Self::First(entry) => entry.is_of(print),
            }
    }
}

impl Reader {
    /// Adds to each story where its build was seen, and stories of builds that were only seen.
    pub(super) fn see(
        &self,
        mut wanted: Wanted,
        stories: &mut Vec<Story>,
        known: &mut Known,
    ) -> Result<(), StateError> {
        wanted.builds.extend(stories.iter().filter_map(|story| story.build_id));
        let print = wanted.message.as_ref().filter(|_| stories.is_empty()).map_or(0, fingerprint);
        let mut facts = self.facts(&wanted.builds, print)?;
        // Of a build that only a message named, all is told.
        let more: BTreeSet<u64> =
            facts.iter().map(|fact| fact.build.id).filter(|id| !wanted.builds.contains(id)).collect();
        if !more.is_empty() {
            facts = self.facts(&more, 0)?;
        }
        for fact in facts {
            let instance = self.name(fact.build.instance.0, known)?;
            let build_id = Some(fact.build.id);
            // A row of an older version does not say which instance it is of.
            let is_its = |story: &Story| {
                story.build_id == build_id && (story.instance == instance || story.instance.is_none())
            };
            let index = stories.iter().position(is_its).unwrap_or(stories.len());
            if index == stories.len() {
                stories.push(Story { build_id, instance, ..Story::default() });
            }
            if let Some(story) = stories.get_mut(index) {
                self.add(story, &fact.what, print, known)?;
            }
        }
        for story in stories {
            story.sightings.sort();
            // A tag of the trail is noted twice.
            story.sightings.dedup_by(|later, earlier| {
                let same = (later.at, later.what, &later.tag) == (earlier.at, earlier.what, &earlier.tag);
                earlier.in_burst |= same && later.in_burst;
                earlier.asked |= same && later.asked;
                same
            });
        }
        Ok(())
    }

    fn add(&self, story: &mut Story, what: &What, wanted: u64, known: &mut Known) -> Result<(), StateError> {
        match *what {
            What::Submitted => story.submitted = true,
            What::Seen { at, what, tag, by } => {
                let tag = tag.map(|tag| self.name(tag.0, known)).transpose()?.flatten();
                story.sightings.push(Sighting { at, what, tag, in_burst: false, asked: by.is(wanted) });
            }
            What::Claimed { tag, untag, from } => {
                let tag = self.name(tag.0, known)?;
                let what = if untag { Sighted::Untagged } else { Sighted::Tagged };
                for seen in &mut story.sightings {
                    seen.in_burst |= seen.what == what && seen.tag == tag && seen.at >= from;
                }
            }
        }
        Ok(())
    }

    /// The facts about some builds, and about those that a message with a fingerprint (0: none) is about.
    fn facts(&self, builds: &BTreeSet<u64>, print: u64) -> Result<Vec<Fact>, StateError> {
        let wanted = |build: u64, by: Teller| builds.contains(&build) || by.is(print);
        let prints = [print, u64::from(half(print))].into_iter().filter(|print| *print != 0);
        let numbers = builds.iter().copied().chain(prints);
        let needles = numbers.map(|number| packed("a number", &number)).collect::<Result<Vec<_>, _>>()?;
        let needles: Vec<_> = needles.iter().map(memmem::Finder::new).collect();
        let mut found = Vec::new();
        let mut statement = self.db.prepare_cached("SELECT kind, data FROM fact ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let data = row.get_ref(1)?.as_blob().unwrap_or_default();
            // Most rows say nothing of it: a number that is packed in one stands there byte for byte.
            if !needles.iter().any(|needle| needle.find(data).is_some()) {
                continue;
            }
            if row.get_ref(0)?.as_str() == Ok("seen") {
                let facts: Vec<SeenFact> = unpack("facts of tags", data)?;
                found.extend(facts.into_iter().filter_map(|fact| of_tags(fact, wanted)));
            } else {
                let facts: Vec<TrailFact> = unpack("facts of builds on their way", data)?;
                found.extend(
                    facts
                        .into_iter()
                        .filter_map(of_way)
                        .filter(|fact| wanted(fact.build.id, Teller::Unknown)),
                );
            }
        }
        Ok(found)
    }
}

fn of_tags(fact: SeenFact, wanted: impl Fn(u64, Teller) -> bool) -> Option<Fact> {
    let seen = |key: BuildInTag, at: Second, what: Sighted, by: Teller| {
        let what = What::Seen { at, what, tag: Some(key.tag()), by };
        wanted(key.build().id, by).then(|| Fact { build: key.build(), what })
    };
    match fact {
        SeenFact::Tagged(key, at, print) | SeenFact::Message(key, false, at, print) => {
            seen(key, at, Sighted::Tagged, Teller::Message(print))
        }
        SeenFact::Untagged(key, at, print) | SeenFact::Message(key, true, at, print) => {
            seen(key, at, Sighted::Untagged, Teller::Message(print))
        }
        SeenFact::Known(key, at) => seen(key, at, Sighted::Imported, Teller::Unknown),
        SeenFact::Entry(key, entry) => seen(key, entry.first(), Sighted::Tagged, Teller::First(entry)),
        SeenFact::Submitted(build) => {
            wanted(build.id, Teller::Unknown).then_some(Fact { build, what: What::Submitted })
        }
        SeenFact::Revoked(_) | SeenFact::Swept(_) => None,
    }
}

fn of_way(fact: TrailFact) -> Option<Fact> {
    match fact {
        TrailFact::Completed(build, at) => Some(Fact {
            build,
            what: What::Seen { at, what: Sighted::Completed, tag: None, by: Teller::Unknown },
        }),
        TrailFact::Appeared(build, seen) => {
            let what = if seen.untag { Sighted::Untagged } else { Sighted::Tagged };
            Some(Fact {
                build,
                what: What::Seen { at: seen.at.second(), what, tag: Some(seen.tag), by: Teller::Unknown },
            })
        }
        TrailFact::Claimed(build, tag, untag, from, _) => {
            Some(Fact { build, what: What::Claimed { tag, untag, from } })
        }
        TrailFact::Large(_) | TrailFact::Swept(..) => None,
    }
}
