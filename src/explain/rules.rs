//! The numbers of a pipeline that explanations name; the state keeps them beside the hash of the configuration.

use serde::{Deserialize, Serialize};

use crate::settings::{FamilyTag, HoldRule, Rule, Settings};
use crate::time::{Second, Seconds};

/// What explanations need to know of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// The tag whose new builds are rebuilt.
    pub trigger: String,
    /// The tags ever followed, oldest first.
    pub family: Vec<FamilyTag>,
    /// Koji instances that are read.
    pub instances: Vec<String>,
    /// Topics below this prefix are read.
    pub topic_prefix: String,
    /// What came before this time only teaches.
    pub begin: Option<Second>,
    /// How long every build waits.
    pub hold_back: Seconds,
    /// Burst rules of the trigger tag.
    pub rules: Vec<Rule>,
    /// Decayed size from which a group is a burst whatever its evidence.
    pub hold_size: u32,
    /// Fresh members of one actor from which it is a mass rebuild.
    pub actor_size: u32,
    /// What becomes of a hold that nobody decides.
    pub hold_rule: Option<HoldRule>,
    /// How old evidence may be.
    pub max_trail_age: Seconds,
    /// Candidate tags, with `{release}` for a followed tag.
    pub candidate_tags: Vec<String>,
    /// Tags of mass rebuilds.
    pub rebuild_tags: Vec<String>,
    /// Prefixes of side tags.
    pub side_tag_prefixes: Vec<String>,
    /// How long identities of messages are remembered.
    pub message_ids: Seconds,
    /// How long builds of packages that are not listed are kept to be judged again.
    pub ignored: Seconds,
    /// Builds an hour that are submitted.
    pub per_hour: f64,
}

impl Rules {
    /// Those of checked settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            trigger: settings.trigger.tag.clone(),
            family: settings.trigger.family.clone(),
            instances: settings.route.instances.clone(),
            topic_prefix: settings.route.topic_prefix.clone(),
            begin: settings.clock.begin,
            hold_back: settings.burst.hold_back,
            rules: settings.burst.rules.clone(),
            hold_size: settings.burst.hold_size,
            actor_size: settings.burst.actor_size,
            hold_rule: settings.burst.hold_rule,
            max_trail_age: settings.evidence.max_trail_age,
            candidate_tags: settings.evidence.candidate_tags.clone(),
            rebuild_tags: settings.evidence.rebuild_tags.clone(),
            side_tag_prefixes: settings.evidence.side_tag_prefixes.clone(),
            message_ids: settings.dedupe.message_ids,
            ignored: settings.dedupe.ignored,
            per_hour: settings.governor.per_hour,
        }
    }
}
