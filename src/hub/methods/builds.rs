//! Methods about builds.

#![expect(clippy::unnecessary_wraps, reason = "methods that cannot fail have the shape of those that can")]

use super::super::arguments::Arguments;
use super::super::call::Turn;
use super::super::faults::{self, NOT_ALLOWED, is_true};
use super::super::world::{Build, BuildState};
use super::query;
use crate::koji::xmlrpc::{Fault, Struct, Value};

pub(super) fn get(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let info = arguments.get("buildInfo");
    let found = if arguments.flag("strict") {
        Some(turn.world.need_build(info)?)
    } else {
        turn.world.find_build(info)?
    };
    Ok(found.map(|build| turn.world.build_row(build)).into())
}

pub(super) fn list(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    const HIDDEN: [&str; 3] = ["id", "cg_id", "cg_name"];
    let world = &*turn.world;
    let user = arguments.some("userID").map(|info| world.user_id(info));
    let package = arguments.some("packageID").map(|info| world.package_id(info));
    let (task, state) = (arguments.int("taskID")?, arguments.int("state")?);
    let prefix = arguments.text("prefix")?.map(str::to_lowercase);
    let source = arguments.text("source")?;
    let draft = arguments.some("draft").map(is_true);
    let time = |name: &str| query::time(arguments.get(name));
    let (created, completed) =
        ((time("createdAfter"), time("createdBefore")), (time("completeAfter"), time("completeBefore")));
    let fits = |build: &&Build| {
        let made = build.created.1;
        user.is_none_or(|user| user == build.owner)
            && package.is_none_or(|package| package == build.package)
            && task.is_none_or(|task| build.task == Some(task))
            && state.is_none_or(|state| state == build.state as i64)
            && prefix.as_deref().is_none_or(|prefix| build.name.to_lowercase().starts_with(prefix))
            && source.is_none_or(|source| build.source.as_deref().is_some_and(|own| glob(source, own)))
            && draft.is_none_or(|draft| draft == build.draft)
            && created.0.is_none_or(|after| made > after)
            && created.1.is_none_or(|before| made < before)
            && completed.0.is_none_or(|after| build.completed.is_some_and(|end| end > after))
            && completed.1.is_none_or(|before| build.completed.is_some_and(|end| end < before))
    };
    let row = |build: &Build| {
        let row = world.build_row(build);
        row.iter()
            .filter(|(name, _)| !HIDDEN.contains(name))
            .map(|(name, value)| (name, value.clone()))
            .collect()
    };
    let rows: Vec<Struct> = world.builds.values().filter(fits).map(row).collect();
    Ok(query::shape(rows, arguments.get("queryOpts")))
}

/// Whether a text fits a pattern in which `*` stands for anything and `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where the last star stands, and how far the text had come there.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some('?') => {
                at += 1;
                place += 1;
            }
            Some(letter) if Some(letter) == text.get(place) => {
                at += 1;
                place += 1;
            }
            Some(_) | None => {
                let Some((before, from)) = star else { return false };
                star = Some((before, from + 1));
                at = before + 1;
                place = from + 1;
            }
        }
    }
    pattern.get(at..).is_none_or(|rest| rest.iter().all(|letter| *letter == '*'))
}

pub(super) fn promote(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let build = turn.world.need_build(arguments.get("build"))?;
    let (id, owner) = (build.id, build.owner);
    if owner != user && !turn.world.may(&turn.caller, "draft-promoter") {
        return Err(Fault::new(
            NOT_ALLOWED,
            "policy violation (draft_promotion): Only draft-promoter and build owner can do this via default policy",
        ));
    }
    turn.world.promote_build(id, user)?;
    turn.wrote = true;
    Ok(turn.world.builds.get(id).map(|build| turn.world.build_row(build)).into())
}

pub(super) fn cancel(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = turn.user()?;
    let Some(build) = turn.world.find_build(arguments.get("buildID"))? else {
        return if arguments.flag("strict") {
            let shown = faults::repr(arguments.get("buildID"));
            Err(faults::generic(format!("No such build: {shown}")))
        } else {
            Ok(Value::from(false))
        };
    };
    let (id, owner, task, state) = (build.id, build.owner, build.task, build.state);
    if owner != user && !turn.world.may(&turn.caller, "admin") {
        return Err(Turn::refuse("Cannot cancel build, not owner"));
    }
    if state != BuildState::Building {
        return Ok(Value::from(false));
    }
    turn.world.end_build(id, BuildState::Canceled);
    if let Some(task) = task {
        turn.world.cancel_task(task, true);
    }
    turn.wrote = true;
    Ok(Value::from(true))
}

/// No build has files beside its RPMs.
pub(super) fn archives(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(Vec::<Value>::new()))
}

/// No RPM is signed.
pub(super) fn signatures(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(Vec::<Value>::new()))
}

/// The mean of the builds of a package, in seconds.
pub(super) fn average_duration(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let Some(package) = turn.world.find_package(arguments.get("package")).map(|package| package.id) else {
        return Ok(Value::Nil);
    };
    let lengths = turn.world.builds.values().filter(|build| build.package == package).filter_map(|build| {
        (build.state == BuildState::Complete).then_some(())?;
        Some(build.completed?.timestamp() - build.started.timestamp())
    });
    let (sum, count) = lengths.fold((0.0, 0.0), |(sum, count), length| (sum + length, count + 1.0));
    Ok((count > 0.0).then(|| sum / count).into())
}

/// Each complete build has a source RPM and one RPM for each architecture that it was built on.
pub(super) fn rpms(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let Some(build) = world.find_build(arguments.get("buildID"))? else {
        return Ok(Value::from(Vec::<Value>::new()));
    };
    if build.state != BuildState::Complete {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    let children = build.task.and_then(|task| world.children.get(&task)).into_iter().flatten();
    let compiled = children.filter_map(|id| world.tasks.get(*id)).filter(|task| task.method == "buildArch");
    let mut arches: Vec<&str> =
        std::iter::once("src").chain(compiled.map(|task| task.arch.as_str())).collect();
    if arches.len() == 1 {
        arches.push("noarch");
    }
    let size = world.packages.get(build.package).map_or(0, |package| package.rpm_bytes);
    let row = |(place, built_for): (i64, &str)| {
        Struct::new()
            .with("arch", built_for)
            .with("build_id", build.id)
            .with("buildroot_id", Value::Nil)
            .with("buildtime", build.completed.map(|moment| moment.second().0))
            .with("draft", build.draft)
            .with("epoch", build.epoch)
            .with("external_repo_id", 0)
            .with("external_repo_name", "INTERNAL")
            .with("extra", Value::Nil)
            // Enough for a noarch and 15 architectures.
            .with("id", build.id * 16 + place)
            .with("metadata_only", false)
            .with("name", build.name.as_str())
            .with("nvr", build.nvr())
            .with("payloadhash", format!("{:032x}", build.id * 16 + place))
            .with("release", build.release.as_str())
            .with("size", size)
            .with("version", build.version.as_str())
    };
    let rows: Vec<Struct> = (0..).zip(arches).map(row).collect();
    Ok(query::shape(rows, arguments.get("queryOpts")))
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, text, fits) in [
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*#abc", "git+https://src.example/x#abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("**", "x", true),
            ("*b*a", "ababa", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
