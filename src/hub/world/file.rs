//! The file that a world is made from.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A world as somebody writes it down. Things are numbered in the order in which they stand.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorldFile {
    /// Durations, keys and message ids come from it.
    pub seed: u64,
    /// When the world begins, ISO 8601; 2025-02-04T06:00:00Z if not said.
    pub begin: Option<String>,
    /// The virtual farm.
    pub farm: FarmFile,
    /// Users.
    pub user: Vec<UserFile>,
    /// Tags; a parent stands before its child.
    pub tag: Vec<TagFile>,
    /// Build targets.
    pub target: Vec<TargetFile>,
    /// Build hosts.
    pub host: Vec<HostFile>,
    /// Channels beside `default` and `createrepo`.
    pub channel: Vec<String>,
    /// Packages that are somehow special; any other is made when it is first named.
    pub package: Vec<PackageFile>,
    /// Builds that are there from the beginning.
    pub build: Vec<BuildFile>,
}

/// How the farm works. Lengths are whole seconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FarmFile {
    /// Whether tasks are run at all; if not, they stay FREE until somebody opens them.
    pub enabled: bool,
    /// From a FREE task's creation until the scheduler looks at it.
    pub assign_seconds: i64,
    /// How long the making of an SRPM takes: at least, at most.
    pub srpm_seconds: (i64, i64),
    /// How long a build on one architecture takes: at least, at most. Most are near the lower end.
    pub arch_seconds: (i64, i64),
    /// How long tagging takes.
    pub tag_seconds: i64,
    /// How long a new repo takes.
    pub repo_seconds: i64,
    /// From a change of a tag until its build tags need a new repo.
    pub repo_delay_seconds: i64,
    /// New repos made at one time; 0: none are made.
    pub repos_at_once: usize,
    /// Share of builds that fail while they compile, 0 to 1.
    pub failing: f64,
    /// Share of builds whose SRPM cannot be made, 0 to 1.
    pub failing_srpm: f64,
}

impl Default for FarmFile {
    fn default() -> Self {
        Self {
            enabled: true,
            assign_seconds: 3,
            srpm_seconds: (20, 90),
            arch_seconds: (60, 3_600),
            tag_seconds: 5,
            repo_seconds: 300,
            repo_delay_seconds: 30,
            repos_at_once: 4,
            failing: 0.0,
            failing_srpm: 0.0,
        }
    }
}

/// A user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserFile {
    /// Name, also the CN of a certificate.
    pub name: String,
    /// Password; without one there is no login by password.
    pub password: Option<String>,
    /// Permissions, `admin` for all.
    pub permissions: Vec<String>,
    /// Whether logins are refused.
    pub blocked: bool,
}

/// A tag.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagFile {
    /// Name.
    pub name: String,
    /// Architectures with blanks between them, empty for none.
    pub arches: String,
    /// Tags that it inherits from, the nearest first.
    pub parents: Vec<String>,
    /// Whether tagging is refused.
    pub locked: bool,
    /// Permission that tagging needs.
    pub permission: Option<String>,
    /// Whether the hub's policy refuses to tag into it.
    pub denied: bool,
    /// Settings that the builders read, such as `rpm.macro.dist`.
    pub extra: BTreeMap<String, toml::Value>,
    /// Packages in the tag; `["*"]` for all of the world.
    pub packages: Vec<String>,
}

/// A build target.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetFile {
    /// Name.
    pub name: String,
    /// Tag whose content builds are made with.
    pub build_tag: String,
    /// Tag that builds go into.
    pub dest_tag: String,
}

/// A build host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostFile {
    /// Name, also of its user.
    pub name: String,
    /// Architectures with blanks between them.
    pub arches: String,
    /// How much load it takes.
    pub capacity: f64,
    /// Channels it serves.
    pub channels: Vec<String>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it has said that it is ready.
    pub ready: bool,
    /// How many such hosts there are; from 2 on their names end in a number.
    pub count: u32,
}

impl Default for HostFile {
    fn default() -> Self {
        Self {
            name: String::new(),
            arches: "x86_64 noarch".to_owned(),
            capacity: 2.0,
            channels: vec!["default".to_owned()],
            enabled: true,
            ready: true,
            count: 1,
        }
    }
}

/// What is special about a package.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackageFile {
    /// Name.
    pub name: String,
    /// How long it builds on each architecture.
    pub seconds: Option<i64>,
    /// Its fate.
    pub fails: Option<Stage>,
    /// Architectures it is built for, instead of those of the build tag.
    pub arches: Option<String>,
    /// The size of each of its RPMs; 100,000 bytes if not said.
    pub rpm_bytes: Option<i64>,
}

/// Where a build fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// When its SRPM is made: no build is registered and no message sent.
    Srpm,
    /// When it is compiled.
    Build,
}

/// A build that is there from the beginning.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuildFile {
    /// Name, version and release; for a draft without the `,draft_…`.
    pub nvr: String,
    /// Epoch.
    pub epoch: Option<i64>,
    /// Owner; the first user if not said.
    pub owner: Option<String>,
    /// Where its source is.
    pub source: Option<String>,
    /// When it was complete, ISO 8601; the world's beginning if not said.
    pub completed: Option<String>,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it failed.
    pub failed: bool,
    /// Tags it is in, in the order of tagging.
    pub tags: Vec<String>,
}
