//! Builds: how they come to be, end, and are named.

use super::super::faults::{self, generic, repr};
use super::super::moment::Moment;
use super::{Build, BuildState, World};
use crate::koji::xmlrpc::{Fault, Struct, Value};

/// What a builder tells of a build that it begins.
#[derive(Debug, Clone, Default)]
pub(in crate::hub) struct NewBuild {
    pub(in crate::hub) name: String,
    pub(in crate::hub) version: String,
    pub(in crate::hub) release: String,
    pub(in crate::hub) epoch: Option<i64>,
    pub(in crate::hub) task: Option<i64>,
    pub(in crate::hub) owner: i64,
    pub(in crate::hub) source: Option<String>,
    pub(in crate::hub) extra: Value,
    pub(in crate::hub) draft: bool,
    /// As the builder sent it, for the hub's refusal.
    pub(in crate::hub) sent: Struct,
}

impl World {
    /// The build that `info` names: a number, an NVR, or a struct with name, version and release.
    pub(in crate::hub) fn find_build(&self, info: &Value) -> Result<Option<&Build>, Fault> {
        let nvr = match info {
            Value::Int(id) => return Ok(self.builds.get(*id)),
            Value::String(nvr) => {
                split_nvr(nvr).ok_or_else(|| generic(format!("invalid format: {nvr}")))?;
                nvr.clone()
            }
            Value::Struct(members) => match members.get("id").and_then(Value::as_int) {
                Some(id) => return Ok(self.builds.get(id)),
                None => {
                    nvr_of(members).ok_or_else(|| generic("did not provide name, version, and release"))?
                }
            },
            other @ (Value::Nil
            | Value::Bool(_)
            | Value::Double(_)
            | Value::Bytes(_)
            | Value::DateTime(_)
            | Value::Array(_)) => {
                return Err(generic(format!("Invalid type for argument: <class '{}'>", faults::kind(other))));
            }
        };
        Ok(self.nvrs.get(&nvr).and_then(|id| self.builds.get(*id)))
    }

    /// The same; a fault where there is none.
    pub(in crate::hub) fn need_build(&self, info: &Value) -> Result<&Build, Fault> {
        self.find_build(info)?.ok_or_else(|| generic(format!("No such build: {}", repr(info))))
    }

    /// Begins a build, or takes one up again that failed or was canceled.
    pub(in crate::hub) fn init_build(&mut self, new: NewBuild) -> Result<i64, Fault> {
        let target = format!("{}-{}-{}", new.name, new.version, new.release);
        let package = self.ensure_package(&new.name);
        let known = self.nvrs.get(&target).and_then(|id| self.builds.get(*id));
        if let Some(known) = known {
            let again = matches!(known.state, BuildState::Failed | BuildState::Canceled);
            if new.draft && !again {
                return Err(generic(format!("Target build already exists: {target} (id={})", known.id)));
            }
            if !new.draft {
                let (id, state, task) = (known.id, known.state, known.task);
                if state == BuildState::Building {
                    let task = task.map_or_else(|| "None".to_owned(), |task| task.to_string());
                    return Err(generic(format!("Build already in progress (task {task})")));
                }
                if !again {
                    let sent = Self::completed_by_hub(&new, package);
                    return Err(generic(format!(
                        "Build already exists (id={id}, state={}): {}",
                        state.name(),
                        repr(&Value::from(sent))
                    )));
                }
                self.restart_build(id, new);
                return Ok(id);
            }
        }
        Ok(self.add_build(new, package))
    }

    fn add_build(&mut self, new: NewBuild, package: i64) -> i64 {
        let id = self.builds.next_id();
        let created = (self.event(), self.now);
        let release = if new.draft { format!("{},draft_{id}", new.release) } else { new.release.clone() };
        let build = Build {
            id,
            package,
            name: new.name,
            version: new.version,
            release,
            epoch: new.epoch,
            draft: new.draft,
            state: BuildState::Building,
            owner: new.owner,
            task: new.task,
            source: new.source,
            extra: new.extra,
            created,
            started: self.now,
            completed: None,
            promoted: None,
        };
        self.nvrs.insert(build.nvr(), id);
        if let Some(task) = build.task {
            self.builds_of_tasks.insert(task, id);
        }
        self.builds.add(build);
        self.publish_build(id, None);
        id
    }

    fn restart_build(&mut self, id: i64, new: NewBuild) {
        let created = (self.event(), self.now);
        let Some(build) = self.builds.get_mut(id) else { return };
        let old = build.state;
        if let Some(task) = new.task {
            self.builds_of_tasks.insert(task, id);
        }
        *build = Build {
            state: BuildState::Building,
            owner: new.owner,
            task: new.task,
            source: new.source,
            extra: new.extra,
            created,
            started: created.1,
            completed: None,
            ..build.clone()
        };
        self.publish_build(id, Some(old));
    }

    /// The members that the hub adds to a builder's before it looks whether the build may be.
    fn completed_by_hub(new: &NewBuild, package: i64) -> Struct {
        let mut sent = new.sent.clone();
        if let Some(extra) = sent.get("extra").filter(|extra| !extra.is_nil()).map(json) {
            sent.insert("extra", extra);
        }
        sent.insert("owner", new.owner);
        sent.insert("state", 0);
        sent.insert("completion_time", Value::Nil);
        sent.insert("pkg_id", package);
        for (name, value) in
            [("extra", Value::Nil), ("start_time", Value::from("NOW")), ("source", Value::Nil)]
        {
            if sent.get(name).is_none() {
                sent.insert(name, value);
            }
        }
        sent.with("volume_id", 0).with("draft", new.draft)
    }

    /// Ends a build that is under way.
    pub(in crate::hub) fn end_build(&mut self, id: i64, state: BuildState) {
        let now = self.now;
        let Some(build) = self.builds.get_mut(id).filter(|build| build.state == BuildState::Building) else {
            return;
        };
        build.state = state;
        build.completed = Some(now);
        self.publish_build(id, Some(BuildState::Building));
    }

    /// The build under way of a task.
    pub(in crate::hub) fn building_of(&self, task: i64) -> Option<i64> {
        let build = self.builds.get(*self.builds_of_tasks.get(&task)?)?;
        (build.state == BuildState::Building).then_some(build.id)
    }

    /// Makes a draft the build of its name.
    pub(in crate::hub) fn promote_build(&mut self, id: i64, user: i64) -> Result<(), Fault> {
        let refuse =
            |nvr: &str, why: &str| Err(generic(format!("Cannot promote build {nvr}. Reason: {why}")));
        let Some(build) = self.builds.get(id) else { return Err(generic(format!("No such build: {id}"))) };
        let old = build.nvr();
        if !build.draft {
            return refuse(&old, "Not a draft build");
        }
        if build.state != BuildState::Complete {
            return refuse(&old, &format!("state ({}) is not COMPLETE.", build.state.name()));
        }
        let release =
            build.release.rsplit_once(",draft_").map_or_else(|| build.release.clone(), |(r, _)| r.to_owned());
        let target = format!("{}-{}-{release}", build.name, build.version);
        if let Some(other) = self.nvrs.get(&target) {
            return refuse(&old, &format!("Target build exists: {target}(#{other})"));
        }
        let now = self.now;
        if let Some(build) = self.builds.get_mut(id) {
            build.draft = false;
            build.release = release;
            build.promoted = Some((user, now));
        }
        self.nvrs.remove(&old);
        self.nvrs.insert(target, id);
        self.publish_promotion();
        Ok(())
    }

    /// Every member that some method shows of a build, in the order of the alphabet.
    pub(in crate::hub) fn build_row(&self, build: &Build) -> Struct {
        let text = |moment: Option<Moment>| moment.map(|moment| moment.text(' '));
        let stamp = |moment: Option<Moment>| moment.map(Moment::timestamp);
        let (by, promoted) = build.promoted.unzip();
        Struct::new()
            .with("build_id", build.id)
            .with("cg_id", Value::Nil)
            .with("completion_time", text(build.completed))
            .with("completion_ts", stamp(build.completed))
            .with("creation_event_id", build.created.0)
            .with("creation_time", build.created.1.text(' '))
            .with("creation_ts", build.created.1.timestamp())
            .with("draft", build.draft)
            .with("epoch", build.epoch)
            .with("extra", build.extra.clone())
            .with("id", build.id)
            .with("name", build.name.as_str())
            .with("nvr", build.nvr())
            .with("owner_id", build.owner)
            .with("owner_name", self.user_name(build.owner))
            .with("package_id", build.package)
            .with("package_name", build.name.as_str())
            .with("promoter_id", by)
            .with("promoter_name", by.map(|user| self.user_name(user)))
            .with("promotion_time", text(promoted))
            .with("promotion_ts", stamp(promoted))
            .with("release", build.release.as_str())
            .with("source", build.source.as_deref())
            .with("start_time", build.started.text(' '))
            .with("start_ts", build.started.timestamp())
            .with("state", build.state as i64)
            .with("task_id", build.task)
            .with("version", build.version.as_str())
            .with("volume_id", 0)
            .with("volume_name", "DEFAULT")
            .with("cg_name", Value::Nil)
    }
}

/// Name, version and release of an NVR.
pub(in crate::hub) fn split_nvr(nvr: &str) -> Option<(&str, &str, &str)> {
    let (rest, release) = nvr.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    (!name.is_empty() && !version.is_empty() && !release.is_empty()).then_some((name, version, release))
}

fn nvr_of(members: &Struct) -> Option<String> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    Some(format!("{}-{}-{}", text("name")?, text("version")?, text("release")?))
}

/// Python's `json.dumps`, as the hub stores the `extra` of a build.
fn json(value: &Value) -> String {
    match value {
        Value::Struct(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", serde_json::Value::from(name), json(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Value::Nil | Value::Bytes(_) => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::String(text) | Value::DateTime(text) => serde_json::Value::from(text.as_str()).to_string(),
    }
}
