//! What a tag means for one pipeline: trigger, family, or a place of the trail.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::names::{Name, Names};
use crate::settings::{EvidenceSettings, Settings};
use crate::time::Second;

/// Which part of a build's way a tag belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrailTag {
    /// Candidates of ordinary updates.
    Candidate,
    /// A mass rebuild's own tag.
    Rebuild,
    /// A numbered side tag: the number belongs to one update.
    Side,
}

/// What a tag means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Role {
    /// Its new builds trigger rebuilds, or will when it is followed.
    pub trigger: bool,
    /// It is or was followed.
    pub family: bool,
    /// A build seen here is new, if the appearance was not in a burst.
    pub trail: Option<TrailTag>,
}

/// A time in which a tag of the family was not followed: what is first seen in it then makes no build known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// It was left at this second, which still counts.
    pub from: Second,
    /// From this second on its builds were judged again; `None`: they are not.
    pub until: Option<Second>,
}

/// One tag of the family with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The tag.
    pub tag: Name,
    /// When it was not followed, oldest first.
    pub away: Vec<Away>,
}

/// Times of one tag in which it was not followed; the oldest are joined beyond it.
const AWAY_MAX: usize = 32;

impl Member {
    /// Whether what was first seen in the tag at that time makes a build known.
    pub fn counts_at(&self, first: Second) -> bool {
        !self.away.iter().any(|away| first > away.from && away.until.is_none_or(|until| first < until))
    }

    fn leave(&mut self, at: Second) {
        self.away.push(Away { from: at, until: None });
        if self.away.len() > AWAY_MAX {
            // What lies between two of them then makes no build known: that may cost a question, never a leak, since
            // a build of a time long past has no fresh evidence.
            let later = self.away.remove(1);
            if let Some(first) = self.away.first_mut() {
                first.until = later.until;
            }
        }
    }

    fn come_back(&mut self, at: Second) {
        if let Some(away) = self.away.last_mut().filter(|away| away.until.is_none()) {
            away.until = Some(at.max(away.from));
        }
    }
}

/// The roles of all tags, told from the settings and from what is followed.
#[derive(Debug, Clone)]
pub struct Tags {
    /// The tag that is followed.
    followed: Name,
    /// The tag that may be followed next.
    beside: Option<Name>,
    family: Vec<Member>,
    /// Patterns of the evidence's tags, with `{release}`.
    patterns: EvidenceSettings,
    /// The releases they were filled in for.
    releases: BTreeSet<String>,
    candidates: Vec<String>,
    rebuilds: Vec<String>,
    side_prefixes: Vec<String>,
    /// By number of the name, filled on first question.
    roles: Vec<Option<Role>>,
}

impl Tags {
    /// Tells the roles from the settings; the family's names are the first in the table.
    pub fn new(settings: &Settings, names: &mut Names) -> Self {
        let away = |left_at: Option<Second>| left_at.map(|from| Away { from, until: None });
        let family: Vec<_> = settings
            .trigger
            .family
            .iter()
            .map(|member| Member {
                tag: names.intern(&member.tag),
                away: away(member.left_at).into_iter().collect(),
            })
            .collect();
        let mut tags = Self {
            followed: names.intern(&settings.trigger.tag),
            beside: None,
            family,
            patterns: settings.evidence.clone(),
            releases: BTreeSet::new(),
            candidates: Vec::new(),
            rebuilds: Vec::new(),
            side_prefixes: Vec::new(),
            roles: Vec::new(),
        };
        for member in &settings.trigger.family {
            tags.add_release(&member.tag);
        }
        tags
    }

    /// The tag that is followed.
    pub fn followed(&self) -> Name {
        self.followed
    }

    /// Whether builds of a tag are judged: of the one that is followed, and of the one that may be next.
    pub fn is_judged(&self, tag: Name) -> bool {
        tag != Name::OTHER && (tag == self.followed || self.beside == Some(tag))
    }

    /// The tag whose builds are judged beside those of the followed one, from now on.
    pub fn judge_beside(&mut self, beside: Option<(Name, &str)>) {
        self.beside = beside.map(|(tag, _)| tag);
        if let Some((_, text)) = beside {
            self.add_release(text);
        }
        self.roles.clear();
    }

    /// Follows another tag: the old one is left at `at`, the new one is of the family, judged since `since`.
    pub fn follow(&mut self, (tag, text): (Name, &str), since: Second, at: Second) {
        if let Some(member) = self.family.iter_mut().find(|member| member.tag == self.followed) {
            member.leave(at);
        }
        self.followed = tag;
        self.beside = self.beside.filter(|beside| *beside != tag);
        self.add_to_family(tag);
        if let Some(member) = self.family.iter_mut().find(|member| member.tag == tag) {
            member.come_back(since);
        }
        self.add_release(text);
        self.roles.clear();
    }

    /// What was followed as another run of the engine left it. Members that the settings know and it does not stay.
    pub fn restore(&mut self, followed: Name, family: Vec<Member>, names: &Names) {
        // What the settings want to follow is of the family when it is followed.
        let wanted = std::mem::replace(&mut self.followed, followed);
        self.family.retain(|member| member.tag != wanted || wanted == followed);
        for member in family {
            self.add_release(names.text(member.tag));
            self.family.retain(|known| known.tag != member.tag);
            self.family.push(member);
        }
        self.roles.clear();
    }

    /// The family, the followed tag included.
    pub fn family(&self) -> &[Member] {
        &self.family
    }

    /// Counts a tag as one that was followed, since builds were imported from it.
    pub fn add_to_family(&mut self, tag: Name) {
        if self.family.iter().all(|member| member.tag != tag) {
            self.family.push(Member { tag, away: Vec::new() });
            self.roles.clear();
        }
    }

    /// Fills the evidence's patterns in for a release.
    fn add_release(&mut self, release: &str) {
        if !self.releases.insert(release.to_owned()) {
            return;
        }
        let fill = |patterns: &[String], into: &mut Vec<String>| {
            into.extend(patterns.iter().map(|pattern| pattern.replace("{release}", release)));
        };
        fill(&self.patterns.candidate_tags, &mut self.candidates);
        fill(&self.patterns.rebuild_tags, &mut self.rebuilds);
        fill(&self.patterns.side_tag_prefixes, &mut self.side_prefixes);
    }

    /// What a tag means.
    pub fn role(&mut self, tag: Name, names: &Names) -> Role {
        let index = tag.0 as usize;
        if let Some(role) = self.roles.get(index).copied().flatten() {
            return role;
        }
        let role = self.tell(tag, names.text(tag));
        if self.roles.len() <= index {
            self.roles.resize(index + 1, None);
        }
        if let Some(slot) = self.roles.get_mut(index) {
            *slot = Some(role);
        }
        role
    }

    fn tell(&self, tag: Name, text: &str) -> Role {
        if tag == Name::OTHER {
            return Role::default();
        }
        let is = |list: &[String]| list.iter().any(|name| name == text);
        let side = self
            .side_prefixes
            .iter()
            .any(|prefix| text.strip_prefix(prefix.as_str()).is_some_and(is_side_rest));
        let trail = if is(&self.candidates) {
            Some(TrailTag::Candidate)
        } else if is(&self.rebuilds) {
            Some(TrailTag::Rebuild)
        } else {
            side.then_some(TrailTag::Side)
        };
        let family = self.family.iter().any(|member| member.tag == tag);
        Role { trigger: self.is_judged(tag), family, trail }
    }
}

/// Behind a side tag's prefix: a number, alone or with a part of its gating. Signing proves nothing: builds are signed
/// again without being new.
fn is_side_rest(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let suffix = rest.get(digits..).unwrap_or_default();
    digits > 0 && (suffix.is_empty() || suffix.starts_with('-') && !suffix.ends_with("-signing-pending"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::FamilyTag;

    #[test]
    fn the_role_of_a_tag() {
        let mut settings = Settings::defaults("f42");
        settings.trigger.family.insert(0, FamilyTag { tag: "f41".into(), left_at: Some(Second(9)) });
        let mut names = Names::new(100);
        let mut tags = Tags::new(&settings, &mut names);
        let none = Role::default();
        let trail = |trail| Role { trail: Some(trail), ..none };
        for (tag, role) in [
            ("f42", Role { trigger: true, family: true, trail: None }),
            ("f41", Role { family: true, ..none }),
            ("f42-updates-candidate", trail(TrailTag::Candidate)),
            ("f41-candidate", trail(TrailTag::Candidate)),
            ("f42-rebuild", trail(TrailTag::Rebuild)),
            ("f42-build-side-128996", trail(TrailTag::Side)),
            ("f42-build-side-128996-testing-pending", trail(TrailTag::Side)),
            ("f42-build-side-128996-signing-pending", none),
            ("f42-build-side-", none),
            ("f42-build-side-12x", none),
            ("f42-signing-pending", none),
            ("f42-updates-testing-pending", none),
            ("f40-updates-candidate", none),
            ("f420", none),
            ("eln", none),
        ] {
            let name = names.intern(tag);
            assert_eq!(tags.role(name, &names), role, "{tag}");
            assert_eq!(tags.role(name, &names), role, "{tag}, asked again");
        }
        assert_eq!(tags.role(Name::OTHER, &names), none);
    }
}
