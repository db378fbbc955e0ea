//! Judges one build: known, fresh, or neither (design section 6).

use super::decision::Evidence;
use super::event::TagEvent;
use super::journal::Facts;
use super::memory::Class;
use super::names::Names;
use super::seen::{BuildInTag, Seen, SeenFact};
use super::tags::Tags;
use super::trail::{Proof, TrailRules, Trails};
use crate::settings::Settings;
use crate::time::{Second, Seconds};

/// What a build is at the time it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In another tag of the family before.
    Known,
    /// Shown to be new.
    Fresh,
    /// Perhaps new; it is sure at that time.
    Unripe(Second),
    /// Nothing shows that it is new.
    Unproven,
}

impl Standing {
    /// The class it counts in.
    pub fn class(self) -> Class {
        match self {
            Self::Known => Class::Known,
            Self::Fresh | Self::Unripe(_) => Class::Fresh,
            Self::Unproven => Class::Unproven,
        }
    }
}

/// All that the stream taught about builds.
#[derive(Debug, Clone)]
pub struct Knowledge {
    /// Names as numbers.
    pub names: Names,
    /// What each tag means.
    pub tags: Tags,
    /// Which build was seen in which tag.
    pub seen: Seen,
    /// What was seen of builds on their way.
    pub trails: Trails,
    rules: TrailRules,
    known_age: Seconds,
    /// How long message identities are remembered.
    pub id_age: Seconds,
}

impl Knowledge {
    /// Knows nothing yet but names.
    pub fn new(settings: &Settings, mut names: Names) -> Self {
        let tags = Tags::new(settings, &mut names);
        // The longest rule of an evidence tag tells when an appearance there can no longer be claimed.
        let longest = settings.burst.other_rules.iter().map(|rule| rule.within).max().unwrap_or_default();
        let rules = TrailRules {
            max_age: settings.evidence.max_trail_age,
            ripe_after: Seconds(longest.0.saturating_add(1)),
        };
        Self {
            names,
            tags,
            seen: Seen::default(),
            trails: Trails::default(),
            rules,
            known_age: settings.dedupe.known_builds,
            id_age: settings.dedupe.message_ids,
        }
    }

    /// Judges an event at `now`, from all events whose turn came before.
    pub fn judge(&self, event: &TagEvent, now: Second) -> (Standing, Evidence) {
        let mut evidence = Evidence { known: self.known(event), ..Evidence::default() };
        let proof = self.trails.prove(event.build, now, self.rules, &mut evidence);
        let standing = match proof {
            _ if evidence.known.is_some() => Standing::Known,
            Proof::Fresh => Standing::Fresh,
            Proof::Unripe(at) => Standing::Unripe(at),
            Proof::Nothing => Standing::Unproven,
        };
        (standing, evidence)
    }

    /// The other family tag that a build was seen in, not later than in this one and before that tag was left.
    fn known(&self, event: &TagEvent) -> Option<(super::names::Name, Second)> {
        let others = self.tags.family().iter().filter(|member| member.tag != event.tag);
        others
            .filter_map(|member| {
                let first = self.seen.first(BuildInTag::new(event.build, member.tag))?;
                (member.counts_at(first) && first <= event.first_seen).then_some((member.tag, first))
            })
            .min_by_key(|(_, first)| *first)
    }

    /// Begins to keep the facts for the state.
    pub fn start_journal(&mut self) {
        self.seen.journal.start();
        self.trails.journal.start();
    }

    /// The facts since this was last called.
    pub fn take_facts(&mut self) -> Facts {
        Facts { seen: self.seen.journal.take(), trail: self.trails.journal.take() }
    }

    /// The facts that rebuild all that is remembered now.
    pub fn all_facts(&self) -> Facts {
        Facts { seen: self.seen.facts(), trail: self.trails.facts() }
    }

    /// Applies facts that were written down before.
    pub fn replay(&mut self, facts: Facts) {
        for fact in facts.seen {
            match fact {
                SeenFact::Swept(at) => self.sweep_seen(at),
                SeenFact::Known(key, _) => {
                    self.tags.add_to_family(key.tag());
                    self.seen.replay(fact);
                }
                SeenFact::Tagged(..)
                | SeenFact::Untagged(..)
                | SeenFact::Revoked(_)
                | SeenFact::Submitted(_)
                | SeenFact::Entry(..)
                | SeenFact::Message(..) => self.seen.replay(fact),
            }
        }
        for fact in facts.trail {
            self.trails.replay(fact);
        }
    }

    /// Forgets what is too old to matter.
    pub fn sweep(&mut self, now: Second) {
        self.sweep_seen(now);
        self.trails.sweep(now, self.rules.max_age);
    }

    fn sweep_seen(&mut self, now: Second) {
        let Self { seen, tags, names, known_age, id_age, .. } = self;
        seen.sweep(now, *id_age, |tag| if tags.role(tag, names).family { *known_age } else { *id_age });
    }
}
