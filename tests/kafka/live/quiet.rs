//! The last build of a topic after which nothing comes: it is decided where it is proved that nothing is missing, and not
//! where the broker, an operator or the whole source stands still.

use std::time::{Duration, Instant, UNIX_EPOCH};

use super::operating::{answers, done};
use super::site::{Process, Site, never_before, until};
use crate::broker::{Broker, Given};
use crate::follower::now;
use tidegate::time::Second;

const STATE: &str = "quiet.db";
/// How long after the build it may be decided at the latest: hold-back 6 s, disorder 5 s, 3 s for proving that nothing is
/// missing, and a second for the resolution of times.
const LATEST: Duration = Duration::from_secs(6 + 5 + 3 + 1);
/// The shortest silence of a source that a pipeline file may state; it ends before hold-back and disorder are over.
const SHORT_SILENCE: &str = "source.source_silence=10s";

/// A pipeline with a short hold-back that reads an empty topic.
struct Quiet<'a> {
    site: Site<'a>,
    process: Process,
}

impl<'a> Quiet<'a> {
    fn start(broker: &'a Broker, set: &[&str]) -> Self {
        let site = Site::new(broker, "0.1");
        let process = site.run_from(STATE, Some("now"), |run| {
            run.args([
                "--accept-cold",
                "--set",
                "burst.hold_back=6s",
                "--set",
                "burst.rules=[\"100 in 5s\"]",
            ]);
            for set in set {
                run.args(["--set", set]);
            }
        });
        until("the socket", || answers(&site, STATE));
        Self { site, process }
    }

    /// The clock of this machine, as the file system tells it.
    fn wall(&self) -> Second {
        let file = self.site.path("now");
        std::fs::write(&file, b"").unwrap();
        let now = std::fs::metadata(file).unwrap().modified().unwrap();
        Second(i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap())
    }

    fn message(&self, id: &str, topic: &str, body: &str) -> Given {
        let at = self.wall();
        let text = format!(
            "{{\"id\":\"{id}\",\"topic\":\"org.fedoraproject.prod.buildsys.{topic}\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{body}}}"
        );
        Given::text(0, text)
    }

    /// A build that is new comes into the tag, and is read. Gives when it was published, at the latest.
    fn publish_a_build(&mut self) -> Instant {
        let packages = std::fs::read_to_string(self.site.path("stream/packages.txt")).unwrap();
        let package = packages.lines().next().unwrap();
        let build = format!(
            "\"build_id\":7,\"name\":\"{package}\",\"version\":\"1\",\"release\":\"1.fc42\",\"instance\":\"primary\""
        );
        let completed =
            format!("{{{build},\"attribute\":\"state\",\"old\":0,\"new\":1,\"owner\":\"a\",\"task_id\":1}}");
        let tagged = format!("{{{build},\"tag\":\"f42\",\"tag_id\":1,\"user\":\"bodhi\",\"owner\":\"a\"}}");
        let messages =
            [self.message("c", "build.state.change", &completed), self.message("t", "tag", &tagged)];
        self.site.broker.write(&self.site.topic, messages);
        let published = now();
        let Self { site, process } = self;
        site.until_read(STATE, 2, process);
        published
    }

    fn is_decided(&self) -> bool {
        !self.site.ask::<String>(STATE, "SELECT outcome FROM decision WHERE outcome = 'submitted'").is_empty()
    }

    fn until_decided(&mut self) {
        until("the decision", || {
            assert!(self.process.is_running(), "{}", self.process.log());
            self.is_decided()
        });
    }

    /// It is not decided until long after it would have been.
    fn stays_undecided(&mut self, published: Instant) {
        never_before(published + LATEST + Duration::from_secs(2), "decided without a proof", || {
            assert!(self.process.is_running(), "{}", self.process.log());
            self.is_decided()
        });
    }
}

fn the_last_build_of_a_quiet_topic_is_decided(broker: &Broker) {
    let mut quiet = Quiet::start(broker, &[]);
    let published = quiet.publish_a_build();
    quiet.until_decided();
    assert!(now() - published < LATEST, "it took {:?}", now() - published);
    quiet.process.stop();
}

fn nothing_is_decided_while_intake_is_paused(broker: &Broker) {
    let mut quiet = Quiet::start(broker, &[]);
    let published = quiet.publish_a_build();
    done(&quiet.site, STATE, &["pause", "intake", "--reason", "maintenance"]);
    quiet.stays_undecided(published);
    done(&quiet.site, STATE, &["resume", "intake", "--reason", "over"]);
    quiet.until_decided();
    quiet.process.stop();
}

fn nothing_is_decided_while_the_whole_source_is_silent(broker: &Broker) {
    let mut quiet = Quiet::start(broker, &[SHORT_SILENCE]);
    let published = quiet.publish_a_build();
    quiet.stays_undecided(published);
    assert!(quiet.process.log().contains("no record of any partition has come"), "{}", quiet.process.log());
    // Any record shows that the source is alive.
    let any = quiet.message("m", "repo.done", "{}");
    broker.write(&quiet.site.topic, [any]);
    quiet.until_decided();
    quiet.process.stop();
}

fn nothing_is_decided_while_the_broker_is_away(broker: &Broker) {
    let mut quiet = Quiet::start(broker, &[]);
    let published = quiet.publish_a_build();
    broker.down();
    quiet.stays_undecided(published);
    assert!(quiet.process.log().contains("do not answer"), "{}", quiet.process.log());
    broker.up();
    quiet.until_decided();
    quiet.process.stop();
}

fn nothing_is_decided_while_the_broker_hangs(broker: &Broker) {
    let mut quiet = Quiet::start(broker, &[]);
    let published = quiet.publish_a_build();
    broker.freeze();
    quiet.stays_undecided(published);
    broker.thaw();
    quiet.until_decided();
    quiet.process.stop();
}

crate::on_kafka_only! {
    the_last_build_of_a_quiet_topic_is_decided: "proved idleness by the broker's clock",
    nothing_is_decided_while_intake_is_paused: "no proof while intake is paused",
    nothing_is_decided_while_the_whole_source_is_silent: "no proof while the source is silent",
}

crate::on_kafka_alone! {
    nothing_is_decided_while_the_broker_is_away: "no proof while the broker is away",
    nothing_is_decided_while_the_broker_hangs: "no proof while the broker hangs",
}
