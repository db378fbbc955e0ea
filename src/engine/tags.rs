//! What a tag means for one pipeline: trigger, family, or a place of the trail.

use serde::{Deserialize, Serialize};

use super::names::{Name, Names};
use crate::settings::Settings;
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
    /// Its new builds trigger rebuilds.
    pub trigger: bool,
    /// It is or was followed.
    pub family: bool,
    /// A build seen here is new, if the appearance was not in a burst.
    pub trail: Option<TrailTag>,
}

/// One tag of the family with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The tag.
    pub tag: Name,
    /// When it was left; what is first seen in it later makes no build known.
    pub left_at: Option<Second>,
}

/// The roles of all tags, told from the settings.
#[derive(Debug, Clone)]
pub struct Tags {
    trigger: Name,
    family: Vec<Member>,
    candidates: Vec<String>,
    rebuilds: Vec<String>,
    side_prefixes: Vec<String>,
    /// By number of the name, filled on first question.
    roles: Vec<Option<Role>>,
}

impl Tags {
    /// Tells the roles from the settings; the family's names are the first in the table.
    pub fn new(settings: &Settings, names: &mut Names) -> Self {
        let family: Vec<_> = settings
            .trigger
            .family
            .iter()
            .map(|member| Member { tag: names.intern(&member.tag), left_at: member.left_at })
            .collect();
        let of_releases = |patterns: &[String]| -> Vec<String> {
            let releases = settings.trigger.family.iter().map(|member| member.tag.as_str());
            releases
                .flat_map(|tag| patterns.iter().map(move |pattern| pattern.replace("{release}", tag)))
                .collect()
        };
        Self {
            trigger: names.intern(&settings.trigger.tag),
            family,
            candidates: of_releases(&settings.evidence.candidate_tags),
            rebuilds: of_releases(&settings.evidence.rebuild_tags),
            side_prefixes: of_releases(&settings.evidence.side_tag_prefixes),
            roles: Vec::new(),
        }
    }

    /// The trigger tag.
    pub fn trigger(&self) -> Name {
        self.trigger
    }

    /// The family, the trigger tag included.
    pub fn family(&self) -> &[Member] {
        &self.family
    }

    /// Counts a tag as one that was followed, since builds were imported from it.
    pub fn add_to_family(&mut self, tag: Name) {
        if self.family.iter().all(|member| member.tag != tag) {
            self.family.push(Member { tag, left_at: None });
            self.roles.clear();
        }
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
        Role { trigger: tag == self.trigger, family, trail }
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
