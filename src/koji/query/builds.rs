//! Questions about builds and the tags that they are in.

use super::filters::{HistoryFilter, Page, TaggedFilter};
use super::{Listing, Query, whole};
use crate::koji::answers;
use crate::koji::answers::{Build, HistoryRow, Tag, TaggedBuild};
use crate::koji::fields::{Unexpected, list, number, optional};
use crate::koji::xmlrpc::{Call, ListPlace, Struct, Value};

/// Which builds are wanted (`listBuilds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuildFilter<'a> {
    /// Of this package only: its number.
    pub package_id: Option<u64>,
    /// Of this user only: the name.
    pub user: Option<&'a str>,
    /// Made by this task.
    pub task_id: Option<u64>,
    /// Of packages of which the names begin so.
    pub prefix: Option<&'a str>,
    /// Made from this commit, as a URL with a fragment. The hub takes it for a pattern, in which `?` stands for any
    /// character: compare [`Build::source`].
    pub source: Option<&'a str>,
}

/// A build by its number or its NVR (`getBuild`).
pub fn get_build(build: impl Into<Value>) -> Query<Option<Build>> {
    Query::new(Call::new("getBuild").arg(build), |value| optional(value, answers::build))
}

/// The tags that a build is in (`listTags`).
pub fn list_tags(build: impl Into<Value>) -> Query<Vec<Tag>> {
    Query::new(Call::new("listTags").arg(build), |value| list(value, answers::tag))
}

/// The builds of a tag, those tagged last first (`listTagged`).
pub fn list_tagged(tag: &str, filter: TaggedFilter<'_>) -> Listing<TaggedBuild> {
    Listing {
        call: with_options(Call::new("listTagged").arg(tag), filter.members()),
        place: ListPlace::Answer,
        read: answers::tagged_build,
    }
}

/// The builds of one package in a tag, those tagged last first, in one answer (`listTagged`).
pub fn package_in_tag(tag: &str, package: &str) -> Query<Vec<TaggedBuild>> {
    let filter = TaggedFilter { package: Some(package), ..TaggedFilter::default() };
    Query::new(with_options(Call::new("listTagged").arg(tag), filter.members()), |value| {
        list(value, answers::tagged_build)
    })
}

/// The build of a package that counts in a tag, with what it inherits (`getLatestBuilds`); of all packages for `None`,
/// then better as a [`list_tagged`].
pub fn latest_builds(tag: &str, package: Option<&str>) -> Query<Vec<TaggedBuild>> {
    let call = Call::new("getLatestBuilds").arg(tag).named_some("package", package);
    Query::new(call, |value| list(value, answers::tagged_build))
}

/// Builds with their sources (`listBuilds`).
pub fn list_builds(filter: BuildFilter<'_>, page: Page) -> Query<Vec<Build>> {
    let page = page.members();
    let call = Call::new("listBuilds")
        .named_some("packageID", filter.package_id.map(whole))
        .named_some("userID", filter.user)
        .named_some("taskID", filter.task_id.map(whole))
        .named_some("prefix", filter.prefix)
        .named_some("source", filter.source)
        .named_some("queryOpts", (!page.is_empty()).then_some(page));
    Query::new(call, |value| list(value, answers::build))
}

/// When builds were tagged and untagged, and by whom (`queryHistory` of `tag_listing`).
pub fn query_history(filter: HistoryFilter<'_>) -> Listing<HistoryRow> {
    Listing {
        call: with_options(Call::new("queryHistory"), filter.members()),
        place: ListPlace::Member("tag_listing"),
        read: answers::history_row,
    }
}

/// When one build was tagged and untagged, and by whom, in one answer (`queryHistory` of `tag_listing`).
pub fn build_history(build_id: u64) -> Query<Vec<HistoryRow>> {
    let filter = HistoryFilter { build_id: Some(build_id), ..HistoryFilter::default() };
    Query::new(with_options(Call::new("queryHistory"), filter.members()), |value| {
        let tables = value.as_struct().ok_or_else(|| Unexpected::value("a struct", value))?;
        // A hub leaves a table without entries out.
        tables.get("tag_listing").map_or(Ok(Vec::new()), |rows| list(rows, answers::history_row))
    })
}

/// How long the builds of a package take, in seconds (`getAverageBuildDuration`); `None` where there were none.
pub fn average_build_duration(package: &str) -> Query<Option<f64>> {
    Query::new(Call::new("getAverageBuildDuration").arg(package), |value| optional(value, number))
}

fn with_options(mut call: Call, options: Struct) -> Call {
    call.named = options;
    call
}
