//! What explains a burst to a person: who tagged, in which order, with which dist-tag. It decides nothing.

use serde::{Deserialize, Serialize};

use super::event::TagEvent;
use super::names::Name;

/// Actors told of; the rest is counted together.
const ACTORS_MAX: usize = 8;

/// What is told of a burst.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attributes {
    /// Events by actor, in order of first sight.
    pub actors: Vec<(Name, u32)>,
    /// Events of further actors.
    pub other_actors: u32,
    /// Members whose release carries the dist-tag of another release than the tag's.
    pub old_dist: u32,
    /// Neighbours whose build ids ascend: `koji clone-tag` goes from the oldest to the newest.
    pub ascending_ids: u32,
    /// Neighbours whose names ascend: scripts of mass rebuilds go by name.
    pub ascending_names: u32,
    /// Neighbours compared.
    pub neighbours: u32,
    /// Changes of the tag's package list in the hour before: `koji clone-tag` copies the list first.
    pub package_list_changes: u32,
    last: Option<(u64, Box<str>)>,
}

impl Attributes {
    /// Of a burst that begins after so many changes of the package list.
    pub fn new(package_list_changes: u32) -> Self {
        Self { package_list_changes, ..Self::default() }
    }

    /// Of the group that follows without a pause.
    #[must_use]
    pub fn next(&self) -> Self {
        Self::new(self.package_list_changes)
    }

    /// Adds one member.
    pub fn add(&mut self, event: &TagEvent, tag: &str) {
        if let Some((_, count)) = self.actors.iter_mut().find(|(actor, _)| *actor == event.actor) {
            *count += 1;
        } else if self.actors.len() < ACTORS_MAX {
            self.actors.push((event.actor, 1));
        } else {
            self.other_actors += 1;
        }
        self.old_dist += u32::from(is_old_dist(tag, event.nvr.release()));
        if let Some((id, name)) = &self.last {
            self.neighbours += 1;
            self.ascending_ids += u32::from(*id < event.build.id);
            self.ascending_names += u32::from(**name <= *event.nvr.name());
        }
        self.last = Some((event.build.id, event.nvr.name().into()));
    }
}

/// Whether a release names another distribution number than the tag: `1.fc41` in `f42`.
fn is_old_dist(tag: &str, release: &str) -> bool {
    let number = |text: &str| -> Option<u32> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).take(9).collect();
        digits.parse().ok()
    };
    let of_tag = tag.find(|c: char| c.is_ascii_digit()).and_then(|at| number(tag.get(at..)?));
    let of_release = [".fc", ".el"].iter().filter_map(|mark| release.rfind(mark)).max();
    let of_release = of_release.and_then(|at| number(release.get(at + 3..)?));
    of_tag.is_some() && of_release.is_some() && of_tag != of_release
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dist_tag_of_another_release() {
        for (tag, release, old) in [
            ("f42", "1.fc41", true),
            ("f42", "1.fc42", false),
            ("f42", "3.fc41.1", true),
            ("f42", "20250101.n.0", false),
            ("eln", "1.eln145", false),
            ("epel9", "2.el9", false),
            ("epel9", "2.el8", true),
            ("epel10", "2.el10_1", false),
        ] {
            assert_eq!(is_old_dist(tag, release), old, "{release} in {tag}");
        }
    }
}
