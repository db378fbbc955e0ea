//! What `/status.json` says of the packages that were named.
//!
//! It is a table of the newest build of each package, renewed every few minutes; it knows no batches. So a name is done
//! once its build is another than before and has ended. Its member `state` is Koji's and counts; `status` is a word for
//! people, and says `SUCCESS` of builds of other days.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::submit::ask::{Cause, Failure, Progress, Trouble};

/// The longest table that is read: 20 times that of 4,000 packages.
const BYTES_MAX: usize = 64 << 20;

/// The table, each entry as it came.
pub(super) type Status = BTreeMap<String, Box<RawValue>>;

/// The build of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Entry {
    build_id: u64,
    state: i64,
}

/// How a build stands, by Koji's number of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    /// It is under way, or there is none that is new.
    Open {
        begun: bool,
    },
    Complete,
    /// Failed, canceled or deleted.
    Gone,
}

/// Names that were taken, each with the build that was there before.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    before: BTreeMap<String, Option<u64>>,
    /// Names of which it is not known what was there before.
    blind: BTreeSet<String>,
}

impl Chunk {
    pub(super) fn add<'a>(&mut self, names: impl Iterator<Item = &'a str>, before: Option<&Status>) {
        for name in names {
            match before {
                Some(status) => {
                    self.before.insert(name.to_owned(), entry(status, name).map(|entry| entry.build_id));
                }
                None => {
                    self.blind.insert(name.to_owned());
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.blind.is_empty()
    }

    /// How all of them stand together; `None` where it cannot be told.
    pub(super) fn progress(&self, status: &Status) -> Option<Progress> {
        if !self.blind.is_empty() {
            return None;
        }
        let builds: Vec<Build> =
            self.before.iter().map(|(name, before)| build(entry(status, name), *before)).collect();
        let count = |wanted: fn(&Build) -> bool| builds.iter().filter(|build| wanted(build)).count();
        if count(|build| matches!(build, Build::Open { .. })) > 0 {
            let is_begun = count(|build| *build != Build::Open { begun: false }) > 0;
            return Some(if is_begun { Progress::Building } else { Progress::Waiting });
        }
        let gone = count(|build| *build == Build::Gone);
        if gone == 0 {
            return Some(Progress::Built { nvr: None });
        }
        let text = format!("{gone} of {} packages were not built", builds.len());
        Some(Progress::Failed(Failure { cause: Cause::Package, stage: "build".into(), text: text.into() }))
    }
}

fn build(entry: Option<Entry>, before: Option<u64>) -> Build {
    match entry {
        Some(entry) if Some(entry.build_id) != before => match entry.state {
            0 => Build::Open { begun: true },
            1 => Build::Complete,
            _ => Build::Gone,
        },
        _ => Build::Open { begun: false },
    }
}

/// The newest build of a package; one that cannot be read counts as none.
fn entry(status: &Status, name: &str) -> Option<Entry> {
    serde_json::from_str(status.get(name)?.get()).ok()
}

pub(super) async fn read(mut response: Response) -> Result<Status, Trouble> {
    let wrong = |what: String| Trouble::Unreachable(format!("/status.json {what}").into());
    let mut body = Vec::new();
    loop {
        let piece = response.chunk().await;
        let Some(piece) = piece.map_err(|_| wrong("broke off".to_owned()))? else { break };
        if body.len() + piece.len() > BYTES_MAX {
            return Err(wrong("is longer than 64 MiB".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    serde_json::from_slice(&body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        wrong(format!("is not what an ELNBuildSync answers, at {place}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_name_is_done_when_another_build_has_ended() {
        let before = status(
            r#"{"__updated": "x", "old": {"build_id": 1, "state": 1, "status": "SUCCESS"}, "new": null, "odd": 7}"#,
        );
        let mut chunk = Chunk::default();
        assert!(chunk.is_empty());
        chunk.add(["old", "new"].into_iter(), Some(&before));
        let told = |text: &str| match chunk.progress(&status(text)) {
            None => "unknown",
            Some(Progress::Waiting) => "waiting",
            Some(Progress::Building) => "building",
            Some(Progress::Built { .. }) => "built",
            Some(Progress::Failed(_)) => "failed",
            Some(Progress::Canceled) => "canceled",
        };
        for (after, expected) in [
            (r#"{"old": {"build_id": 1, "state": 1}, "new": null}"#, "waiting"),
            ("{}", "waiting"),
            (r#"{"old": "x", "new": {"state": 1}}"#, "waiting"),
            (
                r#"{"old": {"build_id": 1, "state": 1}, "new": {"build_id": 2, "id": 2, "state": 0}}"#,
                "building",
            ),
            (r#"{"old": {"build_id": 1, "state": 1}, "new": {"build_id": 2, "state": 1}}"#, "building"),
            (r#"{"old": {"build_id": 3, "state": 1}, "new": {"build_id": 2, "state": 1}}"#, "built"),
            (
                r#"{"old": {"build_id": 3, "state": 3, "status": "SUCCESS"}, "new": {"build_id": 2, "state": 1}}"#,
                "failed",
            ),
        ] {
            assert_eq!(told(after), expected, "{after}");
        }
    }

    #[test]
    fn what_was_there_before_must_be_known() {
        let mut chunk = Chunk::default();
        chunk.add(["old"].into_iter(), None);
        assert_eq!(chunk.progress(&status(r#"{"old": {"build_id": 3, "state": 1}}"#)), None);
        assert!(!chunk.is_empty());
    }
}
