//! Every key of a pipeline file: its section, its kind and its default, in the order of the flow.

use super::family::{Begin, BeginKind, Family};
use super::kinds::{Choice, Count, Flag, Length, Rate, Share};
use super::names::{List, Text};
use super::patterns::{Patterns, Renames};
use super::properties::Properties;
use super::reader::{Reader, Setting};
use super::rules::Rules;
use crate::settings::{FamilyTag, HoldAction, Rule, Settings};
use crate::time::Seconds;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEARS: i64 = 3_650 * DAY;

/// A setting that may be left out.
pub(super) type Optional<T> = Setting<Option<T>>;

pub(super) struct Sections {
    pub(super) name: Optional<String>,
    pub(super) source: SourceSection,
    pub(super) decode: DecodeSection,
    pub(super) trigger: TriggerSection,
    pub(super) select: SelectSection,
    pub(super) dedupe: DedupeSection,
    pub(super) evidence: EvidenceSection,
    pub(super) burst: BurstSection,
    pub(super) batch_gap: Optional<Seconds>,
    pub(super) governor: GovernorSection,
    pub(super) sink: SinkSection,
    pub(super) output: OutputSection,
}

pub(super) struct SourceSection {
    pub(super) brokers: Setting<Vec<String>>,
    pub(super) topics: Setting<Vec<String>>,
    pub(super) group: Optional<String>,
    pub(super) username: Optional<String>,
    pub(super) password_file: Optional<String>,
    pub(super) ca_file: Optional<String>,
    pub(super) certificate_file: Optional<String>,
    pub(super) key_file: Optional<String>,
    pub(super) properties: Setting<Vec<(String, String)>>,
    pub(super) begin: Setting<Begin>,
    pub(super) disorder: Setting<Seconds>,
    pub(super) source_silence: Setting<Seconds>,
}

pub(super) struct DecodeSection {
    pub(super) topic_prefix: Setting<String>,
    pub(super) instances: Setting<Vec<String>>,
    pub(super) max_future: Setting<Seconds>,
    pub(super) create_time_is: Setting<CreateTime>,
}

/// What Kafka's own time of a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CreateTime {
    Arrival,
    Publish,
}

pub(super) struct TriggerSection {
    pub(super) follow: Optional<String>,
    pub(super) tag: Optional<String>,
    pub(super) family: Setting<Vec<FamilyTag>>,
    pub(super) cutover_quiet: Setting<Seconds>,
    pub(super) cutover_max: Setting<Seconds>,
}

pub(super) struct SelectSection {
    pub(super) packages: Setting<Vec<String>>,
    pub(super) packages_fallback: Optional<String>,
    pub(super) wait_for_list: Setting<bool>,
    pub(super) refresh: Setting<Seconds>,
    pub(super) allow_private: Setting<bool>,
    pub(super) list_change_max: Setting<f64>,
    pub(super) include: Setting<Vec<String>>,
    pub(super) exclude: Setting<Vec<String>>,
    pub(super) renames: Setting<Vec<(String, String)>>,
}

pub(super) struct DedupeSection {
    pub(super) message_ids: Setting<Seconds>,
    pub(super) known_builds: Setting<Seconds>,
    pub(super) ignored: Setting<Seconds>,
    pub(super) builds_max: Setting<u32>,
}

pub(super) struct EvidenceSection {
    pub(super) max_trail_age: Setting<Seconds>,
    pub(super) candidate_tags: Setting<Vec<String>>,
    pub(super) rebuild_tags: Setting<Vec<String>>,
    pub(super) side_tag_prefixes: Setting<Vec<String>>,
    pub(super) ask_koji: Setting<bool>,
    pub(super) hub: Optional<String>,
    pub(super) reconcile: Setting<Seconds>,
}

pub(super) struct BurstSection {
    pub(super) rules: Setting<Vec<Rule>>,
    pub(super) other_rules: Setting<Vec<Rule>>,
    pub(super) hold_back: Setting<Seconds>,
    pub(super) allow_leak: Setting<bool>,
    pub(super) quiet: Setting<Seconds>,
    pub(super) quiet_large: Setting<Seconds>,
    pub(super) large: Setting<u32>,
    pub(super) suspect_max: Setting<Seconds>,
    pub(super) hold_size: Setting<u32>,
    pub(super) actor_size: Setting<u32>,
    pub(super) gating_users: Setting<Vec<String>>,
    pub(super) waiting_max: Setting<u32>,
    pub(super) held_max: Setting<u32>,
    pub(super) names_max: Setting<u32>,
    pub(super) hold_after: Optional<Seconds>,
    pub(super) hold_then: Setting<HoldAction>,
}

pub(super) struct GovernorSection {
    pub(super) rate: Setting<f64>,
    pub(super) capacity: Setting<u32>,
    pub(super) in_flight: Setting<u32>,
    pub(super) load_max: Setting<f64>,
    pub(super) partner_held: Setting<Seconds>,
}

/// The kinds of sinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SinkKind {
    DryRun,
    Koji,
    Ebs,
    Kafka,
    Webhook,
}

/// The words of the kinds of sinks.
pub(super) const SINK_KINDS: [(&str, SinkKind); 5] = [
    ("dry_run", SinkKind::DryRun),
    ("koji", SinkKind::Koji),
    ("ebs", SinkKind::Ebs),
    ("kafka", SinkKind::Kafka),
    ("webhook", SinkKind::Webhook),
];

pub(super) struct SinkSection {
    pub(super) kind: Setting<SinkKind>,
    pub(super) hub: Optional<String>,
    pub(super) target: Optional<String>,
    pub(super) keytab_file: Optional<String>,
    pub(super) certificate_file: Optional<String>,
    pub(super) url: Optional<String>,
    pub(super) token_file: Optional<String>,
    pub(super) secret_file: Optional<String>,
    pub(super) brokers: Setting<Vec<String>>,
    pub(super) topic: Optional<String>,
    pub(super) username: Optional<String>,
    pub(super) password_file: Optional<String>,
    pub(super) settle: Optional<Seconds>,
}

pub(super) struct OutputSection {
    pub(super) decisions: Optional<String>,
    pub(super) bursts: Optional<String>,
    pub(super) dead_letters: Optional<String>,
}

const fn length(min: i64, max: i64) -> Length {
    Length { min, max }
}

const fn up_to(max: usize, of: Text) -> List {
    List { of, min: 0, max }
}

impl Sections {
    /// Reads every key. The defaults are those of [`Settings::defaults`] where the engine has the setting.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Settings::defaults("");
        Self {
            name: reader.optional("name", &Text::Name),
            source: SourceSection::read(reader, &defaults),
            decode: DecodeSection::read(reader, &defaults),
            trigger: TriggerSection::read(reader),
            select: SelectSection::read(reader, &defaults),
            dedupe: DedupeSection::read(reader, &defaults),
            evidence: EvidenceSection::read(reader, &defaults),
            burst: BurstSection::read(reader, &defaults),
            batch_gap: reader.optional("batch.gap", &length(1, HOUR)),
            governor: GovernorSection::read(reader, &defaults),
            sink: SinkSection::read(reader),
            output: OutputSection::read(reader),
        }
    }
}

impl SourceSection {
    fn read(reader: &mut Reader<'_>, defaults: &Settings) -> Self {
        let clock = defaults.clock;
        Self {
            brokers: reader.key("source.brokers", &up_to(64, Text::Broker), Vec::new()),
            topics: reader.key("source.topics", &up_to(64, Text::Name), Vec::new()),
            group: reader.optional("source.group", &Text::Name),
            username: reader.optional("source.username", &Text::Name),
            password_file: reader.optional("source.password_file", &Text::File),
            ca_file: reader.optional("source.ca_file", &Text::File),
            certificate_file: reader.optional("source.certificate_file", &Text::File),
            key_file: reader.optional("source.key_file", &Text::File),
            properties: reader.key("source.properties", &Properties, Vec::new()),
            begin: reader.key("source.begin", &BeginKind, Begin::Now),
            disorder: reader.key("source.disorder", &length(0, HOUR), clock.disorder),
            source_silence: reader.key("source.source_silence", &length(10, 7 * DAY), clock.source_silence),
        }
    }
}

impl DecodeSection {
    fn read(reader: &mut Reader<'_>, defaults: &Settings) -> Self {
        let words = Choice(&[("arrival", CreateTime::Arrival), ("publish", CreateTime::Publish)]);
        let instances = List { of: Text::Name, min: 1, max: 64 };
        Self {
            topic_prefix: reader.key(
                "decode.topic_prefix",
                &Text::TopicPrefix,
                defaults.route.topic_prefix.clone(),
            ),
            instances: reader.key("decode.instances", &instances, defaults.route.instances.clone()),
            max_future: reader.key("decode.max_future", &length(1, DAY), defaults.clock.max_future),
            create_time_is: reader.key("decode.create_time_is", &words, CreateTime::Arrival),
        }
    }
}

impl TriggerSection {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            follow: reader.optional("trigger.follow", &Text::Tag),
            tag: reader.optional("trigger.tag", &Text::Tag),
            family: reader.key("trigger.family", &Family, Vec::new()),
            cutover_quiet: reader.key("trigger.cutover_quiet", &length(MINUTE, 7 * DAY), Seconds(2 * HOUR)),
            cutover_max: reader.key("trigger.cutover_max", &length(HOUR, 90 * DAY), Seconds(72 * HOUR)),
        }
    }
}

impl SelectSection {
    fn read(reader: &mut Reader<'_>, defaults: &Settings) -> Self {
        Self {
            packages: reader.key("select.packages", &up_to(64, Text::FileOrUrl), Vec::new()),
            packages_fallback: reader.optional("select.packages_fallback", &Text::File),
            wait_for_list: reader.key("select.wait_for_list", &Flag, false),
            refresh: reader.key("select.refresh", &length(MINUTE, 7 * DAY), Seconds(HOUR)),
            allow_private: reader.key("select.allow_private", &Flag, false),
            list_change_max: reader.key("select.list_change_max", &Share, defaults.select.list_change_max),
            include: reader.key("select.include", &Patterns, Vec::new()),
            exclude: reader.key("select.exclude", &Patterns, Vec::new()),
            renames: reader.key("select.renames", &Renames, Vec::new()),
        }
    }
}

impl DedupeSection {
    fn read(reader: &mut Reader<'_>, defaults: &Settings) -> Self {
        let (dedupe, bounds) = (defaults.dedupe, defaults.bounds);
        Self {
            message_ids: reader.key("dedupe.message_ids", &length(HOUR, YEARS), dedupe.message_ids),
            known_builds: reader.key("dedupe.known_builds", &length(DAY, YEARS), dedupe.known_builds),
            ignored: reader.key("dedupe.ignored", &length(HOUR, 90 * DAY), dedupe.ignored),
            builds_max: reader.key("dedupe.builds_max", &Count::BOUND, bounds.builds),
        }
    }
}

impl EvidenceSection {
    fn read(reader: &mut Reader<'_>, defaults: &Settings) -> Self {
        let evidence = &defaults.evidence;
        let tags = up_to(64, Text::TagPattern);
        Self {
            max_trail_age: reader.key("evidence.max_trail_age", &length(HOUR, YEARS), evidence.max_trail_age),
            candidate_tags: reader.key("evidence.candidate_tags", &tags, evidence.candidate_tags.clone()),
            rebuild_tags: reader.key("evidence.rebuild_tags", &tags, evidence.rebuild_tags.clone()),
            side_tag_prefixes: reader.key(
                "evidence.side_tag_prefixes",
                &tags,
                evidence.side_tag_prefixes.clone(),
            ),
            ask_koji: reader.key("evidence.ask_koji", &Flag, false),
            hub: reader.optional("evidence.hub", &Text::Url),
            reconcile: reader.key("evidence.reconcile", &length(10 * MINUTE, 7 * DAY), Seconds(6 * HOUR)),
        }
    }
}

impl BurstSection {
    fn read(reader: &mut Reader<'_>, defaults: &Settings) -> Self {
        let (burst, bounds) = (&defaults.burst, defaults.bounds);
        let size = Count { min: 2, max: 10_000_000 };
        let actions =
            Choice(&[("wait", HoldAction::Wait), ("drain", HoldAction::Drain), ("drop", HoldAction::Drop)]);
        Self {
            rules: reader.key("burst.rules", &Rules, burst.rules.clone()),
            other_rules: reader.key("burst.other_rules", &Rules, burst.other_rules.clone()),
            hold_back: reader.key("burst.hold_back", &length(1, DAY), burst.hold_back),
            allow_leak: reader.key("burst.allow_leak", &Flag, false),
            quiet: reader.key("burst.quiet", &length(1, DAY), burst.quiet),
            quiet_large: reader.key("burst.quiet_large", &length(1, DAY), burst.quiet_large),
            large: reader.key("burst.large", &size, burst.large),
            suspect_max: reader.key("burst.suspect_max", &length(1, 7 * DAY), burst.suspect_max),
            hold_size: reader.key("burst.hold_size", &size, burst.hold_size),
            actor_size: reader.key("burst.actor_size", &size, burst.actor_size),
            gating_users: reader.key(
                "burst.gating_users",
                &up_to(64, Text::Name),
                burst.gating_users.clone(),
            ),
            waiting_max: reader.key("burst.waiting_max", &Count::BOUND, bounds.waiting),
            held_max: reader.key("burst.held_max", &Count::BOUND, bounds.held),
            names_max: reader.key("burst.names_max", &Count::BOUND, bounds.names),
            hold_after: reader.optional("burst.hold_rule.after", &length(MINUTE, 365 * DAY)),
            hold_then: reader.key("burst.hold_rule.then", &actions, HoldAction::Wait),
        }
    }
}

impl GovernorSection {
    fn read(reader: &mut Reader<'_>, defaults: &Settings) -> Self {
        let governor = defaults.governor;
        Self {
            rate: reader.key("governor.rate", &Rate { max: 100_000 }, governor.per_hour),
            capacity: reader.key("governor.capacity", &Count { min: 1, max: 100_000 }, governor.capacity),
            in_flight: reader.key("governor.in_flight", &Count { min: 1, max: 100_000 }, governor.in_flight),
            load_max: reader.key("governor.load_max", &Share, 0.75),
            partner_held: reader.key("governor.partner_held", &length(0, 7 * DAY), Seconds(2 * HOUR)),
        }
    }
}

impl SinkSection {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            kind: reader.key("sink.kind", &Choice(&SINK_KINDS), SinkKind::DryRun),
            hub: reader.optional("sink.hub", &Text::Url),
            target: reader.optional("sink.target", &Text::Tag),
            keytab_file: reader.optional("sink.keytab_file", &Text::File),
            certificate_file: reader.optional("sink.certificate_file", &Text::File),
            url: reader.optional("sink.url", &Text::Url),
            token_file: reader.optional("sink.token_file", &Text::File),
            secret_file: reader.optional("sink.secret_file", &Text::File),
            brokers: reader.key("sink.brokers", &up_to(64, Text::Broker), Vec::new()),
            topic: reader.optional("sink.topic", &Text::Name),
            username: reader.optional("sink.username", &Text::Name),
            password_file: reader.optional("sink.password_file", &Text::File),
            settle: reader.optional("sink.settle", &length(10, HOUR)),
        }
    }
}

impl OutputSection {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            decisions: reader.optional("output.decisions", &Text::Topic),
            bursts: reader.optional("output.bursts", &Text::Topic),
            dead_letters: reader.optional("output.dead_letters", &Text::Topic),
        }
    }
}
