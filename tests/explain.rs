//! What `tidegate explain` says for every reason that the engine can give: each is reached by messages of its own, through a
//! replay with a state, and the text is compared with `tests/golden/explain/REASON.txt`. `TIDEGATE_BLESS=1` writes these
//! files; read each as somebody who knows Koji and not Tidegate before it is committed.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tidegate::engine::command::{Action, HoldCommand};
use tidegate::engine::decision::{HoldId, Reason};
use tidegate::engine::hold::Selection;
use tidegate::engine::witness::{Finding, Witnessed};
use tidegate::replay::{Options, replay};
use tidegate::settings::{FamilyTag, HoldAction, HoldRule, Settings};
use tidegate::state::{Batch, State};
use tidegate::time::{Second, Seconds};

/// 2025-02-04T06:00:00Z.
const T: i64 = 1_738_648_800;

/// A stream, what an operator said afterwards, and what is asked.
#[derive(Clone)]
struct Case {
    settings: Settings,
    messages: String,
    packages: Option<&'static str>,
    commands: Vec<(Selection, Action, &'static str, &'static str)>,
    /// What Koji says of the held builds.
    witnessed: Option<Witnessed>,
    asked: &'static str,
    /// The file of decisions is given too.
    with_decisions: bool,
}

impl Default for Case {
    fn default() -> Self {
        let mut settings = Settings::defaults("f42");
        "eln".clone_into(&mut settings.name);
        "3c5f0a9be1d27784".clone_into(&mut settings.hash);
        settings.trigger.family.insert(0, FamilyTag { tag: "f41".to_owned(), left_at: None });
        Self {
            settings,
            messages: String::new(),
            packages: None,
            commands: Vec::new(),
            witnessed: None,
            asked: "bash-5.2.37-1.fc42",
            with_decisions: false,
        }
    }
}

/// A message: second, topic, identity and body.
fn message(second: i64, topic: &str, id: &str, body: &str) -> String {
    let sent = Second(T + second);
    let id = format!("00000000-0000-4000-8000-{id:0>12}");
    format!(
        r#"{{"topic":"org.fedoraproject.prod.buildsys.{topic}","id":"{id}","headers":{{"sent-at":"{sent}"}},"body":{{{body}}}}}"#
    ) + "\n"
}

/// A build of a package moves.
fn moved(second: i64, topic: &str, id: &str, tag: &str, build: (u64, &str)) -> String {
    let (number, name) = build;
    let user = if topic == "tag" && tag == "f42" { "releng" } else { "bodhi" };
    let body = format!(
        r#""build_id":{number},"instance":"primary","name":"{name}","version":"5.2.37","release":"{}.fc42","tag":"{tag}","user":"{user}","owner":"ada""#,
        number - 6
    );
    message(second, topic, id, &body)
}

/// Build 7, bash-5.2.37-1.fc42.
const BASH: (u64, &str) = (7, "bash");
/// Build 8, a newer one of the same package.
const BASH_2: (u64, &str) = (8, "bash");

fn tag(second: i64, id: &str, tag: &str) -> String {
    moved(second, "tag", id, tag, BASH)
}

fn untag(second: i64, id: &str, tag: &str) -> String {
    moved(second, "untag", id, tag, BASH)
}

fn state_change(second: i64, id: &str, new: u64) -> String {
    let body =
        format!(r#""build_id":7,"instance":"primary","attribute":"state","old":0,"new":{new},"task_id":70"#);
    message(second, "build.state.change", id, &body)
}

/// Something else: the clock goes on.
fn tick(second: i64) -> String {
    message(
        second,
        "repo.done",
        &format!("f{second}"),
        r#""instance":"primary","tag":"f42-build","repo_id":1"#,
    )
}

/// The same after a long silence: a time far ahead is believed when a second message confirms it.
fn much_later(second: i64) -> String {
    [second, second + 1, second + 30].map(tick).concat()
}

fn streamed(messages: &[String]) -> Case {
    Case { messages: messages.concat(), ..Case::default() }
}

fn case(reason: Reason) -> Case {
    let nothing_known = streamed(&[tag(100, "1", "f42"), tick(200)]);
    let said = |selection, action, who, why| Case {
        commands: vec![(selection, action, who, why)],
        ..streamed(&[tag(100, "1", "f42"), tick(200)])
    };
    let with_file = |asked, messages: &[String]| Case { asked, with_decisions: true, ..streamed(messages) };
    match reason {
        Reason::OtherTopic => with_file("00000000-0000-4000-8000-00000000f100", &[tick(100), tick(200)]),
        Reason::OtherInstance => with_file(
            "00000000-0000-4000-8000-000000000001",
            &[tag(100, "1", "f42").replace("primary", "riscv"), tick(200)],
        ),
        Reason::OtherTag => with_file(
            "00000000-0000-4000-8000-000000000001",
            &[tag(100, "1", "f42-updates-candidate"), tick(200)],
        ),
        Reason::Untag => with_file(
            "00000000-0000-4000-8000-000000000002",
            &[tag(90, "1", "f42-signing-pending"), untag(100, "2", "f42-signing-pending"), tick(200)],
        ),
        Reason::BuildState => {
            with_file("00000000-0000-4000-8000-000000000001", &[state_change(100, "1", 3), tick(200)])
        }
        Reason::PackageList => with_file(
            "00000000-0000-4000-8000-000000000001",
            &[
                message(
                    100,
                    "package.list.change",
                    "1",
                    r#""instance":"primary","tag":"f42","package":"bash","action":"add""#,
                ),
                tick(200),
            ],
        ),
        Reason::NotEligible => Case {
            packages: Some("zsh\n"),
            ..streamed(&[state_change(10, "1", 1), tag(100, "2", "f42"), tick(200)])
        },
        Reason::BeforeBegin => {
            let mut case = nothing_known;
            case.settings.clock.begin = Some(Second(T + 150));
            case
        }
        Reason::MessageSeen => streamed(&[
            state_change(10, "1", 1),
            tag(100, "2", "f42"),
            tick(200),
            tag(100, "2", "f42"),
            tick(300),
        ]),
        Reason::BuildInTag => streamed(&[
            state_change(10, "1", 1),
            tag(100, "2", "f42"),
            tick(200),
            tag(210, "3", "f42"),
            tick(300),
        ]),
        Reason::AlreadySubmitted => streamed(&[
            state_change(10, "1", 1),
            tag(100, "2", "f42"),
            tick(200),
            untag(210, "3", "f42"),
            tag(220, "4", "f42"),
            tick(300),
        ]),
        Reason::KnownBuild => {
            streamed(&[tag(-80_000, "1", "f41"), much_later(50), tag(100, "2", "f42"), tick(200)])
        }
        Reason::DroppedByOperator => {
            said(Selection::All, Action::Drop, "ada", "a re-tag by mistake, see ticket 1234")
        }
        Reason::ReleasedByOperator => {
            let nvr = Selection::Nvr("bash-5.2.37-1.fc42".to_owned());
            said(nvr, Action::Release, "grace", "built by hand, Koji's message was lost")
        }
        Reason::DroppedByRule => {
            let mut case = streamed(&[tag(100, "1", "f42"), tick(200), much_later(90_000)]);
            case.settings.burst.hold_rule = Some(HoldRule { after: Seconds(86_400), then: HoldAction::Drop });
            case
        }
        Reason::ReleasedByRule => {
            let mut case = streamed(&[
                tag(100, "1", "f42"),
                tick(200),
                much_later(5_000),
                state_change(5_040, "2", 1),
                much_later(90_000),
            ]);
            case.settings.burst.hold_rule =
                Some(HoldRule { after: Seconds(86_400), then: HoldAction::Drain });
            case
        }
        Reason::Superseded => Case {
            commands: vec![
                (
                    Selection::Nvr("bash-5.2.37-2.fc42".to_owned()),
                    Action::Release,
                    "grace",
                    "this is the one to have",
                ),
                (Selection::Package("bash".to_owned()), Action::Release, "ada", "looked at, all new"),
            ],
            ..streamed(&[tag(100, "1", "f42"), moved(150, "tag", "2", "f42", BASH_2), tick(300)])
        },
        Reason::Completed => streamed(&[
            state_change(10, "1", 1),
            tag(20, "2", "f42-updates-candidate"),
            tag(100, "3", "f42"),
            untag(100, "4", "f42-updates-candidate"),
            tick(200),
        ]),
        Reason::Trail => streamed(&[
            tag(-7_000, "1", "f42-build-side-12345"),
            much_later(50),
            tag(100, "2", "f42"),
            tick(200),
        ]),
        Reason::KojiSaysFresh => Case {
            witnessed: Some(Witnessed::Tagged {
                completed: Some(Second(T - 3_600)),
                earlier: Vec::new(),
                rebuild: None,
            }),
            ..nothing_known
        },
        Reason::NoFreshEvidence => Case { messages: flood(), ..Case::default() },
        Reason::MassRebuild => streamed(&[
            state_change(-50_000, "1", 1),
            tag(-50_000, "2", "f42-rebuild"),
            much_later(50),
            tag(100, "3", "f42"),
            tick(200),
        ]),
        Reason::EndOfInput => {
            let mut case = streamed(&[state_change(10, "1", 1), tag(100, "2", "f42"), tick(110)]);
            // No wait that a file may state is so long that the end of time comes before its end.
            case.settings.burst.hold_back = Seconds(i64::MAX / 2);
            case
        }
        Reason::Unreadable => Case {
            asked: "00000000-0000-4000-8000-000000000001",
            ..streamed(&[
                message(
                    100,
                    "tag",
                    "1",
                    r#""build_id":"\u001b[2Jseven","instance":"primary","name":"bash","tag":"f42""#,
                ),
                tick(200),
            ])
        },
    }
}

/// Forty builds in forty seconds, bash among them.
fn flood() -> String {
    let mut text = tag(100, "1", "f42");
    for build in 10..49u64 {
        let second = 100 + i64::try_from(build).unwrap() - 9;
        text.push_str(&moved(second, "tag", &format!("a{build}"), "f42", (build, &format!("p{build}"))));
    }
    text + &tick(300)
}

/// Runs a case, and gives what `explain` says.
fn explained(case: &Case, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    fs::write(file("events.jsonl"), &case.messages).unwrap();
    let packages = case.packages.map(|list| {
        fs::write(file("packages.txt"), list).unwrap();
        file("packages.txt")
    });
    let options = Options {
        inputs: vec![file("events.jsonl")],
        packages,
        state: Some(file("state.db")),
        decisions: Some(file("decisions.jsonl")),
        end: Some(case.settings.burst.hold_back > Seconds(1_000)),
        ..Options::default()
    };
    replay(case.settings.clone(), &options, &mut |_, _| ()).unwrap();
    command(case, &file("state.db"));
    witness(case, &file("state.db"));
    let mut explain = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    explain.args(["explain", case.asked, "--state"]).arg(file("state.db")).args(more);
    if case.with_decisions {
        explain.arg("--decisions").arg(file("decisions.jsonl"));
    }
    explain.output().unwrap()
}

/// Lets operators speak, as a running pipeline would: through the engine and the state.
fn command(case: &Case, path: &Path) {
    for (selection, action, who, reason) in &case.commands {
        let mut state = State::open(path, false).unwrap();
        let mut engine = state.load(case.settings.clone(), [0]).unwrap().engine;
        let command = HoldCommand {
            hold: HoldId(1),
            version: None,
            selection: selection.clone(),
            action: *action,
            reason: (*reason).to_owned(),
            who: (*who).to_owned(),
        };
        engine.command(&command).unwrap();
        let decisions = engine.take_output().decisions;
        state.commit(&mut engine, &Batch { decisions: &decisions, ..Batch::default() }).unwrap();
    }
}

/// Lets Koji speak.
fn witness(case: &Case, path: &Path) {
    let Some(witnessed) = &case.witnessed else { return };
    let mut state = State::open(path, false).unwrap();
    let mut engine = state.load(case.settings.clone(), [0]).unwrap().engine;
    let questions: Vec<_> = engine.questions().collect();
    let said = |question| Finding { question, asked_at: Second(T + 300), witnessed: witnessed.clone() };
    engine.koji_says(&questions.into_iter().map(said).collect::<Vec<_>>());
    let decisions = engine.take_output().decisions;
    state.commit(&mut engine, &Batch { decisions: &decisions, ..Batch::default() }).unwrap();
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explain").join(format!("{name}.txt"))
}

#[test]
fn every_reason_is_explained_as_it_was_read_and_found_good() {
    let mut wrong = String::new();
    for reason in Reason::ALL {
        let case = case(*reason);
        let output = explained(&case, &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        let problem = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {problem}{text}", reason.word());
        assert!(!text.contains('\u{1b}'), "{}: a message drives the terminal", reason.word());
        if std::env::var_os("TIDEGATE_BLESS").is_some() {
            fs::write(golden(reason.word()), &text).unwrap();
        }
        let expected = fs::read_to_string(golden(reason.word())).unwrap_or_default();
        if text != expected {
            write!(wrong, "\n== {}: expected\n{expected}\n== but it is\n{text}", reason.word()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_case_of_each_reason_reaches_that_reason() {
    for reason in Reason::ALL {
        let case = case(*reason);
        let output = explained(&case, &["-o", "json"]);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["schema"], "tidegate.explain/1");
        let steps =
            answer["builds"].as_array().unwrap().iter().flat_map(|build| build["steps"].as_array().unwrap());
        let words: Vec<_> =
            steps.chain(answer["messages"].as_array().unwrap()).map(|told| told["reason"].clone()).collect();
        let is_letter = *reason == Reason::Unreadable && !words.is_empty();
        assert!(is_letter || words.contains(&reason.word().into()), "{}: {words:?}", reason.word());
    }
}

#[test]
fn no_golden_file_is_left_over() {
    let files = fs::read_dir(golden("x").parent().unwrap()).unwrap();
    let names: BTreeSet<String> =
        files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let reasons: BTreeSet<String> = Reason::ALL.iter().map(|reason| reason.word().to_owned()).collect();
    assert_eq!(names, reasons);
}

#[test]
fn builds_of_one_name_in_two_instances_are_both_told() {
    let mut case = streamed(&[
        state_change(10, "1", 1),
        tag(100, "2", "f42"),
        tag(110, "3", "f42").replace("primary", "riscv"),
        tag(111, "4", "f42").replace("primary", "riscv").replace(":7,", ":70,"),
        tick(200),
    ]);
    case.settings.route.instances.push("riscv".to_owned());
    let titles = |asked: &'static str| -> Vec<String> {
        let output = explained(&Case { asked, ..case.clone() }, &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| line.starts_with("bash-")).map(str::to_owned).collect()
    };
    let primary = "bash-5.2.37-1.fc42 (build 7 of Koji instance primary): submitted".to_owned();
    let [riscv, other] =
        [7, 70].map(|build| format!("bash-5.2.37-1.fc42 (build {build} of Koji instance riscv): held in h1"));
    assert_eq!(titles("bash-5.2.37-1.fc42"), [primary.clone(), riscv.clone(), other]);
    assert_eq!(titles("7"), [primary, riscv]);
}

#[test]
fn what_is_not_there_has_its_exit_code_and_what_may_have_been_meant() {
    let near = Case { asked: "bsah-5.2.37-1.fc42", packages: Some("bash\n"), ..case(Reason::Completed) };
    let output = explained(&near, &[]);
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("bash-5.2.37-1.fc42 (build 7): submitted"), "{said}");
    assert!(said.contains("from 2025-02-04 06:02:41 UTC"), "{said}");
    for (asked, code) in
        [("7", 0), ("bash-5.2.37-9.fc42", 4), ("bash", 4), ("", 4), ("99999999999999999999", 4)]
    {
        let output = explained(&Case { asked, ..case(Reason::Completed) }, &[]);
        assert_eq!(output.status.code(), Some(code), "{asked}");
    }
}
