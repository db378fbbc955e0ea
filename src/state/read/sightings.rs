//! Where builds were seen: from the facts that an engine is restored from.

use std::collections::BTreeSet;

use memchr::memmem;

use super::Reader;
use super::rows::Known;
use crate::engine::decision::BuildKey;
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
    /// With the fingerprint of the message that said so, 0 where it is not known.
    Seen {
        at: Second,
        what: Sighted,
        tag: Option<Name>,
        print: u64,
    },
    Claimed {
        tag: Name,
        untag: bool,
        from: Second,
    },
    Submitted,
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
            What::Seen { at, what, tag, print } => {
                let tag = tag.map(|tag| self.name(tag.0, known)).transpose()?.flatten();
                story.sightings.push(Sighting {
                    at,
                    what,
                    tag,
                    in_burst: false,
                    asked: wanted != 0 && print == wanted,
                });
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
        let wanted = |build: u64, of: u64| builds.contains(&build) || print != 0 && of == print;
        let numbers = builds.iter().copied().chain((print != 0).then_some(print));
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
                found.extend(facts.into_iter().filter_map(of_way).filter(|fact| wanted(fact.build.id, 0)));
            }
        }
        Ok(found)
    }
}

fn of_tags(fact: SeenFact, wanted: impl Fn(u64, u64) -> bool) -> Option<Fact> {
    let seen = |key: BuildInTag, at: Second, what: Sighted, print: u64| {
        let what = What::Seen { at, what, tag: Some(key.tag()), print };
        wanted(key.build().id, print).then(|| Fact { build: key.build(), what })
    };
    match fact {
        SeenFact::Tagged(key, at, print) | SeenFact::Message(key, false, at, print) => {
            seen(key, at, Sighted::Tagged, print)
        }
        SeenFact::Untagged(key, at, print) | SeenFact::Message(key, true, at, print) => {
            seen(key, at, Sighted::Untagged, print)
        }
        SeenFact::Known(key, at) => seen(key, at, Sighted::Imported, 0),
        SeenFact::Entry(key, entry) => seen(key, entry.first(), Sighted::Tagged, entry.message()),
        SeenFact::Submitted(build) => wanted(build.id, 0).then_some(Fact { build, what: What::Submitted }),
        SeenFact::Revoked(_) | SeenFact::Swept(_) => None,
    }
}

fn of_way(fact: TrailFact) -> Option<Fact> {
    match fact {
        TrailFact::Completed(build, at) => {
            Some(Fact { build, what: What::Seen { at, what: Sighted::Completed, tag: None, print: 0 } })
        }
        TrailFact::Appeared(build, seen) => {
            let what = if seen.untag { Sighted::Untagged } else { Sighted::Tagged };
            Some(Fact { build, what: What::Seen { at: seen.at, what, tag: Some(seen.tag), print: 0 } })
        }
        TrailFact::Claimed(build, tag, untag, from, _) => {
            Some(Fact { build, what: What::Claimed { tag, untag, from } })
        }
        TrailFact::Large(_) | TrailFact::Swept(..) => None,
    }
}
