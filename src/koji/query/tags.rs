//! Questions about tags, targets and repositories.

use super::{Query, whole};
use crate::koji::answers::{self, Repo, Tag, TagParent, Target};
use crate::koji::fields::{flag, list, optional};
use crate::koji::xmlrpc::Call;

/// A tag by its name (`getTag`).
pub fn get_tag(name: &str) -> Query<Option<Tag>> {
    Query::new(Call::new("getTag").arg(name), |value| optional(value, answers::tag))
}

/// A tag with the settings that it inherits (`getBuildConfig`); a fault where there is no such tag.
pub fn build_config(tag: &str) -> Query<Tag> {
    Query::new(Call::new("getBuildConfig").arg(tag), answers::tag)
}

/// All tags that a tag inherits from, in the order in which they are looked through (`getFullInheritance`).
pub fn full_inheritance(tag: &str) -> Query<Vec<TagParent>> {
    Query::new(Call::new("getFullInheritance").arg(tag), |value| list(value, answers::tag_parent))
}

/// A build target by its name (`getBuildTarget`).
pub fn build_target(name: &str) -> Query<Option<Target>> {
    Query::new(Call::new("getBuildTarget").arg(name), |value| optional(value, answers::target))
}

/// All build targets (`getBuildTargets`).
pub fn build_targets() -> Query<Vec<Target>> {
    Query::new(Call::new("getBuildTargets"), |value| list(value, answers::target))
}

/// Whether a tag takes builds of a package (`checkTagPackage`).
pub fn check_tag_package(tag: &str, package: &str) -> Query<bool> {
    Query::new(Call::new("checkTagPackage").arg(tag).arg(package), flag)
}

/// The repository that is in use for a tag (`getRepo`); `None` before there is one.
pub fn get_repo(tag: &str) -> Query<Option<Repo>> {
    Query::new(Call::new("getRepo").arg(tag), |value| optional(value, answers::repo))
}

/// A repository by its number (`repoInfo`).
pub fn repo_info(id: u64) -> Query<Option<Repo>> {
    Query::new(Call::new("repoInfo").arg(whole(id)), |value| optional(value, answers::repo))
}
