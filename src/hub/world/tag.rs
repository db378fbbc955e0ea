//! Tags: what is in them, what they inherit, and how builds go in and out.

use std::collections::{BTreeMap, BTreeSet};

use super::super::faults::{NOT_ALLOWED, TAG, UNKNOWN};
use super::{Build, BuildState, Link, Listing, Tag, World};
use crate::koji::xmlrpc::{Fault, Struct, Value};

/// How deep inheritance is followed; deeper than any hub's, and the end of a ring.
const DEPTH_MAX: i64 = 64;

/// What is asked of the content of a tag.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::hub) struct Wanted<'a> {
    /// At this event instead of now.
    pub(in crate::hub) event: Option<i64>,
    pub(in crate::hub) inherit: bool,
    /// The newest so many builds of each package; 0 for all.
    pub(in crate::hub) latest: usize,
    pub(in crate::hub) package: Option<i64>,
    pub(in crate::hub) prefix: Option<&'a str>,
    pub(in crate::hub) owner: Option<i64>,
    pub(in crate::hub) draft: Option<bool>,
}

impl World {
    /// All tags that `tag` inherits from, nearest first, as (child, link, depth).
    pub(in crate::hub) fn inheritance(&self, tag: i64) -> Vec<(i64, Link, i64)> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([tag]);
        self.follow(tag, 1, &mut seen, &mut found);
        found
    }

    fn follow(&self, child: i64, depth: i64, seen: &mut BTreeSet<i64>, found: &mut Vec<(i64, Link, i64)>) {
        if depth > DEPTH_MAX {
            return;
        }
        for link in self.tags.get(child).into_iter().flat_map(|tag| &tag.parents) {
            if seen.insert(link.parent) {
                found.push((child, *link, depth));
                self.follow(link.parent, depth + 1, seen, found);
            }
        }
    }

    /// The same from parents to children: all tags that inherit from `tag`, and it itself.
    pub(in crate::hub) fn heirs(&self, tag: i64) -> BTreeSet<i64> {
        let mut heirs = BTreeSet::from([tag]);
        loop {
            let before = heirs.len();
            for child in self.tags.values() {
                if child.parents.iter().any(|link| heirs.contains(&link.parent)) {
                    heirs.insert(child.id);
                }
            }
            if heirs.len() == before {
                return heirs;
            }
        }
    }

    /// Whether a package is in the list of a tag, its own or an inherited one; `None` where it is in none, else whether
    /// it is blocked.
    pub(in crate::hub) fn package_in(&self, tag: i64, package: i64) -> Option<bool> {
        let chain =
            std::iter::once(tag).chain(self.inheritance(tag).into_iter().map(|(_, link, _)| link.parent));
        chain.filter_map(|tag| self.tags.get(tag)).find_map(|tag| {
            tag.packages.get(&package).map(|listed| listed.blocked).or(tag.all_packages.then_some(false))
        })
    }

    /// The listings that a tag shows, newest first, those of nearer tags before inherited ones.
    pub(in crate::hub) fn tagged_builds(&self, tag: i64, wanted: &Wanted<'_>) -> Vec<(&Listing, &Build)> {
        let mut chain = vec![tag];
        if wanted.inherit {
            chain.extend(self.inheritance(tag).into_iter().map(|(_, link, _)| link.parent));
        }
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        let mut allowed: BTreeMap<i64, bool> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for tag_of_chain in chain {
            for listing in self.listings_of(tag_of_chain, wanted.event) {
                let Some(build) = self.builds.get(listing.build) else { continue };
                let fits = build.state == BuildState::Complete
                    && wanted.package.is_none_or(|package| package == build.package)
                    && wanted.prefix.is_none_or(|prefix| build.name.to_lowercase().starts_with(prefix))
                    && wanted.owner.is_none_or(|owner| owner == build.owner)
                    && wanted.draft.is_none_or(|draft| draft == build.draft);
                let listed = fits
                    && *allowed
                        .entry(build.package)
                        .or_insert_with(|| self.package_in(tag, build.package) == Some(false));
                if !listed || !seen.insert(build.id) {
                    continue;
                }
                let count = counts.entry(build.package).or_default();
                *count += 1;
                if wanted.latest == 0 || *count <= wanted.latest {
                    found.push((listing, build));
                }
            }
        }
        found
    }

    /// The listings of a tag itself, newest first.
    fn listings_of(&self, tag: i64, event: Option<i64>) -> Vec<&Listing> {
        let Some(event) = event else {
            let places = self.tagged.get(&tag).into_iter().flatten().rev();
            return places.filter_map(|place| self.listings.get(*place)).collect();
        };
        let was_in = |listing: &&Listing| {
            listing.tag == tag
                && listing.created <= event
                && listing.revoked.is_none_or(|(revoked, _)| revoked > event)
        };
        self.listings.iter().rev().filter(was_in).collect()
    }

    /// Whether a build is in a tag now, and by which event.
    pub(in crate::hub) fn listing(&self, tag: i64, build: i64) -> Option<&Listing> {
        self.listings.get(*self.active.get(&(build, tag))?)
    }

    /// The tags that a build is in.
    pub(in crate::hub) fn tags_of(&self, build: i64) -> Vec<&Tag> {
        let tags = self.active.range((build, i64::MIN)..=(build, i64::MAX)).map(|((_, tag), _)| *tag);
        tags.filter_map(|tag| self.tags.get(tag)).collect()
    }

    /// Whether a user may change what is in a tag.
    pub(in crate::hub) fn assert_tag_access(&self, tag: &Tag, user: i64, force: bool) -> Result<(), Fault> {
        let permissions = self.users.get(user).map(|user| &user.permissions);
        let has = |name: &str| permissions.is_some_and(|all| all.contains(name));
        if force && has("admin") {
            return Ok(());
        }
        if tag.locked {
            return Err(Fault::new(NOT_ALLOWED, "tag is locked"));
        }
        match &tag.permission {
            Some(needed) if !has(needed) && !has("admin") => {
                Err(Fault::new(NOT_ALLOWED, format!("tag requires {needed} permission")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Puts a build into a tag. `since` is the newest event that the call had seen when it looked whether the build is in
    /// already: what came after it was made by a transaction that ran beside.
    pub(in crate::hub) fn tag_build(
        &mut self,
        tag: i64,
        build: i64,
        user: i64,
        force: bool,
        since: i64,
    ) -> Result<(), Fault> {
        let (name, row) = (self.tag_name(tag).to_owned(), self.builds.get(build));
        let Some(row) = row else { return Ok(()) };
        let nvr = row.nvr();
        row.assert_complete()?;
        match self.listing(tag, build).map(|listing| listing.created) {
            Some(created) if created > since => return Err(duplicate(build, tag)),
            Some(_) if !force => {
                return Err(Fault::new(TAG, format!("build {nvr} already tagged ({name})")));
            }
            Some(_) => self.revoke(tag, build, user),
            None => {}
        }
        let event = self.event();
        self.tagged.entry(tag).or_default().insert(self.listings.len());
        self.active.insert((build, tag), self.listings.len());
        self.listings.push(Listing { tag, build, created: event, creator: user, revoked: None });
        self.publish_tag(tag, build, user, true);
        self.tag_changed(tag);
        Ok(())
    }

    /// Takes a build out of a tag.
    pub(in crate::hub) fn untag_build(&mut self, tag: i64, build: i64, user: i64) -> Result<(), Fault> {
        if self.listing(tag, build).is_none() {
            let nvr = self.builds.get(build).map(Build::nvr).unwrap_or_default();
            return Err(Fault::new(TAG, format!("build {nvr} not in tag {}", self.tag_name(tag))));
        }
        self.revoke(tag, build, user);
        self.tag_changed(tag);
        Ok(())
    }

    fn revoke(&mut self, tag: i64, build: i64, user: i64) {
        let event = self.event();
        let Some(place) = self.active.remove(&(build, tag)) else { return };
        if let Some(places) = self.tagged.get_mut(&tag) {
            places.remove(&place);
        }
        if let Some(listing) = self.listings.get_mut(place) {
            listing.revoked = Some((event, user));
        }
        self.publish_tag(tag, build, user, false);
    }

    /// The members that `listTags` shows of a tag, in the order of the alphabet.
    pub(in crate::hub) fn tag_row(tag: &Tag) -> Struct {
        let permission = tag.permission.as_deref();
        Struct::new()
            .with("arches", tag.arches.as_str())
            .with("id", tag.id)
            .with("locked", tag.locked)
            .with("maven_include_all", false)
            .with("maven_support", false)
            .with("name", tag.name.as_str())
            .with("perm", permission)
            .with("perm_id", permission.and_then(super::super::users::permission_id))
    }

    /// The settings of a tag, inherited ones included.
    pub(in crate::hub) fn extra_of(&self, tag: i64) -> Struct {
        let chain =
            std::iter::once(tag).chain(self.inheritance(tag).into_iter().map(|(_, link, _)| link.parent));
        let mut all = Struct::new();
        for tag in chain.filter_map(|tag| self.tags.get(tag)) {
            for (name, value) in tag.extra.iter() {
                if all.get(name).is_none() {
                    all.insert(name, value.clone());
                }
            }
        }
        all
    }

    /// A listing as `queryHistory` shows it.
    pub(in crate::hub) fn history_row(&self, listing: &Listing) -> Struct {
        let build = self.builds.get(listing.build);
        let stamp = |event: i64| self.event_time(event).map(super::Moment::timestamp);
        let (revoked, by) = listing.revoked.unzip();
        Struct::new()
            .with("active", listing.revoked.is_none())
            .with("build.state", build.map(|build| build.state as i64))
            .with("build_id", listing.build)
            .with("create_event", listing.created)
            .with("create_ts", stamp(listing.created))
            .with("creator_id", listing.creator)
            .with("creator_name", self.user_name(listing.creator))
            .with("epoch", build.and_then(|build| build.epoch))
            .with("name", build.map(|build| build.name.as_str()))
            .with("release", build.map(|build| build.release.as_str()))
            .with("revoke_event", revoked)
            .with("revoke_ts", revoked.and_then(stamp))
            .with("revoker_id", by)
            .with("revoker_name", by.map(|user| self.user_name(user)))
            .with("tag.name", self.tag_name(listing.tag))
            .with("tag_id", listing.tag)
            .with("version", build.map(|build| build.version.as_str()))
    }
}

impl Build {
    /// Refuses a build that cannot be tagged.
    pub(in crate::hub) fn assert_complete(&self) -> Result<(), Fault> {
        if self.state == BuildState::Complete {
            return Ok(());
        }
        let text = format!("build {} not complete: state {}", self.nvr(), self.state.name());
        Err(Fault::new(TAG, text))
    }
}

/// What the database says to the second of two transactions that tag one build at once.
fn duplicate(build: i64, tag: i64) -> Fault {
    Fault::new(
        UNKNOWN,
        format!(
            "<class 'psycopg2.errors.UniqueViolation'>: duplicate key value violates unique constraint \
             \"tag_listing_build_id_tag_id_active_key\"\nDETAIL:  Key (build_id, tag_id, active)=({build}, {tag}, t) \
             already exists.\n"
        ),
    )
}

/// A row of a tagged build.
pub(in crate::hub) fn tagged_row(world: &World, listing: &Listing, build: &Build, extra: bool) -> Struct {
    const HIDDEN: [&str; 8] =
        ["cg_id", "cg_name", "completion_ts", "creation_ts", "promotion_ts", "source", "start_ts", "extra"];
    let mut row = Struct::new();
    for (name, value) in world.build_row(build).iter() {
        if name == "creation_event_id" {
            row.insert("create_event", listing.created);
        }
        if name == "task_id" {
            row.insert("tag_id", listing.tag);
            row.insert("tag_name", world.tag_name(listing.tag));
        }
        if !HIDDEN.contains(&name) || (name == "extra" && extra) {
            row.insert(name, value.clone());
        }
    }
    row
}

/// How many builds of a package `latest` asks for; 0 for all.
pub(in crate::hub) fn latest(value: &Value) -> usize {
    match value.as_int() {
        Some(number) => usize::try_from(number).unwrap_or(0),
        None => usize::from(super::super::faults::is_true(value)),
    }
}
