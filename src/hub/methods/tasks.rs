//! Methods about tasks.

#![expect(clippy::unnecessary_wraps, reason = "methods that cannot fail have the shape of those that can")]

use super::super::arguments::Arguments;
use super::super::call::Turn;
use super::super::faults::{generic, is_true, text};
use super::super::world::{NewTask, Request, Task, TaskState};
use super::query;
use crate::koji::xmlrpc::{Answer, Fault, Struct, Value};

/// Koji's priority of a build that asks for none.
const PRIORITY_DEFAULT: i64 = 20;

/// Makes a build task. Whether there is such a target or package, or the source was built before, only the task finds out.
pub(super) fn build(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let source = arguments.need_text("src")?;
    let priority = arguments.int("priority")?.unwrap_or(0);
    if priority < 0 && !turn.world.may(&turn.caller, "admin") {
        return Err(Turn::refuse("only admins may create high-priority tasks"));
    }
    let channel = match arguments.some("channel") {
        None => 1,
        Some(info) => channel(turn, info)?,
    };
    let options = arguments.some("opts").cloned().unwrap_or_else(|| Value::from(Struct::new()));
    let request = vec![Value::from(source), arguments.get("target").clone(), options];
    let priority = PRIORITY_DEFAULT.saturating_add(priority);
    let task = turn.world.add_task(NewTask { channel, priority, ..NewTask::new("build", request, user) });
    turn.wrote = true;
    Ok(Value::from(task))
}

fn channel(turn: &Turn<'_>, info: &Value) -> Result<i64, Fault> {
    let by_number = || info.as_int().filter(|id| turn.world.channels.get(*id).is_some());
    let found = info.as_str().and_then(|name| turn.world.channel_named(name)).or_else(by_number);
    found.ok_or_else(|| generic(format!("No such channel: {}", text(info))))
}

pub(super) fn info(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (request, strict) = (arguments.flag("request"), arguments.flag("strict"));
    let one = |info: &Value| match info.as_int().and_then(|id| turn.world.tasks.get(id)) {
        Some(task) => Ok(Value::from(with_request(task, request))),
        None if strict => Err(generic("query returned no rows")),
        None => Ok(Value::Nil),
    };
    let info = arguments.get("task_id");
    match info.as_array() {
        Some(infos) => Ok(Value::Array(infos.iter().map(one).collect::<Result<_, _>>()?)),
        None => one(info),
    }
}

/// A task as `getTaskInfo` shows it: the request comes last.
fn with_request(task: &Task, request: bool) -> Struct {
    let row = task.row(Request::Hidden);
    if request { row.with_some("request", task.request(Request::Decoded)) } else { row }
}

/// A filter of `listTasks`: one value or a list of them.
fn wanted(options: &Struct, name: &str) -> Option<Vec<Value>> {
    let value = options.get(name).filter(|value| !value.is_nil())?;
    Some(value.as_array().map_or_else(|| vec![value.clone()], <[Value]>::to_vec))
}

pub(super) fn list(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let none = Struct::new();
    let options = arguments.get("opts").as_struct().unwrap_or(&none);
    let owners: Option<Vec<i64>> = wanted(options, "owner")
        .map(|owners| owners.iter().filter_map(|info| world.find_user(info)).map(|user| user.id).collect());
    let ints = |name: &str| -> Option<Vec<i64>> {
        wanted(options, name).map(|values| values.iter().filter_map(Value::as_int).collect())
    };
    let texts = |name: &str| -> Option<Vec<String>> {
        wanted(options, name)
            .map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    let (states, not_states) = (ints("state"), ints("not_state"));
    let (hosts, channels, parents) = (ints("host_id"), ints("channel_id"), ints("parent"));
    let (methods, arches) = (texts("method"), texts("arch"));
    let time = |name: &str| options.get(name).and_then(query::time);
    let (created, started, completed) = (
        (time("createdAfter"), time("createdBefore")),
        (time("startedAfter"), time("startedBefore")),
        (time("completeAfter"), time("completeBefore")),
    );
    let top_only = matches!(options.get("parent"), Some(Value::Nil));
    let within = |moment: Option<_>, (after, before): (Option<_>, Option<_>)| {
        after.is_none_or(|after| moment.is_some_and(|moment| moment > after))
            && before.is_none_or(|before| moment.is_some_and(|moment| moment < before))
    };
    let one_of =
        |wanted: &Option<Vec<i64>>, value: i64| wanted.as_ref().is_none_or(|all| all.contains(&value));
    let fits = |task: &&Task| {
        one_of(&owners, task.owner)
            && one_of(&states, task.state as i64)
            && not_states.as_ref().is_none_or(|states| !states.contains(&(task.state as i64)))
            && hosts.as_ref().is_none_or(|hosts| task.host.is_some_and(|host| hosts.contains(&host)))
            && one_of(&channels, task.channel)
            && parents.as_ref().is_none_or(|parents| task.parent.is_some_and(|id| parents.contains(&id)))
            && (!top_only || task.parent.is_none())
            && methods.as_ref().is_none_or(|methods| methods.contains(&task.method))
            && arches.as_ref().is_none_or(|arches| arches.contains(&task.arch))
            && within(Some(task.created), created)
            && within(task.started, started)
            && within(task.completed, completed)
    };
    let shape = if options.get("decode").is_some_and(is_true) { Request::Decoded } else { Request::Raw };
    let row = |task: &Task| {
        let mut row = Struct::new();
        for (name, value) in task.row(shape).iter() {
            row.insert(name, value.clone());
            if name == "owner" {
                let user = world.users.get(task.owner);
                row.insert("owner_name", user.map(|user| user.name.as_str()));
                row.insert("owner_type", user.map(|user| user.kind));
            }
            if name == "request" {
                row.insert("result", task.result.clone().map(|result| shown(result, shape)));
            }
        }
        row
    };
    let rows: Vec<Struct> = world.tasks.values().filter(fits).map(row).collect();
    Ok(query::shape(rows, arguments.get("queryOpts")))
}

/// A result in a list of tasks.
fn shown(result: Answer, shape: Request) -> Value {
    match (shape, result) {
        (Request::Decoded, Answer::Value(value)) => value,
        (Request::Decoded, Answer::Fault(fault)) => Value::from(members(fault)),
        (Request::Hidden | Request::Raw, result) => Value::from(result.encode().unwrap_or_default()),
    }
}

fn members(fault: Fault) -> Struct {
    Struct::new().with("faultCode", fault.code).with("faultString", fault.text)
}

pub(super) fn result(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    match turn.world.task_result(arguments.need_int("taskId")?)? {
        Answer::Value(value) => Ok(value),
        Answer::Fault(fault) if arguments.flag_unless("raise_fault") => Err(fault),
        Answer::Fault(fault) => Ok(Value::from(members(fault))),
    }
}

pub(super) fn request(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Array(turn.world.need_task(arguments.need_int("taskId")?)?.request.clone()))
}

pub(super) fn children(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let shape = if arguments.flag("request") { Request::Decoded } else { Request::Hidden };
    Ok(Value::from(children_of(turn, arguments.need_int("task_id")?, shape)))
}

fn children_of(turn: &Turn<'_>, id: i64, shape: Request) -> Vec<Struct> {
    let children = turn.world.children.get(&id).into_iter().flatten();
    children.filter_map(|child| turn.world.tasks.get(*child)).map(|child| child.row(shape)).collect()
}

/// The tasks below each task of a tree, by the number of the task.
pub(super) fn descendents(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let shape = if arguments.flag("request") { Request::Decoded } else { Request::Hidden };
    let mut all = Struct::new();
    // A task is older than those below it, so that this ends.
    let mut waiting = std::collections::VecDeque::from([arguments.need_int("task_id")?]);
    while let Some(id) = waiting.pop_front() {
        all.insert(id.to_string(), children_of(turn, id, shape));
        waiting.extend(turn.world.children.get(&id).into_iter().flatten());
    }
    Ok(Value::from(all))
}

pub(super) fn finished(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(turn.world.need_task(arguments.need_int("taskId")?)?.state.is_over()))
}

pub(super) fn cancel(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let id = arguments.need_int("task_id")?;
    let owner = turn.world.need_task(id)?.owner;
    if turn.caller.user != Some(owner) && !turn.world.may(&turn.caller, "admin") {
        return Err(Turn::refuse("Cannot cancel task, not owner"));
    }
    // One that is over writes nothing, so that the call's number is not kept.
    turn.wrote |= turn.world.cancel_task(id, arguments.flag_unless("recurse"));
    Ok(Value::Nil)
}

pub(super) fn set_priority(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.world.assert_permission(&turn.caller, "admin")?;
    let (id, priority) = (arguments.need_int("task_id")?, arguments.need_int("priority")?);
    turn.world.need_task(id)?;
    turn.world.set_priority(id, priority);
    if arguments.flag("recurse") {
        for child in turn.world.children.get(&id).cloned().unwrap_or_default() {
            turn.world.set_priority(child, priority);
        }
    }
    turn.wrote = true;
    Ok(Value::Nil)
}

/// Makes a task like one that failed or was canceled.
pub(super) fn resubmit(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let id = arguments.need_int("taskID")?;
    let task = turn.world.need_task(id)?;
    if !matches!(task.state, TaskState::Canceled | TaskState::Failed) {
        return Err(generic("only canceled or failed tasks can be resubmitted"));
    }
    if task.method != "build" {
        return Err(generic(format!("{} tasks cannot be resubmitted", task.method)));
    }
    if task.owner != user && !turn.world.may(&turn.caller, "admin") {
        return Err(generic("only the task owner or an admin can resubmit a task"));
    }
    let new = NewTask {
        priority: task.priority,
        channel: task.channel,
        ..NewTask::new("build", task.request.clone(), task.owner)
    };
    let task = turn.world.add_task(new);
    turn.wrote = true;
    Ok(Value::from(task))
}

/// Tasks of a virtual farm need no buildroots.
pub(super) fn buildroots(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(Vec::<Value>::new()))
}

/// Tasks of a virtual farm write no logs.
pub(super) fn output(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.world.need_task(arguments.need_int("taskID")?)?;
    let nothing = if arguments.flag("stat") || arguments.flag("all_volumes") {
        Value::from(Struct::new())
    } else {
        Value::Array(Vec::new())
    };
    Ok(nothing)
}
