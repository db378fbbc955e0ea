//! Koji as a witness: what it says of builds that are held since no message proved them new (evidence 3, design section 6).
//!
//! The engine asks nobody. It tells which builds are in question ([`Engine::questions`]) and takes what was found as an
//! input like a record ([`Engine::koji_says`]): written down with the build, final where it cannot change any more, and
//! without effect where the build was decided meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::decision::{BuildKey, Detail, Evidence, HoldId, Reason};
use super::evidence::Standing;
use super::hold::{HeldEvent, Hold, HoldKind};
use super::memory::Class;
use super::names::Name;
use super::seen::BuildInTag;
use crate::event::Position;
use crate::time::Second;

/// Where a member stands in its hold.
pub type Place = (Second, Position);

/// A held build of which Koji may say that it is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Its hold.
    pub hold: HoldId,
    /// Its place there.
    pub place: Place,
    /// The hub's number of the build.
    pub build_id: u64,
    /// What Koji said last, where it was asked.
    pub told: Option<Told>,
}

/// What was found about one build. Times but `asked_at` are the hub's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was asked.
    pub question: Question,
    /// When it was asked, by the clock of the machine: an older finding than the one that is noted changes nothing.
    pub asked_at: Second,
    /// What Koji knows.
    pub witnessed: Witnessed,
}

/// What Koji knows of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witnessed {
    /// It gave no answer about this one.
    Unanswered,
    /// It is not complete, or not in the trigger tag: perhaps the message tells of what was rolled back.
    Absent,
    /// It is complete, and in the trigger tag.
    Tagged {
        /// When it was complete; `None`: that is not known.
        completed: Option<Second>,
        /// Other tags of the family that it came into before it came into the trigger tag, each with the first time.
        earlier: Vec<(String, Second)>,
        /// A mass-rebuild tag that it was in.
        rebuild: Option<String>,
    },
}

/// What Koji said of a held build, and how often it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Told {
    /// How often it was asked.
    pub asked: u32,
    /// When it was last asked, by the clock of the machine.
    pub at: Second,
    /// What it said then.
    pub says: Says,
}

/// What Koji's word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Nothing about this build.
    Unanswered,
    /// It is not there: not complete, or not in the tag.
    Absent,
    /// New: complete since that time, and in no tag of the family before.
    Fresh(Second),
    /// Completed too long before it was tagged, or nobody knows when.
    Old,
    /// In another tag of the family before, at that time.
    Known(Name, Second),
    /// In another tag of the family before, after that one was left: that shows neither.
    Left(Name, Second),
}

impl Told {
    /// Whether Koji said that the build is new.
    pub fn is_fresh(self) -> bool {
        matches!(self.says, Says::Fresh(_))
    }

    /// Whether asking again may bring another answer: what happened before the build was tagged does not change.
    pub fn is_open(self) -> bool {
        matches!(self.says, Says::Unanswered | Says::Absent)
    }
}

/// What becomes of a member of a hold by Koji's word.
enum Fate {
    Final(Reason),
    MassRebuild,
}

/// Members of a hold that Koji found new, and of which it may still say so.
#[derive(Debug, Default)]
struct Tally {
    fresh: u32,
    open: u32,
    by_actor: HashMap<Name, (u32, u32), foldhash::fast::RandomState>,
}

impl Tally {
    fn of(hold: &Hold) -> Self {
        let mut tally = Self::default();
        for held in hold.members.values().filter(|held| is_in_question(held)) {
            let (fresh, open) = tally.by_actor.entry(held.event.actor).or_default();
            if held.told.is_none_or(Told::is_open) {
                (tally.open, *open) = (tally.open + 1, *open + 1);
            } else if held.told.is_some_and(Told::is_fresh) {
                (tally.fresh, *fresh) = (tally.fresh + 1, *fresh + 1);
            }
        }
        tally
    }
}

/// Whether Koji's word counts for a member: it is held for want of evidence.
fn is_in_question(held: &HeldEvent) -> bool {
    held.reason == Reason::NoFreshEvidence
}

/// Whether Koji's word about a member may decide it, now or once more is known of the others.
fn is_told(held: &HeldEvent) -> bool {
    let decides = |told: Told| matches!(told.says, Says::Known(..) | Says::Fresh(_));
    is_in_question(held) && held.told.is_some_and(decides)
}

impl Engine {
    /// The held builds that Koji may be asked about, by hold and place. What belongs to a mass rebuild is none: it waits for
    /// a person, whatever shows that it is new. Nor are builds of other instances than the first: the hub is that one's.
    pub fn questions(&self) -> impl Iterator<Item = Question> + '_ {
        let instance = self.instances.first().copied();
        let holds = self
            .holds
            .iter()
            .filter(move |hold| hold.kind != HoldKind::MassRebuild && Some(hold.key.instance) == instance);
        holds.flat_map(|hold| {
            let open = hold
                .members
                .iter()
                .filter(|(_, held)| is_in_question(held) && held.told.is_none_or(Told::is_open));
            open.map(|(place, held)| Question {
                hold: hold.id,
                place: *place,
                build_id: held.event.build.id,
                told: held.told,
            })
        })
    }

    /// Whether a build of the first instance is in a tag, as far as records told; `None` where none did.
    pub fn is_in_tag(&self, build_id: u64, tag: &str) -> Option<bool> {
        let build = BuildKey { instance: *self.instances.first()?, id: build_id };
        self.known.seen.is_in(BuildInTag::new(build, self.known.names.find(tag)?))
    }

    /// Takes what Koji was found to say, and decides what follows from it.
    ///
    /// A build that was in another followed tag before is dropped, as if a message had shown that. One that is shown to be new
    /// is admitted, but not where it may belong to a mass rebuild: then it waits for a person, or for Koji's word about the
    /// other members.
    pub fn koji_says(&mut self, findings: &[Finding]) {
        for finding in findings {
            self.note_finding(finding);
        }
        // Also those that wait for the word about others, which an operator may have decided meanwhile.
        let told = |hold: &&Hold| hold.kind != HoldKind::MassRebuild && hold.members.values().any(is_told);
        let holds: Vec<HoldId> = self.holds.iter().filter(told).map(|hold| hold.id).collect();
        for id in holds {
            self.settle_told(id);
        }
    }

    /// Writes down what was said of one member, if it is news.
    fn note_finding(&mut self, finding: &Finding) {
        let Question { hold, place, build_id, .. } = finding.question;
        let member = self.holds.get(hold).and_then(|hold| hold.members.get(&place));
        let Some(held) = member.filter(|held| held.event.build.id == build_id && is_in_question(held)) else {
            return;
        };
        if held.told.is_some_and(|told| !told.is_open() || told.at > finding.asked_at) {
            return;
        }
        let (event, in_burst) = (Arc::clone(&held.event), held.in_burst);
        let asked = held.told.map_or(0, |told| told.asked).saturating_add(1);
        let says = self.meaning(&finding.witnessed, &event);
        match says {
            Says::Known(tag, at) => {
                self.known.seen.know(BuildInTag::new(event.build, tag), at.min(event.first_seen));
                self.remember_class(hold, in_burst, Class::Known, event.actor);
            }
            Says::Fresh(_) => self.remember_class(hold, in_burst, Class::Fresh, event.actor),
            Says::Unanswered | Says::Absent | Says::Old | Says::Left(..) => {}
        }
        let rebuild = match &finding.witnessed {
            Witnessed::Tagged { rebuild: Some(tag), .. } => Some(self.known.names.intern(tag)),
            Witnessed::Tagged { rebuild: None, .. } | Witnessed::Unanswered | Witnessed::Absent => None,
        };
        self.holds.tell(hold, place, Told { asked, at: finding.asked_at, says }, rebuild);
    }

    /// What Koji's word means for an event, by the rules in force.
    fn meaning(&mut self, witnessed: &Witnessed, event: &super::event::TagEvent) -> Says {
        let Witnessed::Tagged { completed, earlier, .. } = witnessed else {
            return if *witnessed == Witnessed::Absent { Says::Absent } else { Says::Unanswered };
        };
        let mut left = None;
        for (tag, at) in earlier {
            let tag = self.known.names.intern(tag);
            let member = self.known.tags.family().iter().find(|member| member.tag == tag);
            let Some(member) = member.filter(|member| member.tag != event.tag) else { continue };
            if member.counts_at(*at) {
                return Says::Known(tag, *at);
            }
            left = Some(Says::Left(tag, *at));
        }
        let max_age = self.settings.evidence.max_trail_age;
        // Its age when it was tagged: how long it is held makes no build old.
        let fresh = completed.filter(|at| event.effective - *at <= max_age).map(Says::Fresh);
        left.or(fresh).unwrap_or(Says::Old)
    }

    /// Lets the memory of bursts know what a member of one turned out to be: kinds are told from it.
    fn remember_class(&mut self, hold: HoldId, in_burst: bool, class: Class, actor: Name) {
        let (key, now) = (self.holds.get(hold).map(|hold| hold.key), self.now);
        let trigger = self.triggers.iter_mut().find(|trigger| in_burst && Some(trigger.key) == key);
        if let Some(trigger) = trigger {
            trigger.told(class, actor, now);
        }
    }

    /// Decides the members of a hold that Koji's word decides.
    fn settle_told(&mut self, id: HoldId) {
        let Some(hold) = self.holds.get(id) else { return };
        let key = hold.key;
        let Some(index) = self.triggers.iter().position(|trigger| trigger.key == key) else { return };
        let tally = Tally::of(hold);
        let fates: BTreeMap<Place, Fate> = hold
            .members
            .iter()
            .filter(|(_, held)| is_told(held))
            .filter_map(|(place, held)| Some((*place, self.fate(index, held, &tally)?)))
            .collect();
        let taken =
            self.holds.take(id, |held| fates.contains_key(&(held.event.effective, held.event.position)));
        for held in taken {
            match fates.get(&(held.event.effective, held.event.position)) {
                Some(Fate::MassRebuild) => self.hold_as_mass_rebuild(index, held),
                Some(Fate::Final(reason)) => self.finish_told(held, *reason),
                None => {}
            }
        }
        self.close_empty_holds(index);
    }

    /// What becomes of a member; `None`: it waits on.
    fn fate(&self, index: usize, held: &HeldEvent, tally: &Tally) -> Option<Fate> {
        let told = held.told?;
        match told.says {
            Says::Known(..) if self.known.seen.is_submitted(held.event.build) => {
                Some(Fate::Final(Reason::AlreadySubmitted))
            }
            Says::Known(..) => Some(Fate::Final(Reason::KnownBuild)),
            Says::Fresh(_) => self.fate_of_fresh(index, held, tally),
            Says::Unanswered | Says::Absent | Says::Old | Says::Left(..) => None,
        }
    }

    /// A new build goes, unless it belongs to a mass rebuild, or so many others may turn out to be new that it would.
    fn fate_of_fresh(&self, index: usize, held: &HeldEvent, tally: &Tally) -> Option<Fate> {
        let (standing, evidence) = self.known.judge(&held.event, self.now);
        let reason = self.release_reason(held, Reason::KojiSaysFresh, false);
        if standing == Standing::Known || reason != Reason::KojiSaysFresh {
            return Some(Fate::Final(reason));
        }
        let actor = held.event.actor;
        let trigger = self.triggers.get(index)?;
        if evidence.rebuild.is_some()
            || held.evidence.rebuild.is_some()
            || trigger.is_mass_rebuilder(&self.rules, actor, self.now)
        {
            return Some(Fate::MassRebuild);
        }
        if !held.in_burst {
            return Some(Fate::Final(reason));
        }
        let settings = &self.rules.settings;
        let (remembered, of_actor) = trigger.remembered_fresh(actor, self.now);
        let (fresh, open) = tally.by_actor.get(&actor).copied().unwrap_or_default();
        let limits = [
            (self.rules.gating.contains(&actor), f64::from(fresh).max(of_actor), open, settings.actor_size),
            (false, f64::from(tally.fresh).max(remembered), tally.open, settings.hold_size),
        ];
        let counted = limits.into_iter().filter(|(exempt, ..)| !exempt);
        let reached = |more: fn(u32) -> f64| {
            counted.clone().any(|(_, fresh, open, limit)| fresh + more(open) >= f64::from(limit))
        };
        match (reached(|_| 0.0), reached(f64::from)) {
            (true, _) => Some(Fate::MassRebuild),
            (false, true) => None,
            (false, false) => Some(Fate::Final(reason)),
        }
    }

    fn hold_as_mass_rebuild(&mut self, index: usize, held: HeldEvent) {
        self.account.unhold(held.event.position.partition, held.reason);
        let evidence = told_evidence(&held);
        let detail = Detail { event: held.event, evidence, run: None, hold: None, command: None };
        self.hold(index, HoldKind::MassRebuild, held.in_burst, Reason::MassRebuild, detail);
    }

    fn finish_told(&mut self, mut held: HeldEvent, reason: Reason) {
        held.evidence = told_evidence(&held);
        // A build may be held twice: tagged again after it was untagged.
        let is_submitted = self.known.seen.is_submitted(held.event.build);
        let reason = if is_submitted { Reason::AlreadySubmitted } else { reason };
        self.finish(&held, reason);
    }
}

/// The evidence with what Koji said.
fn told_evidence(held: &HeldEvent) -> Evidence {
    let mut evidence = held.evidence.clone();
    match held.told.map(|told| told.says) {
        Some(Says::Fresh(completed)) => evidence.koji = Some(completed),
        Some(Says::Known(tag, at)) => evidence.known = Some((tag, at)),
        Some(Says::Unanswered | Says::Absent | Says::Old | Says::Left(..)) | None => {}
    }
    evidence
}
