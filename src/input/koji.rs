//! Known builds as Koji lists them, row by row while they arrive.
//!
//! A list of what is in a tag says by which event of the hub's history each build came there, and not when. That is enough: only
//! what was tagged before the pipeline began is taken, since the bus tells of the rest, and in its order. Whatever is judged later
//! came into the trigger tag later than all that was taken, so none of it can be dropped for a build that was only tagged after it.
//! As the time of a tagging stands that of the build's completion, which is not later.

use std::pin::pin;

use tokio_stream::StreamExt as _;

use super::known::KnownBuild;
use crate::koji::answers::TaggedBuild;
use crate::koji::client::Client;
use crate::koji::error::CallError;
use crate::koji::query::{self, TaggedFilter};
use crate::settings::FamilyTag;
use crate::time::{Second, Seconds};

/// What was read of one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Builds that are known now.
    pub taken: u64,
    /// Builds that were tagged after the pipeline began: the bus tells of them.
    pub younger: u64,
}

/// Reads what is in a tag, without what it inherits.
///
/// Gives each build that was tagged before `begin` to `take`; all of them where that is `None`. A build that was tagged after
/// the tag was left is given a time after that.
///
/// # Errors
/// Where the hub does not answer, or not with a list; builds before that were given.
pub async fn read(
    hub: &Client,
    tag: &FamilyTag,
    begin: Option<Second>,
    mut take: impl FnMut(KnownBuild),
) -> Result<Counts, CallError> {
    let cut = match begin {
        Some(begin) => Some(event_before(hub, begin).await?),
        None => None,
    };
    let left = match tag.left_at {
        // What came in the second of the leaving came before it.
        Some(left_at) => Some((left_at, event_before(hub, left_at + Seconds(1)).await?)),
        None => None,
    };
    let mut counts = Counts::default();
    let mut rows = pin!(hub.list(query::list_tagged(&tag.tag, TaggedFilter::default())));
    while let Some(row) = rows.next().await {
        let row = row?;
        if cut.is_some_and(|cut| row.koji_event_id > cut) {
            counts.younger += 1;
            continue;
        }
        counts.taken += 1;
        take(KnownBuild {
            build_id: row.build_id,
            tagged_at: tagged_at(&row, begin, left),
            nvr: Some(row.nvr),
            tag: tag.tag.clone(),
            instance: None,
        });
    }
    Ok(counts)
}

/// The number of the newest event before a time; 0 where there is none.
async fn event_before(hub: &Client, at: Second) -> Result<u64, CallError> {
    let event = hub.ask(&query::last_event_before(at)).await?;
    Ok(event.map_or(0, |event| event.koji_event_id))
}

/// A time that is not later than that of the tagging, but on the right side of the time when the tag was left.
fn tagged_at(row: &TaggedBuild, begin: Option<Second>, left: Option<(Second, u64)>) -> Second {
    let early = row.completed.or(begin).unwrap_or(Second::YEAR_2010);
    match left {
        None => early,
        Some((left_at, event)) if row.koji_event_id <= event => early.min(left_at),
        Some((left_at, _)) => early.max(left_at + Seconds(1)),
    }
}
