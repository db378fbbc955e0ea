//! Holds: builds that wait until an operator or a stated rule decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::decision::{Evidence, HoldId, Reason};
use super::event::TagEvent;
use super::journal::Journal;
use super::names::Name;
use super::witness::{Place, Told};
use crate::event::Position;
use crate::time::Second;

/// What a hold is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// New builds of a mass rebuild: wanted, but drained over days, and after a person has said so.
    MassRebuild,
    /// Old builds tagged anew.
    Retag,
    /// Anything else that came in a burst, such as a re-tag at a cold start.
    Flood,
    /// Single builds without fresh evidence, outside any burst.
    Unproven,
}

impl HoldKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::MassRebuild, Self::Retag, Self::Flood, Self::Unproven];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::MassRebuild => "mass_rebuild",
            Self::Retag => "retag",
            Self::Flood => "flood",
            Self::Unproven => "unproven",
        }
    }
}

/// The tag of one instance: what holds and bursts are keyed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TagKey {
    /// The Koji instance.
    pub instance: Name,
    /// The tag.
    pub tag: Name,
}

/// One event that is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldEvent {
    /// The event.
    pub event: Arc<TagEvent>,
    /// Why it is held.
    pub reason: Reason,
    /// It came as a member of a burst.
    pub in_burst: bool,
    /// When it was put into the hold.
    pub held_at: Second,
    /// What was known of it then.
    pub evidence: Evidence,
    /// What Koji said of it last, where it was asked.
    #[serde(default)]
    pub told: Option<Told>,
}

/// A group of builds withheld.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// Its number.
    pub id: HoldId,
    /// Whose events it holds.
    pub key: TagKey,
    /// What it is of.
    pub kind: HoldKind,
    /// Effective time of its opening.
    pub opened_at: Second,
    /// How often it was changed; a decision names the version it was made for.
    pub version: u32,
    /// The stated rule has been carried out.
    pub ruled: bool,
    /// What is held, in the order of turns.
    #[serde(with = "super::pairs")]
    pub members: BTreeMap<(Second, Position), HeldEvent>,
}

/// Which members of a hold a decision is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// All.
    All,
    /// Builds of one package, by its upstream name.
    Package(String),
    /// One build.
    Nvr(String),
    /// Builds whose NVR matches a pattern with `*` and `?`.
    Pattern(String),
    /// All but the builds of one package.
    Except(String),
}

impl Selection {
    /// Whether it names an event.
    pub fn names(&self, event: &TagEvent) -> bool {
        match self {
            Self::All => true,
            Self::Package(name) => event.nvr.name() == name,
            Self::Except(name) => event.nvr.name() != name,
            Self::Nvr(nvr) => event.nvr.as_str() == nvr,
            Self::Pattern(pattern) => wildcard(pattern.as_bytes(), event.nvr.as_str().as_bytes()),
        }
    }

    /// Whether somebody asked for this very build.
    pub fn is_explicit(&self) -> bool {
        match self {
            Self::Nvr(_) => true,
            Self::All | Self::Package(_) | Self::Pattern(_) | Self::Except(_) => false,
        }
    }
}

/// Whether a text matches a pattern of `*` (any text) and `?` (one byte), in time linear in both.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|&byte| byte == b'*')
}

/// How the holds change, for the state.
#[derive(Debug, Clone, PartialEq)]
pub enum HoldChange {
    /// A hold was opened, or its version or mark changed.
    Header(HoldId),
    /// An event was put into a hold.
    Put(HoldId, Box<HeldEvent>),
    /// The event at a place was taken out of a hold.
    Took(HoldId, Position),
    /// A hold was closed.
    Closed(HoldId),
}

/// All holds of an engine.
#[derive(Debug, Clone, Default)]
pub struct HoldBook {
    holds: BTreeMap<HoldId, Hold>,
    opened: u32,
    held: usize,
    /// How the holds change.
    pub journal: Journal<HoldChange>,
}

impl HoldBook {
    /// The open hold of a key and kind, opened if there is none.
    pub fn open_or_join(&mut self, key: TagKey, kind: HoldKind, now: Second) -> HoldId {
        if let Some(id) = self.find(key, kind) {
            return id;
        }
        self.opened += 1;
        let id = HoldId(self.opened);
        self.journal.note(|| HoldChange::Header(id));
        let members = BTreeMap::new();
        self.holds.insert(id, Hold { id, key, kind, opened_at: now, version: 0, ruled: false, members });
        id
    }

    /// The open hold of a key and kind.
    pub fn find(&self, key: TagKey, kind: HoldKind) -> Option<HoldId> {
        self.holds.values().find(|hold| hold.key == key && hold.kind == kind).map(|hold| hold.id)
    }

    /// Puts an event into a hold.
    pub fn put(&mut self, id: HoldId, held: HeldEvent) {
        if let Some(hold) = self.holds.get_mut(&id) {
            hold.version += 1;
            self.journal.note(|| HoldChange::Put(id, Box::new(held.clone())));
            let at = (held.event.effective, held.event.position);
            self.held += usize::from(hold.members.insert(at, held).is_none());
        }
    }

    /// Takes members out of a hold.
    pub fn take(&mut self, id: HoldId, mut wanted: impl FnMut(&HeldEvent) -> bool) -> Vec<HeldEvent> {
        let Some(hold) = self.holds.get_mut(&id) else { return Vec::new() };
        let places: Vec<_> =
            hold.members.iter().filter(|(_, held)| wanted(held)).map(|(place, _)| *place).collect();
        let taken: Vec<_> = places.iter().filter_map(|place| hold.members.remove(place)).collect();
        self.held -= taken.len();
        hold.version += u32::from(!taken.is_empty());
        for held in &taken {
            self.journal.note(|| HoldChange::Took(id, held.event.position));
        }
        taken
    }

    /// Notes what Koji said of a member, and the mass-rebuild tag that it named. What an operator sees of the hold is the
    /// same: its version stays.
    pub fn tell(&mut self, id: HoldId, place: Place, told: Told, rebuild: Option<Name>) {
        let Some(held) = self.holds.get_mut(&id).and_then(|hold| hold.members.get_mut(&place)) else {
            return;
        };
        held.told = Some(told);
        held.evidence.rebuild = held.evidence.rebuild.or(rebuild);
        self.journal.note(|| HoldChange::Put(id, Box::new(held.clone())));
    }

    /// Closes a hold that holds nothing. Gives whether it did.
    pub fn close_if_empty(&mut self, id: HoldId) -> bool {
        let empty = self.holds.get(&id).is_some_and(|hold| hold.members.is_empty());
        if empty {
            self.holds.remove(&id);
            self.journal.note(|| HoldChange::Closed(id));
        }
        empty
    }

    /// Closes the holds of a key that hold nothing.
    pub fn close_empty(&mut self, key: TagKey) {
        let Self { holds, journal, .. } = self;
        holds.retain(|id, hold| {
            let empty = hold.key == key && hold.members.is_empty();
            if empty {
                journal.note(|| HoldChange::Closed(*id));
            }
            !empty
        });
    }

    /// Marks a hold's stated rule as carried out.
    pub fn mark_ruled(&mut self, id: HoldId) {
        if let Some(hold) = self.holds.get_mut(&id) {
            hold.ruled = true;
            self.journal.note(|| HoldChange::Header(id));
        }
    }

    /// One hold.
    pub fn get(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }

    /// All open holds, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// How many events are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many holds were ever opened.
    pub fn opened(&self) -> u32 {
        self.opened
    }

    /// Puts holds back that were written down, `opened` of which there ever were.
    pub fn restore(&mut self, holds: impl IntoIterator<Item = Hold>, opened: u32) {
        self.holds = holds.into_iter().map(|hold| (hold.id, hold)).collect();
        self.held = self.holds.values().map(|hold| hold.members.len()).sum();
        self.opened = opened;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, text, matches) in [
            ("bash-*", "bash-5.2-1.fc42", true),
            ("bash-*", "bash", false),
            ("*", "", true),
            ("*.fc41*", "x-1-2.fc41.1", true),
            ("?ash", "bash", true),
            ("?ash", "ash", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbX", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), matches, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn patterns_agree_with_regular_expressions(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expression = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let expected = regex::Regex::new(&expression).unwrap().is_match(&text);
            prop_assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), expected);
        }
    }
}
