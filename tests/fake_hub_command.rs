//! `tidegate fake-hub` serves, writes messages, and stops when it is told to.

#[expect(dead_code, reason = "only calls and sessions are wanted here")]
#[path = "common/hub_wire.rs"]
mod hub_wire;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use hub_wire::{call, login};
use tidegate::koji::xmlrpc::{Answer, Call, Value};

/// Far more looks than a build takes.
const LOOKS: u32 = 200_000;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("fake-hub");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_writes_messages_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let messages = folder.path().join("bus.jsonl");
    let mut running = command()
        .args(["--world", "tests/fixtures/hub/small.toml", "--speed", "20000", "--messages"])
        .arg(&messages)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix("/kojihub")).unwrap();
    let address: SocketAddr = address.parse().unwrap();

    let session = login(address, "rebuilder", "rebuilderpw").await;
    let build = Call::new("build").arg("git+https://src.example/rpms/zlib#1.3-2").arg("eln");
    assert_eq!(call(address, &build, Some((&session, 0))).await, Some(Answer::Value(Value::from(1))));
    let finished = Call::new("taskFinished").arg(1);
    let mut looks = 0;
    while call(address, &finished, None).await != Some(Answer::Value(Value::from(true))) {
        looks += 1;
        assert!(looks < LOOKS, "the build does not end");
    }
    let told = std::fs::read_to_string(&messages).unwrap();
    assert!(told.lines().any(|line| line.contains("\"org.fedoraproject.prod.buildsys.tag\"")), "{told}");

    let terminated = Command::new("kill").arg(running.id().to_string()).status().unwrap();
    assert!(terminated.success());
    assert!(running.wait().unwrap().success());
}

#[test]
fn what_it_cannot_use_it_refuses_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let world = "tests/fixtures/hub/small.toml";
    let parent = file("parent.toml", "[[tag]]\nname = 'a'\nparents = ['b']\n");
    let key = file("key.toml", "[[tga]]\n");
    let faults = file("faults.toml", "[[fault]]\nmethod = 'x'\n");
    for (arguments, reason) in [
        (vec!["--world", &parent], "the world has no tag `b`, which `a` names"),
        (vec!["--world", &key], "unknown field `tga`"),
        (vec!["--world", "nowhere.toml"], "nowhere.toml: "),
        (vec!["--world", world, "--faults", &faults], "missing field `trouble`"),
        (vec!["--world", world, "--speed", "0"], "--speed has to be a number above 0"),
        (vec!["--world", world, "--listen", "0.0.0.0:0"], "listens on a loopback address only"),
    ] {
        let output = command().args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
}
