//! Kills amid a backlog: at named places of a batch and at random moments. The decisions are those of an undisturbed run.

use super::operating::done;
use super::site::{Process, Site, tidegate};
use crate::broker::{Broker, name};
use tidegate::live::fail::FailPoint;

const STATE: &str = "killed.db";
/// Records of a batch: hundreds of batches.
const BATCH: &str = "500";
/// So that a member that was killed is soon forgotten, and little is read ahead of what a kill or an outage strikes.
const PROPERTIES: [(&str, &str); 4] = [
    ("session.timeout.ms", "3000"),
    ("heartbeat.interval.ms", "500"),
    ("queued.max.messages.kbytes", "256"),
    ("fetch.queue.backoff.ms", "10"),
];

/// What happens beside the kills, before every sixth of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// The broker ends and is started again; the process lives through it.
    BrokerRestarts,
    /// A copy of the state is run beside it, and has to refuse; the process lives through it.
    SecondMember,
}

/// What a kill struck.
struct Strike {
    place: String,
    /// Records that were read before and after it, and in all.
    before: u64,
    after: u64,
}

/// A site that is killed again and again, the numbers that say when, and what happened beside.
struct Loop<'a> {
    site: Site<'a>,
    random: Random,
    besides: Besides,
    happened: usize,
    /// Kills at named places so far.
    named: usize,
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// `kills` kills amid `records` records; other numbers where `TIDEGATE_KILLS` and `TIDEGATE_KILL_RECORDS` say so.
fn kills_change_nothing(broker: &Broker, besides: Besides, kills: usize, records: usize) {
    let (kills, records) = (number("TIDEGATE_KILLS", kills), number("TIDEGATE_KILL_RECORDS", records));
    let mut site = backlog(broker, records);
    let all = site.lines.len() as u64;
    site.import("calm.db");
    site.drain("calm.db");
    let decisions = site.decisions("calm.db");
    site.judge("calm.db");

    site.other_group();
    site.import(STATE);
    let seed = number("TIDEGATE_SEED", 1);
    println!("{besides:?} beside {kills} kills amid {all} records, seed {seed} (TIDEGATE_SEED)");
    let mut killing = Loop { site, random: Random(seed as u64), besides, happened: 0, named: 0 };
    let strikes: Vec<Strike> = (0..kills).map(|kill| killing.strike(kill, kills, all)).collect();
    let site = killing.site;
    site.drain(STATE);
    assert_eq!(site.decisions(STATE), decisions, "kills have changed decisions");
    site.judge(STATE);

    let amid = strikes.iter().filter(|strike| strike.after > 0 && strike.after < all).count();
    println!("{amid} of {kills} struck amid the backlog; {} times {besides:?}", killing.happened);
    assert!(amid * 10 >= kills * 8, "only {amid} of {kills} kills struck amid the backlog");
    for point in FailPoint::ALL {
        assert!(strikes.iter().any(|strike| strike.place == point.word()), "{} was never hit", point.word());
    }
    assert!(besides == Besides::Nothing || killing.happened >= kills / 10, "{}", killing.happened);
}

impl Loop<'_> {
    /// Kills one run, and says where.
    fn strike(&mut self, kill: usize, kills: usize, all: u64) -> Strike {
        let before = self.site.read(STATE);
        // The rest of the backlog is shared among the kills to come, so that each strikes amid it.
        let share = ((all - before) / (kills - kill + 1) as u64).max(1);
        // Early, for a process that lives through something reads on meanwhile: enough must be left for the kills to come.
        let lives_on = self.besides != Besides::Nothing && kill % 6 == 4 && kill * 10 < kills * 6;
        let strike = if lives_on {
            self.after_something(before, share)
        } else if kill.is_multiple_of(2) {
            self.at_a_point(before, share)
        } else {
            self.at_random(before, share)
        };
        let Strike { place, before, after } = &strike;
        println!("kill {kill}: {place} at {after} of {all}, {} read since", after - before);
        strike
    }

    /// Kills one run at a named place, at one of the first visits there.
    fn at_a_point(&mut self, before: u64, share: u64) -> Strike {
        let point = FailPoint::ALL[self.named % FailPoint::ALL.len()];
        self.named += 1;
        // Kafka is told at most once a second: its first visit is early, a later one may be behind the backlog.
        let batches = match point {
            FailPoint::BeforeKafkaCommit => 1,
            _ => (share / BATCH.parse::<u64>().unwrap()).clamp(2, 60),
        };
        let visit = 1 + self.random.below(batches);
        let mut process = self.start(Some(format!("{}:{visit}", point.word())));
        let status = process.wait();
        assert!(!status.success(), "{status}\n{}", process.log());
        assert!(process.log().contains(point.word()), "{}", process.log());
        Strike { place: point.word().to_owned(), before, after: self.site.read(STATE) }
    }

    /// Kills one run after some progress.
    fn at_random(&mut self, before: u64, share: u64) -> Strike {
        let process = self.some_progress(before, share);
        process.kill();
        Strike { place: "random".to_owned(), before, after: self.site.read(STATE) }
    }

    /// Kills one run after it has lived through something else.
    fn after_something(&mut self, before: u64, share: u64) -> Strike {
        let mut process = self.some_progress(before, share);
        if self.besides == Besides::BrokerRestarts {
            self.site.broker.down();
            self.site.broker.up();
        } else {
            self.second_member();
        }
        assert!(process.is_running(), "it ended:\n{}", process.log());
        self.happened += 1;
        let goal = self.site.read(STATE) + 1;
        self.site.until_read(STATE, usize::try_from(goal).unwrap().min(self.site.lines.len()), &mut process);
        process.kill();
        Strike { place: format!("{:?}", self.besides), before, after: self.site.read(STATE) }
    }

    /// A copy of the state, as on another machine, finds that the group has a member.
    fn second_member(&self) {
        let copy = format!("copy-{}.db", self.happened);
        let mut backup = tidegate();
        backup.args(["state", "backup"]).arg(self.site.path(STATE)).arg(self.site.path(&copy));
        let made = backup.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut second = self.site.run(&copy, |_| ());
        // It takes seconds to tell a member that lives from one that died: the backlog has to outlast that.
        done(&self.site, STATE, &["pause", "intake", "--reason", "a second member"]);
        assert_eq!(second.wait().code(), Some(5), "{}", second.log());
        assert!(second.log().contains("another member"), "{}", second.log());
        done(&self.site, STATE, &["resume", "intake", "--reason", "it has gone"]);
    }

    /// A run that has read something.
    fn some_progress(&mut self, before: u64, share: u64) -> Process {
        let goal = before + 1 + self.random.below(share);
        let mut process = self.start(None);
        self.site.until_read(STATE, usize::try_from(goal).unwrap(), &mut process);
        process
    }

    fn start(&self, fail_at: Option<String>) -> Process {
        self.site.run(STATE, |run| {
            run.args(["--batch-records", BATCH]);
            if let Some(fail_at) = fail_at {
                run.env("TIDEGATE_FAIL_AT", fail_at);
            }
        })
    }
}

/// A branching, with so many messages of no interest between that the whole takes hundreds of batches.
fn backlog(broker: &Broker, records: usize) -> Site<'_> {
    let mut site = Site::new(broker, "0.2");
    site.properties = PROPERTIES.to_vec();
    site.thin_out(records);
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

fn kills_amid_a_backlog_change_nothing(broker: &Broker) {
    kills_change_nothing(broker, Besides::Nothing, 15, 200_000);
}

fn kills_and_a_second_member_change_nothing(broker: &Broker) {
    kills_change_nothing(broker, Besides::SecondMember, 15, 200_000);
}

fn kills_and_restarts_of_the_broker_change_nothing(broker: &Broker) {
    kills_change_nothing(broker, Besides::BrokerRestarts, 15, 200_000);
}

crate::on_kafka_only! {
    kills_amid_a_backlog_change_nothing: "kills at named places and at random amid a backlog of 200,000 records",
    kills_and_a_second_member_change_nothing: "kills, and a second member that refuses",
}
crate::on_kafka_alone! {
    an_outage_amid_a_backlog_changes_nothing: "restarts of a broker amid a backlog",
    kills_and_restarts_of_the_broker_change_nothing: "kills, and restarts of the broker",
}
