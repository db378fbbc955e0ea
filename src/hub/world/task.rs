//! Tasks: how they begin, end and are shown.

use super::super::faults::generic;
use super::super::moment::Moment;
use super::{BuildState, Task, TaskState, World};
use crate::koji::xmlrpc::{Answer, Call, Fault, Struct, Value};

/// Koji's priority of a task that asks for none.
pub(in crate::hub) const PRIORITY_DEFAULT: i64 = 20;

/// A task to be made.
#[derive(Debug, Clone)]
pub(in crate::hub) struct NewTask {
    pub(in crate::hub) method: String,
    pub(in crate::hub) request: Vec<Value>,
    pub(in crate::hub) owner: i64,
    pub(in crate::hub) parent: Option<i64>,
    pub(in crate::hub) label: Option<String>,
    pub(in crate::hub) arch: String,
    pub(in crate::hub) channel: i64,
    pub(in crate::hub) priority: i64,
}

impl NewTask {
    /// A task without a parent, for any host of the default channel.
    pub(in crate::hub) fn new(method: &str, request: Vec<Value>, owner: i64) -> Self {
        Self {
            method: method.to_owned(),
            request,
            owner,
            parent: None,
            label: None,
            arch: "noarch".to_owned(),
            channel: 1,
            priority: PRIORITY_DEFAULT,
        }
    }
}

impl World {
    /// Makes a task.
    pub(in crate::hub) fn add_task(&mut self, new: NewTask) -> i64 {
        let id = self.tasks.next_id();
        if let Some(parent) = new.parent {
            self.children.entry(parent).or_default().push(id);
        }
        self.live_tasks.insert(id);
        self.tasks.add(Task {
            id,
            method: new.method,
            request: new.request,
            state: TaskState::Free,
            owner: new.owner,
            parent: new.parent,
            label: new.label,
            arch: new.arch,
            channel: new.channel,
            host: None,
            priority: new.priority,
            weight: 1.0,
            created: self.now,
            started: None,
            completed: None,
            result: None,
            waiting: false,
        });
        self.publish_task(id, None);
        self.schedule_soon(id);
        id
    }

    /// The task of that number; a fault where there is none.
    pub(in crate::hub) fn need_task(&self, id: i64) -> Result<&Task, Fault> {
        self.tasks.get(id).ok_or_else(|| generic(format!("No such task: {id}")))
    }

    /// A host begins a task that waits; `false` where it does not.
    pub(in crate::hub) fn open_task(&mut self, id: i64, host: i64) -> bool {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id) else { return false };
        if !matches!(task.state, TaskState::Free | TaskState::Assigned) {
            return false;
        }
        let old = task.state;
        task.state = TaskState::Open;
        task.host = Some(host);
        task.started = Some(now);
        self.open_tasks.insert(id);
        self.publish_task(id, Some(old));
        true
    }

    /// A task waits for its children: its host is free for them, or they could never run.
    pub(super) fn wait_for_children(&mut self, id: i64) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.waiting = true;
            self.open_tasks.remove(&id);
        }
    }

    /// Ends a task that is not over.
    pub(in crate::hub) fn end_task(&mut self, id: i64, state: TaskState, result: Option<Answer>) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id).filter(|task| !task.state.is_over()) else { return };
        let old = task.state;
        task.state = state;
        task.result = result;
        task.completed = Some(now);
        task.waiting = false;
        self.live_tasks.remove(&id);
        self.open_tasks.remove(&id);
        self.publish_task(id, Some(old));
        self.farm_task_over(id);
    }

    /// Calls a task off with all below it, and its build; `false` where it was over.
    pub(in crate::hub) fn cancel_task(&mut self, id: i64, recurse: bool) -> bool {
        let mut waiting = vec![id];
        let mut changed = false;
        while let Some(id) = waiting.pop() {
            if self.tasks.get(id).is_some_and(|task| !task.state.is_over()) {
                self.end_task(id, TaskState::Canceled, None);
                if let Some(build) = self.building_of(id) {
                    self.end_build(build, BuildState::Canceled);
                }
                changed = true;
            }
            if recurse {
                waiting.extend(self.children.get(&id).into_iter().flatten());
            }
        }
        changed
    }

    /// Gives a task another priority.
    pub(in crate::hub) fn set_priority(&mut self, id: i64, priority: i64) {
        if let Some(task) = self.tasks.get_mut(id) {
            let old = task.priority;
            task.priority = priority;
            self.farm_priority(id, old, priority);
        }
    }

    /// What a task ended with.
    pub(in crate::hub) fn task_result(&self, id: i64) -> Result<Answer, Fault> {
        let task = self.need_task(id)?;
        match task.state {
            TaskState::Canceled => Err(generic(format!("Task {id} is canceled"))),
            TaskState::Closed | TaskState::Failed => {
                Ok(task.result.clone().unwrap_or(Answer::Value(Value::Nil)))
            }
            TaskState::Free | TaskState::Open | TaskState::Assigned => {
                Err(generic(format!("Task {id} is not finished")))
            }
        }
    }

    /// Tasks that are not over, by number.
    pub(in crate::hub) fn live_tasks(&self) -> impl Iterator<Item = &Task> {
        self.live_tasks.iter().filter_map(|id| self.tasks.get(*id))
    }

    /// Tasks that hosts work on: not those that wait for their children.
    pub(in crate::hub) fn open_tasks(&self) -> impl Iterator<Item = &Task> {
        self.open_tasks.iter().filter_map(|id| self.tasks.get(*id))
    }

    /// The load that a host of the farm reports: what its tasks weigh. A host that calls itself reports none.
    pub(in crate::hub) fn load_of(&self, host: i64) -> f64 {
        let of_host = self.open_tasks().filter(|task| task.host == Some(host) && self.farm_runs(task.id));
        // Not `sum`, whose zero is -0.0.
        of_host.fold(0.0, |sum, task| sum + task.weight)
    }
}

/// What is shown of the request of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Request {
    /// Nothing.
    Hidden,
    /// Its values.
    Decoded,
    /// The text that the hub keeps.
    Raw,
}

impl Task {
    /// The request in that shape.
    pub(in crate::hub) fn request(&self, shape: Request) -> Option<Value> {
        match shape {
            Request::Hidden => None,
            Request::Decoded => Some(Value::Array(self.request.clone())),
            Request::Raw => {
                let call = self.request.iter().cloned().fold(Call::new(self.method.as_str()), Call::arg);
                Some(Value::from(call.encode().unwrap_or_default()))
            }
        }
    }

    /// The members of a task in the order of the alphabet.
    pub(in crate::hub) fn row(&self, request: Request) -> Struct {
        let text = |moment: Option<Moment>| moment.map(|moment| moment.text(' '));
        let stamp = |moment: Option<Moment>| moment.map(Moment::timestamp);
        Struct::new()
            .with("arch", self.arch.as_str())
            .with("awaited", Value::Nil)
            .with("channel_id", self.channel)
            .with("completion_time", text(self.completed))
            .with("completion_ts", stamp(self.completed))
            .with("create_time", self.created.text(' '))
            .with("create_ts", self.created.timestamp())
            .with("host_id", self.host)
            .with("id", self.id)
            .with("label", self.label.as_deref())
            .with("method", self.method.as_str())
            .with("owner", self.owner)
            .with("parent", self.parent)
            .with("priority", self.priority)
            .with_some("request", self.request(request))
            .with("start_time", text(self.started))
            .with("start_ts", stamp(self.started))
            .with("state", self.state as i64)
            .with("waiting", self.waiting.then_some(true))
            .with("weight", self.weight)
    }

    /// Whether it is a scratch build.
    pub(in crate::hub) fn is_scratch(&self) -> bool {
        let opts = self.request.get(2).and_then(Value::as_struct);
        opts.and_then(|opts| opts.get("scratch")).is_some_and(super::super::faults::is_true)
    }

    /// A member of the options of a `build` task.
    pub(in crate::hub) fn option(&self, name: &str) -> Option<&Value> {
        self.request.get(2)?.as_struct()?.get(name)
    }
}
