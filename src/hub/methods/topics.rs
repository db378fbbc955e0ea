//! Methods about the hub itself, users, packages, targets and repos.

#![expect(clippy::unnecessary_wraps, reason = "methods that cannot fail have the shape of those that can")]

use super::super::arguments::Arguments;
use super::super::call::Turn;
use super::super::faults::{generic, is_true, repr, text};
use super::super::moment::Moment;
use super::super::world::{Listed, Repo, Target, World};
use super::{VERSION, query};
use crate::koji::xmlrpc::{Fault, Struct, Value};

pub(super) fn version(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(VERSION))
}

pub(super) fn api_version(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(1))
}

/// Builds of other kinds than RPMs.
pub(super) fn disabled(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(false))
}

/// No build is of another kind.
pub(super) fn nothing(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Nil)
}

pub(super) fn last_event(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let event = match arguments.some("before") {
        None => Some(turn.world.last_event()),
        Some(before) => query::time(before).and_then(|moment| turn.world.event_at(moment)),
    };
    match event {
        Some(event) => Ok(event_row(turn.world, event)),
        None if arguments.flag_unless("strict") => Err(generic("query returned no rows")),
        None => Ok(Value::Nil),
    }
}

pub(super) fn event(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let event = arguments.need_int("id")?;
    turn.world.event_time(event).ok_or_else(|| generic("query returned no rows"))?;
    Ok(event_row(turn.world, event))
}

fn event_row(world: &World, event: i64) -> Value {
    let time = world.event_time(event).map(Moment::timestamp);
    Value::from(Struct::new().with("id", event).with("ts", time))
}

pub(super) fn user(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let info = match (arguments.get("userInfo"), turn.caller.user) {
        (Value::Nil, Some(own)) => Value::from(own),
        (info, _) => info.clone(),
    };
    match turn.world.find_user(&info) {
        Some(user) => Ok(Value::from(
            Struct::new()
                .with("id", user.id)
                .with("krb_principals", Vec::<Value>::new())
                .with("name", user.name.as_str())
                .with("status", i64::from(user.blocked))
                .with("usertype", user.kind),
        )),
        None if arguments.flag("strict") => Err(generic(format!("No such user: {}", repr(&info)))),
        None => Ok(Value::Nil),
    }
}

pub(super) fn package(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let info = arguments.get("info");
    match turn.world.find_package(info) {
        Some(package) => {
            Ok(Value::from(Struct::new().with("id", package.id).with("name", package.name.as_str())))
        }
        None if arguments.flag("strict") => Err(generic(format!("No such package: {}", repr(info)))),
        None => Ok(Value::Nil),
    }
}

pub(super) fn package_id(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let info = arguments.get("name");
    match turn.world.find_package(info) {
        Some(package) => Ok(Value::from(package.id)),
        None if arguments.flag("strict") => Err(generic(format!("No such package name: {}", text(info)))),
        None => Ok(Value::Nil),
    }
}

fn package_row(world: &World, tag: i64, package: i64) -> Option<Struct> {
    let name = &world.packages.get(package)?.name;
    let own = world.tags.get(tag).and_then(|tag| tag.packages.get(&package)).copied();
    let listed = own.unwrap_or(Listed { owner: 1, blocked: world.package_in(tag, package)? });
    Some(
        Struct::new()
            .with("blocked", listed.blocked)
            .with("extra_arches", "")
            .with("owner_id", listed.owner)
            .with("owner_name", world.user_name(listed.owner))
            .with("package_id", package)
            .with("package_name", name.as_str())
            .with("tag_id", tag)
            .with("tag_name", world.tag_name(tag)),
    )
}

pub(super) fn package_config(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?.id;
    let package = world.find_package(arguments.get("pkg"));
    Ok(package.and_then(|package| package_row(world, tag, package.id)).into())
}

pub(super) fn list_packages(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let rows: Vec<Struct> = match arguments.some("tagID") {
        None => world
            .packages
            .values()
            .map(|package| {
                Struct::new().with("package_id", package.id).with("package_name", package.name.as_str())
            })
            .collect(),
        Some(info) => {
            let tag = world.need_tag(info)?;
            let inherited = arguments.flag("inherited");
            let listed = |id: i64| inherited || tag.all_packages || tag.packages.contains_key(&id);
            let packages = world.packages.values().filter(|package| listed(package.id));
            packages.filter_map(|package| package_row(world, tag.id, package.id)).collect()
        }
    };
    Ok(query::shape(rows, arguments.get("queryOpts")))
}

pub(super) fn package_list_add(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    change_list(turn, arguments, is_true(arguments.get("block")))
}

pub(super) fn package_list_block(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    change_list(turn, arguments, true)
}

fn change_list(turn: &mut Turn<'_>, arguments: &Arguments, blocked: bool) -> Result<Value, Fault> {
    turn.world.assert_permission(&turn.caller, "tag")?;
    let user = turn.user()?;
    let tag = turn.world.need_tag(arguments.get("taginfo"))?.id;
    let name = text(arguments.get("pkginfo"));
    let owner =
        arguments.some("owner").and_then(|info| turn.world.find_user(info)).map_or(user, |user| user.id);
    let package = turn.world.ensure_package(&name);
    turn.world.event();
    if let Some(tag) = turn.world.tags.get_mut(tag) {
        tag.packages.insert(package, Listed { owner, blocked });
    }
    turn.world.publish_package(tag, &name, owner, if blocked { "block" } else { "add" });
    turn.wrote = true;
    Ok(Value::Nil)
}

fn target_row(world: &World, target: &Target) -> Struct {
    Struct::new()
        .with("build_tag", target.build_tag)
        .with("build_tag_name", world.tag_name(target.build_tag))
        .with("dest_tag", target.dest_tag)
        .with("dest_tag_name", world.tag_name(target.dest_tag))
        .with("id", target.id)
        .with("name", target.name.as_str())
}

fn is_target(target: &Target, info: &Value) -> bool {
    info.as_int() == Some(target.id) || info.as_str() == Some(&target.name)
}

pub(super) fn target(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (world, info) = (&*turn.world, arguments.get("info"));
    match world.targets.values().find(|target| is_target(target, info)) {
        Some(target) => Ok(Value::from(target_row(world, target))),
        None if arguments.flag("strict") => Err(generic(format!("No such build target: {}", text(info)))),
        None => Ok(Value::Nil),
    }
}

pub(super) fn targets(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = |name: &str| -> Result<Option<i64>, Fault> {
        let info = arguments.get(name);
        if info.is_nil() { Ok(None) } else { Ok(Some(world.need_tag(info)?.id)) }
    };
    let (build, dest, info) = (tag("buildTagID")?, tag("destTagID")?, arguments.get("info"));
    let fits = |target: &&Target| {
        build.is_none_or(|tag| tag == target.build_tag)
            && dest.is_none_or(|tag| tag == target.dest_tag)
            && (info.is_nil() || is_target(target, info))
    };
    let rows: Vec<Struct> =
        world.targets.values().filter(fits).map(|target| target_row(world, target)).collect();
    Ok(query::shape(rows, arguments.get("queryOpts")))
}

pub(super) fn repo(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?.id;
    let row = |repo: &Repo| {
        Struct::new()
            .with("create_event", repo.event)
            .with("create_ts", world.event_time(repo.event).map(Moment::timestamp))
            .with("creation_time", repo.created.text(' '))
            .with("creation_ts", repo.created.timestamp())
            .with("dist", false)
            .with("id", repo.id)
            .with("state", repo.state)
            .with("tag_id", repo.tag)
            .with("tag_name", world.tag_name(repo.tag))
            .with("task_id", (repo.task != 0).then_some(repo.task))
    };
    let newest = arguments.int("min_event")?;
    Ok(world.ready_repo(tag).filter(|repo| newest.is_none_or(|event| repo.event >= event)).map(row).into())
}
