//! Repos: a tag's change makes those of the build tags below it stale, and they are made anew, few at a time.

use super::super::moment::MICROS;
use super::task::NewTask;
use super::{Repo, World};
use crate::koji::xmlrpc::{Struct, Value};

/// A repo is being made.
const MAKING: i64 = 0;
/// A repo can be used.
const READY: i64 = 1;
/// A newer repo stands in its place.
const EXPIRED: i64 = 2;

impl World {
    /// The content of a tag has changed.
    pub(super) fn tag_changed(&mut self, tag: i64) {
        if !self.farm.settings.enabled || self.farm.settings.repos_at_once == 0 {
            return;
        }
        let heirs = self.heirs(tag);
        let build_tags: Vec<i64> = self.targets.values().map(|target| target.build_tag).collect();
        let (now, mut changed) = (self.now, false);
        for tag in build_tags.into_iter().filter(|tag| heirs.contains(tag)) {
            self.farm.stale.entry(tag).or_insert_with(|| {
                changed = true;
                now
            });
        }
        if changed {
            self.look_at_repos_in(self.farm.settings.repo_delay_seconds);
        }
    }

    /// Makes tasks for stale repos, the longest stale first, as many as may run at one time.
    pub(super) fn renew_repos(&mut self) {
        let settings = &self.farm.settings;
        let delay = settings.repo_delay_seconds.saturating_mul(MICROS);
        let busy = &self.farm.repo_tasks;
        let free = settings.repos_at_once.saturating_sub(busy.len());
        let mut due: Vec<(super::Moment, i64)> = self
            .farm
            .stale
            .iter()
            .filter(|(tag, since)| {
                since.plus_micros(delay) <= self.now && !busy.values().any(|busy| busy == *tag)
            })
            .map(|(tag, since)| (*since, *tag))
            .collect();
        due.sort_unstable();
        let owner = self.ensure_user("kojira");
        let channel = self.channel_named("createrepo").unwrap_or(1);
        for (_, tag) in due.into_iter().take(free) {
            self.farm.stale.remove(&tag);
            let request = vec![Value::from(tag), Value::from(Struct::new())];
            let task =
                self.add_task(NewTask { channel, priority: 15, ..NewTask::new("newRepo", request, owner) });
            self.farm.repo_tasks.insert(task, tag);
        }
    }

    /// A `newRepo` task has begun: what is in the tag now goes into its repo.
    pub(super) fn begin_repo(&mut self, task: i64) {
        let Some(tag) = self.tasks.get(task).and_then(super::Task::request_tag) else { return };
        let repo = Repo {
            id: self.repos.next_id(),
            tag,
            event: self.last_event(),
            created: self.now,
            state: MAKING,
            task,
        };
        self.repos.add(repo);
        self.publish_repo(&repo, false);
    }

    /// A `newRepo` task is done.
    pub(super) fn finish_repo(&mut self, task: i64) {
        let Some(new) = self.repos.values().rev().find(|repo| repo.task == task).copied() else { return };
        for old in self.repos.values_mut() {
            if old.id == new.id {
                old.state = READY;
            } else if old.tag == new.tag && old.state == READY {
                old.state = EXPIRED;
            }
        }
        self.publish_repo(&new, true);
    }

    /// The repo that builds of a tag use.
    pub(in crate::hub) fn ready_repo(&self, tag: i64) -> Option<&Repo> {
        self.repos.values().rev().find(|repo| repo.tag == tag && repo.state == READY)
    }
}

impl super::Task {
    /// The tag of a `newRepo` task.
    fn request_tag(&self) -> Option<i64> {
        self.request.first().and_then(Value::as_int)
    }
}
