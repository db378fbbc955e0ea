//! Turns sections that were read and checked into a [`Pipeline`] and its [`Settings`].

use std::path::Path;

use super::sections::{
    BurstSection, CreateTime, DedupeSection, EvidenceSection, Sections, SelectSection, SinkKind,
    SourceSection,
};
use super::trigger::is_alias;
use super::{
    Begin, Cutover, Entry, Finding, Follow, KafkaSource, Outputs, PackageLists, Pipeline, Sink, Unresolved,
    hash,
};
use crate::settings::{
    Bounds, BurstSettings, ClockSettings, DedupeSettings, EvidenceSettings, FamilyTag, GovernorSettings,
    HoldRule, Route, Select, Settings, Trigger,
};

impl Pipeline {
    /// The engine's settings for the tag that the file names.
    pub fn settings(&self) -> Result<Settings, Unresolved> {
        match &self.follow {
            Follow::Tag(tag) | Follow::Alias { tag: Some(tag), .. } => Ok(self.settings_for(tag)),
            Follow::Alias { alias, tag: None } => {
                Err(Unresolved { pipeline: self.name.clone(), alias: alias.clone() })
            }
        }
    }

    /// The engine's settings for a trigger tag that whoever resolved the alias names. The family gets it where it
    /// lacks it.
    pub fn settings_for(&self, tag: &str) -> Settings {
        let mut family = self.family.clone();
        if !family.iter().any(|member| member.tag == tag) {
            family.push(FamilyTag { tag: tag.to_owned(), left_at: None });
        }
        let trigger = Trigger { tag: tag.to_owned(), family, ..self.settings.trigger.clone() };
        Settings { trigger, ..self.settings.clone() }
    }

    pub(super) fn assemble(
        file: &str,
        all: Sections,
        (follow, sink): (Follow, Sink),
        entries: Vec<Entry>,
        warnings: Vec<Finding>,
    ) -> Self {
        let name = all.name.value.clone().unwrap_or_else(|| stem(file));
        Self {
            settings: settings(&name, hash(&entries), &all),
            family: all.trigger.family.value,
            follow,
            kafka: kafka(&name, &all.source),
            begin: all.source.begin.value,
            cutover: Cutover { quiet: all.trigger.cutover_quiet.value, max: all.trigger.cutover_max.value },
            packages: PackageLists {
                lists: all.select.packages.value,
                fallback: all.select.packages_fallback.value,
                refresh: all.select.refresh.value,
                allow_private: all.select.allow_private.value,
                marks: [None, None],
            },
            reconcile: all.evidence.reconcile.value,
            evidence_hub: all.evidence.hub.value.filter(|_| all.evidence.ask_koji.value),
            batch_gap: all.batch_gap.value,
            load_max: all.governor.load_max.value,
            partner_held: all.governor.partner_held.value,
            sink,
            outputs: Outputs {
                decisions: all.output.decisions.value,
                bursts: all.output.bursts.value,
                dead_letters: all.output.dead_letters.value,
            },
            entries,
            warnings,
            cases: Vec::new(),
            name,
        }
    }
}

/// A file's name without folders and extension.
fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn kafka(name: &str, source: &SourceSection) -> KafkaSource {
    KafkaSource {
        brokers: source.brokers.value.clone(),
        topics: source.topics.value.clone(),
        group: source.group.value.clone().unwrap_or_else(|| format!("tidegate-{name}")),
        login: source.username.value.clone().zip(source.password_file.value.clone()),
        ca_file: source.ca_file.value.clone(),
        certificate: source.certificate_file.value.clone().zip(source.key_file.value.clone()),
        properties: source.properties.value.clone(),
    }
}

fn settings(name: &str, hash: String, all: &Sections) -> Settings {
    let begin = match all.source.begin.value {
        Begin::At(time) => Some(time),
        Begin::Now | Begin::Earliest => None,
    };
    Settings {
        name: name.to_owned(),
        hash,
        route: Route {
            topic_prefix: all.decode.topic_prefix.value.clone(),
            instances: all.decode.instances.value.clone(),
        },
        clock: ClockSettings {
            disorder: all.source.disorder.value,
            max_future: all.decode.max_future.value,
            source_silence: all.source.source_silence.value,
            kafka_time_is_publish: all.decode.create_time_is.value == CreateTime::Publish,
            begin,
        },
        trigger: Trigger {
            tag: String::new(),
            family: Vec::new(),
            by_alias: all.trigger.follow.value.as_deref().is_some_and(is_alias),
            cutover_quiet: all.trigger.cutover_quiet.value,
            needs_buildroot: all.sink.kind.value == SinkKind::Koji,
        },
        select: select(&all.select),
        dedupe: dedupe(&all.dedupe),
        evidence: evidence(&all.evidence),
        burst: burst(&all.burst),
        governor: GovernorSettings {
            per_hour: all.governor.rate.value,
            capacity: all.governor.capacity.value,
            in_flight: all.governor.in_flight.value,
        },
        bounds: Bounds {
            waiting: all.burst.waiting_max.value,
            held: all.burst.held_max.value,
            names: all.burst.names_max.value,
            builds: all.dedupe.builds_max.value,
        },
    }
}

fn select(section: &SelectSection) -> Select {
    Select {
        include: section.include.value.clone(),
        exclude: section.exclude.value.clone(),
        renames: section.renames.value.clone(),
        list_change_max: section.list_change_max.value,
        needs_list: !section.packages.value.is_empty(),
    }
}

fn dedupe(section: &DedupeSection) -> DedupeSettings {
    DedupeSettings {
        message_ids: section.message_ids.value,
        known_builds: section.known_builds.value,
        ignored: section.ignored.value,
    }
}

fn evidence(section: &EvidenceSection) -> EvidenceSettings {
    EvidenceSettings {
        max_trail_age: section.max_trail_age.value,
        candidate_tags: section.candidate_tags.value.clone(),
        rebuild_tags: section.rebuild_tags.value.clone(),
        side_tag_prefixes: section.side_tag_prefixes.value.clone(),
    }
}

fn burst(section: &BurstSection) -> BurstSettings {
    let then = section.hold_then.value;
    BurstSettings {
        rules: section.rules.value.clone(),
        other_rules: section.other_rules.value.clone(),
        hold_back: section.hold_back.value,
        quiet: section.quiet.value,
        quiet_large: section.quiet_large.value,
        large: section.large.value,
        suspect_max: section.suspect_max.value,
        hold_size: section.hold_size.value,
        actor_size: section.actor_size.value,
        gating_users: section.gating_users.value.clone(),
        hold_rule: section.hold_after.value.map(|after| HoldRule { after, then }),
    }
}
