//! The world of a hub: what it keeps and what happens to it. Pure: time comes as an argument, randomness from a seed.

mod build;
mod farm;
mod file;
mod found;
mod message;
mod repo;
mod schedule;
mod tables;
mod tag;
mod task;

use std::collections::{BTreeMap, BTreeSet};

use super::moment::Moment;
use super::session::Sessions;
use crate::generate::rng::Rng;
use crate::koji::xmlrpc::{Fault, Struct, Value};

pub use self::file::{
    BuildFile, FarmFile, HostFile, PackageFile, Stage, TagFile, TargetFile, UserFile, WorldFile,
};
pub use self::found::WorldError;
pub use self::message::Message;
pub use self::tables::{BuildState, TaskState};

pub(super) use self::build::NewBuild;
pub(super) use self::tables::{
    Build, Host, Link, Listed, Listing, Package, Repo, Table, Tag, Target, Task, User,
};
pub(super) use self::tag::{Wanted, latest, tagged_row};
pub(super) use self::task::{NewTask, Request};

use self::farm::Farm;

/// The rows that one world may have in all; a call that would pass it is refused.
const ROWS_MAX: usize = 5_000_000;

/// Why the hub as a whole refuses calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Availability {
    /// It takes calls.
    #[default]
    Open,
    /// `ServerOffline`, with the words of the operator.
    Offline(String),
    /// `LockOut`: admins only.
    LockedOut,
    /// Its database is down.
    DatabaseDown,
    /// A plugin cannot be loaded.
    Misconfigured,
}

/// Everything that a hub knows.
#[derive(Debug)]
pub struct World {
    pub(super) now: Moment,
    pub(super) availability: Availability,
    pub(super) rng: Rng,
    pub(super) users: Table<User>,
    pub(super) tags: Table<Tag>,
    pub(super) targets: Table<Target>,
    pub(super) channels: Table<String>,
    pub(super) packages: Table<Package>,
    pub(super) builds: Table<Build>,
    pub(super) tasks: Table<Task>,
    pub(super) hosts: Table<Host>,
    pub(super) repos: Table<Repo>,
    /// Times of Koji's events; the place is the number, less one.
    pub(super) events: Vec<Moment>,
    /// All taggings that ever were, in the order of their events.
    pub(super) listings: Vec<Listing>,
    /// Places in `listings` of what is in a tag now, oldest first.
    pub(super) tagged: BTreeMap<i64, BTreeSet<usize>>,
    /// The same by build and tag.
    active: BTreeMap<(i64, i64), usize>,
    pub(super) sessions: Sessions,
    /// What has happened and is not yet published.
    pub(super) outbox: Vec<Message>,
    messages_to_lose: u64,
    /// Numbers by name.
    user_names: BTreeMap<String, i64>,
    tag_names: BTreeMap<String, i64>,
    package_names: BTreeMap<String, i64>,
    nvrs: BTreeMap<String, i64>,
    /// The newest build of each task that has made one.
    builds_of_tasks: BTreeMap<i64, i64>,
    /// Tasks that are not over, those of them that a host works on, and children by parent.
    live_tasks: BTreeSet<i64>,
    open_tasks: BTreeSet<i64>,
    pub(super) children: BTreeMap<i64, Vec<i64>>,
    farm: Farm,
}

impl World {
    /// The time in this world.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Lets time pass up to `now`: tasks are assigned, run and end, and repos are made anew, in the order of their times.
    /// An earlier time changes nothing.
    pub fn advance(&mut self, now: Moment) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            self.now = self.now.max(due);
            self.run_due();
        }
        self.now = self.now.max(now);
    }

    /// When something happens next by itself.
    pub fn next_due(&self) -> Option<Moment> {
        self.farm.next_due()
    }

    /// Refuses calls from now on, or takes them again.
    pub fn set_availability(&mut self, availability: Availability) {
        self.availability = availability;
    }

    /// Takes what has happened since the last time, in order.
    pub fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.outbox)
    }

    /// Whether a host says that it is ready, from now on.
    pub fn set_host_ready(&mut self, name: &str, ready: bool) {
        let now = self.now;
        for host in self.hosts.values_mut().filter(|host| host.name == name) {
            host.ready = ready;
            host.updated = Some(now);
        }
    }

    /// How many tasks are not over.
    pub fn count_live_tasks(&self) -> usize {
        self.live_tasks.len()
    }

    /// A new event, now.
    pub(super) fn event(&mut self) -> i64 {
        self.events.push(self.now);
        self.last_event()
    }

    /// The number of the newest event.
    pub(super) fn last_event(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap_or(i64::MAX)
    }

    /// The time of an event.
    pub(super) fn event_time(&self, event: i64) -> Option<Moment> {
        let place = usize::try_from(event).ok()?.checked_sub(1)?;
        self.events.get(place).copied()
    }

    /// The newest event not after `moment`.
    pub(super) fn event_at(&self, moment: Moment) -> Option<i64> {
        let count = self.events.partition_point(|time| *time <= moment);
        i64::try_from(count).ok().filter(|count| *count > 0)
    }

    /// Whether the world has room for more.
    pub(super) fn is_full(&self) -> bool {
        self.tasks.len() + self.builds.len() + self.listings.len() + self.sessions.len() >= ROWS_MAX
    }

    pub(super) fn user_named(&self, name: &str) -> Option<&User> {
        self.users.get(*self.user_names.get(name)?)
    }

    pub(super) fn user_name(&self, id: i64) -> &str {
        self.users.get(id).map_or("", |user| &user.name)
    }

    /// The user of that name, made if there is none.
    pub(super) fn ensure_user(&mut self, name: &str) -> i64 {
        if let Some(id) = self.user_names.get(name) {
            return *id;
        }
        let id = self.users.next_id();
        self.user_names.insert(name.to_owned(), id);
        self.users.add(User { id, name: name.to_owned(), ..User::default() })
    }

    /// The package of that name, made if there is none.
    pub(super) fn ensure_package(&mut self, name: &str) -> i64 {
        if let Some(id) = self.package_names.get(name) {
            return *id;
        }
        let id = self.packages.next_id();
        self.package_names.insert(name.to_owned(), id);
        self.packages.add(Package { id, name: name.to_owned(), ..Package::default() })
    }

    pub(super) fn package_named(&self, name: &str) -> Option<&Package> {
        self.packages.get(*self.package_names.get(name)?)
    }

    pub(super) fn tag_named(&self, name: &str) -> Option<&Tag> {
        self.tags.get(*self.tag_names.get(name)?)
    }

    pub(super) fn tag_name(&self, id: i64) -> &str {
        self.tags.get(id).map_or("", |tag| &tag.name)
    }

    pub(super) fn add_tag(&mut self, tag: Tag) -> i64 {
        let id = self.tags.next_id();
        self.tag_names.insert(tag.name.clone(), id);
        self.tags.add(Tag { id, ..tag })
    }

    pub(super) fn remove_tag(&mut self, id: i64) {
        if let Some(tag) = self.tags.remove(id) {
            self.tag_names.remove(&tag.name);
        }
    }

    pub(super) fn add_target(&mut self, name: &str, build_tag: i64, dest_tag: i64) {
        let id = self.targets.next_id();
        self.targets.add(Target { id, name: name.to_owned(), build_tag, dest_tag });
    }

    pub(super) fn target_named(&self, name: &str) -> Option<&Target> {
        self.targets.values().find(|target| target.name == name)
    }

    pub(super) fn channel_named(&self, name: &str) -> Option<i64> {
        self.channels.iter().find(|(_, known)| *known == name).map(|(id, _)| id)
    }
}

/// Looks a thing up by number or name, as most methods of a hub take it.
impl World {
    /// The tag that `info` names: a number, a name or a struct of one of them.
    pub(super) fn find_tag(&self, info: &Value) -> Option<&Tag> {
        match info {
            Value::Int(id) => self.tags.get(*id),
            Value::String(name) => self.tag_named(name),
            Value::Struct(members) => self.find_tag(members.get("id").or_else(|| members.get("name"))?),
            Value::Nil
            | Value::Bool(_)
            | Value::Double(_)
            | Value::Bytes(_)
            | Value::DateTime(_)
            | Value::Array(_) => None,
        }
    }

    /// The same; a fault where there is none.
    pub(super) fn need_tag(&self, info: &Value) -> Result<&Tag, Fault> {
        self.find_tag(info)
            .ok_or_else(|| super::faults::generic(format!("No such tagInfo: {}", super::faults::repr(info))))
    }

    pub(super) fn find_user(&self, info: &Value) -> Option<&User> {
        match info {
            Value::Int(id) => self.users.get(*id),
            Value::String(name) => self.user_named(name),
            Value::Struct(members) => self.find_user(members.get("id").or_else(|| members.get("name"))?),
            Value::Nil
            | Value::Bool(_)
            | Value::Double(_)
            | Value::Bytes(_)
            | Value::DateTime(_)
            | Value::Array(_) => None,
        }
    }

    /// The number of a user who is asked for; one that nobody has where there is no such user.
    pub(super) fn user_id(&self, info: &Value) -> i64 {
        self.find_user(info).map_or(0, |user| user.id)
    }

    /// The same of a package.
    pub(super) fn package_id(&self, info: &Value) -> i64 {
        self.find_package(info).map_or(0, |package| package.id)
    }

    pub(super) fn find_package(&self, info: &Value) -> Option<&Package> {
        match info {
            Value::Int(id) => self.packages.get(*id),
            Value::String(name) => self.package_named(name),
            Value::Struct(members) => self.find_package(members.get("id").or_else(|| members.get("name"))?),
            Value::Nil
            | Value::Bool(_)
            | Value::Double(_)
            | Value::Bytes(_)
            | Value::DateTime(_)
            | Value::Array(_) => None,
        }
    }
}

/// Members with empty values, for a struct that is a dictionary.
pub(super) fn from_toml(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(truth) => Value::from(*truth),
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(items) => Value::Array(items.iter().map(from_toml).collect()),
        toml::Value::Table(members) => Value::from(
            members.iter().map(|(name, value)| (name.as_str(), from_toml(value))).collect::<Struct>(),
        ),
    }
}
