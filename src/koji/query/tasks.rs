//! Questions about tasks.

use super::filters::{Page, TaskFilter};
use super::{Query, whole};
use crate::koji::answers::{self, Task, TaskResult};
use crate::koji::fields::{Unexpected, flag, list, optional};
use crate::koji::xmlrpc::{Call, Value};

/// A task by its number (`getTaskInfo`), with its arguments if wanted.
pub fn task_info(id: u64, with_request: bool) -> Query<Option<Task>> {
    let call = Call::new("getTaskInfo").arg(whole(id)).named_some("request", with_request.then_some(true));
    Query::new(call, |value| optional(value, answers::task))
}

/// Many tasks in one call (`getTaskInfo`), in the order of their numbers here; `None` for those that do not exist.
pub fn task_infos(ids: &[u64], with_request: bool) -> Query<Vec<Option<Task>>> {
    let ids: Vec<Value> = ids.iter().copied().map(whole).collect();
    let count = ids.len();
    let call = Call::new("getTaskInfo").arg(ids).named_some("request", with_request.then_some(true));
    let read = move |value: Value| {
        let tasks = list(&value, |value| optional(value, answers::task))?;
        if tasks.len() == count {
            return Ok(tasks);
        }
        Err(Unexpected::new("", "one answer for each task", format!("{} answers", tasks.len())))
    };
    Query { call, read: Box::new(read) }
}

/// Tasks of a kind (`listTasks`). A list that may be long is asked for in pages, ordered by `id`.
pub fn list_tasks(filter: &TaskFilter<'_>, page: Page) -> Query<Vec<Task>> {
    Query::new(Call::new("listTasks").arg(filter.members()).arg(page.members()), |value| {
        list(value, answers::task)
    })
}

/// How many tasks of a kind there are (`listTasks`).
pub fn count_tasks(filter: &TaskFilter<'_>) -> Query<u64> {
    let call = Call::new("listTasks").arg(filter.members()).arg(Page::count());
    Query::new(call, crate::koji::fields::id)
}

/// Whether a task has ended (`taskFinished`).
pub fn task_finished(id: u64) -> Query<bool> {
    Query::new(Call::new("taskFinished").arg(whole(id)), flag)
}

/// How a task ended (`getTaskResult`); a fault where it was canceled or has not ended. The failure of the task itself is
/// an answer, so that it cannot be taken for a failure of this call.
pub fn task_result(id: u64) -> Query<TaskResult> {
    Query::new(Call::new("getTaskResult").arg(whole(id)).named("raise_fault", false), answers::task_result)
}

/// The tasks that a task was divided into, with their arguments (`getTaskDescendents`).
pub fn task_descendents(id: u64) -> Query<Vec<Task>> {
    let call = Call::new("getTaskDescendents").arg(whole(id)).named("request", true);
    Query::new(call, answers::descendents)
}
