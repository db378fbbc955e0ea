//! `queryHistory`: who changed what, and when.

use super::super::arguments::Arguments;
use super::super::call::Turn;
use super::super::faults::{generic, is_true};
use super::super::world::{Listing, World};
use super::query;
use crate::koji::xmlrpc::{Fault, Struct, Value};

/// The only table whose history a world keeps; that of others is empty.
const TABLE: &str = "tag_listing";

pub(super) fn query(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let world = &*turn.world;
    let filter = Filter::new(world, arguments)?;
    let names: Vec<&str> = match arguments.get("tables").as_array() {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => vec![TABLE],
    };
    let mut tables = Struct::new();
    for name in names {
        let rows: Vec<Struct> = if name == TABLE {
            let listings = world.listings.iter().filter(|listing| filter.fits(world, listing));
            listings.map(|listing| world.history_row(listing)).collect()
        } else {
            Vec::new()
        };
        tables.insert(name, query::shape(rows, arguments.get("queryOpts")));
    }
    Ok(Value::from(tables))
}

/// What is asked for.
struct Filter {
    tag: Option<i64>,
    build: Option<i64>,
    package: Option<i64>,
    editor: Option<i64>,
    active: Option<bool>,
    /// A change after this event, and before that one.
    after: Option<i64>,
    before: Option<i64>,
}

impl Filter {
    fn new(world: &World, arguments: &Arguments) -> Result<Self, Fault> {
        let given = |name: &str| arguments.some(name);
        let event = |by_event: &str, by_time: &str| -> Result<Option<i64>, Fault> {
            match (arguments.int(by_event)?, given(by_time)) {
                (Some(event), _) => Ok(Some(event)),
                (None, None) => Ok(None),
                (None, Some(time)) => {
                    let moment = query::time(time).ok_or_else(|| generic("Invalid time"))?;
                    Ok(Some(world.event_at(moment).unwrap_or(0)))
                }
            }
        };
        Ok(Self {
            tag: given("tag").map(|info| world.need_tag(info).map(|tag| tag.id)).transpose()?,
            build: given("build").map(|info| world.need_build(info).map(|build| build.id)).transpose()?,
            package: given("package").map(|info| world.find_package(info).map_or(0, |package| package.id)),
            editor: given("editor").map(|info| world.find_user(info).map_or(0, |user| user.id)),
            active: given("active").map(is_true),
            after: event("afterEvent", "after")?,
            // A change at a moment is before it no more.
            before: event("beforeEvent", "before")?
                .map(|event| if given("beforeEvent").is_some() { event } else { event + 1 }),
        })
    }

    fn fits(&self, world: &World, listing: &Listing) -> bool {
        let changed = |event: i64, user: i64| {
            self.after.is_none_or(|after| event > after)
                && self.before.is_none_or(|before| event < before)
                && self.editor.is_none_or(|editor| editor == user)
        };
        self.tag.is_none_or(|tag| tag == listing.tag)
            && self.build.is_none_or(|build| build == listing.build)
            && self.active.is_none_or(|active| active == listing.revoked.is_none())
            && self.package.is_none_or(|package| {
                world.builds.get(listing.build).is_some_and(|build| build.package == package)
            })
            && (changed(listing.created, listing.creator)
                || listing.revoked.is_some_and(|(event, user)| changed(event, user)))
    }
}
