//! Runs the tests that a pipeline file carries: in virtual time, through the one engine, with nothing but the file.
//!
//! A test's events are made into messages and read as a live pipeline reads them: partition by partition, in the order
//! in which they come. Whatever has to be so is judged by what became of each message that tags a build into the trigger
//! tag, and of each that cannot be read.

mod fates;
mod feed;

use crate::engine::Engine;
use crate::engine::command::{Action, HoldCommand};
use crate::engine::hold::{HoldKind, Selection};
use crate::generate::World;
use crate::pipeline::{Case, Finding, Mark, Pipeline, Step, What};
use crate::settings::{FamilyTag, Settings};
use crate::time::{Second, Seconds};

use self::fates::Fates;
use self::feed::Feed;

/// What came of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The test.
    pub name: String,
    /// How many messages were read.
    pub messages: u64,
    /// What was not as it must be; empty where the test passed.
    pub failures: Vec<Finding>,
}

impl Verdict {
    /// Whether all was as it must be.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs all tests of a pipeline.
pub fn run_all(pipeline: &Pipeline) -> Vec<Verdict> {
    pipeline.cases.iter().map(|case| run(pipeline, case)).collect()
}

/// Runs one test.
pub fn run(pipeline: &Pipeline, case: &Case) -> Verdict {
    let mut verdict = Verdict { name: case.name.clone(), messages: 0, failures: Vec::new() };
    match Trial::start(pipeline, case) {
        Err(finding) => verdict.failures.push(*finding),
        Ok(mut trial) => {
            trial.tell(case);
            verdict.messages = trial.fates.len();
            verdict.failures = trial.failures;
        }
    }
    verdict
}

/// A test under way.
struct Trial {
    engine: Engine,
    fates: Fates,
    feed: Feed,
    failures: Vec<Finding>,
    /// The start, or when the generated stream's last message was sent.
    origin: Second,
}

impl Trial {
    fn start(pipeline: &Pipeline, case: &Case) -> Result<Self, Box<Finding>> {
        let failed = |message: String, help: &str| Box::new(case.mark.error(message, help.to_owned()));
        let stream = case.stream.as_ref().map(feed::generated).transpose();
        let stream = stream.map_err(|error| failed(error.to_string(), "mend the test"))?;
        let settings = settings(pipeline, case, stream.as_ref())?;
        let mut feed = Feed::new(settings.route.clone(), &settings.trigger.tag, case);
        let partitions = stream.as_ref().map_or_else(|| [0].into(), World::partitions);
        let engine = Engine::new(settings, partitions);
        let mut engine =
            engine.map_err(|error| failed(error.to_string(), "mend the expression in [select]"))?;
        let mut fates = Fates::default();
        feed.packages(&mut engine, case, stream.as_ref());
        let mut origin = case.start;
        if let Some(world) = &stream {
            origin = feed.stream(&mut engine, &mut fates, world).map_err(|error| {
                let message = format!("the stream cannot be generated: {error}");
                failed(message, "this is a defect of the generator, please report it")
            })?;
        }
        Ok(Self { engine, fates, feed, failures: Vec::new(), origin })
    }

    fn tell(&mut self, case: &Case) {
        for step in &case.steps {
            if let What::Known(builds, tag, ago) = &step.what {
                for build in builds.first..=builds.last {
                    self.engine.know(None, build, tag, case.start - *ago);
                }
            }
        }
        let mut moments: Vec<Moment<'_>> = case.steps.iter().flat_map(moments).collect();
        moments.sort_by_key(|moment| moment.at);
        let last = moments.last().map_or(Seconds(0), |moment| moment.at);
        for moment in moments {
            self.happen(&moment);
        }
        if let Some(advance) = case.advance {
            self.wait_until(self.origin + last + advance);
        } else {
            self.engine.end();
            self.fates.take(&mut self.engine);
        }
        for expectation in &case.expect {
            self.failures.extend(self.fates.judge(&self.engine, expectation));
        }
    }

    fn happen(&mut self, moment: &Moment<'_>) {
        let now = self.origin + moment.at;
        match &moment.step.what {
            What::Known(..) => {}
            What::Tag(_) | What::Untag(_) | What::Complete(_) => {
                let Self { feed, engine, fates, .. } = self;
                feed.event(engine, fates, &moment.step.what, (moment.build, now));
            }
            What::Release(kind, selection) => {
                self.wait_until(now);
                self.command(*kind, selection, Action::Release, &moment.step.mark);
            }
            What::Drop(kind, selection) => {
                self.wait_until(now);
                self.command(*kind, selection, Action::Drop, &moment.step.mark);
            }
            What::Expect(expectations) => {
                self.wait_until(now);
                for expectation in expectations {
                    self.failures.extend(self.fates.judge(&self.engine, expectation));
                }
            }
        }
    }

    /// Lets time pass: the source is caught up, and no message of before `now` is to come.
    fn wait_until(&mut self, now: Second) {
        for partition in self.feed.partitions() {
            self.engine.caught_up(partition, now);
        }
        self.fates.take(&mut self.engine);
    }

    fn command(&mut self, kind: HoldKind, selection: &Selection, action: Action, mark: &Mark) {
        let Some(hold) = self.engine.holds().iter().find(|hold| hold.kind == kind).map(|hold| hold.id) else {
            let open = self.engine.holds().iter();
            let open: Vec<_> =
                open.map(|hold| format!("{} with {} held", hold.kind.word(), hold.members.len())).collect();
            let open = if open.is_empty() { "no hold is open".to_owned() } else { open.join(", ") };
            let message = format!("expected: an open hold of kind {}; was: {open}", kind.word());
            let help = "decide later, when it has been opened, or about another kind".to_owned();
            self.failures.push(mark.error(message, help));
            return;
        };
        let command = HoldCommand {
            hold,
            version: None,
            selection: selection.clone(),
            action,
            reason: "a test of the pipeline file".to_owned(),
            who: "test".to_owned(),
        };
        if let Err(refused) = self.engine.command(&command) {
            let message = format!("expected: hold {hold} can be decided; was: {refused}");
            self.failures.push(mark.error(message, "name builds that are in the hold".to_owned()));
        }
        self.fates.take(&mut self.engine);
    }
}

/// One event of a step at its time.
struct Moment<'a> {
    at: Seconds,
    step: &'a Step,
    /// The build that it tells of; 0 where it tells of none.
    build: u64,
}

/// The events of a step, one for each build.
fn moments(step: &Step) -> Vec<Moment<'_>> {
    // What is known acts before the start, all at once.
    let known = matches!(step.what, What::Known(..));
    let Some(builds) = step.what.builds().filter(|_| !known) else {
        return vec![Moment { at: step.at, step, build: 0 }];
    };
    let count = i64::try_from(builds.count()).unwrap_or(i64::MAX);
    (0..count)
        .zip(builds.first..=builds.last)
        .map(|(index, build)| Moment { at: Seconds(step.at.0 + builds.over.0 * index / count), step, build })
        .collect()
}

/// The pipeline's settings for the trigger tag of the test. All of a test is judged, whatever `begin` says.
fn settings(pipeline: &Pipeline, case: &Case, stream: Option<&World>) -> Result<Settings, Box<Finding>> {
    let mut settings = match (stream, &case.follow) {
        (Some(world), _) => pipeline.settings_for(&world.trigger_tag()),
        (None, Some(tag)) => pipeline.settings_for(tag),
        (None, None) => pipeline.settings().map_err(|unresolved| {
            let message = format!("the test does not say which tag `{}` stands for", unresolved.alias);
            Box::new(
                case.mark.error(message, "state `follow` in the test, such as follow = \"f42\"".to_owned()),
            )
        })?,
    };
    let family = stream.map(World::family).or_else(|| case.family.clone());
    if let Some(mut family) = family {
        let tag = &settings.trigger.tag;
        if !family.iter().any(|member| member.tag == *tag) {
            family.push(FamilyTag { tag: tag.clone(), left_at: None });
        }
        settings.trigger.family = family;
    }
    settings.clock.begin = None;
    Ok(settings)
}
