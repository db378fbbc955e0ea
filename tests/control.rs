//! Operators' commands against a stand-in pipeline: the real binary, a real socket, answers from a small model.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tidegate::live::ask::{
    Answer, Ask, HeldLine, HoldLine, HoldPage, MissedLine, Reconciled, Refusal, RefusalKind, Request,
};
use tidegate::live::pause::{Kind, Pause, PauseError, Pauses};
use tidegate::live::socket::{Asked, CONNECTIONS_MAX, Socket, path_of};
use tidegate::live::view::{Intake, KojiView, PackagesView, Submission, View};
use tidegate::time::Second;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// 2025-02-04T06:00:00Z.
const T: Second = Second(1_738_648_800);
/// Commands a terminal, and turns text round.
const EVIL: &str = "x\u{1b}[2J\u{202e}y";

/// A pipeline that knows one hold, and pauses.
#[derive(Default)]
struct Model {
    pauses: Pauses,
    members: Vec<String>,
    version: u32,
    asked: Vec<Ask>,
}

impl Model {
    fn line(&self) -> HoldLine {
        HoldLine {
            id: 3,
            kind: "retag".into(),
            instance: "primary".into(),
            tag: "f42".into(),
            opened_at: T,
            version: self.version,
            members: self.members.len(),
            growing: false,
        }
    }

    fn holds(&self) -> Vec<HoldLine> {
        if self.members.is_empty() { Vec::new() } else { vec![self.line()] }
    }

    fn refused(kind: RefusalKind, text: &impl ToString) -> Answer {
        Answer::Refused(Refusal { kind, text: text.to_string() })
    }

    fn view(&self) -> View {
        View {
            unreachable: false,
            pipeline: "eln".into(),
            hash: "1f2e".into(),
            trigger: "f42".into(),
            state: "ab12".into(),
            serial: 42,
            started_at: T,
            told_at: Second(T.0 + 3_600),
            intake: Intake::Reading,
            submission: Submission::Open,
            phase: "quiet".into(),
            watermark: Some(Second(T.0 + 3_590)),
            silent: false,
            partitions: Vec::new(),
            reasons: vec![("fresh".into(), 7)],
            holds: self.holds(),
            pauses: self.pauses.iter().cloned().collect(),
            troubles: Vec::new(),
            known_builds: 12_345,
            trails: 6,
            packages: PackagesView::default(),
            outbox: 2,
            submitted: 5,
            dead_letters: 1,
            runs: 1,
            commands: 0,
            koji: Some(KojiView { waiting: 21, asked: 1_050, compared_until: Some(T), missed: 3 }),
            sink: None,
        }
    }

    fn answer(&mut self, ask: Ask) -> Answer {
        self.asked.push(ask.clone());
        match ask.request {
            Request::Status => Answer::Status(Box::new(self.view())),
            Request::Pause { kind, why, until } => {
                let pause = Pause { kind, who: ask.who, why, since: T, until };
                match self.pauses.pause(pause.clone()) {
                    Ok(()) => Answer::Paused(pause),
                    Err(error @ (PauseError::Paused(_) | PauseError::NotPaused(_))) => {
                        Self::refused(RefusalKind::Refused, &error)
                    }
                }
            }
            Request::Resume { kind, dry_run, .. } => match self.pauses.of(kind).cloned() {
                None => Self::refused(RefusalKind::Refused, &PauseError::NotPaused(kind)),
                Some(pause) => {
                    if !dry_run {
                        self.pauses.resume(kind).unwrap();
                    }
                    Answer::Resumed { pause, waiting: 1_234, dry_run }
                }
            },
            Request::Holds => Answer::Holds(self.holds()),
            Request::Hold { id: 3, members_max } => {
                let held = |nvr: &String| HeldLine {
                    nvr: nvr.clone(),
                    build_id: 7,
                    reason: "retag_burst".into(),
                    actor: EVIL.into(),
                    tagged_at: T,
                    held_at: T,
                    released_as: "released_by_operator".into(),
                };
                let members: Vec<_> = self.members.iter().take(members_max).map(held).collect();
                let more = self.members.len() - members.len();
                let reasons = vec![("retag_burst".into(), self.members.len())];
                Answer::Hold(HoldPage { hold: self.line(), members, more, reasons })
            }
            Request::Decide { hold: 3, version, dry_run, .. } => {
                if let Some(seen) = version.filter(|seen| *seen != self.version) {
                    let text = format!("hold h3 changed since version {seen}: by bo at {T}");
                    return Self::refused(RefusalKind::Refused, &text);
                }
                let builds = self.members.iter().map(|nvr| (nvr.clone(), "released_by_operator".into()));
                let builds = builds.collect();
                if !dry_run {
                    self.members.clear();
                    self.version += 1;
                }
                Answer::Decided { builds, stay: 0, dry_run }
            }
            Request::Hold { .. } | Request::Decide { .. } => {
                Self::refused(RefusalKind::NotFound, &"no such hold")
            }
            Request::AcceptPackages { .. } => Answer::PackagesAccepted { version: "9a".into(), names: 1_000 },
            Request::Reconcile { since, dry_run } => {
                let missed =
                    MissedLine { nvr: EVIL.into(), build_id: 7, tag: EVIL.into(), what: "tag".into(), at: T };
                let (since, until) = (since.unwrap_or(T), Second(T.0 + 600));
                let missed = vec![missed];
                Answer::Reconciled(Reconciled { since, until, builds: 1_500, missed, more: 1, dry_run })
            }
            Request::Reload => Answer::Reloaded { hash: "2a".into(), changed: vec!["governor.rate".into()] },
            Request::Retry { letter, .. } => Answer::Letter { letter, outcome: "retried".into() },
            Request::Discard { letter, .. } => Answer::Letter { letter, outcome: "discarded".into() },
        }
    }
}

/// A stand-in pipeline at a socket beside a state file.
struct Pipeline {
    folder: tempfile::TempDir,
    model: Arc<Mutex<Model>>,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Pipeline {
    fn start(members: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let members = (0..members).map(|number| format!("p{number}{EVIL}-1-1.fc42")).collect();
        let model = Arc::new(Mutex::new(Model { members, version: 5, ..Model::default() }));
        let (asks, mut asked) = mpsc::channel::<Asked>(4);
        let answering = Arc::clone(&model);
        tokio::spawn(async move {
            while let Some((ask, reply)) = asked.recv().await {
                drop(reply.send(answering.lock().unwrap().answer(ask)));
            }
        });
        let socket = Socket::bind(&path_of(&folder.path().join("a.db"))).unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(socket.serve(asks, stop.clone()));
        Self { folder, model, stop, serving }
    }

    fn socket(&self) -> PathBuf {
        path_of(&self.folder.path().join("a.db"))
    }

    /// Runs the binary, and checks that nothing it prints can drive a terminal.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let state = self.folder.path().join("a.db");
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        tokio::task::spawn_blocking(move || tidegate(&arguments, &state)).await.unwrap()
    }
}

fn tidegate(arguments: &[String], state: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let Output { status, stdout, stderr } =
        command.args(arguments).arg("--state").arg(state).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    for c in ['\u{1b}', '\u{202e}'] {
        assert!(!stdout.contains(c) && !stderr.contains(c), "{arguments:?}: {stdout:?} {stderr:?}");
    }
    (status.code(), stdout, stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_says_what_was_done() {
    let pipeline = Pipeline::start(2);
    for (arguments, code, said, schema) in [
        (&["status"][..], 3, "waits for a decision", "status/1"),
        (
            &["pause", "intake", "--reason", EVIL, "--as", "ana", "--for", "2h"],
            0,
            "paused by ana (",
            "pause/1",
        ),
        (&["resume", "intake", "--reason", "over", "--dry-run"], 0, "1,234 records wait", "resume/1"),
        (&["holds", "list"], 0, "retag", "holds/1"),
        (&["holds", "show", "h3", "--members", "1"], 0, "and 1 more", "hold/1"),
        (
            &["holds", "release", "h3", "--nvr", "a-1-1", "--reason", "x", "--dry-run"],
            0,
            "2 builds of h3 would",
            "decided/1",
        ),
        (
            &["reconcile", "--since", "2025-02-03", "--dry-run"],
            0,
            "from 2025-02-03T00:00:00Z to 2025-02-04T06:10:00Z, 1,500 builds in Koji's history: 2 messages are missing; nothing was changed",
            "reconciled/1",
        ),
        (&["reconcile"], 0, "2 messages were missing, and are judged now", "reconciled/1"),
        (&["packages", "show"], 0, "takes none", "packages/1"),
        (&["packages", "accept", "--reason", "x"], 0, "1,000 names", "packages_accepted/1"),
        (&["reload"], 0, "governor.rate", "reload/1"),
        (
            &["deadletters", "retry", "7", "--reason", "x"],
            0,
            "dead letter 7 was retried",
            "deadletter_handled/1",
        ),
        (&["deadletters", "discard", "7", "--reason", "x"], 0, "discarded", "deadletter_handled/1"),
    ] {
        let (got, stdout, stderr) = pipeline.run(arguments).await;
        assert_eq!(got, Some(code), "{arguments:?}: {stdout}{stderr}");
        assert!(stdout.contains(said), "{arguments:?}: {stdout}");
        // A pause is there already: begin anew.
        if schema == "pause/1" {
            pipeline.model.lock().unwrap().pauses.resume(Kind::Intake).unwrap();
        }
        let (got, stdout, stderr) = pipeline.run(&[arguments, &["-o", "json"]].concat()).await;
        assert_eq!(got, Some(code), "{arguments:?}: {stderr}");
        let document: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(document["schema"], format!("tidegate.{schema}"), "{arguments:?}");
    }
    let (code, stdout, stderr) = pipeline.run(&["status", "--quiet"]).await;
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(3), "", ""));
    pipeline.model.lock().unwrap().members.clear();
    assert_eq!(pipeline.run(&["status"]).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_second_is_told_who_was_first_and_when() {
    let pipeline = Pipeline::start(2);
    let ana = ["pause", "submission", "--reason", "outage", "--as", "ana"];
    assert_eq!(pipeline.run(&ana).await.0, Some(0));
    let (code, _, stderr) = pipeline.run(&["pause", "submission", "--reason", "me too", "--as", "bo"]).await;
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stderr.contains("by ana (") && stderr.contains("2025-02-04T06:00:00Z"), "{stderr}");
    let release = ["holds", "release", "h3", "--reason", "x", "--version", "5"];
    assert_eq!(pipeline.run(&release).await.0, Some(0));
    let (code, _, stderr) = pipeline.run(&release).await;
    assert_eq!(code, Some(5));
    assert!(stderr.contains("by bo at 2025-02-04T06:00:00Z"), "{stderr}");
    assert_eq!(pipeline.run(&["holds", "show", "h4"]).await.0, Some(4));
    assert_eq!(pipeline.run(&["holds", "drop", "h3"]).await.0, Some(2), "a reason is needed");
    let two = ["holds", "drop", "h3", "--reason", "x", "--nvr", "a", "--package", "b"];
    assert_eq!(pipeline.run(&two).await.0, Some(2), "one selector");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_builds_are_not_decided_unseen() {
    let pipeline = Pipeline::start(101);
    let release = ["holds", "release", "h3", "--reason", "x"];
    let (code, _, stderr) = pipeline.run(&release).await;
    assert_eq!(code, Some(5));
    assert!(stderr.contains("--version") && stderr.contains("--yes"), "{stderr}");
    assert_eq!(pipeline.model.lock().unwrap().members.len(), 101);
    assert_eq!(pipeline.run(&[&release[..], &["--yes"]].concat()).await.0, Some(0));
    assert!(pipeline.model.lock().unwrap().members.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_are_served_at_once_and_hang_ups_give_their_places_back() {
    let pipeline = Pipeline::start(1);
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        silent.push(UnixStream::connect(pipeline.socket()).await.unwrap());
    }
    let mut text = String::new();
    let mut next = UnixStream::connect(pipeline.socket()).await.unwrap();
    next.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("\"busy\""), "{text}");
    let (code, _, stderr) = pipeline.run(&["status"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("busy") && stderr.contains("try again"), "{stderr}");
    // Each is answered or let go before the next is asked: its end is seen.
    for mut stream in silent {
        stream.write_all(b"rubbish\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.contains("\"unreadable\""), "{text}");
    }
    assert_eq!(pipeline.run(&["status"]).await.0, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_ends_takes_its_socket_away() {
    let pipeline = Pipeline::start(0);
    pipeline.stop.cancel();
    let socket = pipeline.socket();
    let Pipeline { folder, serving, .. } = pipeline;
    serving.await.unwrap().unwrap();
    assert!(!socket.exists());
    let state = folder.path().join("a.db");
    let (code, _, _) = tidegate(&["status".to_owned()], &state);
    assert_eq!(code, Some(4), "there is no state");
    std::fs::write(&state, "").unwrap();
    let (code, _, stderr) = tidegate(&["status".to_owned()], &state);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no pipeline runs with this state"), "{stderr}");
}
