//! Kills amid a backlog: at named places of a batch and at random moments. The decisions are those of an undisturbed run.

use super::site::{Process, Site};
use crate::broker::{Broker, name};
use tidegate::live::fail::FailPoint;

/// Kills of one run; more where `TIDEGATE_KILLS` says so.
const KILLS: usize = 15;
/// Records of the backlog; more where `TIDEGATE_KILL_RECORDS` says so.
const RECORDS: usize = 200_000;
/// Records of a batch: hundreds of batches.
const BATCH: &str = "500";

/// What a kill struck.
struct Strike {
    place: String,
    /// Records that were read before and after it, and in all.
    before: u64,
    after: u64,
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn kills_amid_a_backlog_change_nothing(broker: &Broker) {
    let site = backlog(broker);
    let all = site.lines.len() as u64;
    site.import("calm.db");
    site.drain("calm.db");
    let decisions = site.decisions("calm.db");
    site.judge("calm.db");

    let mut site = site;
    site.other_group();
    site.import("killed.db");
    let kills = number("TIDEGATE_KILLS", KILLS);
    let seed: u64 = std::env::var("TIDEGATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("seed {seed} (TIDEGATE_SEED), {kills} kills, {all} records");
    let mut random = Random(seed);
    let mut strikes = Vec::new();
    for kill in 0..kills {
        // The rest of the backlog is shared among the kills to come, so that each strikes amid it.
        let before = site.read("killed.db");
        let share = (all - before) / (kills - kill + 1) as u64;
        let strike = strike(&site, kill, before, share.max(1), &mut random);
        println!(
            "kill {kill}: {} at {} of {all}, {} read since",
            strike.place,
            strike.after,
            strike.after - strike.before
        );
        strikes.push(strike);
    }
    site.drain("killed.db");
    assert_eq!(site.decisions("killed.db"), decisions, "kills have changed decisions");
    site.judge("killed.db");

    let amid = strikes.iter().filter(|strike| strike.after > 0 && strike.after < all).count();
    assert!(amid * 10 >= strikes.len() * 8, "only {amid} of {} kills struck amid the backlog", strikes.len());
    for point in FailPoint::ALL {
        assert!(strikes.iter().any(|strike| strike.place == point.word()), "{} was never hit", point.word());
    }
}

/// Kills one run: at each second time at a named place, else after some progress.
fn strike(site: &Site<'_>, kill: usize, before: u64, share: u64, random: &mut Random) -> Strike {
    let batch = BATCH.parse::<u64>().unwrap();
    if kill.is_multiple_of(2) {
        let point = FailPoint::ALL[kill / 2 % FailPoint::ALL.len()];
        // Kafka is told at most once a second: its first visit is early, a later one may be behind the backlog.
        let batches = if point == FailPoint::BeforeKafkaCommit { 1 } else { (share / batch).clamp(2, 60) };
        let visit = 1 + random.below(batches);
        let mut process = start(site, Some(format!("{}:{visit}", point.word())));
        let status = process.wait();
        assert!(!status.success(), "{status}\n{}", process.log());
        assert!(process.log().contains(point.word()), "{}", process.log());
        return Strike { place: point.word().to_owned(), before, after: site.read("killed.db") };
    }
    let goal = before + 1 + random.below(share);
    let mut process = start(site, None);
    site.until_read("killed.db", usize::try_from(goal).unwrap(), &mut process);
    process.kill();
    Strike { place: "random".to_owned(), before, after: site.read("killed.db") }
}

fn start(site: &Site<'_>, fail_at: Option<String>) -> Process {
    site.run("killed.db", |run| {
        run.args(["--batch-records", BATCH]);
        if let Some(fail_at) = fail_at {
            run.env("TIDEGATE_FAIL_AT", fail_at);
        }
    })
}

/// A branching, with so many messages of no interest between that the whole takes hundreds of batches.
fn backlog(broker: &Broker) -> Site<'_> {
    let mut site = Site::new(broker, "0.2");
    let wanted = number("TIDEGATE_KILL_RECORDS", RECORDS);
    site.thin_out(wanted);
    site.publish(0..site.lines.len());
    site
}

/// Numbers that depend on the seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

/// A broker that goes and comes back amid the backlog.
fn an_outage_amid_a_backlog_changes_nothing(broker: &Broker) {
    let mut site = Site::new(broker, "0.2");
    site.thin_out(30_000);
    let half = site.lines.len() / 2;
    site.publish(0..half);
    site.import("a.db");
    let mut process = site.run("a.db", |run| {
        run.args(["--batch-records", BATCH]);
    });
    site.until_read("a.db", half / 2, &mut process);
    broker.down();
    broker.up();
    site.publish(half..site.lines.len());
    site.until_read("a.db", site.lines.len(), &mut process);
    process.stop();
    site.judge("a.db");
    site.group = name("live");
    site.import("calm.db");
    site.drain("calm.db");
    assert_eq!(site.decisions("a.db"), site.decisions("calm.db"));
}

crate::on_kafka_only! {
    kills_amid_a_backlog_change_nothing: "kills at named places and at random amid a backlog of 200,000 records",
}

mod alone {
    #[test]
    fn an_outage_of_the_real_broker_amid_a_backlog_changes_nothing() {
        if let Some((broker, _alone)) = crate::broker::Broker::alone("restarts of a broker amid a backlog") {
            super::an_outage_amid_a_backlog_changes_nothing(&broker);
        }
    }
}
