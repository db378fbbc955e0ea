//! Makes a world from its file.

use std::collections::{BTreeMap, BTreeSet};

use super::super::moment::Moment;
use super::build::split_nvr;
use super::farm::Farm;
use super::tables::Table;
use super::{
    Availability, Build, BuildFile, BuildState, Host, HostFile, Link, Listed, PackageFile, Tag, TagFile,
    TargetFile, User, UserFile, World, WorldFile, from_toml,
};
use crate::generate::rng::Rng;
use crate::koji::xmlrpc::{Struct, Value};
use crate::time::Second;

/// 2025-02-04T06:00:00Z.
const BEGIN: Second = Second(1_738_648_800);
/// The most hosts of one kind.
const HOSTS_MAX: u32 = 10_000;

/// Why no world comes of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// It is no TOML, or has keys that a world has not.
    #[error("the world cannot be read: {0}")]
    File(String),
    /// Something names what is not there.
    #[error("the world has no {kind} `{name}`, which {by} names: add it, before what names it")]
    Missing {
        /// What kind of thing.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Who names it.
        by: String,
    },
    /// A value that cannot be.
    #[error("{what} `{value}` of the world cannot be read: {wanted}")]
    Invalid {
        /// What it is for.
        what: &'static str,
        /// As written.
        value: String,
        /// What is wanted.
        wanted: &'static str,
    },
}

impl WorldFile {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, WorldError> {
        toml::from_str(text).map_err(|error| WorldError::File(error.to_string()))
    }
}

impl World {
    /// The world that a file describes, at its beginning.
    pub fn new(file: &WorldFile) -> Result<Self, WorldError> {
        let begin = file.begin.as_deref().map_or(Ok(Moment::from(BEGIN)), moment)?;
        let mut world = Self {
            now: begin,
            availability: Availability::default(),
            rng: Rng::new("hub", file.seed),
            users: Table::default(),
            tags: Table::default(),
            targets: Table::default(),
            channels: Table::default(),
            packages: Table::default(),
            builds: Table::default(),
            tasks: Table::default(),
            hosts: Table::default(),
            repos: Table::default(),
            events: vec![begin],
            listings: Vec::new(),
            tagged: BTreeMap::new(),
            active: BTreeMap::new(),
            builds_of_tasks: BTreeMap::new(),
            sessions: super::Sessions::default(),
            outbox: Vec::new(),
            messages_to_lose: 0,
            user_names: BTreeMap::new(),
            tag_names: BTreeMap::new(),
            package_names: BTreeMap::new(),
            nvrs: BTreeMap::new(),
            live_tasks: BTreeSet::new(),
            open_tasks: BTreeSet::new(),
            children: BTreeMap::new(),
            farm: Farm::new(file.farm.clone(), file.seed),
        };
        for name in ["default", "createrepo"].into_iter().chain(file.channel.iter().map(String::as_str)) {
            world.channels.add(name.to_owned());
        }
        file.user.iter().for_each(|user| world.found_user(user));
        for host in &file.host {
            world.found_host(host)?;
        }
        file.package.iter().for_each(|package| world.found_package(package));
        for tag in &file.tag {
            world.found_tag(tag)?;
        }
        for target in &file.target {
            world.found_target(target)?;
        }
        for build in &file.build {
            world.found_build(build)?;
        }
        // What has been before the beginning is not published, and its repos are there.
        world.outbox.clear();
        world.farm = Farm::new(file.farm.clone(), file.seed);
        world.found_repos();
        Ok(world)
    }

    fn found_user(&mut self, file: &UserFile) {
        let id = self.ensure_user(&file.name);
        if let Some(user) = self.users.get_mut(id) {
            *user = User {
                id,
                name: file.name.clone(),
                password: file.password.clone(),
                permissions: file.permissions.iter().cloned().collect(),
                blocked: file.blocked,
                kind: 0,
            };
        }
    }

    fn found_host(&mut self, file: &HostFile) -> Result<(), WorldError> {
        let mut channels = Vec::new();
        for name in &file.channels {
            let channel = self.channel_named(name).ok_or_else(|| missing("channel", name, &file.name))?;
            channels.push(channel);
        }
        for number in 1..=file.count.min(HOSTS_MAX) {
            let name = if file.count == 1 { file.name.clone() } else { format!("{}-{number:02}", file.name) };
            let user = self.ensure_user(&name);
            if let Some(user) = self.users.get_mut(user) {
                user.kind = 1;
            }
            self.hosts.add(Host {
                id: self.hosts.next_id(),
                user,
                name,
                arches: file.arches.clone(),
                capacity: file.capacity,
                channels: channels.clone(),
                enabled: file.enabled,
                ready: file.ready,
                updated: file.ready.then_some(self.now),
            });
        }
        Ok(())
    }

    fn found_package(&mut self, file: &PackageFile) {
        let id = self.ensure_package(&file.name);
        if let Some(package) = self.packages.get_mut(id) {
            package.seconds = file.seconds;
            package.fails = file.fails;
            package.arches.clone_from(&file.arches);
            package.rpm_bytes = file.rpm_bytes.unwrap_or(100_000);
        }
    }

    fn found_tag(&mut self, file: &TagFile) -> Result<(), WorldError> {
        let mut parents = Vec::new();
        for (priority, name) in (0..).zip(&file.parents) {
            let parent = self.tag_named(name).ok_or_else(|| missing("tag", name, &file.name))?.id;
            parents.push(Link { parent, priority });
        }
        let listed = Listed { owner: 1, blocked: false };
        let own = file.packages.iter().filter(|name| *name != "*");
        let packages = own.map(|name| (self.ensure_package(name), listed)).collect();
        self.event();
        self.add_tag(Tag {
            id: 0,
            name: file.name.clone(),
            arches: file.arches.clone(),
            locked: file.locked,
            permission: file.permission.clone(),
            denied: file.denied,
            extra: file
                .extra
                .iter()
                .map(|(name, value)| (name.as_str(), from_toml(value)))
                .collect::<Struct>(),
            parents,
            packages,
            all_packages: file.packages.iter().any(|name| name == "*"),
            side_tag_of: None,
        });
        Ok(())
    }

    fn found_target(&mut self, file: &TargetFile) -> Result<(), WorldError> {
        let tag = |name: &str| {
            self.tag_named(name).map(|tag| tag.id).ok_or_else(|| missing("tag", name, &file.name))
        };
        let (build_tag, dest_tag) = (tag(&file.build_tag)?, tag(&file.dest_tag)?);
        self.event();
        self.add_target(&file.name, build_tag, dest_tag);
        Ok(())
    }

    fn found_build(&mut self, file: &BuildFile) -> Result<(), WorldError> {
        let invalid = || WorldError::Invalid {
            what: "the build",
            value: file.nvr.clone(),
            wanted: "write NAME-VERSION-RELEASE",
        };
        let (name, version, release) = split_nvr(&file.nvr).ok_or_else(invalid)?;
        let owner = match &file.owner {
            Some(owner) => self.user_named(owner).ok_or_else(|| missing("user", owner, &file.nvr))?.id,
            None => 1,
        };
        let completed = file.completed.as_deref().map_or(Ok(self.now), moment)?;
        let (package, id) = (self.ensure_package(name), self.builds.next_id());
        let build = Build {
            id,
            package,
            name: name.to_owned(),
            version: version.to_owned(),
            release: if file.draft { format!("{release},draft_{id}") } else { release.to_owned() },
            epoch: file.epoch,
            draft: file.draft,
            state: if file.failed { BuildState::Failed } else { BuildState::Complete },
            owner,
            task: None,
            source: file.source.clone(),
            extra: Value::Nil,
            created: (self.event(), completed),
            started: completed,
            completed: Some(completed),
            promoted: None,
        };
        self.nvrs.insert(build.nvr(), id);
        self.builds.add(build);
        for name in &file.tags {
            let tag = self.tag_named(name).ok_or_else(|| missing("tag", name, &file.nvr))?.id;
            let newest = self.last_event();
            // By the first user, who is an admin wherever somebody cares.
            self.tag_build(tag, id, 1, true, newest).map_err(|_| invalid())?;
        }
        Ok(())
    }

    /// Every build tag has a repo at the beginning.
    fn found_repos(&mut self) {
        let tags: BTreeSet<i64> = self.targets.values().map(|target| target.build_tag).collect();
        for tag in tags {
            let id = self.repos.next_id();
            let (event, created) = (self.last_event(), self.now);
            self.repos.add(super::Repo { id, tag, event, created, state: 1, task: 0 });
        }
    }
}

fn missing(kind: &'static str, name: &str, by: &str) -> WorldError {
    WorldError::Missing { kind, name: name.to_owned(), by: format!("`{by}`") }
}

fn moment(text: &str) -> Result<Moment, WorldError> {
    Moment::parse(text).ok_or_else(|| WorldError::Invalid {
        what: "the time",
        value: text.to_owned(),
        wanted: "write it as 2025-02-04T06:00:00Z",
    })
}
