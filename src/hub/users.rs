//! Permissions: which there are, and what a call says to somebody who lacks one.

use super::faults::{AUTH, NOT_ALLOWED};
use super::session::Caller;
use super::world::World;
use crate::koji::xmlrpc::{Fault, Struct, Value};

/// The permissions of a hub in the order of their numbers, each with what it is for.
const PERMISSIONS: [(&str, &str); 15] = [
    ("admin", "everything"),
    ("appliance", "appliance builds"),
    ("dist-repo", "repos of signed packages"),
    ("host", "hosts and channels"),
    ("image", "image tasks"),
    ("image-import", "images built elsewhere"),
    ("livecd", "live CD tasks"),
    ("maven-import", "Maven artifacts built elsewhere"),
    ("repo", "repos of build tags"),
    ("sign", "signatures"),
    ("tag", "packages and builds in tags"),
    ("target", "build targets"),
    ("win-admin", "Windows builds"),
    ("win-import", "Windows artifacts built elsewhere"),
    ("draft-promoter", "promotion of drafts of others"),
];

/// The number of a permission.
pub(super) fn permission_id(name: &str) -> Option<i64> {
    (1..).zip(PERMISSIONS).find(|(_, (known, _))| *known == name).map(|(id, _)| id)
}

/// What `getAllPerms` shows.
pub(super) fn all_permissions() -> Vec<Value> {
    let row = |(id, (name, description)): (i64, (&str, &str))| {
        Value::from(Struct::new().with("description", description).with("id", id).with("name", name))
    };
    (1..).zip(PERMISSIONS).map(row).collect()
}

impl World {
    /// Whether a caller has a permission, by itself or as an admin.
    pub(super) fn may(&self, caller: &Caller, permission: &str) -> bool {
        let user = caller.user.and_then(|user| self.users.get(user));
        user.is_some_and(|user| user.permissions.contains(permission) || user.permissions.contains("admin"))
    }

    /// Refuses a caller without that permission.
    pub(super) fn assert_permission(&self, caller: &Caller, permission: &str) -> Result<(), Fault> {
        if self.may(caller, permission) {
            return Ok(());
        }
        let who = caller
            .user
            .map_or("user not logged in".to_owned(), |user| format!("logged in as {}", self.user_name(user)));
        Err(Fault::new(NOT_ALLOWED, format!("{permission} permission required ({who})")))
    }

    /// The user of a caller that has logged in.
    pub(super) fn assert_login(caller: &Caller) -> Result<i64, Fault> {
        caller.user.ok_or_else(|| Fault::new(NOT_ALLOWED, "you must be logged in for this operation"))
    }

    /// The session of a caller that has logged in.
    pub(super) fn need_session(caller: &Caller) -> Result<i64, Fault> {
        caller.session.ok_or_else(|| Fault::new(AUTH, "Not logged in"))
    }
}
