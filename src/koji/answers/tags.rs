//! Tags, what they inherit, the targets that build into them, and their repositories.

use super::state;
use crate::koji::fields::{Fields, Unexpected, flag, id, members, text, whole};
use crate::koji::xmlrpc::{Struct, Value};

/// A tag (`getTag`, `getBuildConfig`, `listTags`).
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// The hub's number of the tag.
    pub id: u64,
    /// The name.
    pub name: String,
    /// The arches that are built in it.
    pub arches: Vec<String>,
    /// Whether it takes no builds.
    pub locked: bool,
    /// The permission that one needs to tag into it.
    pub permission: Option<String>,
    /// Its settings: `rpm.macro.eln` is among those of `getBuildConfig`. `listTags` gives none.
    pub extra: Struct,
}

/// One tag that another inherits from (`getFullInheritance`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagParent {
    /// The number of the tag inherited from.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The number of the tag that inherits directly.
    pub child_id: u64,
    /// How many steps away it is, from 1.
    pub depth: i64,
    /// Its place among the parents of its child; smaller ones come first.
    pub priority: i64,
}

/// A build target: which tag gives the buildroot, and into which tag the builds go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The hub's number of the target.
    pub id: u64,
    /// The name.
    pub name: String,
    /// The number of the tag of the buildroot.
    pub build_tag_id: u64,
    /// Its name.
    pub build_tag: String,
    /// The number of the tag that builds go into.
    pub dest_tag_id: u64,
    /// Its name.
    pub dest_tag: String,
}

/// The state of a repository, in the order of the hub's numbers from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepoState {
    /// It is being made.
    Init,
    /// It can be used.
    Ready,
    /// A newer one is there.
    Expired,
    /// Its files are gone.
    Deleted,
    /// It could not be made.
    Problem,
}

/// A repository of a tag's packages, which buildroots are made from (`getRepo`, `repoInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repo {
    /// The hub's number of the repository.
    pub id: u64,
    /// The state.
    pub state: RepoState,
    /// The point in the hub's history that it shows.
    pub koji_event_id: u64,
}

pub(in crate::koji) fn tag(value: &Value) -> Result<Tag, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(Tag {
        id: fields.must("id", id)?,
        name: fields.must("name", text)?,
        arches: words(&fields.may("arches", text)?.unwrap_or_default()),
        locked: fields.must("locked", flag)?,
        permission: fields.may("perm", text)?,
        extra: fields.may("extra", members)?.unwrap_or_default(),
    })
}

pub(in crate::koji) fn tag_parent(value: &Value) -> Result<TagParent, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(TagParent {
        id: fields.must("parent_id", id)?,
        name: fields.must("name", text)?,
        child_id: fields.must("child_id", id)?,
        depth: fields.must("currdepth", whole)?,
        priority: fields.must("priority", whole)?,
    })
}

pub(in crate::koji) fn target(value: &Value) -> Result<Target, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(Target {
        id: fields.must("id", id)?,
        name: fields.must("name", text)?,
        build_tag_id: fields.must("build_tag", id)?,
        build_tag: fields.must("build_tag_name", text)?,
        dest_tag_id: fields.must("dest_tag", id)?,
        dest_tag: fields.must("dest_tag_name", text)?,
    })
}

pub(in crate::koji) fn repo(value: &Value) -> Result<Repo, Unexpected> {
    use RepoState::{Deleted, Expired, Init, Problem, Ready};
    let fields = Fields::of(value)?;
    let repo_state = |value: &_| {
        state(value, "the state of a repository, 0 to 4", &[Init, Ready, Expired, Deleted, Problem])
    };
    Ok(Repo {
        id: fields.must("id", id)?,
        state: fields.must("state", repo_state)?,
        koji_event_id: fields.must("create_event", id)?,
    })
}

/// Arches, which the hub writes in one text.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
