//! What takes two keys to judge: contradictions, which refuse a pipeline, and doubts, which are warnings.
//!
//! A key that is wrong by itself takes no part: its fault was told.

use super::reader::{Reader, Setting, Spot, Stated};
use super::rules::shown;
use super::sections::{BurstSection, EvidenceSection, Sections, TriggerSection};
use crate::settings::{HoldAction, Rule};
use crate::time::Seconds;

/// Judges all that takes two keys.
pub(super) fn check(all: &Sections, reader: &mut Reader<'_>) {
    leaks(&all.burst, reader);
    quiets(all, reader);
    sizes(&all.burst, reader);
    hold_rule(&all.burst, reader);
    ages(all, reader);
    evidence_tags(all, reader);
    evidence_at_all(&all.evidence, reader);
    logins(all, reader);
    packages(all, reader);
    outputs(all, reader);
    batch(all, reader);
    bounds(all, reader);
    cutover(&all.trigger, reader);
    let (quiet, max) = (&all.trigger.cutover_quiet, &all.trigger.cutover_max);
    not_below(reader, max, quiet, "an alert would come before a cutover can end");
}

/// `upper` must be at least `lower`.
fn not_below(reader: &mut Reader<'_>, upper: &Setting<Seconds>, lower: &Setting<Seconds>, why: &str) {
    if upper.sound && lower.sound && upper.value < lower.value {
        let message = format!(
            "`{}` ({}) is shorter than `{}` ({}): {why}",
            upper.path, upper.value, lower.path, lower.value
        );
        let help = format!("raise `{}` to \"{}\", or lower the other", upper.path, lower.value);
        reader.error(&[upper, lower], message, help);
    }
}

/// A rule (N, W) of the trigger tag leaks nothing where W + 1 s <= hold-back.
fn leaks(burst: &BurstSection, reader: &mut Reader<'_>) {
    let (rules, hold_back) = (&burst.rules, &burst.hold_back);
    if !rules.sound || !hold_back.sound || !burst.allow_leak.sound {
        return;
    }
    let mut leaking = false;
    for &rule in &rules.value {
        let needed = Seconds(rule.within.0 + 1);
        let leak = greatest_leak(rule, hold_back.value);
        if leak == 0 {
            continue;
        }
        leaking = true;
        let message = format!(
            "the rule \"{}\" of the trigger tag takes a hold-back of {needed}, and `burst.hold_back` is {}: \
             up to {leak} builds of a burst could be submitted before it is seen",
            shown(rule),
            hold_back.value
        );
        let mut settings: [&dyn Stated; 2] = [rules, hold_back];
        if *rules.spot() == Spot::Default {
            settings.reverse();
        }
        if burst.allow_leak.value {
            let help = "`burst.allow_leak` says that this is wanted; such builds still need fresh evidence";
            reader.warning(&settings, message, help.to_owned());
        } else {
            let help = format!(
                "raise `hold_back` to \"{needed}\", shorten the rule, move it to `other_rules`, \
                 or say `allow_leak = true`"
            );
            reader.error(&settings, message, help);
        }
    }
    if burst.allow_leak.value && !leaking {
        let message = "`burst.allow_leak` is on, and no rule can leak".to_owned();
        reader.warning(
            &[&burst.allow_leak],
            message,
            "remove it, so that a later change is refused".to_owned(),
        );
    }
}

fn quiets(all: &Sections, reader: &mut Reader<'_>) {
    let burst = &all.burst;
    not_below(
        reader,
        &burst.quiet,
        &all.source.disorder,
        "a burst would be taken for over while its events may still come",
    );
    not_below(
        reader,
        &burst.quiet_large,
        &burst.quiet,
        "a large group would be decided sooner than a small one",
    );
    let (hold_back, suspect_max) = (&burst.hold_back, &burst.suspect_max);
    if !(hold_back.sound && burst.quiet.sound && suspect_max.sound) {
        return;
    }
    let needed = Seconds(hold_back.value.0 + burst.quiet.value.0);
    if suspect_max.value < needed {
        let message = format!(
            "`burst.suspect_max` ({}) is shorter than `burst.hold_back` and `burst.quiet` together ({needed}): \
             no group could be seen to its end",
            suspect_max.value
        );
        let help = format!("raise `suspect_max` to \"{needed}\" or more");
        reader.error(&[suspect_max, hold_back, &burst.quiet], message, help);
    } else if burst.quiet_large.sound && suspect_max.value < burst.quiet_large.value {
        let message = format!(
            "`burst.suspect_max` ({}) ends every large group before `burst.quiet_large` ({}) can",
            suspect_max.value, burst.quiet_large.value
        );
        let help = format!("raise `suspect_max` above \"{}\"", burst.quiet_large.value);
        reader.warning(&[suspect_max, &burst.quiet_large], message, help);
    }
}

fn sizes(burst: &BurstSection, reader: &mut Reader<'_>) {
    if !(burst.rules.sound && burst.other_rules.sound && burst.large.sound) {
        return;
    }
    let rules = burst.rules.value.iter().chain(&burst.other_rules.value);
    let Some(smallest) = rules.map(|rule| rule.count).min() else { return };
    if burst.large.value < smallest {
        let message = format!(
            "`burst.large` ({}) is below the smallest rule's {smallest} builds: every group would be a large one",
            burst.large.value
        );
        let help = format!("state `large` as {smallest} or more");
        reader.error(&[&burst.large, &burst.rules, &burst.other_rules], message, help);
    }
}

fn hold_rule(burst: &BurstSection, reader: &mut Reader<'_>) {
    let (after, then) = (&burst.hold_after, &burst.hold_then);
    if after.sound && then.sound && after.value.is_none() && then.value != HoldAction::Wait {
        let message = "`burst.hold_rule.then` does not say after which time".to_owned();
        reader.error(&[then], message, "state `after` as well, such as after = \"24h\"".to_owned());
    }
    if let (true, true, Some(time), HoldAction::Wait) = (after.sound, then.sound, after.value, then.value) {
        let message = format!("after {time} the rule of a hold says to wait, as a hold does anyway");
        let help = "state then = \"drain\" or \"drop\", or remove the rule".to_owned();
        reader.warning(&[then, after], message, help);
    }
}

fn ages(all: &Sections, reader: &mut Reader<'_>) {
    not_below(
        reader,
        &all.dedupe.known_builds,
        &all.evidence.max_trail_age,
        "a build could be forgotten while its trail still counts, and be built again",
    );
}

/// Tags that prove nothing are no evidence.
fn evidence_tags(all: &Sections, reader: &mut Reader<'_>) {
    let evidence = &all.evidence;
    let followed = all.trigger.follow.value.iter().chain(&all.trigger.tag.value);
    let left = all.trigger.family.value.iter().map(|member| &member.tag);
    let family: Vec<&str> = followed.chain(left).map(String::as_str).collect();
    let no_proof = |tag: &str| {
        if tag == "{release}" || family.contains(&tag) {
            Some("is a tag of the family: a re-tag puts a build there too")
        } else if tag.ends_with("-signing-pending") || tag.ends_with("{release}-testing-pending") {
            Some("is where signing puts a build, and signing anew does so too")
        } else {
            None
        }
    };
    for setting in [&evidence.candidate_tags, &evidence.rebuild_tags, &evidence.side_tag_prefixes] {
        for tag in setting.value.iter().filter(|_| setting.sound) {
            if let Some(why) = no_proof(tag) {
                let message = format!("`{}`: \"{tag}\" proves no build new, it {why}", setting.path);
                reader.error(&[setting], message, "name only tags that a new build passes before".to_owned());
            }
        }
    }
}

fn evidence_at_all(evidence: &EvidenceSection, reader: &mut Reader<'_>) {
    if evidence.ask_koji.sound
        && evidence.hub.sound
        && evidence.ask_koji.value
        && evidence.hub.value.is_none()
    {
        let message = "`evidence.ask_koji` is on, and `evidence.hub` does not say where Koji is".to_owned();
        let help = "state `hub`, such as \"https://koji.fedoraproject.org/kojihub\"";
        reader.error(&[&evidence.ask_koji], message, help.to_owned());
    }
    if evidence.ask_koji.sound
        && evidence.hub.sound
        && !evidence.ask_koji.value
        && evidence.hub.value.is_some()
    {
        let message = "`evidence.hub` says where Koji is, and Koji is not asked".to_owned();
        reader.warning(&[&evidence.hub], message, "state ask_koji = true, or remove `hub`".to_owned());
    }
    let lists = [&evidence.candidate_tags, &evidence.rebuild_tags, &evidence.side_tag_prefixes];
    let sound = lists.iter().all(|list| list.sound) && evidence.ask_koji.sound;
    if sound && !evidence.ask_koji.value && lists.iter().all(|list| list.value.is_empty()) {
        let message = "no tag counts as evidence, and Koji is not asked: a build whose completion was \
                       not seen waits for a person"
            .to_owned();
        reader.warning(&[lists[0]], message, "state `candidate_tags`, or `ask_koji = true`".to_owned());
    }
}

/// Pairs of keys of which one is of no use without the other.
fn logins(all: &Sections, reader: &mut Reader<'_>) {
    let (source, sink) = (&all.source, &all.sink);
    let (brokers, topics) = (&source.brokers, &source.topics);
    for (one, other) in [(brokers, topics), (topics, brokers)] {
        if one.sound && other.sound && !one.value.is_empty() && other.value.is_empty() {
            let message = format!("`{}` is of no use without `{}`", one.path, other.path);
            reader.error(&[one], message, "state both or none".to_owned());
        }
    }
    for (one, other) in [
        (&source.username, &source.password_file),
        (&source.certificate_file, &source.key_file),
        (&sink.username, &sink.password_file),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            if one.sound && other.sound && one.value.is_some() && other.value.is_none() {
                let message = format!("`{}` is of no use without `{}`", one.path, other.path);
                reader.error(&[one], message, "state both or none".to_owned());
            }
        }
    }
}

fn packages(all: &Sections, reader: &mut Reader<'_>) {
    let (packages, fallback) = (&all.select.packages, &all.select.packages_fallback);
    if !packages.sound || !fallback.sound {
        return;
    }
    if packages.value.is_empty() && fallback.value.is_some() {
        let message =
            "`select.packages_fallback` stands in for `select.packages`, which is not stated".to_owned();
        reader.error(&[fallback], message, "state `packages`, or remove the fallback".to_owned());
    }
    let remote = packages.value.iter().any(|list| list.contains("://"));
    let wait = &all.select.wait_for_list;
    let without = remote && fallback.value.is_none();
    if without && wait.sound && !wait.value {
        let message = "the package list comes over the network and has no fallback: until it was fetched \
                       once, no package is eligible"
            .to_owned();
        let help = "state `packages_fallback`, a file with one package a line, or say `wait_for_list = true`: \
                    what came meanwhile is judged when the list is there";
        reader.error(&[packages], message, help.to_owned());
    }
    if !without && wait.value {
        let message = "`select.wait_for_list` is on, and there is no list to wait for".to_owned();
        reader.warning(&[wait], message, "remove it, so that a later change is refused".to_owned());
    }
    let private = &all.select.allow_private;
    if private.sound && private.value && !remote {
        let message = "`select.allow_private` is on, and no list comes over the network".to_owned();
        reader.warning(&[private], message, "remove it, so that a later list is refused".to_owned());
    }
}

/// What is announced goes to the brokers of the source, and never into what is read.
fn outputs(all: &Sections, reader: &mut Reader<'_>) {
    let (brokers, topics) = (&all.source.brokers, &all.source.topics);
    for output in [&all.output.decisions, &all.output.bursts, &all.output.dead_letters] {
        let Some(topic) = output.value.as_ref().filter(|_| output.sound) else { continue };
        if brokers.sound && brokers.value.is_empty() {
            let message =
                format!("`{}` is written to the brokers of [source], and it names none", output.path);
            reader.error(&[output], message, "state `brokers` and `topics` in [source]".to_owned());
        }
        if topics.sound && topics.value.contains(topic) {
            let message = format!(
                "`{}` would be written to \"{topic}\", which is read: every decision would be a new record to decide about",
                output.path
            );
            reader.error(&[output, topics], message, "state another topic".to_owned());
        }
    }
}

fn batch(all: &Sections, reader: &mut Reader<'_>) {
    let (gap, hold_back) = (&all.batch_gap, &all.burst.hold_back);
    let Some(value) = gap.value else { return };
    if gap.sound && hold_back.sound && value > hold_back.value {
        let message = format!(
            "`batch.gap` ({value}) is longer than `burst.hold_back` ({}): every batch waits for the difference",
            hold_back.value
        );
        reader.warning(&[gap], message, format!("a gap up to \"{}\" costs nothing", hold_back.value));
    }
}

/// A bound that is reached before a rule can hold would stop reading for ever.
fn bounds(all: &Sections, reader: &mut Reader<'_>) {
    let burst = &all.burst;
    if !(burst.rules.sound && burst.waiting_max.sound && burst.hold_size.sound) {
        return;
    }
    let counts = burst.rules.value.iter().map(|rule| rule.count);
    let (Some(smallest), Some(greatest)) = (counts.clone().min(), counts.max()) else { return };
    if burst.waiting_max.value <= greatest {
        let message = format!(
            "`burst.waiting_max` ({}) is reached before the rule of {greatest} builds can hold: reading would pause, \
             and the burst would never be seen",
            burst.waiting_max.value
        );
        let help = format!("raise `waiting_max` well above {greatest}, or lower the rule");
        reader.error(&[&burst.waiting_max, &burst.rules], message, help);
    }
    if burst.hold_size.value <= smallest {
        let message = format!(
            "`burst.hold_size` ({}) is not above the smallest rule's {smallest} builds: every honest group is held",
            burst.hold_size.value
        );
        let help = "raise `hold_size` above the largest merge that should go through by itself".to_owned();
        reader.warning(&[&burst.hold_size, &burst.rules], message, help);
    }
    let (capacity, in_flight) = (&all.governor.capacity, &all.governor.in_flight);
    if capacity.sound && in_flight.sound && capacity.value > in_flight.value {
        let message = format!(
            "`governor.capacity` ({}) is more than `governor.in_flight` ({}) lets start",
            capacity.value, in_flight.value
        );
        let help = format!("lower `capacity` to {}, or raise `in_flight`", in_flight.value);
        reader.warning(&[capacity, in_flight], message, help);
    }
}

/// How a new trigger tag is taken over can only be said where it is known what was followed before.
fn cutover(trigger: &TriggerSection, reader: &mut Reader<'_>) {
    let alias = trigger.follow.value.as_deref().is_none_or(super::trigger::is_alias);
    if alias || !trigger.family.sound || !trigger.family.value.is_empty() {
        return;
    }
    for stated in [&trigger.cutover_quiet, &trigger.cutover_max] {
        if stated.sound && stated.spot != Spot::Default {
            let message = format!(
                "`{}` says how a new tag is taken over, and no tag was followed before: its builds would all be unknown",
                stated.path
            );
            let help =
                "state `family`, such as family = [\"f43@2025-08-12T10:00:00Z\"], or remove it".to_owned();
            reader.error(&[stated], message, help);
        }
    }
}

/// The greatest number of builds that a rule of the trigger tag may let through before it holds; 0 where it leaks
/// none.
pub fn greatest_leak(rule: Rule, hold_back: Seconds) -> u32 {
    if rule.within.0 < hold_back.0 { 0 } else { rule.count.saturating_sub(1) }
}
