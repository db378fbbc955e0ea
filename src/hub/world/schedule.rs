//! Which host takes which task: by priority, then in the order of creation, where there is room.

use std::collections::{BTreeMap, BTreeSet};

use super::{Host, Task, TaskState, World};

/// Most tasks that one host runs at a time.
const TASKS_MAX: usize = 15;

/// The weight that a task of a method gets once it runs.
fn weight(method: &str) -> f64 {
    match method {
        "build" => 0.2,
        "buildArch" => 1.5,
        "tagBuild" => 0.3,
        "newRepo" => 0.1,
        _ => 1.0,
    }
}

impl World {
    /// Gives waiting tasks to hosts.
    pub(super) fn schedule(&mut self) {
        let mut room = self.room();
        let mut full = BTreeSet::new();
        // Each turn takes a task out of the queue, or a queue out of the choice.
        while let Some((needs, place)) = self.farm.first_waiting(&full) {
            let (_, id) = place;
            let Some(task) = self.tasks.get(id).filter(|task| task.state == TaskState::Free) else {
                self.farm.forget(&needs, place);
                continue;
            };
            let Some(host) = self.host_for(task, &room) else {
                full.insert(needs);
                continue;
            };
            let weight = weight(&task.method);
            if let Some((load, tasks)) = room.get_mut(&host) {
                *load += weight;
                *tasks += 1;
            }
            self.farm.forget(&needs, place);
            if self.open_task(id, host) {
                if let Some(task) = self.tasks.get_mut(id) {
                    task.weight = weight;
                }
                self.begin_work(id);
            }
        }
    }

    /// Load and number of the tasks that each host runs.
    fn room(&self) -> BTreeMap<i64, (f64, usize)> {
        let mut room: BTreeMap<i64, (f64, usize)> =
            self.hosts.values().map(|host| (host.id, (0.0, 0))).collect();
        for task in self.open_tasks() {
            if let Some((load, tasks)) = task.host.and_then(|host| room.get_mut(&host)) {
                *load += task.weight;
                *tasks += 1;
            }
        }
        room
    }

    /// The host with the most room among those that may take a task.
    fn host_for(&self, task: &Task, room: &BTreeMap<i64, (f64, usize)>) -> Option<i64> {
        let free = |host: &Host| {
            let (load, tasks) = room.get(&host.id)?;
            let left = host.capacity - load;
            (left > 0.0 && *tasks < TASKS_MAX).then_some((host.id, left))
        };
        let fits = |host: &&Host| {
            let has_arch = host.arches.split_whitespace().any(|arch| arch == task.arch);
            host.enabled
                && host.ready
                && host.channels.contains(&task.channel)
                && (has_arch || task.arch == "noarch")
        };
        let candidates = self.hosts.values().filter(fits).filter_map(free);
        // The first of equals, so that the same world always decides the same.
        candidates
            .fold(None, |best: Option<(i64, f64)>, (id, left)| match best {
                Some((_, most)) if most >= left => best,
                Some(_) | None => Some((id, left)),
            })
            .map(|(id, _)| id)
    }
}
