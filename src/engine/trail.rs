//! What was seen of builds on their way: completions, and appearances in candidate, side and rebuild tags.
//!
//! An appearance that was itself in a burst of its tag proves nothing: whoever tags everything into a candidate tag
//! would forge evidence for everything. Whether it was is sure once a rule of that tag could not claim it any more.

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::decision::{BuildKey, Evidence};
use super::journal::Journal;
use super::names::Name;
use super::shards::Shards;
use super::short::Short;
use super::tags::TrailTag;
use crate::time::{Second, Seconds};

/// Appearances kept of one build; beyond it new ones prove nothing, which strands and never leaks.
const APPEARANCES_MAX: usize = 16;

/// One appearance of a build in a tag of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appearance {
    /// The tag.
    pub tag: Name,
    /// What the tag is.
    pub kind: TrailTag,
    /// It was seen to leave the tag rather than to enter it.
    pub untag: bool,
    /// When, in effective time.
    pub at: Short,
    /// The number of the run of its tag that claimed it; 0 for none.
    pub run: u32,
}

/// What was seen of one build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trail {
    completed: Option<Short>,
    appearances: SmallVec<[Appearance; 2]>,
}

/// What the trail shows of a build at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The build is new.
    Fresh,
    /// It may be: an appearance is not old enough yet to be told from the start of a burst. Ask again then.
    Unripe(Second),
    /// Nothing shows that it is new.
    Nothing,
}

/// The memory of builds on their way.
#[derive(Debug, Clone, Default)]
pub struct Trails {
    builds: Shards<BuildKey, Trail>,
    /// Runs of side tags that grew to the size of a mass-tag: no update is as large.
    large_runs: HashSet<u32, foldhash::fast::RandomState>,
    /// How this memory grows, for the state.
    pub journal: Journal<TrailFact>,
}

/// How the memory of builds on their way grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrailFact {
    /// A build was completed.
    Completed(BuildKey, Second),
    /// A build appeared in a tag.
    Appeared(BuildKey, Appearance),
    /// A run claimed what appeared in a tag from a time on: build, tag, whether it left, from, run.
    Claimed(BuildKey, Name, bool, Second, u32),
    /// A run grew to the size of a mass-tag.
    Large(u32),
    /// What was too old then, at that age, was forgotten.
    Swept(Second, Seconds),
}

/// How appearances are judged.
#[derive(Debug, Clone, Copy)]
pub struct TrailRules {
    /// How old a completion or an appearance may be.
    pub max_age: Seconds,
    /// How old an appearance must be before it is sure that no rule claims it.
    pub ripe_after: Seconds,
}

impl Trails {
    /// A build was seen to complete.
    pub fn complete(&mut self, build: BuildKey, at: Second) {
        self.journal.note(|| TrailFact::Completed(build, at));
        let trail = self.builds.entry(build).or_default();
        trail.completed = trail.completed.max(Some(Short::new(at)));
    }

    /// A build was seen in a tag of the trail, or to leave it.
    pub fn appear(&mut self, build: BuildKey, appearance: Appearance) {
        self.journal.note(|| TrailFact::Appeared(build, appearance));
        let trail = self.builds.entry(build).or_default();
        if trail.appearances.len() < APPEARANCES_MAX {
            trail.appearances.push(appearance);
        }
    }

    /// A run of the tag claimed all that was seen of a build there from `from` on.
    pub fn claim(&mut self, build: BuildKey, tag: Name, untag: bool, from: Second, run: u32) {
        let Some(trail) = self.builds.get_mut(&build) else { return };
        self.journal.note(|| TrailFact::Claimed(build, tag, untag, from, run));
        for seen in &mut trail.appearances {
            if seen.tag == tag && seen.untag == untag && seen.at.second() >= from && seen.run == 0 {
                seen.run = run;
            }
        }
    }

    /// A run grew to the size of a mass-tag.
    pub fn mark_large(&mut self, run: u32) {
        if self.large_runs.insert(run) {
            self.journal.note(|| TrailFact::Large(run));
        }
    }

    /// Applies a fact that was written down before.
    pub fn replay(&mut self, fact: TrailFact) {
        match fact {
            TrailFact::Completed(build, at) => self.complete(build, at),
            TrailFact::Appeared(build, appearance) => self.appear(build, appearance),
            TrailFact::Claimed(build, tag, untag, from, run) => self.claim(build, tag, untag, from, run),
            TrailFact::Large(run) => self.mark_large(run),
            TrailFact::Swept(at, age) => self.sweep(at, age),
        }
    }

    /// The facts that rebuild this memory as it is, by build.
    pub fn facts(&self) -> Vec<TrailFact> {
        let mut builds: Vec<_> = self.builds.iter().collect();
        builds.sort_unstable_by_key(|(build, _)| **build);
        let mut facts = Vec::with_capacity(builds.len() * 2);
        for (&build, trail) in builds {
            facts.extend(trail.completed.map(|at| TrailFact::Completed(build, at.second())));
            facts.extend(trail.appearances.iter().map(|seen| TrailFact::Appeared(build, *seen)));
        }
        let mut large: Vec<_> = self.large_runs.iter().copied().collect();
        large.sort_unstable();
        facts.extend(large.into_iter().map(TrailFact::Large));
        facts
    }

    /// What is seen of a build at `now`; the terms are written into `evidence`.
    pub fn prove(&self, build: BuildKey, now: Second, rules: TrailRules, evidence: &mut Evidence) -> Proof {
        let Some(trail) = self.builds.get(&build) else { return Proof::Nothing };
        let recent = |at: Second| now - at <= rules.max_age;
        evidence.completed = trail.completed.map(Short::second).filter(|&at| recent(at));
        let mut ripe_at: Option<Second> = None;
        for seen in trail.appearances.iter().filter(|seen| recent(seen.at.second())) {
            if seen.kind == TrailTag::Rebuild {
                evidence.rebuild = Some(seen.tag);
            }
            if !self.counts(trail, seen) {
                evidence.burst_trail = Some((seen.tag, seen.at.second()));
            } else if seen.kind == TrailTag::Side || seen.at.second() + rules.ripe_after <= now {
                evidence.trail = evidence.trail.or(Some((seen.tag, seen.at.second())));
            } else {
                let at = seen.at.second() + rules.ripe_after;
                ripe_at = Some(ripe_at.map_or(at, |other| other.min(at)));
            }
        }
        match ripe_at {
            _ if evidence.completed.is_some() || evidence.trail.is_some() => Proof::Fresh,
            Some(at) => Proof::Unripe(at),
            None => Proof::Nothing,
        }
    }

    /// Whether an appearance can prove anything.
    fn counts(&self, trail: &Trail, seen: &Appearance) -> bool {
        if seen.kind == TrailTag::Side {
            return !self.large_runs.contains(&seen.run);
        }
        // Leaving a tag proves no more than entering it did.
        let entered_in_burst = seen.untag
            && trail.appearances.iter().any(|other| other.tag == seen.tag && !other.untag && other.run != 0);
        seen.run == 0 && !entered_in_burst
    }

    /// Forgets what is too old to prove anything.
    pub fn sweep(&mut self, now: Second, max_age: Seconds) {
        self.journal.note(|| TrailFact::Swept(now, max_age));
        self.builds.retain(|_, trail| {
            trail.completed = trail.completed.filter(|at| now - at.second() <= max_age);
            trail.appearances.retain(|seen| now - seen.at.second() <= max_age);
            trail.completed.is_some() || !trail.appearances.is_empty()
        });
        if self.builds.is_empty() {
            self.large_runs.clear();
        }
    }

    /// How many builds are on their way.
    pub fn len(&self) -> usize {
        self.builds.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.builds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: TrailRules = TrailRules { max_age: Seconds(1_000), ripe_after: Seconds(61) };
    const T: i64 = 1_738_648_800;
    const BUILD: BuildKey = BuildKey { instance: Name(1), id: 7 };

    fn seen(kind: TrailTag, untag: bool, at: i64) -> Appearance {
        Appearance { tag: Name(5), kind, untag, at: Short::new(Second(T + at)), run: 0 }
    }

    fn prove(trails: &Trails, now: i64) -> (Proof, Evidence) {
        let mut evidence = Evidence::default();
        (trails.prove(BUILD, Second(T + now), RULES, &mut evidence), evidence)
    }

    #[test]
    fn a_completion_proves_until_it_is_too_old() {
        let mut trails = Trails::default();
        assert_eq!(prove(&trails, 100).0, Proof::Nothing);
        trails.complete(BUILD, Second(T + 100));
        assert_eq!(prove(&trails, 1_100).0, Proof::Fresh);
        assert_eq!(prove(&trails, 1_101).0, Proof::Nothing);
    }

    #[test]
    fn a_candidate_proves_once_no_rule_can_claim_it() {
        let mut trails = Trails::default();
        trails.appear(BUILD, seen(TrailTag::Candidate, false, 100));
        assert_eq!(prove(&trails, 160).0, Proof::Unripe(Second(T + 161)));
        assert_eq!(prove(&trails, 161).0, Proof::Fresh);
        assert_eq!(prove(&trails, 1_101).0, Proof::Nothing);
    }

    #[test]
    fn an_appearance_in_a_burst_proves_nothing_nor_does_leaving_the_tag_again() {
        let mut trails = Trails::default();
        trails.appear(BUILD, seen(TrailTag::Candidate, false, 100));
        trails.claim(BUILD, Name(5), false, Second(T + 90), 3);
        trails.appear(BUILD, seen(TrailTag::Candidate, true, 200));
        let (proof, evidence) = prove(&trails, 400);
        assert_eq!((proof, evidence.trail), (Proof::Nothing, None));
        assert!(evidence.burst_trail.is_some());
    }

    #[test]
    fn a_claim_reaches_back_to_its_window_and_no_further() {
        for (from, proof) in [(100, Proof::Nothing), (101, Proof::Fresh)] {
            let mut trails = Trails::default();
            trails.appear(BUILD, seen(TrailTag::Candidate, false, 100));
            trails.claim(BUILD, Name(5), false, Second(T + from), 3);
            assert_eq!(prove(&trails, 400).0, proof, "{from}");
        }
    }

    #[test]
    fn a_numbered_side_tag_proves_in_a_burst_too_unless_it_is_as_large_as_a_mass_tag() {
        let mut trails = Trails::default();
        trails.appear(BUILD, seen(TrailTag::Side, true, 100));
        trails.claim(BUILD, Name(5), true, Second(T + 90), 3);
        assert_eq!(prove(&trails, 101).0, Proof::Fresh);
        trails.mark_large(3);
        assert_eq!(prove(&trails, 101).0, Proof::Nothing);
    }

    #[test]
    fn a_rebuild_tag_is_named() {
        let mut trails = Trails::default();
        trails.appear(BUILD, seen(TrailTag::Rebuild, false, 100));
        assert_eq!(prove(&trails, 200).1.rebuild, Some(Name(5)));
    }
}
