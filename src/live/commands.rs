//! Carries out what operators ask. What changes anything is answered when it is committed.

use super::ask::{Answer, Ask, Refusal, RefusalKind, Request};
use super::outlet::rate_of;
use super::pause::{Kind, Pause, PauseError};
use super::runner::{Now, Reply, RunError, Runner};
use crate::decode::decode;
use crate::engine::command::{Action, CommandReport, HoldCommand, Refused};
use crate::engine::decision::HoldId;
use crate::event::{Position, Record};
use crate::pipeline::{Outputs, Pipeline};
use crate::settings::Settings;
use crate::state::live::{HandledLetter, LastCommand};
use crate::time::Second;

/// The partition of records that are judged once more; their offset is the number of the dead letter.
pub const AGAIN: u32 = u32::MAX;

/// Keys that tell what is asked outside, and where: that is settled when the pipeline starts.
const AT_START: [&str; 7] = [
    "select.packages",
    "select.packages_fallback",
    "select.refresh",
    "select.allow_private",
    "evidence.ask_koji",
    "evidence.hub",
    "evidence.reconcile",
];

/// A pipeline file that was read anew, or why it cannot be used.
pub type Reloaded = Result<Box<(Pipeline, Settings)>, String>;

impl Runner {
    /// Carries out a request, or refuses it. [`Request::Reload`] comes by [`Runner::reload`].
    pub fn ask(&mut self, ask: Ask, reply: Reply, now: Now) {
        let Ask { who, request } = ask;
        if let Request::Reconcile { since, dry_run } = request {
            return self.reconcile(since, dry_run, reply);
        }
        match self.carry_out(&who, request, now) {
            // What is only looked at is answered at once.
            Ok((answer, false)) => reply(answer),
            Ok((answer, true)) => self.replies.push((reply, answer)),
            Err(refusal) => reply(Answer::Refused(refusal)),
        }
    }

    /// Gives an answer once all that was done before it is written.
    pub fn answer_when_written(&mut self, reply: Reply, answer: Answer) {
        self.replies.push((reply, answer));
    }

    /// Gives the answer, and whether anything was changed.
    fn carry_out(&mut self, who: &str, request: Request, now: Now) -> Result<(Answer, bool), Refusal> {
        match request {
            Request::Status => Ok((Answer::Status(Box::new(self.view(now))), false)),
            Request::Pause { kind, why, until } => self.pause(who, kind, &given(why)?, until, now),
            Request::Resume { kind, why, dry_run } => self.resume(who, kind, &given(why)?, dry_run, now),
            Request::Holds => {
                let holds = self.engine.holds().iter().map(|hold| self.hold_line(hold)).collect();
                Ok((Answer::Holds(holds), false))
            }
            Request::Hold { id, members_max } => {
                let hold = self.engine.holds().get(HoldId(id));
                let hold = hold.ok_or_else(|| self.refusal(&Refused::NoSuchHold(HoldId(id)), id))?;
                Ok((Answer::Hold(self.hold_page(hold, members_max)), false))
            }
            Request::Decide { hold, version, selection, action, why, dry_run } => {
                let (hold, who) = (HoldId(hold), who.to_owned());
                let command = HoldCommand { hold, version, selection, action, reason: why, who };
                self.decide(&command, dry_run)
            }
            Request::AcceptPackages { why } => self.accept_packages(who, &given(why)?, now),
            Request::Reload | Request::Reconcile { .. } => {
                Err(refused("that cannot be done from here".to_owned()))
            }
            Request::Retry { letter, why } => self.retry(who, letter, given(why)?, now),
            Request::Discard { letter, why } => self.discard(who, letter, given(why)?, now),
        }
    }

    fn pause(
        &mut self,
        who: &str,
        kind: Kind,
        why: &str,
        until: Option<Second>,
        now: Now,
    ) -> Result<(Answer, bool), Refusal> {
        if let Some(until) = until.filter(|until| *until <= now.wall) {
            return Err(refused(format!("a pause until {until} would be over: give a time to come")));
        }
        let pause = Pause { kind, who: who.to_owned(), why: why.to_owned(), since: now.wall, until };
        self.pauses.pause(pause.clone()).map_err(|error| refused(error.to_string()))?;
        self.act(now, who, why, format!("pause {kind}"));
        self.pauses_changed();
        self.relieve();
        Ok((Answer::Paused(pause), true))
    }

    fn resume(
        &mut self,
        who: &str,
        kind: Kind,
        why: &str,
        dry_run: bool,
        now: Now,
    ) -> Result<(Answer, bool), Refusal> {
        let none = || refused(PauseError::NotPaused(kind).to_string());
        let waiting = match kind {
            Kind::Intake => self.backlog(),
            Kind::Submission => self.outbox,
        };
        if dry_run {
            let pause = self.pauses.of(kind).cloned().ok_or_else(none)?;
            return Ok((Answer::Resumed { pause, waiting, dry_run }, false));
        }
        let pause = self.pauses.resume(kind).map_err(|_| none())?;
        self.act(now, who, why, format!("resume {kind}"));
        self.pauses_changed();
        self.relieve();
        Ok((Answer::Resumed { pause, waiting, dry_run }, true))
    }

    fn backlog(&self) -> u64 {
        self.partitions.iter().map(|entry| entry.end.saturating_sub(entry.stored.next)).sum()
    }

    fn decide(&mut self, command: &HoldCommand, dry_run: bool) -> Result<(Answer, bool), Refusal> {
        let done = if dry_run { self.engine.preview(command) } else { self.engine.command(command) };
        let CommandReport { builds, stay } = done.map_err(|error| self.refusal(&error, command.hold.0))?;
        let builds = builds.into_iter().map(|(nvr, reason)| (nvr, reason.word().to_owned())).collect();
        if !dry_run {
            self.commands.push(command.clone());
            self.dirty = true;
        }
        Ok((Answer::Decided { builds, stay, dry_run }, !dry_run))
    }

    /// Why a decision about a hold is refused, and who was faster where somebody was.
    fn refusal(&self, error: &Refused, hold: u32) -> Refusal {
        let mut refusal = refusal(error);
        if *error == Refused::NoReason {
            return refusal;
        }
        if let Some(LastCommand { who, at, action, why }) = self.last_command(hold) {
            let at = at.map_or_else(|| "just now".to_owned(), |at| format!("at {at}"));
            refusal.text =
                format!("{}. {who} decided last about it, {at}: {action}, because {why:?}", refusal.text);
        }
        refusal
    }

    fn last_command(&self, hold: u32) -> Option<LastCommand> {
        let waiting = self.commands.iter().rev().find(|command| command.hold.0 == hold);
        let waiting = waiting.map(|command| LastCommand {
            who: command.who.clone(),
            at: None,
            action: match command.action {
                Action::Release => "release".to_owned(),
                Action::Drop => "drop".to_owned(),
            },
            why: command.reason.clone(),
        });
        // Who was faster is told beside the refusal; it stands without.
        waiting.or_else(|| self.state.last_command(hold).ok().flatten())
    }

    fn accept_packages(&mut self, who: &str, why: &str, now: Now) -> Result<(Answer, bool), Refusal> {
        if !self.engine.accept_packages() {
            return Err(refused("no package list waits to be accepted".to_owned()));
        }
        let (version, names) = self
            .engine
            .package_list()
            .map(|list| (list.version.clone(), list.names.len()))
            .unwrap_or_default();
        self.act(now, who, why, format!("accept the package list {version}"));
        Ok((Answer::PackagesAccepted { version, names }, true))
    }

    /// Goes on with other settings, as after a restart with another file. What was judged is written first.
    ///
    /// # Errors
    /// Where the state cannot be read or written.
    fn restart_with(&mut self, settings: Settings, outputs: Outputs, now: Now) -> Result<(), RunError> {
        self.commit(now)?;
        let silence = settings.clock.source_silence;
        self.engine = self.state.load(settings, self.partitions.numbers())?.engine;
        self.silence.set_max(silence);
        self.notices.set_outputs(outputs);
        self.dirty = true;
        Ok(())
    }

    fn retry(&mut self, who: &str, letter: u64, why: String, now: Now) -> Result<(Answer, bool), Refusal> {
        let kept = self.kept(letter)?;
        if kept.bytes.len() >= crate::state::DEAD_LETTER_MAX_BYTES {
            return Err(refused(format!(
                "dead letter {letter} was kept only in part, since it is longer than 64 KiB: it cannot be judged again"
            )));
        }
        let position = Position { partition: AGAIN, offset: letter };
        let record = Record {
            position,
            kafka_millis: kept.kafka_millis,
            headers: &kept.headers,
            value: &kept.bytes,
            cut: false,
        };
        let decoded = decode(&self.engine.settings().route, &record);
        if let Err(unreadable) = &decoded {
            return Err(refused(format!(
                "dead letter {letter} still cannot be read: {}",
                unreadable.explanation
            )));
        }
        self.engine.again(position, kept.kafka_millis, decoded);
        self.handled(who, letter, "retried", why, now);
        Ok((Answer::Letter { letter, outcome: "retried".to_owned() }, true))
    }

    fn discard(&mut self, who: &str, letter: u64, why: String, now: Now) -> Result<(Answer, bool), Refusal> {
        self.kept(letter)?;
        self.handled(who, letter, "discarded", why, now);
        Ok((Answer::Letter { letter, outcome: "discarded".to_owned() }, true))
    }

    /// A dead letter that nobody has attended to.
    fn kept(&self, letter: u64) -> Result<crate::state::live::KeptLetter, Refusal> {
        let failed =
            |error: crate::state::StateError| Refusal { kind: RefusalKind::Failed, text: error.to_string() };
        let text = || format!("there is no dead letter {letter}: list them with `tidegate deadletters list`");
        let kept = self.state.letter(letter).map_err(failed)?;
        let kept = kept.ok_or_else(|| Refusal { kind: RefusalKind::NotFound, text: text() })?;
        let waiting = self.batch.handled.iter().find(|handled| handled.letter == letter);
        if let Some(HandledLetter { status, act, .. }) = waiting {
            return Err(refused(format!("dead letter {letter} was {status} just now, by {}", act.who)));
        }
        match &kept.handled {
            Some((who, at)) => {
                Err(refused(format!("dead letter {letter} was {} already, by {who} at {at}", kept.status)))
            }
            None => Ok(kept),
        }
    }

    fn handled(&mut self, who: &str, letter: u64, status: &'static str, why: String, now: Now) {
        let act = crate::state::live::Act {
            at: now.wall,
            who: who.to_owned(),
            why,
            what: format!("{status} dead letter {letter}"),
        };
        self.batch.acts.push(act.clone());
        self.batch.handled.push(HandledLetter { letter, status, act });
        self.dead_letters = self.dead_letters.saturating_sub(1);
        self.dirty = true;
    }

    /// Goes on by a changed pipeline file, if it can.
    ///
    /// # Errors
    /// Where the state cannot be written or read: then the process has to end.
    pub fn reload(
        &mut self,
        who: &str,
        in_force: &Pipeline,
        read: Reloaded,
        now: Now,
    ) -> Result<(Answer, Option<Box<Pipeline>>), RunError> {
        let no = |text: String| Ok((Answer::Refused(refused(text)), None));
        let (pipeline, mut settings) = match read {
            Ok(read) => *read,
            Err(text) => return no(text),
        };
        let changed = changed_keys(in_force, &pipeline);
        let trigger = &self.engine.settings().trigger.tag;
        if settings.trigger.tag != *trigger {
            return no(format!(
                "the file follows {}, and the pipeline runs with {trigger}: the trigger tag cannot be changed while it runs",
                settings.trigger.tag
            ));
        }
        let submits = self.outlet.is_some();
        let fixed = |key: &&String| {
            let section = key.split('.').next().unwrap_or_default();
            let timing = ["source.disorder", "source.source_silence"];
            matches!(section, "output" | "sink")
                || (section == "source" && !timing.contains(&key.as_str()))
                || AT_START.contains(&key.as_str())
                || (section == "governor" && key.as_str() != "governor.rate" && submits)
        };
        if let Some(key) = changed.iter().find(fixed) {
            return no(format!("{key} was changed: that takes a restart; nothing was applied"));
        }
        settings.clock.begin = self.engine.settings().clock.begin;
        let hash = settings.hash.clone();
        if !changed.is_empty() {
            let rate = rate_of(&settings.governor);
            self.restart_with(settings, pipeline.outputs.clone(), now)?;
            if let Some(outlet) = &mut self.outlet {
                outlet.set_rate(rate, now);
            }
            self.act(now, who, "the pipeline file was changed", format!("reload: {}", changed.join(", ")));
        }
        Ok((Answer::Reloaded { hash, changed }, Some(Box::new(pipeline))))
    }
}

/// The keys that have other values.
fn changed_keys(before: &Pipeline, after: &Pipeline) -> Vec<String> {
    let value = |entry: &crate::pipeline::Entry| (entry.key, entry.value.clone());
    let old: std::collections::BTreeMap<_, _> = before.entries.iter().map(value).collect();
    let differs = |(key, value): (&str, String)| (old.get(key) != Some(&value)).then(|| key.to_owned());
    after.entries.iter().map(value).filter_map(differs).collect()
}

/// A reason that says something.
fn given(why: String) -> Result<String, Refusal> {
    if why.trim().is_empty() { Err(refusal(&Refused::NoReason)) } else { Ok(why) }
}

fn refused(text: String) -> Refusal {
    Refusal { kind: RefusalKind::Refused, text }
}

fn refusal(error: &Refused) -> Refusal {
    let kind = match error {
        Refused::NoSuchHold(_) | Refused::NothingMatches(_) => RefusalKind::NotFound,
        Refused::Changed { .. } | Refused::NoReason => RefusalKind::Refused,
    };
    Refusal { kind, text: error.to_string() }
}
