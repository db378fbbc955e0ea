//! Reads what Koji's records say of one build. Pure.

use super::Scope;
use crate::engine::witness::Witnessed;
use crate::koji::answers::{Build, BuildState, HistoryRow};
use crate::time::Second;

/// What the history of a build's tags says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum History {
    /// It is not in the trigger tag now.
    Absent,
    /// It is.
    Tagged {
        /// Other tags of the family that it came into before it first came into the trigger tag, each with the first time.
        earlier: Vec<(String, Second)>,
        /// A mass-rebuild tag that it was in.
        rebuild: Option<String>,
    },
}

/// Reads all that the hub remembers of the tags of one build. Before and after go by the numbers of the hub's history, which
/// are all different; its times are not.
pub fn history(rows: &[HistoryRow], scope: &Scope) -> History {
    let in_trigger = || rows.iter().filter(|row| row.tag_name == scope.trigger);
    let first = in_trigger().map(|row| row.koji_event_id).min();
    let Some(first) = first.filter(|_| in_trigger().any(|row| row.active)) else {
        return History::Absent;
    };
    let others = scope.family.iter().filter(|tag| **tag != scope.trigger);
    let before = |tag: &String| {
        let rows = rows.iter().filter(|row| row.tag_name == *tag && row.koji_event_id < first);
        rows.map(|row| row.tagged).min().map(|at| (tag.clone(), at))
    };
    let rebuild = rows.iter().find(|row| scope.rebuild_tags.contains(&row.tag_name));
    History::Tagged {
        earlier: others.filter_map(before).collect(),
        rebuild: rebuild.map(|row| row.tag_name.clone()),
    }
}

/// Puts the two together. A build that was in another tag of the family before is old, whenever it was complete.
pub fn witnessed(history: History, build: Option<&Build>) -> Witnessed {
    let History::Tagged { earlier, rebuild } = history else { return Witnessed::Absent };
    let complete = build.filter(|build| build.state == BuildState::Complete);
    if complete.is_none() && earlier.is_empty() {
        return Witnessed::Absent;
    }
    Witnessed::Tagged { completed: complete.and_then(|build| build.completed), earlier, rebuild }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let text = |text: &str| text.to_owned();
        Scope {
            trigger: text("f42"),
            family: vec![text("f41"), text("f42"), text("f40")],
            rebuild_tags: vec![text("f42-rebuild")],
        }
    }

    /// Stays of a build: `f41@3`, in a tag by the third event of the history; `f42@5-` is over.
    fn rows(text: &str) -> Vec<HistoryRow> {
        let row = |word: &str| {
            let (tag, event) = word.split_once('@').unwrap();
            let (event, active) = event.strip_suffix('-').map_or((event, true), |event| (event, false));
            let event: u64 = event.parse().unwrap();
            HistoryRow {
                build_id: 7,
                name: "bash".to_owned(),
                version: "1".to_owned(),
                release: "1".to_owned(),
                tag_id: 1,
                tag_name: tag.to_owned(),
                active,
                koji_event_id: event,
                tagged: Second(i64::try_from(event).unwrap() * 10),
                tagged_by: "ada".to_owned(),
                untag_koji_event_id: None,
                untagged: None,
                untagged_by: None,
            }
        };
        text.split_whitespace().map(row).collect()
    }

    #[test]
    fn what_the_history_of_a_build_says() {
        let tagged = |earlier: &[(&str, i64)], rebuild: Option<&str>| History::Tagged {
            earlier: earlier.iter().map(|(tag, at)| ((*tag).to_owned(), Second(*at))).collect(),
            rebuild: rebuild.map(str::to_owned),
        };
        for (stays, expected) in [
            ("", History::Absent),
            ("f41@1", History::Absent),
            ("f42@2-", History::Absent),
            ("f42@2", tagged(&[], None)),
            ("elsewhere@1 f42@2", tagged(&[], None)),
            ("f41@1 f42@2", tagged(&[("f41", 10)], None)),
            ("f41@1- f42@2", tagged(&[("f41", 10)], None)),
            ("f41@4 f41@1- f42@5", tagged(&[("f41", 10)], None)),
            ("f42@2 f41@3", tagged(&[], None)),
            ("f40@2 f41@1 f42@3", tagged(&[("f41", 10), ("f40", 20)], None)),
            // It was in the trigger tag first, whatever came between.
            ("f42@1- f41@2 f42@3", tagged(&[], None)),
            ("f42-rebuild@1- f42@2", tagged(&[], Some("f42-rebuild"))),
        ] {
            assert_eq!(history(&rows(stays), &scope()), expected, "{stays}");
        }
    }

    #[test]
    fn only_what_is_complete_can_be_new() {
        let build = |state, completed| Build {
            build_id: 7,
            nvr: "bash-1-1".to_owned(),
            name: "bash".to_owned(),
            version: "1".to_owned(),
            release: "1".to_owned(),
            epoch: None,
            state,
            draft: false,
            task_id: None,
            owner_name: "ada".to_owned(),
            created: None,
            completed,
            source: None,
            extra: None,
        };
        let new = || history(&rows("f42@2"), &scope());
        let old = || history(&rows("f41@1 f42@2"), &scope());
        let at = Some(Second(5));
        for (history, build, expected) in [
            (new(), None, None),
            (new(), Some(build(BuildState::Deleted, at)), None),
            (new(), Some(build(BuildState::Complete, at)), Some(at)),
            (new(), Some(build(BuildState::Complete, None)), Some(None)),
            (old(), None, Some(None)),
            (History::Absent, Some(build(BuildState::Complete, at)), None),
        ] {
            let completed = match witnessed(history.clone(), build.as_ref()) {
                Witnessed::Tagged { completed, .. } => Some(completed),
                Witnessed::Absent => None,
                Witnessed::Unanswered => panic!("it was answered"),
            };
            assert_eq!(completed, expected, "{history:?} {build:?}");
        }
    }
}
