//! The live pipeline, as the real binary, against brokers.

mod damage;
mod garbage;
mod kills;
mod koji;
mod operating;
mod quiet;
mod secure;
mod site;
mod submitting;
mod truth;

use site::Site;

/// Read while it is published, as a backlog, and in pieces: the decisions are the same, and nothing leaks.
fn decisions_do_not_depend_on_when_it_is_read(broker: &crate::broker::Broker) {
    let mut site = Site::new(broker, if broker.is_real() { "1" } else { "0.1" });
    let all = site.lines.len();
    // What is published before `begin` teaches; it stands in the topic in every variant.
    site.publish(0..site.taught);
    site.import("live.db");
    let mut process = site.run("live.db", |_| ());
    site.until_read("live.db", site.taught, &mut process);
    site.publish(site.taught..all);
    site.until_read("live.db", all, &mut process);
    process.stop();
    site.judge("live.db");
    let decisions = site.decisions("live.db");
    assert!(decisions.len() > site.labelled("retag"), "{} decisions", decisions.len());

    site.other_group();
    site.import("backlog.db");
    site.drain("backlog.db");
    assert_eq!(site.decisions("backlog.db"), decisions, "a backlog");
    site.judge("backlog.db");

    // Stopped and started again amid the flood.
    site.other_group();
    site.import("pieces.db");
    for part in 1..4 {
        let mut process = site.run("pieces.db", |run| {
            run.args(["--batch-records", "500"]);
        });
        site.until_read("pieces.db", all * part / 4, &mut process);
        process.stop();
    }
    site.drain("pieces.db");
    assert_eq!(site.decisions("pieces.db"), decisions, "in pieces");
    site.judge("pieces.db");
}

crate::on_both! {
    decisions_do_not_depend_on_when_it_is_read:
        "identical decisions about a whole branching, however it is read",
}
