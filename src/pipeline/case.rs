//! `[[test]]`: what a pipeline file says of its own behaviour. How a test is run is no matter of the file: see
//! `crate::trial`.

use super::family::Family;
use super::fields::Fields;
use super::kinds::{Choice, Count, Flag, Fraction, Length, grouped};
use super::names::{List, Text};
use super::reader::Reader;
use super::source::{Finding, Mark, Source};
use super::{FINDINGS_MAX, KeyInfo};
use crate::engine::decision::{Outcome, Reason};
use crate::engine::hold::{HoldKind, Selection};
use crate::score::truth::Label;
use crate::settings::FamilyTag;
use crate::time::{Second, Seconds};

use super::moments::{BuildRange, TimeKind};

/// Most tests of a file.
const CASES_MAX: usize = 64;
/// Most events of a test as they stand in the file; one may tell of many builds.
const STEPS_MAX: usize = 1_000;
/// Most builds that an event tells of.
pub(super) const BUILDS_MAX: u64 = 50_000;
/// Most builds that the events of a test tell of together.
const TOLD_MAX: u64 = 500_000;
/// Longest time that a test's events may lie apart.
const LONGEST: i64 = 400 * 86_400;
/// When the time of a test begins, unless it says otherwise: 2025-02-04T06:00:00Z, as in generated streams.
const START: Second = Second(1_738_648_800);

/// One test of a pipeline file.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub mark: Mark,
    /// The trigger tag; `None`: the pipeline's, or the stream's.
    pub follow: Option<String>,
    /// The family; `None`: the pipeline's, or the stream's.
    pub family: Option<Vec<FamilyTag>>,
    /// The generated stream that is read first.
    pub stream: Option<Stream>,
    /// Downstream names of the eligible packages; `None`: the stream's, or all packages of the events.
    pub packages: Option<Vec<String>>,
    /// When its time begins.
    pub start: Second,
    /// What happens, in the order of the file.
    pub steps: Vec<Step>,
    /// How long its time runs on at the end; `None`: until all is decided.
    pub advance: Option<Seconds>,
    /// What must be so at the end.
    pub expect: Vec<Expectation>,
}

/// A generated stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The scenario.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// Its share of the full size, above 0 and at most 1.
    pub scale: f64,
    /// Nothing is known at its start.
    pub cold: bool,
}

/// One thing that happens in a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub mark: Mark,
    /// When, from the start on, or from the generated stream's last message on.
    pub at: Seconds,
    /// What.
    pub what: What,
}

/// What happens in a test.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Builds are tagged, one after the other.
    Tag(Tagged),
    /// Builds are untagged.
    Untag(Tagged),
    /// Koji completes builds.
    Complete(Builds),
    /// Builds are known from before: they were in a tag so long before the start.
    Known(Builds, String, Seconds),
    /// An operator releases members of the open hold of a kind.
    Release(HoldKind, Selection),
    /// An operator drops them.
    Drop(HoldKind, Selection),
    /// Something must be so now.
    Expect(Vec<Expectation>),
}

impl What {
    /// The builds that it tells of.
    pub fn builds(&self) -> Option<Builds> {
        match self {
            Self::Tag(tagged) | Self::Untag(tagged) => Some(tagged.builds),
            Self::Complete(builds) | Self::Known(builds, ..) => Some(*builds),
            Self::Release(..) | Self::Drop(..) | Self::Expect(_) => None,
        }
    }
}

/// Builds that come into a tag, or leave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// The builds.
    pub builds: Builds,
    /// The tag.
    pub tag: String,
    /// Their package; `None`: each has one of its own.
    pub package: Option<String>,
    /// Who did it.
    pub by: String,
}

/// Builds with consecutive numbers, and the time over which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builds {
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
    /// The time over which they are spread evenly.
    pub over: Seconds,
}

impl Builds {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.last.saturating_sub(self.first) + 1
    }
}

/// What must be so.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Where it stands.
    pub mark: Mark,
    /// The builds it speaks of; `None`: all.
    pub builds: Option<(u64, u64)>,
    /// Their package.
    pub package: Option<String>,
    /// What they are by the truth of the generated stream.
    pub label: Option<Label>,
    /// What became of them.
    pub fate: Option<Fate>,
    /// Why.
    pub reason: Option<Reason>,
    /// The kind of the hold they are in.
    pub hold: Option<HoldKind>,
    /// How long after their event time they may be decided at the most.
    pub within: Option<Seconds>,
    /// How many.
    pub amount: Amount,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not decided yet.
    Pending,
    /// It is decided.
    Decided(Outcome),
}

/// How many of the messages spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// All, and there is at least one.
    Each,
    /// So many.
    Exactly(u64),
    /// So many or more.
    AtLeast(u64),
    /// So many or fewer.
    AtMost(u64),
}

/// Reads the tests of a file, and reports what is wrong with them.
pub(super) fn read(reader: &mut Reader<'_>, source: &Source) -> Vec<Case> {
    let Some(value) = reader.take("test") else { return Vec::new() };
    let mut findings = Vec::new();
    let mut cases = Vec::new();
    match value.get_ref().as_array() {
        Some(list) if list.len() > CASES_MAX => {
            let message = format!("the file has {} tests", list.len());
            findings.push(source.error(&value.span(), message, format!("keep it to {CASES_MAX}")));
        }
        Some(list) => {
            for item in list {
                match Fields::of("a test", item, source) {
                    Ok(fields) => cases.extend(case(fields, source, &mut findings)),
                    Err(finding) => findings.push(*finding),
                }
            }
        }
        None => {
            let help = "write [[test]] on a line of its own, and the test's keys below".to_owned();
            findings.push(source.error(&value.span(), "`test` is a list of tests".to_owned(), help));
        }
    }
    reader.report(findings);
    cases
}

/// The keys of a test, of its events and of its expectations.
pub(super) fn keys(source: &Source) -> [Vec<KeyInfo>; 3] {
    let mut findings = Vec::new();
    let mut test = Fields::empty("a test", 0..0, source);
    let mut event = Fields::empty("an event", 0..0, source);
    let mut expectation = Fields::empty("an expectation", 0..0, source);
    case_of(&mut test, source, &mut findings);
    step_of(&mut event, source, &mut findings);
    expectation_of(&mut expectation);
    [test.keys, event.keys, expectation.keys]
}

/// One test; `None` where it is wrong, which is then told.
fn case(mut fields: Fields<'_>, source: &Source, findings: &mut Vec<Finding>) -> Option<Case> {
    let before = findings.len();
    let case = case_of(&mut fields, source, findings);
    findings.extend(fields.finish());
    findings.truncate(FINDINGS_MAX);
    case.filter(|_| findings.len() == before)
}

fn case_of(fields: &mut Fields<'_>, source: &Source, findings: &mut Vec<Finding>) -> Option<Case> {
    let name = fields.get("test.name", &Text::Name);
    if name.is_none() && !fields.has("test.name") {
        let help = "state what it shows: name = \"a branching\"";
        fields.error("test.name", "the test has no name".to_owned(), help.to_owned());
    }
    let follow = fields.get("test.follow", &Text::Tag);
    let family = fields.get("test.family", &Family);
    let stream = stream(fields);
    let packages = fields.get("test.packages", &List { of: Text::Tag, min: 1, max: 10_000 });
    let start = fields.get("test.start", &TimeKind);
    let steps = steps(fields, source, findings);
    let advance = fields.get("test.advance", &Length { min: 0, max: LONGEST });
    let expect = fields.tables("test.expect", super::schema::reference("expectation"));
    let expect = expectations(&expect, source, findings);
    if stream.is_none() && !fields.has("test.generate") && !fields.has("test.events") {
        let message = "nothing happens in the test".to_owned();
        let help = "state `generate`, such as generate = \"branching\", or `events`".to_owned();
        fields.error("test.name", message, help);
    }
    let judged = fields.has("test.expect")
        || steps.iter().any(|step| matches!(step.what, What::Expect(_)))
        || !findings.is_empty();
    if !judged {
        let help = "state `expect`, such as expect = [{ outcome = \"submitted\", count = 12 }]".to_owned();
        fields.error("test.name", "the test expects nothing".to_owned(), help);
    }
    if stream.is_none() && !fields.has("test.generate") {
        for expectation in expect.iter().filter(|expectation| expectation.label.is_some()) {
            let message = "`label` is what a generated stream says of its messages".to_owned();
            let help = "name the builds instead: builds = \"1..30\"".to_owned();
            findings.push(expectation.mark.error(message, help));
        }
    }
    Some(Case {
        name: name?,
        mark: fields.mark("test.name"),
        follow,
        family,
        stream,
        packages,
        start: start.unwrap_or(START),
        steps,
        advance,
        expect,
    })
}

fn stream(fields: &mut Fields<'_>) -> Option<Stream> {
    let scenarios: Vec<_> =
        crate::generate::scenarios().iter().map(|scenario| (scenario.name, scenario.name)).collect();
    let scenario = fields.get("test.generate", &Choice(&scenarios));
    let seed = fields.get("test.seed", &Count { min: 0, max: u32::MAX });
    let scale = fields.get("test.scale", &Fraction);
    let cold = fields.get("test.cold", &Flag);
    for path in ["test.seed", "test.scale", "test.cold"] {
        if fields.has(path) && !fields.has("test.generate") {
            let message = format!("`{path}` is of no use without `test.generate`");
            fields.error(path, message, "state both or none".to_owned());
        }
    }
    for path in ["test.start", "test.follow", "test.family"] {
        if fields.has(path) && fields.has("test.generate") {
            let message = format!("`{path}` does not go with `test.generate`: the stream says it");
            fields.error(path, message, "remove it".to_owned());
        }
    }
    Some(Stream {
        scenario: scenario?.to_owned(),
        seed: seed.unwrap_or(1).into(),
        scale: scale.unwrap_or(1.0),
        cold: cold.unwrap_or(false),
    })
}

fn steps(fields: &mut Fields<'_>, source: &Source, findings: &mut Vec<Finding>) -> Vec<Step> {
    let list = fields.tables("test.events", super::schema::reference("event"));
    if list.len() > STEPS_MAX {
        let message = format!("the test has {} events", list.len());
        let help = format!("keep it to {STEPS_MAX}; one event may tell of many builds: builds = \"1..30\"");
        fields.error("test.events", message, help);
        return Vec::new();
    }
    let mut steps = Vec::new();
    for value in list {
        match Fields::of("an event", value, source) {
            Err(finding) => findings.push(*finding),
            Ok(mut fields) => {
                steps.extend(step_of(&mut fields, source, findings));
                findings.extend(fields.finish());
            }
        }
    }
    let told: u64 = steps.iter().map(|step| step.what.builds().map_or(1, |builds| builds.count())).sum();
    if told > TOLD_MAX {
        let message = format!("the test tells of {} builds", grouped(told));
        fields.error("test.events", message, format!("keep it to {}", grouped(TOLD_MAX)));
    }
    steps
}

/// What an event does: each has exactly one of these keys.
const DEEDS: [&str; 7] = [
    "test.events.tag",
    "test.events.untag",
    "test.events.complete",
    "test.events.known",
    "test.events.release",
    "test.events.drop",
    "test.events.expect",
];

fn step_of(fields: &mut Fields<'_>, source: &Source, findings: &mut Vec<Finding>) -> Option<Step> {
    let at = fields.get("test.events.at", &Length { min: 0, max: LONGEST });
    let tag = fields.get("test.events.tag", &Text::Tag);
    let untag = fields.get("test.events.untag", &Text::Tag);
    let complete = fields.get("test.events.complete", &BuildRange);
    let known = fields.get("test.events.known", &Text::Tag);
    let kinds = HoldKind::ALL.map(|kind| (kind.word(), kind));
    let release = fields.get("test.events.release", &Choice(&kinds));
    let drop = fields.get("test.events.drop", &Choice(&kinds));
    let expect = fields.tables("test.events.expect", super::schema::reference("expectation"));
    let builds = fields.get("test.events.builds", &BuildRange);
    let over = fields.get("test.events.over", &Length { min: 0, max: LONGEST }).unwrap_or_default();
    let package = fields.get("test.events.package", &Text::Tag);
    let by = fields.get("test.events.by", &Text::Name);
    let ago = fields.get("test.events.ago", &Length { min: 0, max: LONGEST });
    let pattern = fields.get("test.events.pattern", &Text::Name);
    let except = fields.get("test.events.except", &Text::Tag);
    let deeds: Vec<&str> = DEEDS.into_iter().filter(|path| fields.has(path)).collect();
    let [deed] = deeds[..] else {
        let names = DEEDS.map(|path| path.rsplit('.').next().unwrap_or_default()).join(", ");
        let message = format!("an event does one thing, and this does {}", deeds.len());
        fields.error(deeds.get(1).unwrap_or(&""), message, format!("state one of {names}"));
        return None;
    };
    misplaced(fields, deed);
    let spread = |(first, last): (u64, u64)| Builds { first, last, over };
    let needs_builds = ["test.events.tag", "test.events.untag", "test.events.known"].contains(&deed);
    if needs_builds && !fields.has("test.events.builds") {
        let help = "state `builds`, one or many: builds = 7 or builds = \"1..30\"".to_owned();
        fields.error(deed, "the event does not say which builds".to_owned(), help);
    }
    let selection = [
        package.clone().map(Selection::Package),
        pattern.map(Selection::Pattern),
        except.map(Selection::Except),
    ];
    let selection = selection.into_iter().flatten().next().unwrap_or(Selection::All);
    let tagged = |builds: Option<(u64, u64)>, tag: Option<String>| {
        let by = by.clone().unwrap_or_else(|| "bodhi".to_owned());
        Some(Tagged { builds: spread(builds?), tag: tag?, package: package.clone(), by })
    };
    let what = match deed {
        "test.events.tag" => tagged(builds, tag).map(What::Tag),
        "test.events.untag" => tagged(builds, untag).map(What::Untag),
        "test.events.complete" => complete.map(spread).map(What::Complete),
        "test.events.known" => builds
            .zip(known)
            .map(|(builds, tag)| What::Known(spread(builds), tag, ago.unwrap_or(Seconds(30 * 86_400)))),
        "test.events.release" => release.map(|kind| What::Release(kind, selection)),
        "test.events.drop" => drop.map(|kind| What::Drop(kind, selection)),
        _ => Some(What::Expect(expectations(&expect, source, findings))),
    };
    Some(Step { mark: fields.mark(deed), at: at.unwrap_or_default(), what: what? })
}

/// Keys of an event that go only with some deeds.
fn misplaced(fields: &mut Fields<'_>, deed: &str) {
    let deed = deed.rsplit('.').next().unwrap_or_default();
    for (path, deeds) in [
        ("test.events.at", &["tag", "untag", "complete", "release", "drop", "expect"][..]),
        ("test.events.builds", &["tag", "untag", "known"]),
        ("test.events.over", &["tag", "untag", "complete"]),
        ("test.events.package", &["tag", "untag", "release", "drop"]),
        ("test.events.by", &["tag", "untag"]),
        ("test.events.ago", &["known"]),
        ("test.events.pattern", &["release", "drop"]),
        ("test.events.except", &["release", "drop"]),
    ] {
        if fields.has(path) && !deeds.contains(&deed) {
            let message = format!("`{path}` does not go with `{deed}`");
            fields.error(path, message, format!("it goes with {}", deeds.join(", ")));
        }
    }
}

fn expectations(
    values: &[&toml::Spanned<toml::de::DeValue<'_>>],
    source: &Source,
    findings: &mut Vec<Finding>,
) -> Vec<Expectation> {
    values.iter().take(STEPS_MAX).filter_map(|value| expectation(value, source, findings)).collect()
}

fn expectation(
    value: &toml::Spanned<toml::de::DeValue<'_>>,
    source: &Source,
    findings: &mut Vec<Finding>,
) -> Option<Expectation> {
    match Fields::of("an expectation", value, source) {
        Err(finding) => {
            findings.push(*finding);
            None
        }
        Ok(mut fields) => {
            let expectation = expectation_of(&mut fields);
            findings.extend(fields.finish());
            expectation
        }
    }
}

fn expectation_of(fields: &mut Fields<'_>) -> Option<Expectation> {
    let any = Length { min: 0, max: LONGEST };
    let many = Count { min: 0, max: 10_000_000 };
    let builds = fields.get("test.expect.builds", &BuildRange);
    let package = fields.get("test.expect.package", &Text::Tag);
    let labels = Label::ALL.map(|label| (label.word(), label));
    let label = fields.get("test.expect.label", &Choice(&labels));
    let mut fates = vec![("pending", Fate::Pending)];
    fates.extend(Outcome::ALL.map(|outcome| (outcome.word(), Fate::Decided(outcome))));
    let fate = fields.get("test.expect.outcome", &Choice(&fates));
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| (reason.word(), *reason)).collect();
    let reason = fields.get("test.expect.reason", &Choice(&reasons));
    let kinds = HoldKind::ALL.map(|kind| (kind.word(), kind));
    let hold = fields.get("test.expect.hold", &Choice(&kinds));
    let within = fields.get("test.expect.within", &any);
    let amounts = [
        ("test.expect.count", fields.get("test.expect.count", &many).map(u64::from).map(Amount::Exactly)),
        (
            "test.expect.at_least",
            fields.get("test.expect.at_least", &many).map(u64::from).map(Amount::AtLeast),
        ),
        ("test.expect.at_most", fields.get("test.expect.at_most", &many).map(u64::from).map(Amount::AtMost)),
    ];
    let stated: Vec<_> = amounts.iter().filter(|(path, _)| fields.has(path)).collect();
    if let [_, (second, _), ..] = stated[..] {
        let message = "an expectation says how many in one way".to_owned();
        fields.error(second, message, "keep one of `count`, `at_least` and `at_most`".to_owned());
    }
    let amount = stated.first().map_or(Some(Amount::Each), |(_, amount)| *amount)?;
    let told = ["test.expect.outcome", "test.expect.reason", "test.expect.hold"];
    if !told.iter().any(|path| fields.has(path)) {
        let help = "state `outcome`, such as outcome = \"submitted\"; also `reason` or `hold`".to_owned();
        fields.error("", "the expectation does not say what becomes of the builds".to_owned(), help);
    }
    if let (Some(reason), Some(fate)) = (reason, fate)
        && Fate::Decided(reason.outcome()) != fate
    {
        let (word, outcome) = (reason.word(), reason.outcome().word());
        let message = format!("the reason \"{word}\" belongs to the outcome \"{outcome}\"");
        fields.error("test.expect.reason", message, "remove the reason, or correct the outcome".to_owned());
    }
    if hold.is_some() && fate.is_some_and(|fate| fate != Fate::Decided(Outcome::Held)) {
        let message = "what is in a hold is held".to_owned();
        fields.error("test.expect.hold", message, "remove `hold`, or state outcome = \"held\"".to_owned());
    }
    let mark = fields.mark("");
    Some(Expectation { mark, builds, package, label, fate, reason, hold, within, amount })
}
