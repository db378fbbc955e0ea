//! The checked settings of a pipeline, as the engine takes them.
//!
//! The pipeline file (`crate::pipeline`) is read into these; whoever holds a [`Settings`] holds values that were
//! checked against each other. Lengths are whole seconds of event time.

use serde::{Deserialize, Serialize};

use crate::time::{Second, Seconds};

/// All that the engine needs to know of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The pipeline's name, for people.
    pub name: String,
    /// Hash of the effective configuration, shown with every decision: 16 hexadecimal digits.
    pub hash: String,
    /// Topics and instances that are read.
    pub route: Route,
    /// How event time is told from the messages.
    pub clock: ClockSettings,
    /// The trigger tag and its family.
    pub trigger: Trigger,
    /// What is eligible.
    pub select: Select,
    /// How long identities and builds are remembered.
    pub dedupe: DedupeSettings,
    /// What counts as fresh evidence.
    pub evidence: EvidenceSettings,
    /// Burst rules and holds.
    pub burst: BurstSettings,
    /// The governor's rate, for the estimate that replay prints.
    pub governor: GovernorSettings,
    /// Bounds of everything that grows.
    pub bounds: Bounds,
}

/// Which messages are read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Topic prefix with its last point, e.g. `org.fedoraproject.prod.buildsys.`; `tag`, `untag`,
    /// `build.state.change` and `package.list.change` below it are read.
    pub topic_prefix: String,
    /// Koji instances that are read; a message that names none belongs to the first. Never empty.
    pub instances: Vec<String>,
}

/// Event time (design section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSettings {
    /// How far the watermark of a partition trails its newest event time.
    pub disorder: Seconds,
    /// How far `sent-at` may lie ahead of the record's Kafka time before it is not believed.
    pub max_future: Seconds,
    /// Longest silence of the whole source after which nothing advances by elapsed time.
    pub source_silence: Seconds,
    /// Kafka's time is the time of publishing (`create_time_is = "publish"`): then it may stand in for `sent-at`.
    pub kafka_time_is_publish: bool,
    /// Records before this event time only teach. `None`: all are judged.
    pub begin: Option<Second>,
}

/// The tag whose new builds trigger a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The tag's name.
    pub tag: String,
    /// The tags ever followed, the trigger tag included, oldest first.
    pub family: Vec<FamilyTag>,
    /// Whether the tag stands behind an alias, so that the next tag of its family may be seen before the alias moves.
    pub by_alias: bool,
    /// How quiet the next tag must have been before its builds go on.
    pub cutover_quiet: Seconds,
    /// Whether the sink's buildroot must have been made anew as well.
    pub needs_buildroot: bool,
}

/// One tag that is or was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyTag {
    /// The tag's name.
    pub tag: String,
    /// When it was left; `None` where it counts as not left.
    pub left_at: Option<Second>,
}

/// Which packages are eligible.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Select {
    /// If not empty, a downstream name must match one of these regular expressions.
    pub include: Vec<String>,
    /// A downstream name that matches one of these is not eligible.
    pub exclude: Vec<String>,
    /// Pairs (upstream name, downstream name).
    pub renames: Vec<(String, String)>,
    /// Share (0 to 1) of a package list that may change at once without an operator's word.
    pub list_change_max: f64,
    /// Whether a package list must be there before anything is eligible.
    pub needs_list: bool,
}

/// How long things are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupeSettings {
    /// Message identities.
    pub message_ids: Seconds,
    /// Builds seen in a family tag.
    pub known_builds: Seconds,
    /// Builds ignored for their package, to be judged again when it becomes eligible.
    pub ignored: Seconds,
}

/// Fresh evidence (design section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceSettings {
    /// How old a completion or an appearance may be.
    pub max_trail_age: Seconds,
    /// Tags of candidates; `{release}` stands for each family tag: `{release}-updates-candidate`.
    pub candidate_tags: Vec<String>,
    /// Tags of mass rebuilds: a build seen there waits for the operator.
    pub rebuild_tags: Vec<String>,
    /// Prefixes of numbered side tags; the number and anything behind it follows: `{release}-build-side-`.
    pub side_tag_prefixes: Vec<String>,
}

/// A burst rule: `count` distinct builds of one tag within `within`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Distinct builds, at least 2.
    pub count: u32,
    /// Length of the window in whole seconds, at least 1.
    pub within: Seconds,
}

/// Bursts and holds (design section 7).
#[derive(Debug, Clone, PartialEq)]
pub struct BurstSettings {
    /// Rules of the trigger tag; never empty.
    pub rules: Vec<Rule>,
    /// Rules of every other tag; never empty.
    pub other_rules: Vec<Rule>,
    /// How long every event waits so that a rule can still claim it.
    pub hold_back: Seconds,
    /// How long no rule may have held for a burst to be over.
    pub quiet: Seconds,
    /// The same for an undecided group of more than `large` members.
    pub quiet_large: Seconds,
    /// Members from which `quiet_large` counts.
    pub large: u32,
    /// How long a group may stay undecided, from its first member on.
    pub suspect_max: Seconds,
    /// Decayed size (half-life 1 h) from which a group is a burst whatever its evidence.
    pub hold_size: u32,
    /// Fresh members of one actor from which it is a mass rebuild.
    pub actor_size: u32,
    /// Actors that tag by the normal gating, such as `bodhi`.
    pub gating_users: Vec<String>,
    /// What is to become of a hold that nobody decides.
    pub hold_rule: Option<HoldRule>,
}

/// A stated rule of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRule {
    /// Event time from the hold's opening on.
    pub after: Seconds,
    /// What happens then.
    pub then: HoldAction,
}

/// What a stated rule does with a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldAction {
    /// Nothing: an operator decides.
    Wait,
    /// Releases what has fresh evidence, through the governor.
    Drain,
    /// Drops all.
    Drop,
}

/// Rate at the sink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GovernorSettings {
    /// Builds an hour.
    pub per_hour: f64,
    /// Builds that may start at once after a pause.
    pub capacity: u32,
    /// Builds under way at one time.
    pub in_flight: u32,
}

/// Counts at which growth stops: at a bound reading pauses (`waiting`, `held`) or the oldest knowledge that is no
/// longer needed for safety gives way (the others).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Events between reading and decision.
    pub waiting: u32,
    /// Events in holds.
    pub held: u32,
    /// Distinct tag and actor names.
    pub names: u32,
    /// Build keys remembered.
    pub builds: u32,
}

impl Settings {
    /// The design's defaults for a trigger tag without a family.
    pub fn defaults(tag: &str) -> Self {
        Self {
            name: tag.to_owned(),
            hash: "0000000000000000".to_owned(),
            route: Route {
                topic_prefix: "org.fedoraproject.prod.buildsys.".to_owned(),
                instances: vec!["primary".to_owned()],
            },
            clock: ClockSettings {
                disorder: Seconds(5),
                max_future: Seconds(60),
                source_silence: Seconds(600),
                kafka_time_is_publish: false,
                begin: None,
            },
            trigger: Trigger {
                tag: tag.to_owned(),
                family: vec![FamilyTag { tag: tag.to_owned(), left_at: None }],
                by_alias: false,
                cutover_quiet: Seconds(2 * 3_600),
                needs_buildroot: false,
            },
            select: Select { list_change_max: 0.1, ..Select::default() },
            dedupe: DedupeSettings {
                message_ids: Seconds(30 * 86_400),
                known_builds: Seconds(400 * 86_400),
                ignored: Seconds(7 * 86_400),
            },
            evidence: EvidenceSettings {
                max_trail_age: Seconds(14 * 86_400),
                candidate_tags: vec![
                    "{release}-candidate".to_owned(),
                    "{release}-updates-candidate".to_owned(),
                ],
                rebuild_tags: vec!["{release}-rebuild".to_owned()],
                side_tag_prefixes: vec!["{release}-build-side-".to_owned()],
            },
            burst: BurstSettings {
                rules: vec![Rule { count: 100, within: Seconds(5) }, Rule { count: 30, within: Seconds(60) }],
                other_rules: vec![
                    Rule { count: 100, within: Seconds(5) },
                    Rule { count: 30, within: Seconds(60) },
                ],
                hold_back: Seconds(61),
                quiet: Seconds(60),
                quiet_large: Seconds(600),
                large: 500,
                suspect_max: Seconds(1_800),
                hold_size: 6_000,
                actor_size: 200,
                gating_users: vec!["bodhi".to_owned()],
                hold_rule: None,
            },
            governor: GovernorSettings { per_hour: 40.0, capacity: 4, in_flight: 40 },
            bounds: Bounds { waiting: 500_000, held: 500_000, names: 200_000, builds: 20_000_000 },
        }
    }
}
