//! Operators at work while the pipeline runs: pauses, holds, dead letters, and what a quiet topic decides by itself.

use std::process::Output;

use super::site::{Site, tidegate, until};
use crate::broker::Broker;

/// Runs a command of an operator against the pipeline of a state.
pub(super) fn operate(site: &Site<'_>, state: &str, command: &[&str]) -> Output {
    let mut operate = tidegate();
    operate.args(command).arg("--state").arg(site.path(state)).output().unwrap()
}

pub(super) fn done(site: &Site<'_>, state: &str, command: &[&str]) -> String {
    let output = operate(site, state, command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Whether a pipeline answers operators.
pub(super) fn answers(site: &Site<'_>, state: &str) -> bool {
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

/// What feeds Kafka stands still amid the branching, for longer than the source may be silent, and then brings everything
/// at once with the times of before. Nothing is decided otherwise than without the outage.
fn an_outage_of_the_bridge_over_a_branching_changes_nothing(broker: &Broker) {
    let mut site = Site::new(broker, if broker.is_real() { "1" } else { "0.1" });
    "source_silence = \"10s\"\n".clone_into(&mut site.in_source);
    let all = site.lines.len();
    let third = site.taught + (all - site.taught) / 3;
    site.import("outage.db");
    site.publish(0..third);
    let mut process = site.run("outage.db", |_| ());
    site.until_read("outage.db", third, &mut process);
    until("the silence to be told", || {
        assert!(process.is_running(), "{}", process.log());
        process.log().contains("no record of any partition has come")
    });
    site.publish(third..all);
    site.until_read("outage.db", all, &mut process);
    process.stop();
    site.judge("outage.db");
    let decisions = site.decisions("outage.db");

    site.other_group();
    site.import("calm.db");
    site.drain("calm.db");
    assert_eq!(site.decisions("calm.db"), decisions);
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

crate::on_both! {
    pauses_over_a_branching_change_nothing: "pauses over a whole branching",
    an_outage_of_the_bridge_over_a_branching_changes_nothing: "an outage of the bridge over a whole branching",
}
crate::on_kafka_only! {
    a_hold_is_decided_once: "holds of a running pipeline",
}
