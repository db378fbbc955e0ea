//! Koji is asked by the real program about what it holds, and its word is carried out.

use std::time::UNIX_EPOCH;

use tidegate::hub::{BuildFile, FakeHub, Settings, TagFile, WorldFile};
use tidegate::time::{Second, Seconds};

use super::site::{Site, tidegate, until};
use crate::broker::{Broker, Given};

/// The clock of this machine, as its file system has it.
fn wall(site: &Site<'_>) -> Second {
    std::fs::write(site.path("now"), b"").unwrap();
    let at = std::fs::metadata(site.path("now")).unwrap().modified().unwrap();
    Second(i64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap())
}

/// A new build, number 1, and an old one, number 2, both in f42 now.
fn world(package: &str, now: Second) -> WorldFile {
    let tag =
        |name: &str| TagFile { name: name.to_owned(), packages: vec!["*".to_owned()], ..TagFile::default() };
    let build = |release: u32, age: Seconds, tags: &[&str]| BuildFile {
        nvr: format!("{package}-1-{release}.fc42"),
        completed: Some((now - age).to_string()),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..BuildFile::default()
    };
    WorldFile {
        begin: Some((now - Seconds(60)).to_string()),
        tag: ["f41", "f42"].map(tag).to_vec(),
        build: vec![build(1, Seconds(3_600), &["f42"]), build(2, Seconds(400 * 86_400), &["f41", "f42"])],
        ..WorldFile::default()
    }
}

#[test]
fn what_is_held_is_decided_by_kojis_word() {
    let broker = Broker::mock();
    let site = Site::new(&broker, "0.1");
    let packages = std::fs::read_to_string(site.path("stream/packages.txt")).unwrap();
    let package = packages.lines().next().unwrap();
    let now = wall(&site);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let settings = Settings { world: world(package, now), ..Settings::default() };
    let hub = runtime.block_on(FakeHub::start(settings)).unwrap();
    let address = format!("evidence.hub={:?}", hub.url());
    let mut process = site.run_from("a.db", Some("now"), |run| {
        run.args(["--accept-cold", "--set", "evidence.ask_koji=true", "--set", &address]);
        // The old build came into f41 as the world began, long after the file says that f41 was left.
        run.args(["--set", "trigger.family=[\"f41\", \"f42\"]"]);
        run.args(["--set", "burst.hold_back=6s", "--set", "burst.rules=[\"100 in 5s\"]"]);
    });
    let ask = |command: &str| tidegate().arg(command).arg("--state").arg(site.path("a.db")).output().unwrap();
    until("the socket", || matches!(ask("status").status.code(), Some(0 | 3)));
    let now = wall(&site);
    let message = |id: &str, at: Second, topic: &str, body: &str| {
        format!(
            "{{\"id\":\"{id}\",\"topic\":\"{topic}\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{body}}}"
        )
    };
    let tagged = |build: u32| {
        let body = format!(
            "{{\"build_id\":{build},\"name\":\"{package}\",\"version\":\"1\",\"release\":\"{build}.fc42\",\"instance\":\"primary\",\
             \"tag\":\"f42\",\"tag_id\":1,\"user\":\"bodhi\",\"owner\":\"a\"}}"
        );
        Given::text(0, message(&format!("t{build}"), now, "org.fedoraproject.prod.buildsys.tag", &body))
    };
    broker.write(&site.topic, [tagged(1), tagged(2)]);
    let later = (0..3).map(|partition| {
        Given::text(
            partition,
            message(&format!("m{partition}"), now + Seconds(20), "org.example.clock", "{}"),
        )
    });
    broker.write(&site.topic, later);
    let reasons = || -> Vec<String> {
        site.ask("a.db", "SELECT reason FROM decision WHERE reason <> 'no_fresh_evidence' ORDER BY build_id")
    };
    until("Koji's word", || {
        assert!(process.is_running(), "{}", process.log());
        reasons().len() == 2
    });
    assert_eq!(reasons(), ["koji_says_fresh", "known_build"]);
    until("status to tell of it", || {
        let status = String::from_utf8(ask("status").stdout).unwrap();
        let status = status.split_whitespace().collect::<Vec<_>>().join(" ");
        status.contains("0 held builds wait for its word, 2 asked about")
    });
    let reconciled = ask("reconcile");
    let told = String::from_utf8(reconciled.stdout).unwrap();
    assert!(reconciled.status.success() && told.contains("nothing is missing"), "{told}");
    process.stop();
    runtime.block_on(hub.stop());
}
