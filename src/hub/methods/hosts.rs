//! Methods about hosts and channels, and those that hosts call.

#![expect(clippy::unnecessary_wraps, reason = "methods that cannot fail have the shape of those that can")]

use super::super::arguments::Arguments;
use super::super::call::Turn;
use super::super::faults::{generic, is_true, repr};
use super::super::world::{BuildState, Host, NewBuild, NewTask, Request, Task, TaskState, World};
use super::query;
use crate::koji::xmlrpc::{Answer, Fault, Limits, Struct, Value};

fn row(world: &World, host: &Host) -> Struct {
    Struct::new()
        .with("arches", host.arches.as_str())
        .with("capacity", host.capacity)
        .with("comment", Value::Nil)
        .with("description", Value::Nil)
        .with("enabled", host.enabled)
        .with("id", host.id)
        .with("name", host.name.as_str())
        .with("ready", host.ready)
        .with("task_load", world.load_of(host.id))
        .with("update_ts", host.updated.map(super::super::moment::Moment::timestamp))
        .with("user_id", host.user)
}

pub(super) fn list(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let arches: Option<Vec<&str>> = arguments.some("arches").map(|arches| match arches.as_array() {
        Some(arches) => arches.iter().filter_map(Value::as_str).collect(),
        None => arches.as_str().into_iter().collect(),
    });
    let channel = arguments
        .some("channelID")
        .map(|info| info.as_str().and_then(|name| world.channel_named(name)).or(info.as_int()).unwrap_or(0));
    let flag = |name: &str| arguments.some(name).map(is_true);
    let (ready, enabled) = (flag("ready"), flag("enabled"));
    let fits = |host: &&Host| {
        arches.as_ref().is_none_or(|arches| host.arches.split_whitespace().any(|arch| arches.contains(&arch)))
            && channel.is_none_or(|channel| host.channels.contains(&channel))
            && ready.is_none_or(|ready| ready == host.ready)
            && enabled.is_none_or(|enabled| enabled == host.enabled)
    };
    let rows: Vec<Struct> = world.hosts.values().filter(fits).map(|host| row(world, host)).collect();
    Ok(query::shape(rows, arguments.get("queryOpts")))
}

pub(super) fn get(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (world, info) = (&*turn.world, arguments.get("hostInfo"));
    let host =
        world.hosts.values().find(|host| info.as_int() == Some(host.id) || info.as_str() == Some(&host.name));
    match host {
        Some(host) => Ok(Value::from(row(world, host))),
        None if arguments.flag("strict") => Err(generic(format!("Invalid hostInfo: {}", repr(info)))),
        None => Ok(Value::Nil),
    }
}

fn channel_row(id: i64, name: &str) -> Struct {
    Struct::new()
        .with("comment", Value::Nil)
        .with("description", Value::Nil)
        .with("enabled", true)
        .with("id", id)
        .with("name", name)
}

pub(super) fn channel(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let info = arguments.get("channelInfo");
    let id = info.as_str().and_then(|name| turn.world.channel_named(name)).or(info.as_int());
    match id.and_then(|id| Some((id, turn.world.channels.get(id)?))) {
        Some((id, name)) => Ok(Value::from(channel_row(id, name))),
        None if arguments.flag("strict") => {
            Err(generic(format!("Invalid channelInfo: {}", super::super::faults::text(info))))
        }
        None => Ok(Value::Nil),
    }
}

pub(super) fn channels(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let of_host =
        arguments.int("hostID")?.map(|id| world.hosts.get(id).map_or(&[][..], |host| &host.channels));
    let channels =
        world.channels.iter().filter(|(id, _)| of_host.is_none_or(|channels| channels.contains(id)));
    Ok(Value::from(channels.map(|(id, name)| channel_row(id, name)).collect::<Vec<_>>()))
}

pub(super) fn tasks(turn: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    let host = turn.host()?;
    let is_open = |task: &&Task| task.host == Some(host) && task.state == TaskState::Open;
    let mine = turn.world.live_tasks().filter(is_open);
    Ok(Value::from(mine.map(|task| task.row(Request::Hidden)).collect::<Vec<_>>()))
}

pub(super) fn open_task(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (host, id) = (turn.host()?, arguments.need_int("task_id")?);
    if !turn.world.open_task(id, host) {
        return Ok(Value::Nil);
    }
    turn.wrote = true;
    // The hub shows the task as it was, but for what it has just set.
    Ok(turn.world.tasks.get(id).map(|task| task.row(Request::Raw)).into())
}

pub(super) fn close_task(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    end_task(turn, arguments, TaskState::Closed)
}

pub(super) fn fail_task(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    end_task(turn, arguments, TaskState::Failed)
}

fn end_task(turn: &mut Turn<'_>, arguments: &Arguments, state: TaskState) -> Result<Value, Fault> {
    let (host, id) = (turn.host()?, arguments.need_int("task_id")?);
    assert_host(turn, id, host)?;
    let response = arguments.need_text("response")?;
    let result = Answer::decode(response.as_bytes(), &Limits::default())
        .map_err(|error| generic(format!("the response of task {id} is unreadable: {error}")))?;
    turn.world.end_task(id, state, Some(result));
    turn.wrote = true;
    Ok(Value::Nil)
}

fn assert_host(turn: &Turn<'_>, task: i64, host: i64) -> Result<(), Fault> {
    let task = turn.world.need_task(task)?;
    if task.host == Some(host) && task.state == TaskState::Open {
        return Ok(());
    }
    Err(Turn::refuse(&format!("task {} is not open on host {host}", task.id)))
}

pub(super) fn init_build(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let host = turn.host()?;
    let sent = arguments.get("data").as_struct().ok_or_else(|| generic("data must be a struct"))?;
    let text = |name: &str| sent.get(name).and_then(Value::as_str);
    let need = |name: &str| text(name).ok_or_else(|| generic(format!("Build is missing {name}")));
    let task = sent.get("task_id").and_then(Value::as_int);
    let owner = match task {
        Some(task) => {
            assert_host(turn, task, host)?;
            turn.world.need_task(task)?.owner
        }
        None => turn.user()?,
    };
    let new = NewBuild {
        name: need("name")?.to_owned(),
        version: need("version")?.to_owned(),
        release: need("release")?.to_owned(),
        epoch: sent.get("epoch").and_then(Value::as_int),
        task,
        owner,
        source: text("source").map(str::to_owned),
        extra: sent.get("extra").cloned().unwrap_or_default(),
        draft: sent.get("draft").is_some_and(is_true),
        sent: sent.clone(),
    };
    let build = turn.world.init_build(new)?;
    turn.wrote = true;
    Ok(Value::from(build))
}

pub(super) fn fail_build(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    end_build(turn, arguments, BuildState::Failed)
}

/// What a builder has uploaded is not looked at.
pub(super) fn complete_build(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    end_build(turn, arguments, BuildState::Complete)
}

fn end_build(turn: &mut Turn<'_>, arguments: &Arguments, state: BuildState) -> Result<Value, Fault> {
    let (host, task) = (turn.host()?, arguments.need_int("task_id")?);
    assert_host(turn, task, host)?;
    let build = turn.world.need_build(arguments.get("build_id"))?;
    if build.task != Some(task) {
        return Err(generic(format!("Task mismatch, got {task}, expected {:?}", build.task)));
    }
    let id = build.id;
    turn.world.end_build(id, state);
    turn.wrote = true;
    Ok(Value::Nil)
}

/// A task below another.
pub(super) fn subtask(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (host, id) = (turn.host()?, arguments.need_int("parent")?);
    assert_host(turn, id, host)?;
    let parent = turn.world.need_task(id)?;
    let request = arguments.get("arglist").as_array().ok_or_else(|| generic("arglist must be a list"))?;
    let new = NewTask {
        parent: Some(id),
        label: arguments.text("label")?.map(str::to_owned),
        arch: arguments.text("arch")?.unwrap_or("noarch").to_owned(),
        channel: parent.channel,
        priority: arguments.int("priority")?.unwrap_or(parent.priority - 1),
        ..NewTask::new(arguments.need_text("method")?, request.to_vec(), parent.owner)
    };
    let task = turn.world.add_task(new);
    turn.wrote = true;
    Ok(Value::from(task))
}

pub(super) fn tag_build(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (host, task) = (turn.host()?, arguments.need_int("task_id")?);
    assert_host(turn, task, host)?;
    turn.world.do_tag_task(task)?;
    turn.wrote = true;
    Ok(Value::Nil)
}
