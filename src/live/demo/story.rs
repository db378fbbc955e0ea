//! What is published in the demo, in which order, with the truth about each message; and decisions judged by it. Pure.

use std::collections::BTreeMap;
use std::io;

use crate::engine::decision::Outcome;
use crate::explain::facts::Step;
use crate::generate::World;
use crate::score::truth::{Fact, Facts, Label};
use crate::time::{Second, Seconds};

/// How long after the last message the marks stand: by then everything before them is decided.
const MARKS_AFTER: Seconds = Seconds(3 * 3_600);
/// Marks in each partition: a jump of the clock is believed when a second message confirms it.
const MARKS: u32 = 2;

/// A message and the partition that it is published to.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The partition.
    pub partition: u32,
    /// The message.
    pub bytes: Vec<u8>,
    /// What it is; `None` for what only teaches, and for marks.
    pub fact: Option<Fact>,
}

/// All messages of the demo, in the order in which they are published.
#[derive(Debug)]
pub struct Story {
    messages: Vec<Published>,
    /// How many of them come before the branching.
    before: usize,
    /// How many of them are no marks.
    unmarked: usize,
    /// From when on messages are judged.
    pub begin: Second,
    /// The first event of the branching.
    pub branching_at: Second,
}

/// What of a backlog an automation without Tidegate submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flood {
    /// Messages of the stream.
    pub messages: u64,
    /// Those that tag a build of an eligible package into the trigger tag for the first time: what is submitted without
    /// Tidegate, even by what knows a repetition.
    pub submitted: u64,
    /// Those of them whose build is old.
    pub old: u64,
}

/// What a build is taken as an example of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examples {
    /// An old build of the branching that was dropped.
    pub dropped: Option<String>,
    /// A new build that was submitted though it came with the branching or after it.
    pub submitted: Option<String>,
    /// A build that waits for a person.
    pub held: Option<String>,
}

/// What the decisions are worth by the truth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// New builds of eligible packages.
    pub new: u64,
    /// Those that were submitted.
    pub submitted: u64,
    /// Those that wait for a person.
    pub held: u64,
    /// Those that were neither submitted nor held.
    pub lost: u64,
    /// Old builds, and builds that are none of ours, that were submitted.
    pub leaked: u64,
    /// Submissions of a new build beyond its first.
    pub twice: u64,
    /// Messages about eligible packages without a decision.
    pub undecided: u64,
    /// Builds to look at.
    pub examples: Examples,
}

impl Verdict {
    /// Whether nothing happened that must not.
    pub fn passes(&self) -> bool {
        self.lost + self.leaked + self.twice + self.undecided == 0
    }
}

impl Story {
    /// Divides a stream at the first message of its first burst of re-tags. `truth` has one fact for each of its lines.
    ///
    /// # Errors
    /// Where the stream has no such burst, or the truth is not that of the stream.
    pub fn of(world: &World, facts: &Facts, truth: Vec<Fact>) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let burst = facts.bursts.iter().find(|burst| burst.kind == "retag");
        let burst = burst.ok_or_else(|| wrong("the stream has no burst of re-tags"))?;
        let time = |seconds| Second::from_float(seconds).ok_or_else(|| wrong("the truth has a wrong time"));
        let times = truth.iter().map(|fact| time(fact.t)).collect::<io::Result<Vec<_>>>()?;
        let (Some(begin), Some(last)) = (times.iter().min(), times.iter().max()) else {
            return Err(wrong("the stream is empty"));
        };
        let partitions: Vec<u32> = world.partitions().into_iter().collect();
        let mut turns = partitions.iter().copied().cycle();
        let mut messages = Vec::new();
        world.each_lesson(|bytes| {
            let partition = turns.next().unwrap_or_default();
            messages.push(Published { partition, bytes: bytes.to_vec(), fact: None });
        })?;
        let taught = messages.len();
        let before = truth.iter().position(|fact| fact.burst.as_ref() == Some(&burst.id));
        let before = taught + before.ok_or_else(|| wrong("no line stands in the burst of re-tags"))?;
        let mut truth = truth.into_iter();
        world.each_sample(|sample| {
            let fact = truth.next();
            messages.push(Published { partition: sample.partition, bytes: sample.bytes.to_vec(), fact });
        })?;
        let unmarked = messages.len();
        for number in 0..MARKS {
            messages.extend(partitions.iter().map(|partition| mark(*partition, number, *last + MARKS_AFTER)));
        }
        Ok(Self { messages, before, unmarked, begin: *begin, branching_at: time(burst.start)? })
    }

    /// What comes before the branching, and what comes with it and after it.
    pub fn parts(&self) -> (&[Published], &[Published]) {
        self.messages.split_at_checked(self.before).unwrap_or_default()
    }

    /// Partitions with the number of messages that are published to each.
    pub fn partitions(messages: &[Published]) -> BTreeMap<u32, u64> {
        let mut counts = BTreeMap::new();
        for message in messages {
            *counts.entry(message.partition).or_default() += 1;
        }
        counts
    }

    /// Messages that only let time go on.
    pub fn marks(&self) -> u64 {
        (self.messages.len() - self.unmarked) as u64
    }

    /// What waits while the intake is paused.
    pub fn flood(&self) -> Flood {
        let (_, behind) = self.parts();
        let mut flood = Flood { messages: behind.len() as u64 - self.marks(), ..Flood::default() };
        for fact in behind.iter().filter_map(|message| message.fact.as_ref()) {
            flood.submitted += u64::from(matches!(fact.label, Label::Fresh | Label::Retag));
            flood.old += u64::from(fact.label == Label::Retag);
        }
        flood
    }

    /// Judges decisions; each names its partition of the topic and its offset there. A build that was held and then
    /// decided has two, and the last one counts.
    pub fn judge(&self, steps: &[Step]) -> Verdict {
        let steps: BTreeMap<(u32, u64), &Step> =
            steps.iter().map(|step| ((step.position.partition, step.position.offset), step)).collect();
        let mut verdict = Verdict::default();
        let mut builds: BTreeMap<u64, Fate> = BTreeMap::new();
        let mut next: BTreeMap<u32, u64> = BTreeMap::new();
        for (index, message) in self.messages.iter().enumerate() {
            let offset = next.entry(message.partition).or_default();
            let step = steps.get(&(message.partition, *offset)).copied();
            *offset += 1;
            let Some(fact) = &message.fact else { continue };
            let outcome = step.map(|step| step.outcome.as_str());
            let submitted = outcome == Some(Outcome::Submitted.word());
            match (fact.base, fact.build) {
                (Label::Fresh, Some(build)) => {
                    let fate = builds.entry(build).or_default();
                    fate.submitted += u64::from(submitted);
                    fate.held |= outcome == Some(Outcome::Held.word());
                    verdict.undecided += u64::from(outcome.is_none());
                }
                (Label::Retag, _) => {
                    verdict.leaked += u64::from(submitted);
                    verdict.undecided += u64::from(outcome.is_none());
                }
                _ => verdict.leaked += u64::from(submitted),
            }
            if let Some(step) = step.filter(|_| index >= self.before) {
                verdict.examples.take(step);
            }
        }
        for fate in builds.values() {
            verdict.new += 1;
            verdict.submitted += u64::from(fate.submitted > 0);
            verdict.twice += fate.submitted.saturating_sub(1);
            verdict.held += u64::from(fate.submitted == 0 && fate.held);
            verdict.lost += u64::from(fate.submitted == 0 && !fate.held);
        }
        verdict
    }
}

/// What became of a new build.
#[derive(Debug, Default)]
struct Fate {
    submitted: u64,
    held: bool,
}

impl Examples {
    fn take(&mut self, step: &Step) {
        let of = |outcome: Outcome| step.outcome == outcome.word();
        let place = if of(Outcome::Dropped) {
            &mut self.dropped
        } else if of(Outcome::Submitted) {
            &mut self.submitted
        } else if of(Outcome::Held) {
            &mut self.held
        } else {
            return;
        };
        if place.is_none() {
            place.clone_from(&step.nvr);
        }
    }
}

/// A message of no interest.
fn mark(partition: u32, number: u32, at: Second) -> Published {
    let text = format!(
        "{{\"id\":\"mark-{partition}-{number}\",\"topic\":\"org.example.clock\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{{}}}}"
    );
    Published { partition, bytes: text.into_bytes(), fact: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decision::Outcome::{Dropped, Duplicate, Held, Submitted};
    use crate::event::Position;
    use crate::explain::facts::Pipeline;
    use crate::generate::generate;
    use crate::score::truth::Burst;
    use std::sync::Arc;

    /// The truth of a generated stream.
    fn truth(world: &World) -> (Facts, Vec<Fact>) {
        let dir = tempfile::tempdir().unwrap();
        world.write_truth(dir.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let lines = read("truth.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (serde_json::from_str(&read("truth.json")).unwrap(), lines)
    }

    /// Three messages in two partitions: before a branching a new build, then an old one, and the new one once more.
    fn small() -> Story {
        let fact = |label, base, build| Fact {
            line: 1,
            id: None,
            label,
            base,
            burst: None,
            build: Some(build),
            t: 0.0,
            variant: None,
        };
        let at = |partition, fact| Published { partition, bytes: Vec::new(), fact: Some(fact) };
        let messages = vec![
            Published { partition: 0, bytes: Vec::new(), fact: None },
            at(0, fact(Label::Fresh, Label::Fresh, 7)),
            at(1, fact(Label::Retag, Label::Retag, 3)),
            at(0, fact(Label::Redelivery, Label::Fresh, 7)),
            mark(1, 0, Second(0)),
        ];
        Story { messages, before: 2, unmarked: 4, begin: Second(0), branching_at: Second(0) }
    }

    fn step(partition: u32, offset: u64, outcome: Outcome) -> Step {
        Step {
            id: 0,
            position: Position { partition, offset },
            message_id: None,
            build_id: None,
            instance: None,
            nvr: Some(format!("p-{partition}-{offset}")),
            tag: None,
            outcome: outcome.word().to_owned(),
            reason: String::new(),
            hold: None,
            event_time: None,
            decided_at: None,
            pipeline: Arc::new(Pipeline { name: String::new(), hash: String::new(), rules: None }),
            why: None,
            command: None,
            letter: None,
        }
    }

    #[test]
    fn what_must_not_happen_fails_the_verdict_and_nothing_else_does() {
        let good = Verdict { new: 1, ..Verdict::default() };
        for (outcomes, expected) in [
            ([Some(Submitted), Some(Dropped), Some(Duplicate)], Verdict { submitted: 1, ..good.clone() }),
            ([Some(Held), Some(Held), Some(Duplicate)], Verdict { held: 1, ..good.clone() }),
            (
                [Some(Submitted), Some(Submitted), Some(Duplicate)],
                Verdict { submitted: 1, leaked: 1, ..good.clone() },
            ),
            (
                [Some(Submitted), Some(Dropped), Some(Submitted)],
                Verdict { submitted: 1, twice: 1, ..good.clone() },
            ),
            ([Some(Dropped), Some(Dropped), Some(Duplicate)], Verdict { lost: 1, ..good.clone() }),
            (
                [Some(Submitted), None, Some(Duplicate)],
                Verdict { submitted: 1, undecided: 1, ..good.clone() },
            ),
            ([None, Some(Dropped), None], Verdict { lost: 1, undecided: 2, ..good.clone() }),
        ] {
            let places = [(0, 1), (1, 0), (0, 2)].into_iter().zip(outcomes);
            let steps: Vec<_> = places
                .filter_map(|((partition, offset), outcome)| Some(step(partition, offset, outcome?)))
                .collect();
            let verdict = Verdict { examples: Examples::default(), ..small().judge(&steps) };
            assert_eq!(verdict, expected, "{outcomes:?}");
            let fine = expected.lost + expected.leaked + expected.twice + expected.undecided == 0;
            assert_eq!(verdict.passes(), fine, "{outcomes:?}");
        }
    }

    #[test]
    fn the_last_decision_counts_and_examples_are_of_the_branching() {
        let steps = [step(0, 1, Held), step(0, 1, Submitted), step(1, 0, Dropped), step(0, 2, Duplicate)];
        let verdict = small().judge(&steps);
        assert_eq!((verdict.submitted, verdict.held), (1, 0));
        assert_eq!(verdict.examples, Examples { dropped: Some("p-1-0".to_owned()), ..Examples::default() });
    }

    #[test]
    fn a_stream_is_divided_at_its_branching() {
        let world = generate("branching", 3, 0.02).unwrap();
        let (facts, truth) = truth(&world);
        let lines = truth.len();
        let story = Story::of(&world, &facts, truth).unwrap();
        let (before, behind) = story.parts();
        let in_burst = |message: &Published| message.fact.as_ref().is_some_and(|fact| fact.burst.is_some());
        assert!(!before.iter().any(in_burst) && in_burst(&behind[0]));
        let judged =
            |messages: &[Published]| messages.iter().filter(|message| message.fact.is_some()).count();
        assert_eq!(judged(before) + judged(behind), lines);
        let flood = story.flood();
        assert_eq!(flood.messages, judged(behind) as u64);
        assert!(
            flood.old > 10 && flood.submitted > flood.old && flood.messages > flood.submitted,
            "{flood:?}"
        );
        assert_eq!(story.marks(), u64::from(MARKS) * world.partitions().len() as u64);
        assert!(judged(before) > 0 && story.begin < story.branching_at);
    }

    #[test]
    fn a_stream_without_a_branching_is_refused() {
        let world = generate("branching", 3, 0.02).unwrap();
        let (facts, lines) = truth(&world);
        let calm = Facts { bursts: Vec::new(), ..facts.clone() };
        let elsewhere = Burst { id: "b9".to_owned(), ..facts.bursts[0].clone() };
        for (facts, lines, what) in [
            (calm, lines.clone(), "no burst"),
            (Facts { bursts: vec![elsewhere], ..facts.clone() }, lines, "no line stands"),
            (facts, Vec::new(), "empty"),
        ] {
            let error = Story::of(&world, &facts, lines).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
