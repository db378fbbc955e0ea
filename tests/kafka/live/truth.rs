//! Which state goes on: first starts, old copies, foreign states and second members.

use super::site::{Site, copy, tidegate};
use crate::broker::Broker;

const REFUSED: Option<i32> = Some(5);

/// A topic that was kept for days before: what stands in it teaches, and nothing of it is submitted.
fn a_fresh_install_submits_nothing_older_than_its_start(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    site.publish(0..site.lines.len());

    // Without known builds it does not begin, and says what to do.
    let mut refused = site.run_from("cold.db", Some("now"), |_| ());
    assert_eq!(refused.wait().code(), REFUSED, "{}", refused.log());
    assert!(
        refused.log().contains("known import") && refused.log().contains("--accept-cold"),
        "{}",
        refused.log()
    );

    site.import("new.db");
    let mut process = site.run_from("new.db", Some("now"), |_| ());
    site.until_read("new.db", site.lines.len(), &mut process);
    process.stop();
    let submissions: Vec<i64> = site.ask("new.db", "SELECT build_id FROM submission");
    assert_eq!(submissions, Vec::<i64>::new());
    let reasons: Vec<String> =
        site.ask("new.db", "SELECT DISTINCT reason FROM decision WHERE outcome <> 'duplicate'");
    assert_eq!(reasons, ["before_begin"]);
}

/// An old state file is told from the one that went on; it judges, and submits nothing until it is adopted.
fn a_restored_old_state_submits_nothing_until_adopted(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let (all, half) = (site.lines.len(), site.taught + (site.lines.len() - site.taught) / 2);
    site.import("a.db");
    site.publish(0..half);
    let mut process = site.run("a.db", |_| ());
    site.until_read("a.db", half, &mut process);
    process.stop();
    copy(&site.path("a.db"), &site.path("old.db"));
    site.publish(half..all);
    site.drain("a.db");
    site.judge("a.db");

    let sent = |state: &str| -> i64 {
        site.ask(state, "SELECT count(*) FROM submission WHERE state = 'submitted'")[0]
    };
    let before = sent("old.db");
    assert!(before < sent("a.db"), "the copy is as new as the original: nothing is shown");
    site.drain("old.db");
    assert_eq!(site.decisions("old.db"), site.decisions("a.db"), "an old copy judges as the other did");
    assert_eq!(sent("old.db"), before, "an old copy has submitted");

    let adopt = |state: &str| {
        let mut adopt = tidegate();
        adopt.args(["state", "adopt"]).arg(site.path(state)).args(["--reason", "the other disk is lost"]);
        adopt.output().unwrap()
    };
    let adopted = adopt("old.db");
    assert!(adopted.status.success(), "{}", String::from_utf8_lossy(&adopted.stderr));
    assert_eq!(adopt("old.db").status.code(), Some(4), "it is adopted already");
    let mut process = site.run("old.db", |_| ());
    super::site::until("the rest to be submitted", || {
        assert!(process.is_running(), "{}", process.log());
        sent("old.db") == sent("a.db")
    });
    process.stop();
    // Now the other one is the old copy.
    let mut process = site.run("a.db", |_| ());
    super::site::until("the other state to be told that it is old", || {
        assert!(process.is_running(), "{}", process.log());
        site.ask::<String>("a.db", "SELECT value FROM meta WHERE key = 'old_copy'").len() == 1
    });
    process.stop();
}

/// A group has one state and one member.
fn another_state_and_a_second_member_are_refused(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    site.publish(0..site.lines.len());
    site.import("a.db");
    site.import("b.db");
    let mut process = site.run("a.db", |_| ());
    site.until_read("a.db", site.lines.len(), &mut process);

    // The same file: its lock.
    let mut twin = site.run("a.db", |_| ());
    assert_eq!(twin.wait().code(), REFUSED, "{}", twin.log());
    // A copy of it on another machine: the group has a member already. Of a state that is in use only a backup is whole.
    site.back_up("a.db", "copy.db");
    let mut second = site.run("copy.db", |_| ());
    assert_eq!(second.wait().code(), REFUSED, "{}", second.log());
    assert!(second.log().contains("another member"), "{}", second.log());
    assert!(process.is_running(), "the first gave way:\n{}", process.log());
    process.stop();

    // Another state, though nobody reads now.
    let mut other = site.run("b.db", |_| ());
    assert_eq!(other.wait().code(), REFUSED, "{}", other.log());
    assert!(other.log().contains("another state of Tidegate"), "{}", other.log());
    site.judge("a.db");
}

crate::on_both! {
    a_fresh_install_submits_nothing_older_than_its_start: "what a first start does with retained records",
}
crate::on_kafka_only! {
    a_restored_old_state_submits_nothing_until_adopted: "old copies are told by what the group has committed",
    another_state_and_a_second_member_are_refused: "a second member is told from the first",
}
