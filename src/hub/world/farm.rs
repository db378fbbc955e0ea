//! The virtual farm: runs tasks to their end, as builders do that compile nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::super::faults::{BUILD, generic, is_true};
use super::super::moment::Moment;
use super::build::{NewBuild, split_nvr};
use super::file::{FarmFile, Stage};
use super::task::NewTask;
use super::{BuildState, TaskState, World};
use crate::generate::rng::Rng;
use crate::koji::xmlrpc::{Answer, Fault, Struct, Value};

/// What the farm has under way.
#[derive(Debug, Default)]
pub(super) struct Farm {
    pub(super) settings: FarmFile,
    seed: u64,
    timers: BTreeMap<(Moment, u64), Step>,
    timers_made: u64,
    /// FREE tasks that the scheduler has seen, by what they need, in the order of priority.
    waiting: BTreeMap<Needs, BTreeSet<Place>>,
    /// Tasks that the farm runs.
    running: BTreeSet<i64>,
    /// Build tags whose repos are out of date, and since when.
    pub(super) stale: BTreeMap<i64, Moment>,
    /// Tasks that make repos and are not over, with their tags.
    pub(super) repo_tasks: BTreeMap<i64, i64>,
}

/// What a task needs of a host: channel and architecture.
pub(super) type Needs = (i64, String);
/// The place of a task in a queue: priority and number.
pub(super) type Place = (i64, i64);

/// What happens when a timer is due.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The scheduler sees a new task.
    Seen(i64),
    /// A task's work is done.
    Done(i64),
    /// Repos are looked at.
    Repos,
}

impl Farm {
    pub(super) fn new(settings: FarmFile, seed: u64) -> Self {
        Self { settings, seed, ..Self::default() }
    }

    pub(super) fn next_due(&self) -> Option<Moment> {
        self.timers.first_key_value().map(|((due, _), _)| *due)
    }

    fn at(&mut self, due: Moment, step: Step) {
        self.timers_made += 1;
        self.timers.insert((due, self.timers_made), step);
    }

    fn enqueue(&mut self, needs: Needs, place: Place) {
        self.waiting.entry(needs).or_default().insert(place);
    }

    /// The task that is served first, of those whose needs are not among the `full`.
    pub(super) fn first_waiting(&self, full: &BTreeSet<Needs>) -> Option<(Needs, Place)> {
        let queues = self.waiting.iter().filter(|(needs, _)| !full.contains(*needs));
        let first = queues.filter_map(|(needs, queue)| Some((*queue.first()?, needs))).min()?;
        Some((first.1.clone(), first.0))
    }

    pub(super) fn forget(&mut self, needs: &Needs, place: Place) {
        if let Some(queue) = self.waiting.get_mut(needs) {
            queue.remove(&place);
        }
    }
}

impl World {
    /// Does what the first timer says.
    pub(super) fn run_due(&mut self) {
        let Some((_, step)) = self.farm.timers.pop_first() else { return };
        match step {
            Step::Seen(id) => {
                if let Some(task) = self.tasks.get(id) {
                    self.farm.enqueue((task.channel, task.arch.clone()), (task.priority, id));
                }
            }
            Step::Done(id) => self.finish_work(id),
            Step::Repos => self.renew_repos(),
        }
        self.schedule();
    }

    /// Has the scheduler see a new task a moment later.
    pub(super) fn schedule_soon(&mut self, id: i64) {
        if self.farm.settings.enabled {
            let due = self.now.plus_seconds(self.farm.settings.assign_seconds);
            self.farm.at(due, Step::Seen(id));
        }
    }

    /// Has the repos looked at after so many seconds.
    pub(super) fn look_at_repos_in(&mut self, seconds: i64) {
        let due = self.now.plus_seconds(seconds);
        self.farm.at(due, Step::Repos);
    }

    /// The scheduler serves a task by its new priority, if it has seen it.
    pub(super) fn farm_priority(&mut self, id: i64, old: i64, new: i64) {
        let Some(needs) = self.tasks.get(id).map(|task| (task.channel, task.arch.clone())) else { return };
        let queue = self.farm.waiting.get_mut(&needs);
        if queue.is_some_and(|queue| queue.remove(&(old, id))) {
            self.farm.enqueue(needs, (new, id));
        }
    }

    /// A host has begun a task.
    pub(super) fn begin_work(&mut self, id: i64) {
        self.farm.running.insert(id);
        let Some(task) = self.tasks.get(id) else { return };
        match task.method.as_str() {
            "build" => self.begin_build_task(id),
            "newRepo" => {
                self.begin_repo(id);
                self.done_in(id, self.farm.settings.repo_seconds);
            }
            "tagBuild" => self.done_in(id, self.farm.settings.tag_seconds),
            "buildSRPMFromSCM" => {
                let (least, most) = self.farm.settings.srpm_seconds;
                let seconds = self.length(id, least, most);
                self.done_in(id, seconds);
            }
            _ => {
                let (least, most) = self.farm.settings.arch_seconds;
                let package = self.package_of_task(id);
                let fixed = self.package_named(&package).and_then(|package| package.seconds);
                let seconds = fixed.unwrap_or_else(|| self.length(id, least, most));
                self.done_in(id, seconds);
            }
        }
    }

    /// Whether the farm runs a task, not somebody by the calls for hosts.
    pub(super) fn farm_runs(&self, id: i64) -> bool {
        self.farm.running.contains(&id)
    }

    fn done_in(&mut self, id: i64, seconds: i64) {
        let due = self.now.plus_seconds(seconds.max(0));
        self.farm.at(due, Step::Done(id));
    }

    /// A length between the bounds, the same for the same package and architecture: most are short, some are long.
    fn length(&self, id: i64, least: i64, most: i64) -> i64 {
        let arch = self.tasks.get(id).map_or("", |task| task.arch.as_str());
        let name = format!("{} {arch}", self.package_of_task(id));
        let share = Rng::new(&name, self.farm.seed).share();
        let (least, most) = (least.max(1), most.max(least).max(1));
        #[expect(clippy::cast_precision_loss, reason = "seconds of a build are far below 2^53")]
        let ratio = most as f64 / least as f64;
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as above")]
        let length = (least as f64 * ratio.powf(share * share)) as i64;
        length.clamp(least, most)
    }

    /// The package that a task, or its parent, builds.
    fn package_of_task(&self, id: i64) -> String {
        let task = self.tasks.get(id);
        let top = task.and_then(|task| task.parent).and_then(|parent| self.tasks.get(parent)).or(task);
        let source = top.and_then(|task| task.request.first()).and_then(Value::as_str).unwrap_or_default();
        package_of(source).to_owned()
    }

    fn fate(&self, id: i64) -> Option<Stage> {
        let package = self.package_of_task(id);
        if let Some(fate) = self.package_named(&package).and_then(|package| package.fails) {
            return Some(fate);
        }
        let settings = &self.farm.settings;
        let share = |kind: &str| Rng::new(&format!("{kind} {package}"), self.farm.seed).share();
        if share("srpm") < settings.failing_srpm {
            return Some(Stage::Srpm);
        }
        (share("build") < settings.failing).then_some(Stage::Build)
    }

    fn begin_build_task(&mut self, id: i64) {
        let Some(task) = self.tasks.get(id) else { return };
        let (owner, priority, channel) = (task.owner, task.priority, task.channel);
        let source = task.request.first().cloned().unwrap_or_default();
        let build_tag = if let Some(name) = task.request.get(1).and_then(Value::as_str) {
            let Some(target) = self.target_named(name) else {
                let fault = generic(format!("unknown build target: {name}"));
                return self.end_task(id, TaskState::Failed, Some(Answer::Fault(fault)));
            };
            Value::from(target.build_tag)
        } else {
            task.option("build_tag").cloned().unwrap_or_default()
        };
        let request = vec![source, build_tag, Value::from(Struct::new())];
        let child = NewTask {
            parent: Some(id),
            label: Some("srpm".to_owned()),
            priority: priority - 1,
            channel,
            ..NewTask::new("buildSRPMFromSCM", request, owner)
        };
        self.wait_for_children(id);
        self.add_task(child);
    }

    /// The work of a task is done: says what came of it.
    fn finish_work(&mut self, id: i64) {
        let Some(task) = self.tasks.get(id).filter(|task| task.state == TaskState::Open) else { return };
        let fate = self.fate(id);
        let result = match task.method.as_str() {
            "buildSRPMFromSCM" if fate == Some(Stage::Srpm) => Err(Fault::new(
                BUILD,
                "error building srpm, mock exited with status 1; see build.log or root.log for more information",
            )),
            "buildArch" if fate == Some(Stage::Build) => Err(Fault::new(
                BUILD,
                format!(
                    "error building package (arch {}), mock exited with status 1; see build.log or root.log for \
                     more information",
                    task.arch
                ),
            )),
            "tagBuild" => self.do_tag_task(id).map(|()| Value::Nil),
            "newRepo" => {
                self.finish_repo(id);
                Ok(Value::Nil)
            }
            _ => Ok(Value::from(Struct::new())),
        };
        match result {
            Ok(value) => self.end_task(id, TaskState::Closed, Some(Answer::Value(value))),
            Err(fault) => self.end_task(id, TaskState::Failed, Some(Answer::Fault(fault))),
        }
    }

    /// What a `tagBuild` task does: tag, build, force, from tag.
    pub(in crate::hub) fn do_tag_task(&mut self, id: i64) -> Result<(), Fault> {
        let Some(task) = self.tasks.get(id) else { return Ok(()) };
        let number = |place: usize| task.request.get(place).and_then(Value::as_int);
        let (Some(tag), Some(build)) = (number(0), number(1)) else { return Ok(()) };
        let force = task.request.get(2).is_some_and(is_true);
        let (owner, from) = (task.owner, number(3));
        self.tag_build(tag, build, owner, force, self.last_event())?;
        match from {
            Some(from) => self.untag_build(from, build, owner),
            None => Ok(()),
        }
    }

    /// A task is over: its parent goes on, where the farm runs it.
    pub(super) fn farm_task_over(&mut self, id: i64) {
        self.farm.running.remove(&id);
        let Some(task) = self.tasks.get(id) else { return };
        if self.farm.repo_tasks.remove(&id).is_some() {
            return self.look_at_repos_in(0);
        }
        let Some(parent) = task.parent.filter(|parent| self.farm.running.contains(parent)) else { return };
        let (method, state, result) = (task.method.clone(), task.state, task.result.clone());
        match (method.as_str(), state) {
            (_, TaskState::Failed) => self.fail_build_task(parent, result),
            (_, TaskState::Canceled) => {}
            ("buildSRPMFromSCM", _) => self.begin_arches(parent),
            ("buildArch", _) => self.end_arches(parent),
            _ => self.end_task(parent, TaskState::Closed, Some(Answer::Value(Value::Nil))),
        }
    }

    fn fail_build_task(&mut self, id: i64, result: Option<Answer>) {
        if let Some(build) = self.building_of(id) {
            self.end_build(build, BuildState::Failed);
        }
        // Its end first: the ends of its children then concern nobody.
        self.end_task(id, TaskState::Failed, result);
        for child in self.children.get(&id).cloned().unwrap_or_default() {
            self.cancel_task(child, true);
        }
    }

    /// The SRPM is there: the build is registered, and compiled on each architecture.
    fn begin_arches(&mut self, id: i64) {
        let Some(task) = self.tasks.get(id) else { return };
        let (owner, priority, channel) = (task.owner, task.priority, task.channel);
        let (scratch, draft) = (task.is_scratch(), task.option("draft").is_some_and(is_true));
        let source = task.request.first().and_then(Value::as_str).unwrap_or_default().to_owned();
        let target = task.request.get(1).and_then(Value::as_str).and_then(|name| self.target_named(name));
        let (build_tag, dest_tag) = target.map_or((0, 0), |target| (target.build_tag, target.dest_tag));
        let package = package_of(&source).to_owned();
        if !scratch {
            let known = self.ensure_package(&package);
            let listed = self.package_in(dest_tag, known);
            if dest_tag != 0 && listed != Some(false) {
                let text = format!("package {package} not in list for tag {}", self.tag_name(dest_tag));
                return self.fail_build_task(id, Some(Answer::Fault(Fault::new(BUILD, text))));
            }
            let mut new = self.build_from_source(&source, build_tag);
            new.task = Some(id);
            new.owner = owner;
            new.draft = draft;
            let metadata = self.tasks.get(id).and_then(|task| task.option("custom_user_metadata")).cloned();
            new.extra = extra(&source, metadata);
            new.sent = sent(&new);
            if let Err(fault) = self.init_build(new) {
                return self.fail_build_task(id, Some(Answer::Fault(fault)));
            }
        }
        for arch in self.arches_of(id, &package, build_tag) {
            let request =
                vec![Value::from(source.as_str()), Value::from(build_tag), Value::from(arch.as_str())];
            self.add_task(NewTask {
                parent: Some(id),
                label: Some(arch.clone()),
                arch,
                priority: priority - 1,
                channel,
                ..NewTask::new("buildArch", request, owner)
            });
        }
    }

    fn arches_of(&self, id: i64, package: &str, build_tag: i64) -> Vec<String> {
        let over = self.tasks.get(id).and_then(|task| task.option("arch_override")).and_then(Value::as_str);
        let own = self.package_named(package).and_then(|package| package.arches.as_deref());
        let tag = self.tags.get(build_tag).map(|tag| tag.arches.as_str());
        let arches = over.or(own).or(tag).unwrap_or_default();
        let arches: Vec<String> = arches.split_whitespace().map(str::to_owned).collect();
        if arches.is_empty() { vec!["noarch".to_owned()] } else { arches }
    }

    fn end_arches(&mut self, id: i64) {
        let children =
            self.children.get(&id).into_iter().flatten().filter_map(|child| self.tasks.get(*child));
        if children.clone().any(|child| !child.state.is_over()) {
            return;
        }
        let Some(task) = self.tasks.get(id) else { return };
        let (owner, priority) = (task.owner, task.priority);
        let target = task.request.get(1).and_then(Value::as_str).and_then(|name| self.target_named(name));
        let dest = target.map(|target| target.dest_tag);
        let tagged = !task.is_scratch() && !task.option("skip_tag").is_some_and(is_true);
        let build = self.building_of(id);
        if let Some(build) = build {
            self.end_build(build, BuildState::Complete);
        }
        match (build, dest.filter(|_| tagged)) {
            (Some(build), Some(dest)) => {
                let request = vec![dest.into(), build.into(), false.into(), Value::Nil, true.into()];
                self.add_task(NewTask {
                    parent: Some(id),
                    label: Some("tag".to_owned()),
                    priority: priority - 1,
                    ..NewTask::new("tagBuild", request, owner)
                });
            }
            _ => self.end_task(id, TaskState::Closed, Some(Answer::Value(Value::Nil))),
        }
    }

    /// What is built from a source: the fragment says version and release, or, where it is a commit, the release is the
    /// place of the commit among those of its package.
    fn build_from_source(&mut self, source: &str, build_tag: i64) -> NewBuild {
        let name = package_of(source).to_owned();
        let fragment = source.rsplit_once('#').map_or("", |(_, fragment)| fragment).to_owned();
        let dist = self.dist(build_tag);
        let (version, release) = match fragment.split_once('-') {
            Some((version, release)) if split_nvr(&format!("x-{fragment}")).is_some() => {
                (version.to_owned(), release.to_owned())
            }
            _ => {
                let package = self.ensure_package(&name);
                let sources = self.packages.get_mut(package).map(|package| &mut package.sources);
                let place = sources.map_or(0, |sources| {
                    sources.iter().position(|known| *known == fragment).unwrap_or_else(|| {
                        sources.push(fragment.clone());
                        sources.len() - 1
                    })
                });
                ("1.0".to_owned(), (place + 1).to_string())
            }
        };
        NewBuild {
            release: format!("{release}{dist}"),
            name,
            version,
            source: Some(source.to_owned()),
            ..NewBuild::default()
        }
    }

    /// The dist-tag that builds of a build tag get.
    fn dist(&self, build_tag: i64) -> String {
        let extra = self.extra_of(build_tag);
        if let Some(dist) = extra.get("rpm.macro.dist").and_then(Value::as_str) {
            return dist.to_owned();
        }
        if let Some(number) = extra.get("rpm.macro.eln") {
            return format!(".eln{}", super::super::faults::text(number));
        }
        format!(".{}", self.tag_name(build_tag).trim_end_matches("-build"))
    }
}

/// The package that a source URL names: its last part before the fragment.
pub(super) fn package_of(source: &str) -> &str {
    let path = source.split(['#', '?']).next().unwrap_or_default();
    let file = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let file = file.strip_suffix(".git").unwrap_or(file);
    match file.strip_suffix(".src.rpm").and_then(split_nvr) {
        Some((name, _, _)) => name,
        None => file,
    }
}

fn extra(source: &str, metadata: Option<Value>) -> Value {
    let origin = Struct::new().with("original_url", source);
    Value::from(Struct::new().with("source", origin).with_some("custom_user_metadata", metadata))
}

/// The members that a builder sends.
fn sent(new: &NewBuild) -> Struct {
    Struct::new()
        .with("name", new.name.as_str())
        .with("version", new.version.as_str())
        .with("release", new.release.as_str())
        .with("epoch", new.epoch)
        .with("task_id", new.task)
        .with("source", new.source.as_deref())
        .with("extra", new.extra.clone())
}
