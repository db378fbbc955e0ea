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
    /// Those that tag a build of an eligible package into the trigger tag: what is submitted without Tidegate.
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
            flood.submitted += u64::from(matches!(fact.base, Label::Fresh | Label::Retag));
            flood.old += u64::from(fact.base == Label::Retag);
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
