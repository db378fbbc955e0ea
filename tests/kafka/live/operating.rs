//! Operators at work while the pipeline runs: pauses, holds, dead letters, and what a quiet topic decides by itself.

use std::process::Output;
use std::time::Duration;

use super::site::{Site, tidegate, until};
use crate::broker::{Broker, Given};
use crate::follower::now;

/// Runs a command of an operator against the pipeline of a state.
fn operate(site: &Site<'_>, state: &str, command: &[&str]) -> Output {
    let mut operate = tidegate();
    operate.args(command).arg("--state").arg(site.path(state)).output().unwrap()
}

fn done(site: &Site<'_>, state: &str, command: &[&str]) -> String {
    let output = operate(site, state, command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Whether a pipeline answers operators.
fn answers(site: &Site<'_>, state: &str) -> bool {
    matches!(operate(site, state, &["status"]).status.code(), Some(0 | 3))
}

/// The incident: intake is paused over a branching, and then reads the backlog in one go; the same with a pause of
/// submission. Neither changes a decision.
fn pauses_over_a_branching_change_nothing(broker: &Broker) {
    let mut site = Site::new(broker, if broker.is_real() { "1" } else { "0.1" });
    let all = site.lines.len();
    let third = site.taught + (all - site.taught) / 3;
    site.import("intake.db");
    site.publish(0..third);
    let mut process = site.run("intake.db", |_| ());
    site.until_read("intake.db", third, &mut process);
    done(&site, "intake.db", &["pause", "intake", "--reason", "branching"]);
    site.publish(third..all);
    let again = operate(&site, "intake.db", &["pause", "intake", "--reason", "me too"]);
    assert_eq!(again.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&again.stderr).contains("paused already"), "{again:?}");
    assert_eq!(operate(&site, "intake.db", &["status"]).status.code(), Some(3), "a pause is shown");
    // What was on its way when the pause began may still be read; most is not.
    assert!(site.read("intake.db") < (all - third / 2) as u64, "the pause stopped nothing");
    done(&site, "intake.db", &["resume", "intake", "--reason", "over", "--dry-run"]);
    done(&site, "intake.db", &["resume", "intake", "--reason", "over"]);
    site.until_read("intake.db", all, &mut process);
    process.stop();
    site.judge("intake.db");
    let decisions = site.decisions("intake.db");

    site.other_group();
    site.import("submission.db");
    let mut process = site.run("submission.db", |_| ());
    until("the socket", || answers(&site, "submission.db"));
    done(&site, "submission.db", &["pause", "submission", "--reason", "outage of Koji"]);
    site.until_read("submission.db", all, &mut process);
    let count = |state: &str| -> i64 {
        let count = format!("SELECT count(*) FROM submission WHERE state = '{state}'");
        site.ask("submission.db", &count)[0]
    };
    let waiting = count("admitted");
    assert!(waiting > 0, "nothing waits for the sink");
    done(&site, "submission.db", &["resume", "submission", "--reason", "over"]);
    until("what waited to be submitted", || count("admitted") == 0);
    process.stop();
    assert_eq!(site.decisions("submission.db"), decisions, "a pause of submission");
    site.judge("submission.db");
}

/// Two operators decide the same hold: one wins, the other is told.
fn a_hold_is_decided_once(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    site.publish(0..site.lines.len());
    let mut process = site.run("cold.db", |run| {
        run.arg("--accept-cold");
    });
    site.until_read("cold.db", site.lines.len(), &mut process);
    let list = done(&site, "cold.db", &["holds", "list"]);
    assert!(list.contains("flood"), "{list}");
    let held: Vec<String> = site.ask("cold.db", "SELECT nvr FROM held ORDER BY nvr");
    let number: i64 = site.ask("cold.db", "SELECT hold FROM held ORDER BY nvr")[0];
    let number = number.to_string();
    let release = ["holds", "release", &number, "--nvr", &held[0], "--reason", "it is new"];
    let preview = done(&site, "cold.db", &[&release[..], &["--dry-run"]].concat());
    assert!(preview.contains(&held[0]), "{preview}");
    assert_eq!(
        site.ask::<String>("cold.db", "SELECT nvr FROM held").len(),
        held.len(),
        "a preview changed something"
    );
    done(&site, "cold.db", &release);
    let late = operate(&site, "cold.db", &release);
    assert_eq!(late.status.code(), Some(4), "{late:?}");
    let told = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(
        told.contains("decided last about it") && told.contains("release, because \"it is new\""),
        "{told}"
    );
    let question = format!("SELECT outcome FROM decision WHERE nvr = '{}' ORDER BY id DESC LIMIT 1", held[0]);
    assert_eq!(site.ask::<String>("cold.db", &question), ["submitted"]);
    done(&site, "cold.db", &["holds", "drop", &number, "--reason", "old builds", "--yes"]);
    until("the hold to be gone", || {
        site.ask::<String>("cold.db", "SELECT nvr FROM held").len() < held.len() - 1
    });
    let why = done(&site, "cold.db", &["explain", &held[1]]);
    let words: Vec<&str> = why.split_whitespace().collect();
    assert!(words.join(" ").contains("The reason given: \"old builds\"."), "{why}");
    process.stop();
}

/// The last message of a topic is decided though nothing follows it.
fn the_last_build_of_a_quiet_topic_is_decided(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let mut process = site.run_from("quiet.db", Some("now"), |run| {
        run.args(["--accept-cold", "--set", "burst.hold_back=6s", "--set", "burst.rules=[\"100 in 5s\"]"]);
    });
    until("the socket", || answers(&site, "quiet.db"));
    std::fs::write(site.path("quiet.now"), b"").unwrap();
    let sent = std::fs::metadata(site.path("quiet.now")).unwrap().modified().unwrap();
    let sent = sent.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let at = tidegate::time::Second(i64::try_from(sent).unwrap());
    let message = |id: &str, topic: &str, body: &str| {
        format!(
            "{{\"id\":\"{id}\",\"topic\":\"org.fedoraproject.prod.buildsys.{topic}\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{body}}}"
        )
    };
    let package: String = std::fs::read_to_string(site.path("stream/packages.txt")).unwrap();
    let package = package.lines().next().unwrap();
    let build = format!(
        "\"build_id\":7,\"name\":\"{package}\",\"version\":\"1\",\"release\":\"1.fc42\",\"instance\":\"primary\""
    );
    let completed =
        format!("{{{build},\"attribute\":\"state\",\"old\":0,\"new\":1,\"owner\":\"a\",\"task_id\":1}}");
    let tagged = format!("{{{build},\"tag\":\"f42\",\"tag_id\":1,\"user\":\"bodhi\",\"owner\":\"a\"}}");
    broker.write(
        &site.topic,
        [
            Given::text(0, message("c", "build.state.change", &completed)),
            Given::text(0, message("t", "tag", &tagged)),
        ],
    );
    let from = now();
    until("the decision", || {
        assert!(process.is_running(), "{}", process.log());
        !site.ask::<String>("quiet.db", "SELECT outcome FROM decision WHERE outcome = 'submitted'").is_empty()
    });
    // hold_back 6 s, disorder 5 s, and 3 s for proving that nothing is missing; a second for the resolution of times.
    assert!(now() - from < Duration::from_secs(6 + 5 + 3 + 1), "it took {:?}", now() - from);
    process.stop();
}

/// Whatever cannot be read is listed with its reason, nothing stops, and nothing of it moves a terminal's cursor.
fn garbage_is_listed_and_stops_nothing(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let all = site.lines.len();
    let bad: [&[u8]; 7] = [
        b"",
        b"{",
        b"\x1b[2J\xe2\x80\xae not json",
        b"\xff\xfe",
        b"[]",
        b"{\"topic\":\"org.fedoraproject.prod.buildsys.tag\",\"body\":{\"tag\":\"\\u001b[2J\\u202e\"}}",
        b"null",
    ];
    site.publish(0..all / 2);
    broker.write(
        &site.topic,
        (0..all / 20).map(|n| Given {
            partition: i32::try_from(n % 3).unwrap(),
            value: Some(bad[n % bad.len()].to_vec()),
            headers: Vec::new(),
        }),
    );
    broker.write(
        &site.topic,
        [Given { partition: 0, value: None, headers: Vec::new() }, Given::text(1, "x".repeat(1 << 20))],
    );
    site.publish(all / 2..all);
    site.import("a.db");
    let mut process = site.run("a.db", |_| ());
    let extra = all / 20 + 2;
    site.until_read("a.db", all + extra, &mut process);
    let letters: i64 = site.ask("a.db", "SELECT count(*) FROM dead_letter")[0];
    assert_eq!(usize::try_from(letters), Ok(extra), "all of them, and nothing else");
    let list = done(&site, "a.db", &["deadletters", "list"]);
    for shown in [list, process.log(), done(&site, "a.db", &["deadletters", "show", "3"])] {
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    }
    done(&site, "a.db", &["deadletters", "discard", "3", "--reason", "noise"]);
    let late = operate(&site, "a.db", &["deadletters", "discard", "3", "--reason", "noise"]);
    assert_eq!(late.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&late.stderr).contains("was discarded already, by "), "{late:?}");
    process.stop();
    let fresh = site.ask::<i64>("a.db", "SELECT build_id FROM submission").len();
    assert_eq!(fresh, site.labelled("fresh"));
}

crate::on_both! {
    pauses_over_a_branching_change_nothing: "pauses over a whole branching",
    garbage_is_listed_and_stops_nothing: "garbage amid a stream",
}
crate::on_kafka_only! {
    a_hold_is_decided_once: "holds of a running pipeline",
    the_last_build_of_a_quiet_topic_is_decided: "proved idleness by the broker's clock",
}
