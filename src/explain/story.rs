//! Puts the story of a build together: what happened in order, how things stand, and what may happen next.

use super::facts::{Line, Missing, Sighted, Sighting, Step, Story, Waiting};
use super::reasons::{details, head, reason_of};
use super::words::{counted, safe, utc};
use super::{Page, Paragraph};
use crate::engine::decision::{Outcome, Reason};
use crate::live::reconcile::KOJI;
use crate::settings::HoldAction;

/// Sightings told one by one; a build is tagged a dozen times at the most.
const SIGHTINGS_TOLD: usize = 100;

/// The story of one build.
pub fn page(story: &Story) -> Page {
    let mut events: Vec<(Option<crate::time::Second>, Paragraph)> = Vec::new();
    for (index, step) in story.steps.iter().enumerate() {
        let before = story.steps.get(..index).unwrap_or_default();
        if !before.iter().any(|earlier| earlier.position == step.position) {
            events.push((step.event_time, tagged(step)));
        }
        events.push((step.decided_at, decided(step, &story.sightings)));
    }
    let told_by_steps = |seen: &&Sighting| {
        !(seen.what == Sighted::Tagged
            && story.steps.iter().any(|step| step.tag == seen.tag && step.event_time == Some(seen.at)))
    };
    let sightings = story.sightings.iter().filter(told_by_steps).take(SIGHTINGS_TOLD);
    events.extend(sightings.map(|seen| (Some(seen.at), sighting(seen))));
    // Stable: at one time, what the decisions tell stays in their order.
    events.sort_by_key(|(at, _)| *at);
    Page { title: title(story), events: events.into_iter().map(|(_, told)| told).collect(), now: now(story) }
}

/// What is told of a line of a file of decisions, of a message that the state has no row for.
pub fn page_of_line(line: &Line, rules: Option<&std::sync::Arc<super::facts::Pipeline>>) -> Page {
    let Some(pipeline) = rules else {
        return Page { title: line_title(line), ..Page::default() };
    };
    let step = Step {
        id: 0,
        position: crate::event::Position { partition: 0, offset: line.line },
        message_id: line.id.clone(),
        build_id: None,
        instance: None,
        nvr: None,
        tag: None,
        outcome: line.outcome.clone(),
        reason: line.reason.clone(),
        hold: line.burst.clone(),
        event_time: None,
        decided_at: None,
        pipeline: std::sync::Arc::clone(pipeline),
        why: None,
        command: None,
        letter: None,
    };
    let time = line.event_time.as_deref().and_then(crate::time::Second::parse).map(utc).unwrap_or_default();
    let told = Paragraph { time, head: head(&step), details: details(&step, &[]) };
    let now = "Nothing more happens: no decision about a build came of it. Of such messages the state keeps what they teach, not \
               the messages; this was read from the file of decisions.";
    let now = if line.outcome == Outcome::Ignored.word() { vec![now.to_owned()] } else { Vec::new() };
    Page { title: line_title(line), events: vec![told], now }
}

fn line_title(line: &Line) -> String {
    let id = line.id.as_deref().map_or("without identity".to_owned(), safe);
    format!("Message {id}, line {} of the input: {}", line.line, outcome(&line.outcome))
}

/// What is told where nothing was found.
pub fn page_of_missing(missing: &Missing) -> Page {
    let mut told = vec![
        "Looked for was a build of that name, version and release, a build of that number, and a message of that identity."
            .to_owned(),
        match (missing.since, missing.until) {
            (Some(since), Some(until)) => format!(
                "The state holds {}, from {} to {}, about builds that came into {}.",
                counted(missing.decisions, "decision", "decisions"),
                utc(since),
                utc(until),
                missing.trigger.as_deref().map_or("the followed tag".to_owned(), safe),
            ),
            _ => "The state holds no decision yet.".to_owned(),
        },
        "That nothing is found may mean: the message never arrived, or was not read yet; it came before this state began; it is of \
         a kind that decides nothing (another topic, instance or tag, an untag, a change of state), of which the state keeps no row; \
         or it is mistyped."
            .to_owned(),
        match &missing.file {
            Some(file) => format!("The file of decisions {} has no line for such a message either.", safe(file)),
            None => "A file that `tidegate replay --decisions FILE` wrote has a line for each message: to look there too, give it with \
                     --decisions FILE."
                .to_owned(),
        },
    ];
    if !missing.nearest.is_empty() {
        told.push("Builds of that or a like package, the newest first:".to_owned());
    }
    let near = missing.nearest.iter();
    let near = near
        .map(|near| format!("{} (build {}): {}", safe(&near.nvr), near.build_id, outcome(&near.outcome)))
        .collect();
    let mut events: Vec<_> =
        told.into_iter().map(|head| Paragraph { head, ..Paragraph::default() }).collect();
    if let Some(last) = events.last_mut() {
        last.details = near;
    }
    Page { title: format!("nothing is known of {}", safe(&missing.asked)), events, now: Vec::new() }
}

fn title(story: &Story) -> String {
    let standing = standing(story);
    let Some(build_id) = story.build_id else { return "A message that cannot be read".to_owned() };
    let nvr = story.nvr.as_deref().map_or_else(|| "A build whose name is not kept".to_owned(), safe);
    let instance =
        story.instance.as_deref().map_or(String::new(), |name| format!(" of Koji instance {}", safe(name)));
    format!("{nvr} (build {build_id}{instance}): {standing}")
}

/// How things stand, in a few words.
fn standing(story: &Story) -> String {
    if let Some(waiting) = story.waits.first() {
        return format!("held in {}", waiting.hold);
    }
    let submitted = story.steps.iter().any(|step| step.outcome == Outcome::Submitted.word());
    match last_word(story) {
        _ if submitted || story.submitted => "submitted".to_owned(),
        Some(step) => outcome(&step.outcome),
        None => "seen, and never decided".to_owned(),
    }
}

/// The decision that counts: a duplicate changes nothing about the one before.
fn last_word(story: &Story) -> Option<&Step> {
    let counts = |step: &&Step| step.outcome != Outcome::Duplicate.word();
    story.steps.iter().rfind(counts).or(story.steps.last())
}

fn outcome(word: &str) -> String {
    safe(&word.replace('_', " "))
}

/// The message that a decision is about.
fn tagged(step: &Step) -> Paragraph {
    let time = step.event_time.map(utc).unwrap_or_default();
    let head = match (&step.tag, &step.why) {
        _ if step.reason == Reason::MessageSeen.word() => "The same message came once more.".to_owned(),
        (Some(tag), Some(why)) => format!("{} tagged it into {}.", safe(&why.actor), safe(tag)),
        (Some(tag), None) => format!("It was tagged into {}.", safe(tag)),
        (None, _) => "A message came.".to_owned(),
    };
    let id = step.message_id.as_deref().map_or("without identity".to_owned(), safe);
    let crate::event::Position { partition, offset } = step.position;
    let read = if partition == KOJI {
        "The bus brought no message of it in time. It was found in Koji's own history.".to_owned()
    } else {
        format!("Message {id}, read as partition {partition}, offset {offset}.")
    };
    Paragraph { time, head, details: vec![read] }
}

fn decided(step: &Step, sightings: &[Sighting]) -> Paragraph {
    let time = step.decided_at.map(utc).unwrap_or_default();
    Paragraph { time, head: head(step), details: details(step, sightings) }
}

fn sighting(seen: &Sighting) -> Paragraph {
    let tag = seen.tag.as_deref().map_or("a tag".to_owned(), safe);
    let head = match seen.what {
        Sighted::Completed => "Koji completed it.".to_owned(),
        Sighted::Imported => format!("The list of known builds has it in {tag}."),
        Sighted::Tagged => format!("It was tagged into {tag}."),
        Sighted::Untagged => format!("It was untagged from {tag}."),
    };
    let burst = seen.in_burst.then_some("That was in a burst of that tag, and so proves nothing.");
    let asked = seen.asked.then_some("This is what the message that was asked for says.");
    let details = asked.into_iter().chain(burst).map(str::to_owned).collect();
    Paragraph { time: utc(seen.at), head, details }
}

/// How things stand, and what may happen next.
fn now(story: &Story) -> Vec<String> {
    if !story.waits.is_empty() {
        return story.waits.iter().flat_map(|waiting| waits(story, waiting)).collect();
    }
    if story.build_id.is_none() {
        return vec!["Its beginning is kept; it decided nothing. If it was about a build, nothing else tells what it said.".to_owned()];
    }
    let mut now = Vec::new();
    let submitted =
        story.submitted || story.steps.iter().any(|step| step.outcome == Outcome::Submitted.word());
    match last_word(story).and_then(|step| reason_of(&step.reason)) {
        None if story.steps.is_empty() => now.push(
            "It never came into the followed tag, so nothing was decided about it; what was seen of it is remembered.".to_owned(),
        ),
        _ if submitted => now.push(
            "It was handed on to be rebuilt, and will not be a second time. A replay or a dry run sends nothing.".to_owned(),
        ),
        Some(Reason::NotEligible) => {
            now.push("Nothing is rebuilt for it, unless its package becomes eligible in time.".to_owned());
        }
        Some(Reason::Superseded) => {
            let newer = story.superseded_by.as_ref();
            let newer = newer.map(|newer| format!(", {} (build {}), was submitted", safe(&newer.nvr), newer.build_id));
            now.push(format!("Nothing is rebuilt for it: the newer build{}.", newer.unwrap_or(" was".to_owned())));
        }
        Some(Reason::KnownBuild) => now.push(
            "Nothing is rebuilt for it. If a rebuild is wanted all the same, make a new build of the package.".to_owned(),
        ),
        Some(_) | None => now.push("Nothing more happens to it here.".to_owned()),
    }
    now
}

fn waits(story: &Story, waiting: &Waiting) -> Vec<String> {
    let Waiting { hold, kind, opened_at, builds } = waiting;
    let kind = match kind.as_str() {
        "retag" => "old builds tagged again",
        "flood" => "a flood of builds of which nothing is known",
        "mass_rebuild" => "builds of a mass rebuild",
        "unproven" => "single builds, outside any burst",
        other => other,
    };
    let size = counted(*builds, "build", "builds");
    let mut now = vec![format!(
        "It waits in hold {hold} ({}), open since {}, with {size} in it.",
        safe(kind),
        utc(*opened_at)
    )];
    let rules = story.steps.iter().rev().find_map(|step| step.pipeline.rules.as_ref());
    now.push(match rules.and_then(|rules| rules.hold_rule).filter(|rule| rule.then != HoldAction::Wait) {
        None => {
            "It stays there until a person decides; it is neither submitted nor dropped by age.".to_owned()
        }
        Some(rule) => {
            let at = utc(*opened_at + rule.after);
            let then = match rule.then {
                HoldAction::Drain => "the pipeline lets go what is shown to be new by then; the rest stays",
                HoldAction::Drop => "the pipeline drops it",
                HoldAction::Wait => "nothing happens",
            };
            format!("If nobody decides before {at}, {then}.")
        }
    });
    now.push(
        "An operator can release it (it is submitted, unless a newer build of the package was meanwhile) or drop it (nothing is \
         rebuilt), alone or with others of the hold; either takes a reason."
            .to_owned(),
    );
    let rate = rules.map_or(String::new(), |rules| format!(", no faster than {} an hour", rules.per_hour));
    now.push(if waiting.kind == "mass_rebuild" {
        format!(
            "Release it once the mass rebuild is over and its builds are wanted downstream: they are submitted one after another{rate}."
        )
    } else {
        "To judge it, look in Koji when and where it was built, and who tagged it: a build that is older than its tagging by weeks \
         is a re-tag, to be dropped; one of that day is new, to be released."
            .to_owned()
    });
    now
}
