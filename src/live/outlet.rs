//! Admitted builds on their way to the sink: the submitter amid a running pipeline.
//!
//! The order of things is what counts. What a batch admits has a row when it is committed, and is handed to the submitter then. What
//! the submitter wants to ask is chosen before a batch is written, and given out after: by then its intent is in the file.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::runner::Now;
use super::view::SinkView;
use crate::engine::Engine;
use crate::engine::decision::{Decision, Outcome, Reason};
use crate::generate::rng::Rng;
use crate::governor::clock::Millis;
use crate::governor::hub::Jitter;
use crate::governor::lanes::{Lane, Place};
use crate::governor::load::Load;
use crate::governor::queue::Admitted;
use crate::governor::rate::Rate;
use crate::governor::settings::{LoadSettings, Settings as GovernorSettings, SettingsError};
use crate::pipeline::{Pipeline, Sink};
use crate::settings;
use crate::state::outbox::{Admission, Outbox, Unplanned};
use crate::state::{State, StateError};
use crate::submit::row::{MarkerBase, Plan, RowId};
use crate::submit::settings::{Manner, Settings};
use crate::submit::status::Status;
use crate::submit::{Answer, Ask, Changes, Submitter};
use crate::time::Second;

/// Builds that are handed to the submitter after one batch; the others wait in the file for the next.
const PLANNED_AT_ONCE: u32 = 1_000;

/// Names in one request to an `ELNBuildSync`, as it takes them itself.
const CHUNK: NonZeroU32 = NonZeroU32::MIN.saturating_add(40 - 1);
/// How long the next one waits where nobody says that the last is done.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(6 * 3_600);

/// How admitted builds are submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitting {
    /// The submitter's settings.
    pub settings: Settings,
    /// The build target; `None`: the sink has none.
    pub target: Option<Arc<str>>,
}

/// The submitter, and how far what it wants is.
#[derive(Debug)]
pub(super) struct Outlet {
    submitter: Submitter,
    target: Option<Arc<str>>,
    /// Identity of the state: by it tasks are told from those of others.
    state: String,
    /// All rows up to this one were handed over.
    planned: RowId,
    /// Rows may be there that were not.
    is_behind: bool,
    /// Chosen, and to be given out when the batch is written.
    chosen: Option<Ask>,
    /// To be carried out.
    ready: Option<Ask>,
    is_changed: bool,
    /// Draws what is random about waits.
    random: Rng,
    /// How it stood when the last batch was written.
    shown: Option<Status>,
}

impl Outlet {
    /// Goes on from the outbox of a state; `adopted`: since when it, an old copy, goes on in place of another.
    pub(super) fn new(
        submitting: Submitting,
        outbox: Outbox,
        state: &str,
        seed: u64,
        now: Now,
        adopted: Option<Second>,
    ) -> Result<Self, SettingsError> {
        let Submitting { settings, target } = submitting;
        let mut submitter = Submitter::restore(settings, millis(now), outbox.rows, outbox.kept)?;
        if let Some(at) = adopted {
            submitter.adopt(millis(now), at);
        }
        Ok(Self {
            submitter,
            target,
            state: state.to_owned(),
            planned: RowId(0),
            is_behind: true,
            chosen: None,
            ready: None,
            is_changed: true,
            random: Rng::new("outlet", seed),
            shown: None,
        })
    }

    /// Whether something has to be written, or the submitter may have something to ask. Where nothing may be asked its wake
    /// would stand in the past for as long, and each turn would write a batch.
    pub(super) fn is_due(&self, now: Now, may_ask: bool) -> bool {
        let wakes = may_ask && self.submitter.wakes_at().is_some_and(|at| at <= millis(now));
        self.is_changed || self.is_behind || wakes
    }

    /// Before a batch is written: chooses what to ask, if anything may be asked, and says what to write. `closed`: why nothing new may
    /// be submitted.
    pub(super) fn choose(&mut self, now: Now, may_ask: bool, closed: &[String]) -> Changes {
        let at = millis(now);
        match closed {
            [] => drop(self.submitter.resume(at)),
            reasons => self.submitter.pause(at, reasons.join("; ").into()),
        }
        if may_ask && self.chosen.is_none() && self.ready.is_none() {
            self.chosen = self.submitter.next(at);
        }
        self.is_changed = false;
        self.shown = Some(self.submitter.status(at));
        self.submitter.changes()
    }

    /// After a batch was written: what was chosen may be carried out, and what the batch admitted is planned.
    pub(super) fn written(&mut self, state: &State, engine: &Engine, now: Now) -> Result<(), StateError> {
        if let Some(ask) = self.chosen.take() {
            self.ready = Some(ask);
        }
        if self.is_behind {
            let builds = state.unplanned(self.planned, PLANNED_AT_ONCE)?;
            self.is_behind = builds.len() >= usize::try_from(PLANNED_AT_ONCE).unwrap_or(usize::MAX);
            for build in builds {
                if !self.plan(build, engine, now) {
                    // It stays in the file, and is handed over when there is room.
                    self.is_behind = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// A batch admits builds.
    pub(super) fn admits(&mut self) {
        self.is_behind = true;
    }

    /// Hands a build over; `false`: there is no room.
    fn plan(&mut self, unplanned: Unplanned, engine: &Engine, now: Now) -> bool {
        let Unplanned { id, build, build_id, package, nvr, tag, tagged_at, position, lane, hold } = unplanned;
        let Some(build) = build else {
            tracing::warn!(
                nvr,
                "a version of Tidegate without an outbox admitted this build: it stays as it is, and is not submitted"
            );
            self.planned = id;
            return true;
        };
        let tag: Arc<str> = tag.into();
        let admitted = Admitted {
            build,
            package: downstream(engine, &package).into(),
            lane,
            place: Place::InOrder,
            group: hold.map(|hold| format!("h{}", hold.0).into()),
            tagged_at,
            position,
            admitted_at: millis(now),
        };
        let plan = Plan {
            id,
            admitted,
            nvr: nvr.as_str().into(),
            trigger_tags: vec![Arc::clone(&tag)],
            tag,
            target: self.target.clone(),
            marker_base: MarkerBase::new(&self.state, engine.name(build.instance), build_id),
            priority: None,
            slice: 0,
        };
        self.is_changed = true;
        match self.submitter.admit(millis(now), plan) {
            Ok(_) => {
                self.planned = id;
                true
            }
            Err(error) => {
                tracing::warn!(nvr, "not planned yet: {error}");
                false
            }
        }
    }

    /// What is to be asked of the sink now; once.
    pub(super) fn take_ask(&mut self) -> Option<Ask> {
        self.ready.take()
    }

    /// What came of it.
    pub(super) fn answer(&mut self, answer: Answer, now: Now) {
        let jitter = self.jitter();
        self.submitter.answer(millis(now), jitter, answer);
        self.is_changed = true;
    }

    /// How it stood when the last batch was written; `None` before the first.
    pub(super) fn shown(&self) -> Option<&Status> {
        self.shown.as_ref()
    }

    /// The same, for people.
    pub(super) fn view(&self) -> SinkView {
        self.shown.as_ref().map_or_else(SinkView::default, shown)
    }

    /// Changes the rate from now on.
    pub(super) fn set_rate(&mut self, rate: Rate, now: Now) {
        self.submitter.set_rate(millis(now), rate);
        self.is_changed = true;
    }

    fn jitter(&mut self) -> Jitter {
        Jitter(u32::try_from(self.random.below(u64::from(u32::MAX) + 1)).unwrap_or(0))
    }
}

fn shown(status: &Status) -> SinkView {
    let governor = &status.governor;
    let second = |at: Millis| Second::from_millis(at.0);
    SinkView {
        rate: governor.rate.to_string(),
        tokens: (governor.tokens_millionths / 1_000_000, governor.capacity),
        in_flight: (governor.in_flight, governor.in_flight_max),
        in_doubt: status.in_doubt as u64,
        for_a_person: status.for_a_person.iter().map(|row| row.0).collect(),
        aside: status.denied as u64 + status.sliced as u64 + u64::from(governor.partner_held),
        refusal: governor.refusal.as_ref().map(ToString::to_string),
        trouble: status.trouble.as_ref().map(ToString::to_string),
        drained_at: governor.drained_at.map(second),
        doubles: status.doubles,
    }
}

impl Submitting {
    /// As a pipeline file says; `None`: its sink is a dry run.
    ///
    /// # Errors
    /// Where the governor's settings contradict themselves.
    pub fn of(pipeline: &Pipeline, settings: &settings::Settings) -> Result<Option<Self>, SettingsError> {
        let (manner, target) = match &pipeline.sink {
            Sink::DryRun => return Ok(None),
            Sink::Koji { target, .. } => (Manner::Fenced, Some(target.as_str().into())),
            Sink::Ebs { .. } => (Manner::Batched { names_max: CHUNK, chunk_timeout: CHUNK_TIMEOUT }, None),
            Sink::Kafka { .. } | Sink::Webhook { .. } => (Manner::Repeatable, None),
        };
        let mut settings = Settings::new(governor(pipeline, &settings.governor, manner)?, manner);
        if let Sink::Koji { settle: Some(settle), .. } = &pipeline.sink {
            settings.settle = Duration::from_secs(settle.0.unsigned_abs());
        }
        // Other sinks have no hub of their own to be asked.
        settings.checks = manner == Manner::Fenced;
        Ok(Some(Self { settings, target }))
    }
}

fn governor(
    pipeline: &Pipeline,
    stated: &settings::GovernorSettings,
    manner: Manner,
) -> Result<GovernorSettings, SettingsError> {
    let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let mut settings =
        GovernorSettings::new(rate_of(stated), at_least_one(stated.capacity), at_least_one(stated.in_flight));
    settings.partner_held = Duration::from_secs(pipeline.partner_held.0.unsigned_abs());
    if manner == Manner::Fenced {
        settings.load = Some(LoadSettings::new(Load::from_share(pipeline.load_max))?);
    }
    Ok(settings)
}

/// The rate that a file states; the reader has checked that it is one.
pub(super) fn rate_of(stated: &settings::GovernorSettings) -> Rate {
    Rate::from_per_hour(stated.per_hour).unwrap_or(Rate::STOPPED)
}

/// What the decisions of a batch tell of the builds that it admits.
pub(super) fn admissions(decisions: &[Decision]) -> Vec<Admission> {
    let admitted = decisions.iter().filter(|decision| decision.outcome() == Outcome::Submitted);
    let admission = |decision: &Decision| {
        let is_drained = matches!(decision.reason, Reason::ReleasedByOperator | Reason::ReleasedByRule);
        Admission {
            position: decision.position,
            lane: if is_drained { Lane::Drained } else { Lane::Fresh },
            hold: decision.burst.filter(|_| is_drained),
        }
    };
    admitted.map(admission).collect()
}

/// The package as it is called where it is built.
fn downstream<'a>(engine: &'a Engine, package: &'a str) -> &'a str {
    let renames = &engine.settings().select.renames;
    renames.iter().find(|(upstream, _)| upstream == package).map_or(package, |(_, downstream)| downstream)
}

fn millis(now: Now) -> Millis {
    Millis(now.wall.0.saturating_mul(1_000))
}
