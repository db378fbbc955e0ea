//! Methods about tags and what is in them.

#![expect(clippy::unnecessary_wraps, reason = "methods that cannot fail have the shape of those that can")]

use super::super::arguments::Arguments;
use super::super::call::Turn;
use super::super::faults::{NOT_ALLOWED, TAG, generic, is_true};
use super::super::world::{Link, NewTask, Tag, Wanted, World, latest, tagged_row};
use super::query;
use crate::koji::xmlrpc::{Fault, Struct, Value};

pub(super) fn get(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let info = arguments.get("tagInfo");
    let world = &*turn.world;
    let tag = if arguments.flag("strict") { Some(world.need_tag(info)?) } else { world.find_tag(info) };
    Ok(tag.map(|tag| World::tag_row(tag).with("extra", tag.extra.clone())).into())
}

pub(super) fn list(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tags: Vec<&Tag> = match (arguments.get("build"), arguments.get("package")) {
        (Value::Nil, Value::Nil) => world.tags.values().collect(),
        (Value::Nil, package) => {
            let package = world.find_package(package).map_or(0, |package| package.id);
            world.tags.values().filter(|tag| tag.packages.contains_key(&package)).collect()
        }
        (build, _) => world.tags_of(world.need_build(build)?.id),
    };
    let rows: Vec<Struct> = tags.into_iter().map(World::tag_row).collect();
    Ok(query::shape(rows, arguments.get("queryOpts")))
}

pub(super) fn full_inheritance(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?.id;
    if arguments.flag("reverse") {
        let heirs = world.heirs(tag).into_iter().filter(|heir| *heir != tag);
        let rows = heirs.flat_map(|heir| {
            let links = world.tags.get(heir).into_iter().flat_map(|tag| tag.parents.iter());
            links.map(move |link| inherited(world, heir, link, Some(1))).collect::<Vec<_>>()
        });
        return Ok(Value::from(rows.collect::<Vec<_>>()));
    }
    let chain = world.inheritance(tag);
    let rows = chain.iter().map(|(child, link, depth)| inherited(world, *child, link, Some(*depth)));
    Ok(Value::from(rows.collect::<Vec<_>>()))
}

pub(super) fn inheritance_data(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?;
    let rows: Vec<Struct> = tag.parents.iter().map(|link| inherited(world, tag.id, link, None)).collect();
    Ok(Value::from(rows))
}

fn inherited(world: &World, child: i64, link: &Link, depth: Option<i64>) -> Struct {
    let row = Struct::new()
        .with("intransitive", false)
        .with("maxdepth", Value::Nil)
        .with("name", world.tag_name(link.parent))
        .with("noconfig", false)
        .with("parent_id", link.parent)
        .with("pkg_filter", "")
        .with("priority", link.priority)
        .with("child_id", child);
    match depth {
        Some(depth) => {
            row.with("nextdepth", Value::Nil).with("currdepth", depth).with("filter", Vec::<Value>::new())
        }
        None => row,
    }
}

pub(super) fn build_config(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?;
    let chain = world.inheritance(tag.id);
    let parents =
        chain.iter().filter_map(|(_, link, _)| world.tags.get(link.parent)).map(|tag| tag.arches.as_str());
    let arches = std::iter::once(tag.arches.as_str()).chain(parents).find(|arches| !arches.is_empty());
    let row = World::tag_row(tag)
        .with("arches", arches.unwrap_or_default())
        .with("extra", world.extra_of(tag.id))
        .with("config_inheritance", Struct::new());
    Ok(Value::from(row))
}

/// No world has repos of others.
pub(super) fn external_repos(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(Vec::<Value>::new()))
}

/// No tag has groups of packages.
pub(super) fn groups(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.world.need_tag(arguments.get("tag"))?;
    Ok(Value::from(Vec::<Value>::new()))
}

pub(super) fn tagged(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = match (world.find_tag(arguments.get("tag")), arguments.flag_unless("strict")) {
        (Some(tag), _) => tag.id,
        (None, true) => {
            return Err(world.need_tag(arguments.get("tag")).map_or_else(|fault| fault, |_| generic("")));
        }
        (None, false) => return Ok(Value::from(Vec::<Value>::new())),
    };
    let prefix = arguments.text("prefix")?.map(str::to_lowercase);
    let wanted = Wanted {
        event: arguments.int("event")?,
        inherit: arguments.flag("inherit"),
        latest: latest(arguments.get("latest")),
        package: arguments.some("package").map(|info| world.package_id(info)),
        prefix: prefix.as_deref(),
        owner: arguments.some("owner").map(|info| world.user_id(info)),
        draft: arguments.some("draft").map(is_true),
    };
    Ok(rows(world, tag, &wanted, arguments.flag("extra")))
}

pub(super) fn latest_builds(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?.id;
    let wanted = Wanted {
        event: arguments.int("event")?,
        inherit: true,
        latest: 1,
        package: arguments.some("package").map(|info| world.package_id(info)),
        draft: arguments.some("draft").map(is_true),
        ..Wanted::default()
    };
    Ok(rows(world, tag, &wanted, false))
}

fn rows(world: &World, tag: i64, wanted: &Wanted<'_>, extra: bool) -> Value {
    let found = world.tagged_builds(tag, wanted);
    Value::from(
        found
            .into_iter()
            .map(|(listing, build)| tagged_row(world, listing, build, extra))
            .collect::<Vec<_>>(),
    )
}

pub(super) fn check_package(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?.id;
    let package = world.find_package(arguments.get("pkg")).map(|package| package.id);
    Ok(Value::from(package.is_some_and(|package| world.package_in(tag, package) == Some(false))))
}

pub(super) fn tag(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let world = &*turn.world;
    let tag = world.need_tag(arguments.get("tag"))?;
    let build = world.need_build(arguments.get("build"))?;
    let from = arguments.some("fromtag").map(|info| world.need_tag(info).map(|tag| tag.id)).transpose()?;
    if tag.denied {
        let text = format!("policy violation (tag): tagging into {} is not allowed here", tag.name);
        return Err(Fault::new(NOT_ALLOWED, text));
    }
    let force = arguments.flag("force");
    world.assert_tag_access(tag, user, force)?;
    let refusal = match world.package_in(tag.id, build.package) {
        None => Some(format!("Package {} not in list for {}", build.name, tag.name)),
        Some(true) => Some(format!("Package {} is blocked in {}", build.name, tag.name)),
        Some(false) => None,
    };
    if let Some(text) = refusal.filter(|_| !(force && world.may(&turn.caller, "admin"))) {
        return Err(Fault::new(TAG, text));
    }
    let request = vec![tag.id.into(), build.id.into(), force.into(), from.into()];
    let task = turn.world.add_task(NewTask { priority: 10, ..NewTask::new("tagBuild", request, user) });
    turn.wrote = true;
    Ok(Value::from(task))
}

pub(super) fn tag_bypass(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.world.assert_permission(&turn.caller, "tag")?;
    let user = turn.user()?;
    let force = arguments.flag("force");
    let build = turn.world.need_build(arguments.get("build"))?.id;
    let tag = turn.world.need_tag(arguments.get("tag"))?;
    let id = tag.id;
    turn.world.assert_tag_access(tag, user, force)?;
    let result = turn.world.tag_build(id, build, user, force, turn.since);
    // Whatever the transaction does after this sees what others had committed by now.
    turn.since = turn.world.last_event();
    result?;
    turn.wrote = true;
    Ok(Value::Nil)
}

pub(super) fn untag(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.user()?;
    take_out(turn, arguments)
}

pub(super) fn untag_bypass(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.world.assert_permission(&turn.caller, "tag")?;
    take_out(turn, arguments)
}

fn take_out(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let tag = turn.world.need_tag(arguments.get("tag"))?;
    let id = tag.id;
    let build = turn.world.need_build(arguments.get("build"))?.id;
    turn.world.assert_tag_access(tag, user, arguments.flag("force"))?;
    match turn.world.untag_build(id, build, user) {
        Err(fault) if arguments.flag_unless("strict") => Err(fault),
        Err(_) => Ok(Value::Nil),
        Ok(()) => {
            turn.since = turn.world.last_event();
            turn.wrote = true;
            Ok(Value::Nil)
        }
    }
}

/// Tags all or none, whatever locks and lists say, also what is tagged already. Where one of the builds is not there, the
/// messages about those before it stay: the hub has published what its database has rolled back.
pub(super) fn mass_tag(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.world.assert_permission(&turn.caller, "tag")?;
    let user = turn.user()?;
    let tag = turn.world.need_tag(arguments.get("tag"))?;
    let (id, name) = (tag.id, tag.name.clone());
    let infos = arguments.get("builds").as_array().ok_or_else(|| generic("builds must be a list"))?;
    let mut builds: Vec<(i64, String)> = Vec::with_capacity(infos.len());
    for info in infos {
        let found = turn.world.need_build(info).and_then(|build| {
            build.assert_complete()?;
            Ok((build.id, build.nvr()))
        });
        match found {
            Ok(build) => builds.push(build),
            Err(fault) => {
                for (_, nvr) in &builds {
                    turn.world.publish_phantom_by(&name, nvr, user);
                }
                return Err(fault);
            }
        }
    }
    for (build, _) in builds {
        let newest = turn.world.last_event();
        turn.world.tag_build(id, build, user, true, newest)?;
    }
    turn.since = turn.world.last_event();
    turn.wrote = true;
    Ok(Value::Nil)
}

pub(super) fn create_side_tag(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let base = turn.world.need_tag(arguments.get("basetag"))?;
    let (parent, base, arches) = (base.id, base.name.clone(), base.arches.clone());
    let suffix = arguments.text("suffix")?.map(|suffix| format!("-{suffix}")).unwrap_or_default();
    let name = format!("{base}-side-{}{suffix}", turn.world.tags.next_id());
    turn.world.event();
    let id = turn.world.add_tag(Tag {
        name: name.clone(),
        arches,
        parents: vec![Link { parent, priority: 0 }],
        side_tag_of: Some(user),
        ..Tag::default()
    });
    turn.world.add_target(&name, id, id);
    turn.wrote = true;
    let row = Struct::new()
        .with("name", name)
        .with("id", id)
        .with("task_id", Value::Nil)
        .with("request", Value::Nil);
    Ok(Value::from(row))
}

pub(super) fn remove_side_tag(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let tag = turn.world.need_tag(arguments.get("sidetag"))?;
    let Some(owner) = tag.side_tag_of else { return Err(generic(format!("Not a sidetag: {}", tag.name))) };
    if owner != user && !turn.world.may(&turn.caller, "admin") {
        return Err(Turn::refuse("This is not your sidetag"));
    }
    let id = tag.id;
    turn.world.event();
    turn.world.remove_tag(id);
    turn.wrote = true;
    Ok(Value::Nil)
}

pub(super) fn list_side_tags(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let user = arguments.some("user").map(|info| world.user_id(info));
    let base = arguments.some("basetag").map(|info| world.need_tag(info).map(|tag| tag.id)).transpose()?;
    let fits = |tag: &&Tag| {
        tag.side_tag_of.is_some_and(|owner| user.is_none_or(|user| user == owner))
            && base.is_none_or(|base| tag.parents.iter().any(|link| link.parent == base))
    };
    let rows: Vec<Struct> = world
        .tags
        .values()
        .filter(fits)
        .map(|tag| Struct::new().with("id", tag.id).with("name", tag.name.as_str()))
        .collect();
    Ok(query::shape(rows, arguments.get("queryOpts")))
}
