//! Partitions that are not what they were: told in words, never skipped, and read on when somebody has decided.

use super::site::{Site, until};
use crate::broker::Broker;

/// Records were deleted before they were read.
fn unread_records_that_are_gone_are_told_and_nothing_is_skipped(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let half = site.lines.len() / 2 / 3 * 3;
    site.publish(0..half);
    site.import("a.db");
    site.drain_to("a.db", half);
    site.publish(half..site.lines.len());
    let per_partition = i64::try_from(half / 3).unwrap();
    broker.delete_records(&site.topic, per_partition + 100);

    let mut process = site.run("a.db", |_| ());
    until("the damage to be told", || {
        assert!(process.is_running(), "it ended:\n{}", process.log());
        process.log().contains("are gone, unread")
    });
    assert!(process.log().contains("100 of them at most"), "{}", process.log());
    assert_eq!(site.status("a.db"), Some(3));
    assert_eq!(site.read("a.db"), half as u64, "something was read past the gap");
    process.stop();

    let read_on = format!("{}/0={}", site.topic, per_partition + 100);
    let mut process = site.run("a.db", |run| {
        run.args(["--read-on", &read_on]);
    });
    site.until_read("a.db", site.lines.len(), &mut process);
    process.stop();
    let acts: Vec<String> = site.ask("a.db", "SELECT what FROM act");
    assert!(acts.iter().any(|what| what.contains("from offset")), "{acts:?}");
}

/// The topic was deleted and made again: its records are others, though their offsets are the same.
fn a_topic_made_anew_is_another_one(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let all = site.lines.len();
    site.publish(0..all);
    site.import("a.db");
    site.drain("a.db");
    broker.delete(&site.topic);
    until("the topic to be gone and made anew", || broker.try_create(&site.topic, 3));
    site.publish(0..300);

    let mut process = site.run("a.db", |_| ());
    until("the damage to be told", || {
        assert!(process.is_running(), "it ended:\n{}", process.log());
        process.log().contains("deleted and made again")
    });
    assert_eq!(site.read("a.db"), all as u64);
    process.stop();
    let mut process = site.run("a.db", |run| {
        for partition in 0..3 {
            run.args(["--read-on", &format!("{}/{partition}=earliest", site.topic)]);
        }
    });
    site.until_read("a.db", all + 300, &mut process);
    process.stop();
    // The same messages once more: each was seen.
    let again: Vec<String> = site.ask("a.db", "SELECT DISTINCT outcome FROM decision WHERE partition > 2");
    assert!(again.iter().all(|outcome| outcome == "duplicate"), "{again:?}");
    let twice: Vec<i64> =
        site.ask("a.db", "SELECT build_id FROM submission GROUP BY build_id HAVING count(*) > 1");
    assert_eq!(twice, Vec::<i64>::new());
}

crate::on_kafka_only! {
    unread_records_that_are_gone_are_told_and_nothing_is_skipped: "records that were deleted unread",
    a_topic_made_anew_is_another_one: "topics that were made anew",
}
