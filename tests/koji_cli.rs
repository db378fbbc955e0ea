//! The command line of Koji itself works against the fake hub (needs `target/koji`, which `scripts/setup.sh` makes).

#![expect(clippy::unwrap_used, reason = "a test that cannot start what it tests has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tidegate::hub::{FakeHub, Pace, Settings, WorldFile};

const SMALL: &str = include_str!("fixtures/hub/small.toml");
/// Hours pass in seconds.
const SPEED: f64 = 3_600.0;

/// The command, with a configuration of its own.
struct Koji {
    program: PathBuf,
    configuration: tempfile::NamedTempFile,
    server: String,
}

impl Koji {
    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.configuration.path()).arg("--server").arg(&self.server);
        command.args(["--authtype", "password", "--user", "rebuilder", "--password", "rebuilderpw"]);
        command.args(arguments.split(' ')).output().unwrap()
    }

    /// The output of a command that succeeds.
    fn good(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "koji {arguments}: {}\n{out}\n{err}", output.status);
        out
    }

    /// Has something built, and gives the number of the task.
    fn build(&self, fragment: &str) -> String {
        let out = self.good(&format!("build --nowait eln git+https://src.example/rpms/{fragment}"));
        let task = out.lines().find_map(|line| line.strip_prefix("Created task: "));
        task.unwrap_or_else(|| panic!("{out}")).to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn koji_shows_tags_builds_watches_and_cancels() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/koji/bin/koji");
    if !program.exists() {
        println!("skipped: the koji command is not installed");
        return;
    }
    let world = WorldFile::parse(SMALL).unwrap();
    let hub =
        FakeHub::start(Settings { world, pace: Pace::Times(SPEED), ..Settings::default() }).await.unwrap();
    let configuration = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(configuration.path(), "[koji]\npoll_interval = 1\n").unwrap();
    let koji = Koji { program, configuration, server: hub.url() };
    tokio::task::spawn_blocking(move || session(&koji)).await.unwrap();
    hub.stop().await;
}

fn session(koji: &Koji) {
    let tag = koji.good("taginfo f42-build");
    for line in ["Tag: f42-build [2]", "Arches: x86_64 s390x", "  rawhide"] {
        assert!(tag.lines().any(|shown| shown == line), "{line}\n{tag}");
    }
    assert!(koji.good("list-tagged --latest --inherit eln-build").contains("bash-5.2-9.fc42"));
    assert!(koji.good("list-targets").contains("rawhide"));

    let task = koji.build("bash#5.2-9");
    let watched = koji.good(&format!("watch-task {task}"));
    assert!(watched.contains("completed successfully"), "{watched}");
    let tagged = koji.good("list-tagged eln");
    assert!(tagged.contains("bash-5.2-9.eln145") && tagged.contains("rebuilder"), "{tagged}");
    let build = koji.good("buildinfo bash-5.2-9.eln145");
    assert!(build.contains("State: COMPLETE"), "{build}");

    let failing = koji.build("no-build#1-1");
    let watched = koji.run(&format!("watch-task {failing}"));
    let out = text(&watched.stdout);
    assert!(!watched.status.success() && out.contains("error building package"), "{out}");

    let canceled = koji.build("kernel#6.13-1");
    koji.good(&format!("cancel {canceled}"));
    let info = koji.good(&format!("taskinfo {canceled}"));
    assert!(info.contains("State: canceled"), "{info}");
}
