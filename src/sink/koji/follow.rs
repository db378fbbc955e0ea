//! What became of tasks: their states, the builds they made, and why the failed ones failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::{self, SRPM};
use crate::koji::answers::{Build, BuildState, Task, TaskResult, TaskState};
use crate::koji::client::Client;
use crate::koji::error::CallError;
use crate::koji::query::{self, BuildFilter, Page};
use crate::koji::xmlrpc::Fault;
use crate::sink::reads::each;
use crate::sink::trouble;
use crate::submit::ask::{Failure, Progress};
use crate::submit::row::TaskId;

/// Tasks in one question; the hub answers 500 in 0.2 s.
const TASKS_AT_ONCE: usize = 500;
/// Builds of one task that are looked at; a task makes one.
const BUILDS_MAX: u32 = 5;

/// How each task stands, in the order of their numbers here.
pub(super) async fn follow(
    client: &Client,
    tasks: &[TaskId],
) -> Result<Vec<(TaskId, Option<Progress>)>, CallError> {
    let mut states = Vec::with_capacity(tasks.len());
    for chunk in tasks.chunks(TASKS_AT_ONCE) {
        let ids: Vec<u64> = chunk.iter().map(|task| task.0).collect();
        states.extend(client.ask(&query::task_infos(&ids, false)).await?);
    }
    let of_state = |wanted: TaskState| -> Vec<u64> {
        states.iter().flatten().filter(|task| task.state == wanted).map(|task| task.id).collect()
    };
    let built = builds(client, of_state(TaskState::Closed)).await?;
    let failed = failures(client, of_state(TaskState::Failed)).await?;
    let progress = |task: Option<Task>| {
        let task = task?;
        Some(match task.state {
            TaskState::Free | TaskState::Assigned => Progress::Waiting,
            TaskState::Open => Progress::Building,
            TaskState::Canceled => Progress::Canceled,
            TaskState::Closed => Progress::Built { nvr: built.get(&task.id).cloned() },
            TaskState::Failed => Progress::Failed(failed.get(&task.id)?.clone()),
        })
    };
    Ok(tasks.iter().copied().zip(states.into_iter().map(progress)).collect())
}

/// What tasks have built. A scratch build has no entry; one that cannot be told neither.
async fn builds(client: &Client, tasks: Vec<u64>) -> Result<BTreeMap<u64, Arc<str>>, CallError> {
    let page = Page { limit: Some(BUILDS_MAX), ..Page::default() };
    let query =
        |task: &u64| query::list_builds(BuildFilter { task_id: Some(*task), ..BuildFilter::default() }, page);
    let found = each(client, &tasks, query).await?;
    let complete = |builds: Result<Vec<Build>, Fault>| {
        builds.ok()?.into_iter().find(|build| build.state == BuildState::Complete)
    };
    let named = |(task, builds)| Some((task, complete(builds)?.nvr.into()));
    Ok(tasks.into_iter().zip(found).filter_map(named).collect())
}

/// Why tasks failed.
async fn failures(client: &Client, tasks: Vec<u64>) -> Result<BTreeMap<u64, Failure>, CallError> {
    let results = each(client, &tasks, |task| query::task_result(*task)).await?;
    let below = each(client, &tasks, |task| query::task_descendents(*task)).await?;
    let told = tasks.into_iter().zip(results).zip(below);
    Ok(told.map(|((task, result), below)| (task, failure(result, below.ok()))).collect())
}

/// Why one task failed: by its result, and the tasks below it where the hub tells them.
fn failure(result: Result<TaskResult, Fault>, below: Option<Vec<Task>>) -> Failure {
    let fault = match result {
        Ok(TaskResult::Failed(fault)) | Err(fault) => fault,
        Ok(TaskResult::Done(_)) => Fault::new(0, "the hub does not say why"),
    };
    let stage = stage(&below.unwrap_or_default());
    let cause = failure::cause(&stage, &fault);
    Failure { cause, stage: stage.into(), text: trouble::shortened(&fault.text).into() }
}

/// Where a build failed: `srpm`, a task's method and arch, or `build` where none of its parts failed.
fn stage(below: &[Task]) -> String {
    let failed = below.iter().find(|task| task.state == TaskState::Failed);
    match failed {
        Some(task) if ["buildSRPMFromSCM", "rebuildSRPM"].contains(&task.method.as_str()) => SRPM.to_owned(),
        Some(task) => trouble::shortened(&format!("{} {}", task.method, task.arch)).to_owned(),
        None => "build".to_owned(),
    }
}
