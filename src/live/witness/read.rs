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
