//! Builds, and where they are tagged.

use super::state;
use crate::koji::fields::{Fields, Unexpected, date, flag, id, members, text, timestamp, whole};
use crate::koji::xmlrpc::{Struct, Value};
use crate::time::Second;

/// The state of a build, in the order of the hub's numbers from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildState {
    /// A task works on it.
    Building,
    /// Done.
    Complete,
    /// Its files are gone.
    Deleted,
    /// Its task failed.
    Failed,
    /// Its task was canceled.
    Canceled,
}

/// A build (`getBuild`, `listBuilds`).
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// The hub's number of the build: its key.
    pub build_id: u64,
    /// Name, version and release in one; for people.
    pub nvr: String,
    /// The package's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The release, with the dist tag; a draft's ends in `,draft_<id>`.
    pub release: String,
    /// The epoch.
    pub epoch: Option<i64>,
    /// The state.
    pub state: BuildState,
    /// Whether it is a draft; hubs before 1.34 have none.
    pub draft: bool,
    /// The task that made it; imported builds have none.
    pub task_id: Option<u64>,
    /// Whose it is.
    pub owner_name: String,
    /// When it began to exist.
    pub created: Option<Second>,
    /// When it was done, failed or was canceled.
    pub completed: Option<Second>,
    /// The commit it was made from, as a URL with a fragment.
    pub source: Option<String>,
    /// What was said of it, `custom_user_metadata` among it.
    pub extra: Option<Struct>,
}

/// A build in a tag (`listTagged`, `getLatestBuilds`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedBuild {
    /// The hub's number of the build: its key.
    pub build_id: u64,
    /// Name, version and release in one; for people.
    pub nvr: String,
    /// The package's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The release, with the dist tag.
    pub release: String,
    /// The epoch.
    pub epoch: Option<i64>,
    /// The state; the hub lists only complete ones.
    pub state: BuildState,
    /// Whether it is a draft.
    pub draft: bool,
    /// The task that made it.
    pub task_id: Option<u64>,
    /// Whose it is.
    pub owner_name: String,
    /// The tag it is in: another than was asked for if it is inherited.
    pub tag_id: u64,
    /// That tag's name.
    pub tag_name: String,
    /// When it was tagged, in the hub's history.
    pub koji_event_id: u64,
    /// When the build was done.
    pub completed: Option<Second>,
}

/// One stay of a build in a tag (`queryHistory` of `tag_listing`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The hub's number of the build: its key.
    pub build_id: u64,
    /// The package's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The release, with the dist tag.
    pub release: String,
    /// The tag's number.
    pub tag_id: u64,
    /// The tag's name.
    pub tag_name: String,
    /// Whether it is still there.
    pub active: bool,
    /// When it was tagged, in the hub's history.
    pub koji_event_id: u64,
    /// When it was tagged.
    pub tagged: Second,
    /// Who tagged it.
    pub tagged_by: String,
    /// When it was untagged, in the hub's history.
    pub untag_koji_event_id: Option<u64>,
    /// When it was untagged.
    pub untagged: Option<Second>,
    /// Who untagged it.
    pub untagged_by: Option<String>,
}

pub(in crate::koji) fn build(value: &Value) -> Result<Build, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(Build {
        build_id: fields.must("build_id", id)?,
        nvr: fields.must("nvr", text)?,
        // `listBuilds` has no `name` on some hubs; the package's name is the same.
        name: match fields.may("name", text)? {
            Some(name) => name,
            None => fields.must("package_name", text)?,
        },
        version: fields.must("version", text)?,
        release: fields.must("release", text)?,
        epoch: fields.may("epoch", whole)?,
        state: fields.must("state", build_state)?,
        draft: fields.may("draft", flag)?.unwrap_or(false),
        task_id: fields.may("task_id", id)?,
        owner_name: fields.must("owner_name", text)?,
        created: fields.may("creation_ts", timestamp)?,
        completed: fields.may("completion_ts", timestamp)?,
        source: fields.may("source", text)?,
        extra: fields.may("extra", members)?,
    })
}

pub(in crate::koji) fn tagged_build(value: &Value) -> Result<TaggedBuild, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(TaggedBuild {
        build_id: fields.must("build_id", id)?,
        nvr: fields.must("nvr", text)?,
        name: fields.must("name", text)?,
        version: fields.must("version", text)?,
        release: fields.must("release", text)?,
        epoch: fields.may("epoch", whole)?,
        state: fields.must("state", build_state)?,
        draft: fields.may("draft", flag)?.unwrap_or(false),
        task_id: fields.may("task_id", id)?,
        owner_name: fields.must("owner_name", text)?,
        tag_id: fields.must("tag_id", id)?,
        tag_name: fields.must("tag_name", text)?,
        koji_event_id: fields.must("create_event", id)?,
        completed: fields.may("completion_time", date)?,
    })
}

pub(in crate::koji) fn history_row(value: &Value) -> Result<HistoryRow, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(HistoryRow {
        build_id: fields.must("build_id", id)?,
        name: fields.must("name", text)?,
        version: fields.must("version", text)?,
        release: fields.must("release", text)?,
        tag_id: fields.must("tag_id", id)?,
        tag_name: fields.must("tag.name", text)?,
        // An entry that is over has nil here on the hub's side of the database.
        active: fields.may("active", flag)?.unwrap_or(false),
        koji_event_id: fields.must("create_event", id)?,
        tagged: fields.must("create_ts", timestamp)?,
        tagged_by: fields.must("creator_name", text)?,
        untag_koji_event_id: fields.may("revoke_event", id)?,
        untagged: fields.may("revoke_ts", timestamp)?,
        untagged_by: fields.may("revoker_name", text)?,
    })
}

fn build_state(value: &Value) -> Result<BuildState, Unexpected> {
    use BuildState::{Building, Canceled, Complete, Deleted, Failed};
    state(value, "the state of a build, 0 to 4", &[Building, Complete, Deleted, Failed, Canceled])
}
