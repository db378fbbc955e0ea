//! Finds tasks of ours by their markers.

use std::num::NonZeroU32;
use std::pin::pin;

use tokio_stream::StreamExt as _;

use super::order::MARKER;
use crate::koji::answers::Task;
use crate::koji::client::Client;
use crate::koji::error::CallError;
use crate::koji::query::{self, Page, TaskFilter};
use crate::koji::xmlrpc::Value;
use crate::submit::ask::{Answer, Sought, Trouble};
use crate::submit::row::{RowId, TaskId};
use crate::text::grouped;
use crate::time::{Second, Seconds};

/// Tasks in one answer of the hub.
const ROWS: NonZeroU32 = NonZeroU32::MIN.saturating_add(199);
/// Tasks that are looked through: two years of 40 an hour would be 700,000, a search after a crash sees some hundreds.
const TASKS_MAX: u64 = 100_000;

/// The tasks of each of the sought. All of them are looked through, or the answer is a failure: a task that was not seen must
/// not be taken for one that is not there.
pub(super) async fn find(
    client: &Client,
    user: u64,
    markers: &[(RowId, Sought)],
    since: i64,
) -> Result<Answer, CallError> {
    let mut found: Vec<(RowId, Vec<TaskId>)> = markers.iter().map(|(row, _)| (*row, Vec::new())).collect();
    let filter = TaskFilter {
        owner: Some(user),
        method: Some("build"),
        // The hub leaves out what was made in that second.
        created_after: Some(Second(since) - Seconds(1)),
        with_request: true,
        ..TaskFilter::default()
    };
    let page = |page: Page| query::list_tasks(&filter, Page { order: Some("id"), ..page });
    let mut pages = pin!(client.pages(ROWS, page));
    let mut seen: u64 = 0;
    while let Some(tasks) = pages.next().await {
        for task in tasks? {
            seen += 1;
            if let Some(answer) = too_many(seen, since) {
                return Ok(answer);
            }
            let Some(request) = &task.request else { return Ok(unreadable(&task)) };
            let Some(marker) = marker(request) else { continue };
            for ((_, sought), (_, tasks)) in markers.iter().zip(&mut found) {
                if sought.matches(marker) {
                    tasks.push(TaskId(task.id));
                }
            }
        }
    }
    Ok(Answer::Found(found))
}

fn too_many(seen: u64, since: i64) -> Option<Answer> {
    (seen > TASKS_MAX).then(|| {
        Answer::Failed(Trouble::Forbidden(
            format!(
                "our user has made more than {} build tasks since {}: look for the markers by hand, with \
                 `koji list-tasks --mine --method=build`",
                grouped(TASKS_MAX),
                Second(since)
            )
            .into(),
        ))
    })
}

fn unreadable(task: &Task) -> Answer {
    let text =
        format!("the hub does not tell the arguments of task {}, where our marker would stand", task.id);
    Answer::Failed(Trouble::Unreachable(text.into()))
}

/// Our marker among the arguments of a build: source, target, options.
fn marker(request: &[Value]) -> Option<&str> {
    let options = request.iter().filter_map(Value::as_struct);
    let mut metadata =
        options.filter_map(|options| options.get("custom_user_metadata").and_then(Value::as_struct));
    metadata.find_map(|metadata| metadata.get(MARKER)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koji::xmlrpc::Struct;

    #[test]
    fn the_marker_stands_in_the_options() {
        let options = |metadata: Value| {
            vec![
                "git+https://x#1".into(),
                "eln".into(),
                Struct::new().with("custom_user_metadata", metadata).into(),
            ]
        };
        let ours = Struct::new().with(MARKER, "tidegate/a/eln/7/1");
        for (request, expected) in [
            (options(ours.into()), Some("tidegate/a/eln/7/1")),
            (options(Struct::new().with("other", "x").into()), None),
            (options(Struct::new().with(MARKER, 7).into()), None),
            (options(Value::Nil), None),
            (vec!["git+https://x#1".into(), "eln".into(), Struct::new().into()], None),
            (vec!["git+https://x#1".into(), "eln".into()], None),
            (Vec::new(), None),
        ] {
            assert_eq!(marker(&request), expected, "{request:?}");
        }
    }
}
