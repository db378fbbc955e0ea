//! How two pipelines differ: key by key, and in words for whom.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;

use super::Pipeline;
use super::kinds::grouped;
use super::rules::shown;
use super::schema::meaning;
use crate::settings::{BurstSettings, Rule, Settings};
use crate::time::Seconds;

/// One key that two pipelines state differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `section.key`.
    pub key: &'static str,
    /// The value in the first, as TOML or `unset`.
    pub old: String,
    /// The value in the second.
    pub new: String,
    /// What changes, and for which builds.
    pub words: String,
}

/// How `new` differs from `old`, in the order of the flow. The name decides nothing and is left out.
pub fn differences(old: &Pipeline, new: &Pipeline) -> Vec<Difference> {
    let pairs = old.entries.iter().zip(&new.entries);
    let changed = pairs.filter(|(old, new)| old.value != new.value && old.key != "name");
    changed
        .map(|(before, after)| Difference {
            key: before.key,
            old: before.value.clone(),
            new: after.value.clone(),
            words: words(before.key, old, new),
        })
        .collect()
}

fn words(key: &'static str, old: &Pipeline, new: &Pipeline) -> String {
    let (before, after) = (&old.settings, &new.settings);
    let found = match key.split_once('.') {
        Some(("burst", key)) => burst(key, &before.burst, &after.burst),
        Some(("evidence", key)) => evidence(key, before, after),
        Some(("dedupe", key)) => dedupe(key, before, after),
        Some(("trigger", "follow" | "tag" | "family")) => Some(
            "what is followed changes: where the tag is another one, its builds count as a cutover, and what is known of \
             the family decides which of them are old"
                .to_owned(),
        ),
        Some(("select", "refresh" | "allow_private")) => None,
        Some(("select", _)) => Some("other packages may be eligible".to_owned()),
        Some(("governor", "rate")) => {
            let hours = |settings: &Settings| 1_000.0 / settings.governor.per_hour;
            Some(format!("1,000 builds take {:.1} h instead of {:.1} h", hours(after), hours(before)))
        }
        Some(("source", "disorder")) => {
            let (was, is) = (before.clock.disorder, after.clock.disorder);
            Some(format!("every build is decided {} than before", by(is.0 - was.0, "later", "sooner")))
        }
        Some(_) | None => None,
    };
    found.unwrap_or_else(|| meaning(key).unwrap_or_default().replace('`', ""))
}

fn burst(key: &str, old: &BurstSettings, new: &BurstSettings) -> Option<String> {
    Some(match key {
        "rules" => rules(&old.rules, &new.rules, "in the trigger tag"),
        "other_rules" => rules(&old.other_rules, &new.other_rules, "in other tags"),
        "hold_back" => format!(
            "every ordinary build goes on {} after it was tagged instead of {}: {}",
            new.hold_back,
            old.hold_back,
            by(new.hold_back.0 - old.hold_back.0, "later", "sooner")
        ),
        "quiet" => held_together("a burst", old.quiet, new.quiet),
        "quiet_large" => held_together("a large undecided group", old.quiet_large, new.quiet_large),
        "suspect_max" => {
            format!("an honest group waits {} at the most instead of {}", new.suspect_max, old.suspect_max)
        }
        "hold_size" => {
            sizes("a group", "is a burst whatever proves its builds new", old.hold_size, new.hold_size)
        }
        "actor_size" => {
            sizes("a group tagged by one person", "is a mass rebuild", old.actor_size, new.actor_size)
        }
        "large" => sizes("an undecided group", "waits for `quiet_large`", old.large, new.large),
        "gating_users" => listed(
            &old.gating_users,
            &new.gating_users,
            "however much it tags, it makes no mass rebuild",
            "what it tags may be a mass rebuild",
        ),
        _ => return None,
    })
}

fn held_together(what: &str, old: Seconds, new: Seconds) -> String {
    let effect = if new > old {
        "builds that come in between join it instead of standing alone"
    } else {
        "builds that come later stand alone instead of joining it"
    };
    format!("{what} is over after {new} in which no rule held, instead of {old}: {effect}")
}

fn sizes(what: &str, is: &str, old: u32, new: u32) -> String {
    let (low, high) = (grouped(old.min(new).into()), grouped(u64::from(old.max(new)) - 1));
    let now = if new > old { "no longer" } else { "now" };
    format!("{what} of {low} to {high} builds {now} {is}")
}

/// What two lists of rules see that the other does not.
fn rules(old: &[Rule], new: &[Rule], place: &str) -> String {
    let gone: Vec<&Rule> = old.iter().filter(|rule| !new.contains(rule)).collect();
    let mut added: Vec<&Rule> = new.iter().filter(|rule| !old.contains(rule)).collect();
    let mut parts = Vec::new();
    for rule in gone {
        let twin = added.iter().position(|other| other.within == rule.within || other.count == rule.count);
        let Some(other) = twin.map(|index| added.remove(index)) else {
            let (count, within) = (grouped(rule.count.into()), rule.within);
            parts.push(format!(
                "the rule \"{}\" is gone: {count} builds within {within} {place} are no burst \
                                by it",
                shown(*rule)
            ));
            continue;
        };
        parts.push(changed(*rule, *other, place));
    }
    parts.extend(added.into_iter().map(|rule| {
        let (count, within) = (grouped(rule.count.into()), rule.within);
        format!("the rule \"{}\" is new: {count} builds within {within} {place} are a burst", shown(*rule))
    }));
    parts.join("; ")
}

/// A rule whose count or window is another one.
fn changed(old: Rule, new: Rule, place: &str) -> String {
    let head = format!("\"{}\" becomes \"{}\"", shown(old), shown(new));
    if old.within == new.within {
        let (low, high) = (old.count.min(new.count), old.count.max(new.count) - 1);
        let now = if new.count > old.count { "no longer" } else { "now" };
        let (low, high) = (grouped(low.into()), grouped(high.into()));
        format!("{head}: {low} to {high} builds within {} {place} are {now} a burst", old.within)
    } else {
        let (grows, now) = if new.within > old.within {
            ("grows", "slower floods are seen too")
        } else {
            ("shrinks", "slower floods are no longer seen")
        };
        format!("{head}: its window {grows} from {} to {}, {now} {place}", old.within, new.within)
    }
}

fn evidence(key: &str, old: &Settings, new: &Settings) -> Option<String> {
    let (before, after) = (&old.evidence, &new.evidence);
    let seen = |old: &[String], new: &[String]| {
        listed(old, new, "a build seen there is proved new", "a build seen there is no longer proved new")
    };
    Some(match key {
        "max_trail_age" => {
            let (was, is) = (before.max_trail_age, after.max_trail_age);
            let now = if is > was { "now prove" } else { "no longer prove" };
            format!("a completion or an appearance {} to {} old {now} a build new", was.min(is), was.max(is))
        }
        "candidate_tags" => seen(&before.candidate_tags, &after.candidate_tags),
        "side_tag_prefixes" => seen(&before.side_tag_prefixes, &after.side_tag_prefixes),
        "rebuild_tags" => listed(
            &before.rebuild_tags,
            &after.rebuild_tags,
            "a build seen there waits for a person",
            "a build seen there no longer waits for a person",
        ),
        _ => return None,
    })
}

fn dedupe(key: &str, old: &Settings, new: &Settings) -> Option<String> {
    let (before, after) = (old.dedupe, new.dedupe);
    let (was, is, effect) = match key {
        "message_ids" => (before.message_ids, after.message_ids, "a message that comes again"),
        "known_builds" => (before.known_builds, after.known_builds, "a build that was in a followed tag"),
        "ignored" => (before.ignored, after.ignored, "a build whose package becomes eligible later"),
        _ => return None,
    };
    let now = if is > was { "still" } else { "no longer" };
    Some(format!("{effect} is {now} recognized {} to {} afterwards", was.min(is), was.max(is)))
}

/// What was added to a list, and what removed, each with what that means.
fn listed(old: &[String], new: &[String], added: &str, removed: &str) -> String {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
    let part = |names: Vec<&&String>, effect: &str| {
        let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{}: {effect}", names.join(", ")))
    };
    let parts = [part(new.difference(&old).collect(), added), part(old.difference(&new).collect(), removed)];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "the order is another one, which changes nothing".to_owned()
    } else {
        parts.join("; ")
    }
}

/// `55s sooner`.
fn by(seconds: i64, more: &str, less: &str) -> impl Display {
    let word = if seconds >= 0 { more } else { less };
    format!("{} {word}", Seconds(seconds.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Override, parse};

    /// The words for a pipeline that differs from the defaults by some settings.
    fn told(sets: &[&str]) -> Vec<(&'static str, String)> {
        let load = |sets: &[&str]| {
            let sets: Vec<_> = sets.iter().map(|set| Override::parse(set).unwrap()).collect();
            parse("x.toml", "[trigger]\nfollow = \"f42\"", &sets).unwrap_or_else(|report| panic!("{report}"))
        };
        let differences = differences(&load(&[]), &load(sets));
        differences.into_iter().map(|difference| (difference.key, difference.words)).collect()
    }

    #[test]
    fn each_change_says_for_which_builds() {
        for (set, words) in [
            (
                "burst.rules=[\"1000 in 5s\", \"30 in 1m\"]",
                "\"100 in 5s\" becomes \"1000 in 5s\": 100 to 999 builds within 5s in the trigger tag are no longer a burst",
            ),
            (
                "burst.rules=[\"50 in 5s\", \"30 in 1m\"]",
                "\"100 in 5s\" becomes \"50 in 5s\": 50 to 99 builds within 5s in the trigger tag are now a burst",
            ),
            (
                "burst.rules=30 in 1m",
                "the rule \"100 in 5s\" is gone: 100 builds within 5s in the trigger tag are no burst by it",
            ),
            (
                "burst.other_rules=[\"100 in 5s\", \"30 in 2m\"]",
                "\"30 in 1m\" becomes \"30 in 2m\": its window grows from 1m to 2m, slower floods are seen too in other tags",
            ),
            (
                "burst.hold_back=2m",
                "every ordinary build goes on 2m after it was tagged instead of 1m1s: 59s later",
            ),
            (
                "burst.hold_size=7000",
                "a group of 6,000 to 6,999 builds no longer is a burst whatever proves its builds new",
            ),
            (
                "burst.actor_size=100",
                "a group tagged by one person of 100 to 199 builds now is a mass rebuild",
            ),
            (
                "burst.gating_users=robot",
                "robot: however much it tags, it makes no mass rebuild; bodhi: what it tags may be a mass rebuild",
            ),
            (
                "evidence.max_trail_age=7d",
                "a completion or an appearance 7d to 14d old no longer prove a build new",
            ),
            (
                "evidence.rebuild_tags=[]",
                "{release}-rebuild: a build seen there no longer waits for a person",
            ),
            (
                "dedupe.message_ids=60d",
                "a message that comes again is still recognized 30d to 60d afterwards",
            ),
            ("governor.rate=80/h", "1,000 builds take 12.5 h instead of 25.0 h"),
            ("burst.names_max=5", "Bound of the distinct tag and user names kept."),
        ] {
            assert_eq!(told(&[set]).last().map(|(_, told)| told.as_str()), Some(words), "{set}");
        }
    }

    #[test]
    fn what_is_the_same_is_not_told() {
        assert_eq!(told(&["burst.hold_back=61s"]), []);
        let sets = ["burst.quiet=2m", "governor.capacity=9"];
        assert_eq!(
            told(&sets).iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            ["burst.quiet", "governor.capacity"]
        );
    }
}
