//! Tells the engine a story, and checks what becomes of the builds in it.
//!
//! A script has one line for each thing that happens. Times are seconds after [`T`](super::common::T):
//!
//! ```text
//! 100 tag f42 7                  build 7 (of package p7) is tagged into f42 by bodhi
//! 100 tag f42 7 bash by releng   ... of package bash, by releng
//! 100 tag f42 1..30              30 builds in one second
//! 100+2 tag f42 1..30            30 builds, one every 2 seconds
//! 100x20 tag f42 1..30           30 builds, 20 a second
//! 100 untag f42 7                the build leaves the tag
//! 100 complete 7                 Koji completed the build
//! 100 list f42                   the tag's package list changed
//! 100 tick                       something else happened: the clock goes on
//! late 100 tag f42 7             sent at 100, but read where the line stands
//! dateless tag f42 7             the message carries no time (also `1970`, `2099`); read where the line stands
//! teach 100 tag f41 7            a record of the warm-up
//! know f41 7 100                 an import: build 7 was in f41 at 100
//! caught_up 0 100                partition 0 has no record from before 100
//! packages bash zsh              a package list is offered; `accept` accepts the one that waits
//! release h1 all                 also `drop`, and `nvr X`, `package X`, `except X`, `pattern X`, `version 3`
//! follow f43 100                 this tag is to be followed, as was found out at 100 (`never`: nobody knows when)
//! copied 9 of 10 at 100          so many builds of the old tag are in the new one
//! buildroot 100                  when the newest repository of the buildroot was made
//! confirm 100                    an operator says that nothing is copied; `call_off` calls the cutover off
//! end                            the stream is over
//! ```
//!
//! Behind a message may stand `on 1` (its partition, else 0), `id m1`, `at koji2` (its instance) and `kafka 100`
//! (Kafka's time). Lines that are not `late` are read in the order of their times, so that a script can say what
//! happens at the same time in two lines.
//!
//! Expected is one line for each build that came into the trigger tag, or for a range of them: its decisions, in
//! order, each with its reason and, where it matters, the second (`@161`) and the hold (`in flood`; `alone`: a
//! member of no burst).

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate::engine::Engine;
use tidegate::engine::burst::RunReport;
use tidegate::engine::command::{Action, CommandReport, HoldCommand, Refused};
use tidegate::engine::cutover::{Copied, Word};
use tidegate::engine::decision::{Decision, HoldId};
use tidegate::engine::hold::{Hold, HoldKind, Selection};
use tidegate::engine::select::PackageList;
use tidegate::event::{Body, Decoded, MessageId, PackageListChange, SentAt};
use tidegate::settings::Settings;
use tidegate::time::Second;

use super::common::{Feed, Message, T, at, complete, tagging};

/// The engine while a story is told.
pub(crate) struct Story {
    pub(crate) engine: Engine,
    pub(crate) feed: Feed,
    /// Messages of the lines before, not read yet.
    coming: Vec<(i64, Message)>,
    kinds: BTreeMap<HoldId, &'static str>,
}

/// Tells a story and checks what becomes of every build in the trigger tag.
#[track_caller]
pub(crate) fn check(settings: &Settings, script: &str, expected: &str) -> Story {
    let mut story = Story::new(settings);
    story.tell(script);
    story.expect(expected);
    story
}

impl Story {
    /// A story with all the partitions that lines name: 0 and 1.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self::on(settings, &[0])
    }

    /// A story on stated partitions.
    pub(crate) fn on(settings: &Settings, partitions: &[u32]) -> Self {
        Self {
            engine: Engine::new(settings.clone(), partitions.iter().copied()).unwrap(),
            feed: Feed::default(),
            coming: Vec::new(),
            kinds: BTreeMap::new(),
        }
    }

    /// Lets happen what the lines say.
    #[track_caller]
    pub(crate) fn tell(&mut self, script: &str) {
        for line in lines(script) {
            let words: Vec<&str> = line.split_whitespace().collect();
            self.line(&words);
        }
        self.read_what_came();
    }

    #[track_caller]
    fn line(&mut self, words: &[&str]) {
        match *words {
            ["late" | "dateless" | "1970" | "2099", ..] => self.read_at_once(words),
            ["teach", second, ref rest @ ..] => self.teach(second, rest),
            [time, ref rest @ ..] if time.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                self.coming.extend(messages(time, rest));
            }
            _ => {
                self.read_what_came();
                self.act(words);
                self.settle();
            }
        }
    }

    /// What is no message.
    #[track_caller]
    fn act(&mut self, words: &[&str]) {
        match *words {
            ["end"] => self.feed.end(&mut self.engine),
            ["caught_up", partition, second] => {
                self.engine.caught_up(partition.parse().unwrap(), at(second.parse().unwrap()));
            }
            ["know", tag, build, second] => {
                self.engine.know(None, build.parse().unwrap(), tag, at(second.parse().unwrap()));
            }
            ["packages", ref names @ ..] => {
                self.engine.offer_packages(package_list(names));
            }
            ["follow", tag, second] => {
                let observed = second.parse().ok().map(at);
                self.engine.follow(tag, "the alias moved", observed).unwrap();
            }
            ["copied", there, "of", wanted, "at", second] => {
                let (there, wanted) = (there.parse().unwrap(), wanted.parse().unwrap());
                self.engine.found_copied(Copied { wanted, there }, at(second.parse().unwrap()));
            }
            ["buildroot", second] => self.engine.found_buildroot(at(second.parse().unwrap())),
            ["confirm", second] => {
                let word = Word { who: "ada".into(), why: "tested".into(), at: at(second.parse().unwrap()) };
                self.engine.confirm_cutover(word).unwrap();
            }
            ["call_off"] => self.engine.call_off_cutover("tested").unwrap(),
            ["accept"] => assert!(self.engine.accept_packages(), "no package list waits"),
            ["release" | "drop", ..] => {
                let command = command(words);
                let previewed = self.engine.preview(&command).unwrap();
                assert_eq!(self.engine.command(&command).unwrap(), previewed, "not what was previewed");
            }
            _ => panic!("not a line of a story: {words:?}"),
        }
    }

    /// Reads what the lines before said, in the order of time.
    fn read_what_came(&mut self) {
        let mut coming = std::mem::take(&mut self.coming);
        coming.sort_by_key(|(second, _)| *second);
        for (_, message) in coming {
            self.feed.read(&mut self.engine, &message);
            self.settle();
        }
    }

    fn read_at_once(&mut self, words: &[&str]) {
        self.read_what_came();
        let found = match *words {
            ["late", time, ref rest @ ..] => messages(time, rest),
            [time, ref rest @ ..] => messages("0", rest)
                .into_iter()
                .map(|(second, message)| {
                    let sent = match time {
                        "1970" => SentAt::At(Second(0)),
                        "2099" => SentAt::At(Second(4_070_908_800)),
                        _ => SentAt::Missing,
                    };
                    (second, Message { sent, ..message })
                })
                .collect(),
            [] => Vec::new(),
        };
        for (_, message) in found {
            self.feed.read(&mut self.engine, &message);
            self.settle();
        }
    }

    fn teach(&mut self, second: &str, rest: &[&str]) {
        let (dated, second) = if second == "dateless" { (false, "0") } else { (true, second) };
        for (_, message) in messages(second, rest) {
            let id = message.id.map_or(MessageId::None, |id| MessageId::parse(&id));
            let sent_at = if dated { message.sent } else { SentAt::Missing };
            self.engine.teach(Ok(Decoded { id, topic: "".into(), sent_at, body: message.body }));
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.feed.settle(&mut self.engine);
        let kinds = self.engine.holds().iter().map(|hold| (hold.id, hold.kind.word()));
        self.kinds.extend(kinds);
    }

    /// Carries out a decision of an operator.
    pub(crate) fn command(&mut self, line: &str) -> Result<CommandReport, Refused> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let report = self.engine.command(&command(&words));
        self.settle();
        report
    }

    /// What would come of a decision.
    pub(crate) fn preview(&self, line: &str) -> Result<CommandReport, Refused> {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.engine.preview(&command(&words))
    }

    /// Open holds: `h1 flood 30`, with their members.
    pub(crate) fn holds(&self) -> Vec<String> {
        let word = |hold: &Hold| format!("{} {} {}", hold.id, hold.kind.word(), hold.members.len());
        self.engine.holds().iter().map(word).collect()
    }

    /// Runs that are over: `100..158 suspect @219` or `100..158 flood @219`.
    pub(crate) fn runs(&self) -> Vec<String> {
        let second = |second: Second| second.0 - T;
        let word = |run: &RunReport| {
            let kind = run.kind.map_or("suspect", HoldKind::word);
            format!("{}..{} {kind} @{}", second(run.first), second(run.last), second(run.ended_at))
        };
        self.feed.runs.iter().map(word).collect()
    }

    /// Decisions about builds of the trigger tag, by build.
    fn fates(&self) -> BTreeMap<String, Vec<&Decision>> {
        let mut fates: BTreeMap<String, Vec<&Decision>> = BTreeMap::new();
        for decision in &self.feed.decisions {
            let Some(detail) = &decision.detail else { continue };
            let build = detail.event.build;
            let instance = self.engine.name(build.instance);
            let name = if instance == "primary" { String::new() } else { format!("@{instance}") };
            fates.entry(format!("{}{name}", build.id)).or_default().push(decision);
        }
        fates
    }

    /// Checks what became of all builds of the trigger tag until now.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &str) {
        let mut fates = self.fates();
        for line in lines(expected) {
            let (builds, decisions) = line.split_once(' ').unwrap();
            for build in range(builds) {
                let fate = fates.remove(&build).unwrap_or_default();
                let told: Vec<String> = fate.iter().map(|decision| self.told(decision)).collect();
                let wanted: Vec<&str> = decisions.split(',').map(str::trim).collect();
                let agree = told.len() == wanted.len()
                    && told.iter().zip(&wanted).all(|(told, wanted)| agrees(told, wanted));
                assert!(agree, "build {build}: expected {wanted:?}, it was {told:?}");
            }
        }
        let rest: Vec<_> = fates
            .iter()
            .map(|(build, fate)| {
                format!("{build} {:?}", fate.iter().map(|d| self.told(d)).collect::<Vec<_>>())
            })
            .collect();
        assert!(rest.is_empty(), "nothing was expected of these: {rest:#?}");
    }

    /// `no_fresh_evidence @161 in flood`.
    fn told(&self, decision: &Decision) -> String {
        let second = decision.decided_at.map_or_else(|| "never".to_owned(), |at| (at.0 - T).to_string());
        let kind = |hold: HoldId| self.kinds.get(&hold).copied().unwrap_or("closed");
        let burst = decision.burst.map_or_else(|| "alone".to_owned(), |hold| format!("in {}", kind(hold)));
        let hold =
            decision.detail.as_ref().and_then(|detail| detail.hold).filter(|_| decision.burst.is_none());
        let hold = hold.map_or_else(String::new, |hold| format!(" for {}", kind(hold)));
        format!("{} @{second} {burst}{hold}", decision.reason.word())
    }
}

/// Whether a decision is what was expected: every word of that stands in it.
fn agrees(told: &str, wanted: &str) -> bool {
    let told: Vec<&str> = told.split_whitespace().collect();
    let mut wanted = wanted.split_whitespace();
    wanted.next() == told.first().copied() && wanted.all(|word| told.contains(&word))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// `7`, `7@koji2`, or `7..9`.
fn range(text: &str) -> Vec<String> {
    match text.split_once("..") {
        None => vec![text.to_owned()],
        Some((first, last)) => {
            (first.parse::<u64>().unwrap()..=last.parse().unwrap()).map(|build| build.to_string()).collect()
        }
    }
}

/// The seconds of builds that one line names.
fn seconds(text: &str) -> impl Fn(i64) -> i64 + use<> {
    let (start, step, per_second) = match (text.split_once('+'), text.split_once('x')) {
        (Some((start, step)), _) => (start, step.parse().unwrap(), 1),
        (None, Some((start, rate))) => (start, 1, rate.parse().unwrap()),
        (None, None) => (text, 0, 1),
    };
    let start: i64 = start.parse().unwrap();
    move |index: i64| start + index * step / per_second
}

/// The messages of one line behind its time.
#[track_caller]
fn messages(time: &str, words: &[&str]) -> Vec<(i64, Message)> {
    let options = ["by", "on", "id", "at", "kafka"];
    let start = words.iter().position(|word| options.contains(word)).unwrap_or(words.len());
    let (what, rest) = words.split_at(start);
    let option = |name: &str| rest.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
    let instance = option("at").map(str::to_owned);
    let actor = option("by").unwrap_or("bodhi");
    let tagged = |tag: &str, build: &str, name: Option<&&str>| {
        let mut tagging = tagging(tag, build.parse().unwrap(), actor);
        tagging.instance = instance.clone().map(Into::into);
        if let Some(name) = name {
            tagging.name = (*name).to_owned().into();
        }
        tagging
    };
    let bodies: Vec<Body<'static>> = match *what {
        ["tag", tag, builds, ref name @ ..] => {
            range(builds).iter().map(|build| Body::Tag(tagged(tag, build, name.first()))).collect()
        }
        ["untag", tag, builds] => {
            range(builds).iter().map(|build| Body::Untag(tagged(tag, build, None))).collect()
        }
        ["complete", builds] => range(builds).iter().map(|build| complete(build.parse().unwrap())).collect(),
        ["list", tag] => {
            let (tag, package) = (tag.to_owned().into(), "p".into());
            vec![Body::PackageList(PackageListChange { instance: None, tag, package })]
        }
        ["tick"] => vec![Body::Unused],
        _ => panic!("not a message: {words:?}"),
    };
    let second_of = seconds(time);
    let message = |(index, body): (usize, Body<'static>)| {
        let second = second_of(i64::try_from(index).unwrap());
        let message = Message {
            partition: option("on").map_or(0, |partition| partition.parse().unwrap()),
            sent: SentAt::At(at(second)),
            kafka: option("kafka").map(|second| second.parse().unwrap()),
            id: option("id").map(str::to_owned),
            body,
        };
        (second, message)
    };
    bodies.into_iter().enumerate().map(message).collect()
}

/// A list of packages, with the names joined for its version.
pub(crate) fn package_list(names: &[&str]) -> Arc<PackageList> {
    let list = names.iter().map(|name| (*name).to_owned()).collect();
    Arc::new(PackageList { version: names.join(" "), names: list })
}

/// `release h1 nvr bash-1-1.fc42 version 3`
#[track_caller]
fn command(words: &[&str]) -> HoldCommand {
    let (action, hold, rest) = match *words {
        ["release", hold, ref rest @ ..] => (Action::Release, hold, rest),
        ["drop", hold, ref rest @ ..] => (Action::Drop, hold, rest),
        _ => panic!("not a decision: {words:?}"),
    };
    let (selection, rest) = match *rest {
        ["all", ref rest @ ..] => (Selection::All, rest),
        ["nvr", text, ref rest @ ..] => (Selection::Nvr(text.to_owned()), rest),
        ["package", text, ref rest @ ..] => (Selection::Package(text.to_owned()), rest),
        ["except", text, ref rest @ ..] => (Selection::Except(text.to_owned()), rest),
        ["pattern", text, ref rest @ ..] => (Selection::Pattern(text.to_owned()), rest),
        _ => panic!("not a selection: {words:?}"),
    };
    let version = match *rest {
        ["version", number] => Some(number.parse().unwrap()),
        _ => None,
    };
    let (reason, who) = ("tested".to_owned(), "ada".to_owned());
    HoldCommand { hold: HoldId(hold[1..].parse().unwrap()), version, selection, action, reason, who }
}
