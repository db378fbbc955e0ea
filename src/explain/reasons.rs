//! What each reason means, in a sentence, and the details that belong to it.

use super::facts::{Command, InTag, Sighted, Sighting, Step, Why};
use super::rules::Rules;
use super::words::{any_of, counted, grouped, length, safe, utc};
use crate::engine::decision::{Outcome, Reason, RunSummary, TimeMark};
use crate::settings::HoldAction;

/// The reason that a word stands for.
pub(super) fn reason_of(word: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.word() == word)
}

/// What became of a record, in a sentence.
pub(super) fn head(step: &Step) -> String {
    let tag = step.tag.as_deref().map_or("its tag".to_owned(), safe);
    let hold = step.hold.as_ref().map_or(String::new(), |hold| format!(" in hold {hold}"));
    let why = step.why.as_ref();
    let Some(reason) = reason_of(&step.reason) else { return unreadable(&step.reason) };
    let text = match reason {
        Reason::OtherTopic => "Ignored: the message is of a kind that decides nothing.",
        Reason::OtherInstance => "Ignored: the message is of another Koji instance.",
        Reason::OtherTag => "Ignored: the message is about a tag whose builds are not rebuilt.",
        Reason::Untag => "Ignored: the message says that a build left a tag.",
        Reason::BuildState => "Ignored: the message says that the state of a build changed.",
        Reason::PackageList => "Ignored: the message says that the package list of a tag changed.",
        Reason::NotEligible => "Ignored: its package is not one of those that are rebuilt.",
        Reason::BeforeBegin => "Ignored: it was tagged before the time from which this pipeline decides.",
        Reason::MessageSeen => "Duplicate: this very message was read before.",
        Reason::BuildInTag => return format!("Duplicate: the build was already in {tag}."),
        Reason::AlreadySubmitted => "Duplicate: the build was submitted before, and none is submitted twice.",
        Reason::KnownBuild => {
            let known = why.and_then(|why| why.known.as_ref());
            let known = known.map(|seen| format!("{} already at {}", safe(&seen.tag), utc(seen.at)));
            let known = known.unwrap_or_else(|| "a followed tag before".into());
            return format!("Dropped: the build is not new. It was in {known}.");
        }
        Reason::DroppedByOperator | Reason::ReleasedByOperator => {
            return by_operator(reason, step.command.as_ref());
        }
        Reason::DroppedByRule => "Dropped by the rule for holds that nobody decides.",
        Reason::Superseded => "Dropped: a newer build of the package was submitted meanwhile.",
        Reason::Completed => return format!("Submitted: Koji completed the build lately{}.", completed(why)),
        Reason::Trail => {
            let seen = why.and_then(|why| why.trail.as_ref()).map(in_tag).unwrap_or_default();
            return format!("Submitted: the build is new, it was seen on its way{seen}.");
        }
        Reason::KojiSaysFresh => {
            let at = why.and_then(|why| why.koji_completed_at);
            let at = at.map_or_else(String::new, |at| format!(", complete since {}", utc(at)));
            return format!("Submitted: Koji was asked, and says that the build is new{at}.");
        }
        Reason::ReleasedByRule => "Submitted by the rule for holds that nobody decides.",
        Reason::NoFreshEvidence => return format!("Held{hold}: nothing shows that the build is new."),
        Reason::MassRebuild => return format!("Held{hold}: it belongs to a mass rebuild."),
        Reason::EndOfInput => {
            return format!("Held{hold}: the input ended before the build could be decided.");
        }
        Reason::Unreadable => "Dead letter: the message cannot be read.",
    };
    text.to_owned()
}

fn unreadable(code: &str) -> String {
    format!("Dead letter: the message cannot be read ({}).", safe(code))
}

fn by_operator(reason: Reason, command: Option<&Command>) -> String {
    let verb = if reason.outcome() == Outcome::Submitted { "Submitted" } else { "Dropped" };
    match command {
        Some(command) => format!("{verb}: {} decided so.", safe(&command.who)),
        None => format!("{verb}: an operator decided so."),
    }
}

fn completed(why: Option<&Why>) -> String {
    why.and_then(|why| why.completed_at).map_or_else(String::new, |at| format!(", at {}", utc(at)))
}

/// ` in f41 on 2025-01-01 06:00:00 UTC`.
fn in_tag(seen: &InTag) -> String {
    format!(" in {} at {}", safe(&seen.tag), utc(seen.at))
}

/// Why, a sentence or two each.
pub(super) fn details(step: &Step, sightings: &[Sighting]) -> Vec<String> {
    let rules = step.pipeline.rules.as_ref();
    let mut told = Vec::new();
    if let Some(command) = &step.command {
        told.push(commanded(command));
    }
    if let Some(letter) = &step.letter {
        // Written by the decoder, which escapes what it quotes.
        let explanation = letter.explanation.trim_end_matches('.');
        let is_safe = !explanation.contains(crate::text::is_unsafe);
        told.push(format!("{}.", if is_safe { explanation.to_owned() } else { safe(explanation) }));
        told.push(format!("It begins: {}", letter.beginning));
    }
    if let Some(reason) = reason_of(&step.reason) {
        told.extend(meaning(reason, step, rules));
        told.extend(evidence(reason, step.why.as_ref(), rules));
        told.extend(missing_evidence(reason, step, sightings, rules));
    }
    if let Some(why) = &step.why {
        told.extend(why.run.as_ref().map(|run| burst(run, step.tag.as_deref())));
        told.extend(clock(why, step, rules));
    }
    let (name, hash) = (safe(&step.pipeline.name), safe(&step.pipeline.hash));
    told.push(format!("Decided by the pipeline {name}, configuration {hash}."));
    told
}

fn commanded(command: &Command) -> String {
    let did = if command.action == "drop" { "dropped" } else { "released" };
    let (who, why, builds) =
        (safe(&command.who), safe(&command.why), counted(command.builds, "build", "builds"));
    let (selection, hold, at) = (safe(&command.selection), &command.hold, utc(command.at));
    format!("{who} {did} {selection} of hold {hold} at {at} ({builds}). The reason given: \"{why}\".")
}

/// What a reason means for somebody who does not know Tidegate.
fn meaning(reason: Reason, step: &Step, rules: Option<&Rules>) -> Option<String> {
    let trigger = rules.map_or("the followed tag".to_owned(), |rules| safe(&rules.trigger));
    let age =
        |of: fn(&Rules) -> crate::time::Seconds| rules.map_or("long".to_owned(), |rules| length(of(rules)));
    Some(match reason {
        Reason::OtherTopic => {
            let prefix = rules.map_or("the pipeline's prefix".to_owned(), |rules| safe(&rules.topic_prefix));
            format!(
                "Read are tag, untag, build.state.change and package.list.change below {prefix}; every other message on \
                 the bus is only counted."
            )
        }
        Reason::OtherInstance => {
            let read = rules.map_or("those of the pipeline".to_owned(), |rules| rules.instances.join(", "));
            format!("Read are messages of these Koji instances: {}. Others number their builds on their own.", safe(&read))
        }
        Reason::OtherTag => format!(
            "Only builds that come into {trigger} are rebuilt. That the build was in this tag is remembered: a candidate or \
             side tag is evidence that it is new, another followed tag that it is old."
        ),
        Reason::Untag => "An untag triggers nothing. It is remembered, so that the build may be tagged again.".to_owned(),
        Reason::BuildState => {
            "It triggers nothing. A build that Koji completed is remembered: that is the best evidence that it is new."
                .to_owned()
        }
        Reason::PackageList => "It triggers nothing. Many of them are an early sign that a tag is being cloned.".to_owned(),
        Reason::NotEligible => format!(
            "The package is not on the list of packages (select.packages), or is left out by select.include or select.exclude. \
             If it becomes eligible within {}, the build is judged again.",
            age(|rules| rules.ignored)
        ),
        Reason::BeforeBegin => match rules.and_then(|rules| rules.begin) {
            Some(begin) => format!("This pipeline decides from {} on; what came before only taught it.", utc(begin)),
            None => "What comes before the start of a pipeline only teaches it.".to_owned(),
        },
        Reason::MessageSeen => format!(
            "A message with the same identity about the same build and tag came within the last {}: the bus delivered it again.",
            age(|rules| rules.message_ids)
        ),
        Reason::BuildInTag => {
            "Another message had tagged it there before, and none said that it left. The decision that counts is that of the \
             first."
                .to_owned()
        }
        Reason::AlreadySubmitted => "That holds for ever, also where the build left the tag in between.".to_owned(),
        Reason::KnownBuild => format!(
            "A build that was in a followed tag before it came into {trigger} is old: somebody tagged it again. Nothing is \
             rebuilt for it."
        ),
        Reason::Superseded => {
            "Newer is what was tagged later, as Koji has it: to build the older one too would be in vain.".to_owned()
        }
        Reason::DroppedByRule | Reason::ReleasedByRule => stated_rule(rules),
        Reason::MassRebuild => mass_rebuild(step, rules),
        Reason::EndOfInput => {
            "Every build waits before it is decided, by the time that messages tell; here they ended before that was over."
                .to_owned()
        }
        Reason::Unreadable
        | Reason::DroppedByOperator
        | Reason::Completed
        | Reason::Trail
        | Reason::KojiSaysFresh
        | Reason::ReleasedByOperator
        | Reason::NoFreshEvidence => return None,
    })
}

fn mass_rebuild(step: &Step, rules: Option<&Rules>) -> String {
    let why = step.why.as_ref();
    if let Some(tag) = why.and_then(|why| why.rebuild_tag.as_deref()) {
        return format!(
            "The build was seen in {}, the tag of a mass rebuild. It is new, but thousands come with it: a person lets them go.",
            safe(tag)
        );
    }
    let actor = why.map_or("one person".to_owned(), |why| safe(&why.actor));
    let size = rules.map_or("hundreds".to_owned(), |rules| grouped(u64::from(rules.actor_size)));
    format!(
        "{actor} tagged new builds by the hundred: from {size} of one person on it is taken for a mass rebuild. The builds are \
         new, but thousands may come: a person lets them go."
    )
}

fn stated_rule(rules: Option<&Rules>) -> String {
    match rules.and_then(|rules| rules.hold_rule) {
        Some(rule) => {
            let then = match rule.then {
                HoldAction::Wait => "waits on",
                HoldAction::Drain => "is let go as far as it is shown to be new by then",
                HoldAction::Drop => "is dropped",
            };
            format!(
                "The pipeline says (burst.hold_rule): what nobody decided {} after its hold was opened {then}.",
                length(rule.after)
            )
        }
        None => "The pipeline says what becomes of a hold that nobody decides (burst.hold_rule).".to_owned(),
    }
}

/// The evidence that decided, or that was there all the same.
fn evidence(reason: Reason, why: Option<&Why>, rules: Option<&Rules>) -> Option<String> {
    let why = why?;
    let age = rules.map_or(String::new(), |rules| format!(" within {}", length(rules.max_trail_age)));
    if reason == Reason::Completed {
        return Some(format!(
            "A build that Koji completed{age} cannot be an old one: tagging does not complete a build."
        ));
    }
    if reason == Reason::Trail {
        return Some(format!(
            "New builds pass through a candidate or side tag on their way. One that did{age}, outside a burst of that tag, \
             counts as new."
        ));
    }
    if reason == Reason::KojiSaysFresh {
        return Some(format!(
            "No message had shown that it is new. By Koji's own record it was complete{age} before it was tagged, and it had \
             been in no followed tag before."
        ));
    }
    let seen = why.trail.as_ref().map(|seen| format!("it was{}", in_tag(seen)));
    let asked =
        why.koji_completed_at.map(|at| format!("Koji was asked, and says so: complete since {}", utc(at)));
    let seen = seen.or(asked);
    let seen = why.completed_at.map(|at| format!("Koji completed it at {}", utc(at))).or(seen)?;
    let held_anyway = matches!(reason, Reason::MassRebuild | Reason::EndOfInput);
    held_anyway.then(|| format!("Evidence that it is new: {seen}."))
}

/// What would have shown that a build is new, and that it was not seen.
fn missing_evidence(
    reason: Reason,
    step: &Step,
    sightings: &[Sighting],
    rules: Option<&Rules>,
) -> Vec<String> {
    if reason != Reason::NoFreshEvidence {
        return Vec::new();
    }
    let mut told = Vec::new();
    if let Some(rules) = rules {
        let tags: Vec<String> = rules
            .family
            .iter()
            .map(|member| member.tag.as_str())
            .flat_map(|release| {
                let side = rules.side_tag_prefixes.iter().map(|prefix| format!("{prefix}NUMBER"));
                let all = rules.candidate_tags.iter().cloned().chain(side);
                all.map(move |tag| safe(&tag.replace("{release}", release)))
            })
            .collect();
        told.push(format!(
            "A build counts as new if, within {} before, Koji was seen to complete it, or it was seen in {}, outside a burst of \
             that tag. No such message was read about this build.",
            length(rules.max_trail_age),
            any_of(&tags)
        ));
    }
    if let Some(seen) = step.why.as_ref().and_then(|why| why.trail_in_burst.as_ref()) {
        told.push(format!(
            "It was seen{}, but in a burst of that tag: so many at once prove nothing.",
            in_tag(seen)
        ));
    }
    let decided = step.decided_at;
    let later = sightings
        .iter()
        .find(|seen| seen.what == Sighted::Completed && decided.is_some_and(|decided| seen.at > decided));
    told.extend(later.map(|seen| format!("Later, at {}, Koji was seen to complete it.", utc(seen.at))));
    told
}

/// The group that it came in.
fn burst(run: &RunSummary, tag: Option<&str>) -> String {
    let tag = tag.map_or("the tag".to_owned(), safe);
    let (rule, within, from) = (grouped(u64::from(run.rule.count)), length(run.rule.within), utc(run.from));
    let members = &run.members;
    let [came, all, known, fresh, unproven] =
        [run.count, members.total(), members.known, members.fresh, members.unproven]
            .map(|count| grouped(u64::from(count)));
    let (start, end) = if run.burst {
        ("It came in a burst", "")
    } else {
        ("It came amid others", " The group was no burst, and its builds were decided one by one.")
    };
    format!(
        "{start}: from {from} on, {came} different builds came into {tag} within {within}, and the pipeline looks at {rule} within \
         {within} as one group. At this decision the group had {all}: {known} that had been in a followed tag before, {fresh} shown \
         to be new, and {unproven} of which nothing was known.{end}"
    )
}

/// What is to be said of the times.
fn clock(why: &Why, step: &Step, rules: Option<&Rules>) -> Vec<String> {
    let mut told = Vec::new();
    match why.time {
        TimeMark::Sent => {}
        TimeMark::Arrival => told
            .push("The message carried no time that can be true; its arrival stands in for it.".to_owned()),
        TimeMark::Future => told.push(
            "The message carried a time too far in the future; its arrival stands in for it.".to_owned(),
        ),
    }
    let reason = reason_of(&step.reason);
    if reason.is_some_and(|reason| reason.outcome() == Outcome::Duplicate) {
        return told;
    }
    if why.late {
        told.push(format!(
            "The message came late: newer ones had been read before. Its wait began at {}.",
            utc(why.effective_at)
        ));
    }
    let by_itself = step.command.is_none()
        && !matches!(
            reason,
            Some(Reason::DroppedByRule | Reason::ReleasedByRule | Reason::Superseded | Reason::KojiSaysFresh)
        );
    let waited = step.decided_at.map(|decided| decided - why.effective_at);
    if let (Some(waited), Some(rules)) = (waited, rules)
        && waited == rules.hold_back
        && by_itself
    {
        told.push(format!(
            "Every build waits {} before it is decided, so that a burst is seen before its first build leaves.",
            length(waited)
        ));
    }
    told
}
