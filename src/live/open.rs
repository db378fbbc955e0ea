//! Begins a live pipeline: its state, its identity, from when on it judges, and what must be known before it may.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::outlet::{Outlet, Submitting};
use super::partitions::{Decided, Partitions};
use super::reconcile::{KOJI, Reconcile};
use super::runner::{Now, RunError, Runner, Start};
use super::truth::Mark;
use super::witness::Witness;
use crate::engine::Engine;
use crate::pipeline::{Begin, Outputs};
use crate::settings::Settings;
use crate::state::live::Act;
use crate::state::{LoadError, State, StateError};
use crate::time::{Second, Seconds};

/// Key of the batch number that makes this state an old copy.
pub(super) const OLD_COPY: &str = crate::state::care::OLD_COPY;
/// Key that says when this state, an old copy, was adopted; [`DONE`] once the submitter knows.
pub(super) const ADOPTED: &str = crate::state::care::ADOPTED;
/// See [`ADOPTED`].
const DONE: &str = "done";
/// Key of the event time from which on records are judged.
pub(crate) const BEGIN: &str = "begin";
/// Key that says since when the known builds of the trigger tag count as filled.
pub(crate) const FILLED: &str = "known_builds_filled";

/// How a live pipeline is begun.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The state file.
    pub state: &'a Path,
    /// The state may stand on a network file system.
    pub allow_network: bool,
    /// From when on records are judged, at a first start.
    pub begin: Begin,
    /// The consumer group.
    pub group: String,
    /// After how long Kafka has forgotten a member of the group that died, and told the others.
    pub forgotten_after: Duration,
    /// Begin without any known build.
    pub accept_cold: bool,
    /// Where somebody has decided to read on.
    pub read_on: BTreeMap<(String, i32), Decided>,
    /// What is announced, and on which topics.
    pub outputs: Outputs,
    /// Koji is asked about held builds, and its history is compared so often; `None`: it is not asked.
    pub reconcile: Option<Seconds>,
    /// How admitted builds are submitted; `None`: they are not, and count as submitted.
    pub submitting: Option<Submitting>,
    /// Records after which a batch is written even while more wait; at least 1.
    pub batch_records: usize,
    /// Whoever starts it.
    pub who: String,
}

/// Why a live pipeline cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// It cannot begin.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The governor's settings contradict themselves.
    #[error("[governor]: {0}")]
    Governor(#[from] crate::governor::settings::SettingsError),
    /// Another tag is followed, or is being gone over to.
    #[error(
        "this state follows {stored}, the pipeline follows {wanted}: a running pipeline cannot go over from one to the other yet, and would \
         keep the builds of {wanted} waiting; give another file with --state, or follow {stored}"
    )]
    OtherTrigger {
        /// The tag of the state.
        stored: String,
        /// The tag of the pipeline.
        wanted: String,
    },
    /// Nothing is known of the family.
    #[error(
        "no build of {tag} or of the tags before it is known yet: at a first start every re-tag would look new. Fill them first, {}, or begin \
         without with --accept-cold: then what nothing proves new is held for you",
        filling(tag, state, *from_koji)
    )]
    Cold {
        /// The trigger tag.
        tag: String,
        /// The state file.
        state: String,
        /// The pipeline names a hub that can be asked.
        from_koji: bool,
    },
}

fn filling(tag: &str, state: &str, from_koji: bool) -> String {
    if from_koji {
        return format!("from Koji, with `tidegate known import PIPELINE --state {state} --from-koji`");
    }
    format!(
        "for example from `koji list-tagged {tag}`, with `tidegate known import PIPELINE --state {state} FILE`"
    )
}

/// Opens the state and makes a runner of it. `new_id` is the identity that a new state is given.
///
/// # Errors
/// Where the state cannot be used, or no build of the family is known.
pub fn open(
    opening: Opening<'_>,
    mut settings: Settings,
    new_id: &str,
    epoch: Instant,
    now: Now,
) -> Result<Runner, OpenError> {
    let state = State::open(opening.state, opening.allow_network)?;
    state.make_durable()?;
    state.set_id(new_id)?;
    let mark = Mark { state: state.id()?.unwrap_or_else(|| new_id.to_owned()), serial: state.serial()? };
    let mut meta = Vec::new();
    let mut acts = Vec::new();
    settings.clock.begin = begin(&state, opening.begin, now, &mut meta)?;
    for ((topic, partition), decided) in &opening.read_on {
        let at = match decided {
            Decided::Earliest => "the first record that is kept, as a new partition".to_owned(),
            Decided::Offset(offset) => format!("offset {offset}"),
        };
        acts.push(act(&opening, now, "--read-on", format!("read {topic}/{partition} on from {at}")));
    }
    let packages_wanted = settings.select.needs_list;
    let (koji, stored): (Vec<_>, Vec<_>) =
        state.partitions()?.into_iter().partition(|stored| stored.number == KOJI);
    let partitions = Partitions::new(stored, opening.read_on.clone());
    let wanted = settings.trigger.tag.clone();
    let engine = state.load(settings, partitions.numbers())?.engine;
    // Nobody could tell a running pipeline yet that a cutover may end.
    let stored = engine.settings().trigger.tag.clone();
    if stored != wanted || engine.course().cutover().is_some() {
        return Err(OpenError::OtherTrigger { stored, wanted });
    }
    fill(&state, &engine, &opening, now, &mut meta, &mut acts)?;
    let old_copy = state.meta(OLD_COPY)?.and_then(|text| text.parse().ok());
    let Opening { group, forgotten_after, batch_records, outputs, reconcile, submitting, .. } = opening;
    let seed = mark.state.bytes().fold(0, |sum: u64, byte| sum.rotate_left(8) ^ u64::from(byte));
    let witness = Witness::new(reconcile.is_some(), seed);
    let reconcile = Reconcile::new(reconcile, koji.first(), seed, now.mono);
    let batch_records = batch_records.max(1);
    let adopted = state.meta(ADOPTED)?.and_then(|text| Second::parse(&text));
    let outlet = match submitting {
        Some(submitting) => Some(Outlet::new(submitting, state.outbox()?, &mark.state, seed, now, adopted)?),
        None => None,
    };
    if adopted.is_some() && outlet.is_some() {
        meta.push((ADOPTED, DONE.to_owned()));
    }
    let start = Start {
        engine,
        state,
        partitions,
        mark,
        group,
        old_copy,
        forgotten_after,
        packages_wanted,
        outputs,
        witness,
        reconcile,
        outlet,
        batch_records,
        acts,
        meta,
    };
    Ok(Runner::new(start, epoch, now)?)
}

/// From when on records are judged: told at the first start, and kept.
fn begin(
    state: &State,
    begin: Begin,
    now: Now,
    meta: &mut Vec<(&'static str, String)>,
) -> Result<Option<Second>, StateError> {
    if let Some(text) = state.meta(BEGIN)? {
        return Ok(Second::parse(&text));
    }
    let text = match begin {
        Begin::Now => now.wall.to_string(),
        Begin::Earliest => "earliest".to_owned(),
        Begin::At(time) => time.to_string(),
    };
    meta.push((BEGIN, text.clone()));
    Ok(Second::parse(&text))
}

/// Sees to it that nothing is judged before any known builds are there, or somebody has accepted that they are not.
fn fill(
    state: &State,
    engine: &Engine,
    opening: &Opening<'_>,
    now: Now,
    meta: &mut Vec<(&'static str, String)>,
    acts: &mut Vec<Act>,
) -> Result<(), OpenError> {
    if state.meta(FILLED)?.is_some() {
        return Ok(());
    }
    if engine.knows_family() {
        meta.push((FILLED, now.wall.to_string()));
        return Ok(());
    }
    if !opening.accept_cold {
        let tag = engine.settings().trigger.tag.clone();
        let (state, from_koji) = (opening.state.display().to_string(), opening.reconcile.is_some());
        return Err(OpenError::Cold { tag, state, from_koji });
    }
    meta.push((FILLED, now.wall.to_string()));
    acts.push(act(opening, now, "--accept-cold", "begin without known builds".to_owned()));
    Ok(())
}

fn act(opening: &Opening<'_>, now: Now, why: &str, what: String) -> Act {
    Act { at: now.wall, who: opening.who.clone(), why: why.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_follows_another_tag_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a.db");
        let epoch = crate::live::shell::Clock::start();
        let begin = |tag: &str, by_alias: bool| {
            let mut settings = Settings::defaults(tag);
            settings.trigger.by_alias = by_alias;
            let opening = Opening {
                state: &state,
                allow_network: true,
                begin: Begin::Now,
                group: "tests".to_owned(),
                forgotten_after: Duration::from_secs(1),
                accept_cold: true,
                read_on: BTreeMap::new(),
                outputs: Outputs::default(),
                reconcile: None,
                submitting: None,
                batch_records: 1,
                who: "a test".to_owned(),
            };
            let mut runner = open(opening, settings, "5e7a", epoch.epoch(), epoch.now())?;
            runner.commit(epoch.now()).unwrap();
            Ok(())
        };
        let refused = |tag, by_alias| match begin(tag, by_alias) {
            Err(OpenError::OtherTrigger { stored, wanted }) => (stored, wanted),
            other => panic!("{other:?}"),
        };
        begin("f42", false).unwrap();
        let tags = ("f42".to_owned(), "f43".to_owned());
        assert_eq!(refused("f43", false), tags);
        assert_eq!(refused("f43", true), tags, "also where an alias is said to stand for it");
        begin("f42", false).unwrap();
    }
}
