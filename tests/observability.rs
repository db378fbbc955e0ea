//! What a running pipeline shows to those who watch it, over real sockets.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tidegate::engine::account::Counts;
use tidegate::live::ask::HoldLine;
use tidegate::live::heartbeat::Heartbeat;
use tidegate::live::http::{Bounds, Observed, serve_within};
use tidegate::live::pause::{Kind as PauseKind, Pause};
use tidegate::live::view::{Intake, KojiView, PackagesView, PartitionView, Submission, View};
use tidegate::metrics::Metrics;
use tidegate::metrics::table::{Kind, Sets, TABLE};
use tidegate::time::Second;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

const NOW: i64 = 1_738_648_800;

fn view() -> View {
    View {
        pipeline: "eln".to_owned(),
        hash: "0a1b".to_owned(),
        trigger: "f42".to_owned(),
        state: "5e7a".to_owned(),
        serial: 7,
        started_at: Second(NOW - 900),
        told_at: Second(NOW),
        intake: Intake::Reading,
        unreachable: false,
        submission: Submission::Open,
        phase: "burst".to_owned(),
        watermark: Some(Second(NOW - 30)),
        silent: false,
        partitions: vec![PartitionView {
            number: 0,
            topic: "bus\"\\\n".to_owned(),
            partition: 3,
            owner: None,
            next: 90,
            end: 100,
            caught_up: false,
            watermark: Some(Second(NOW - 30)),
            newest: Some(Second(NOW - 25)),
            last_kafka_millis: Some((NOW - 20) * 1_000),
            counts: Counts { received: 21, outcomes: [1, 2, 3, 4, 5, 6], pending: 0 },
        }],
        reasons: vec![("other_tag".to_owned(), 1), ("mass_rebuild".to_owned(), 5)],
        holds: vec![hold(1, 40), hold(2, 2)],
        pauses: vec![Pause {
            kind: PauseKind::Submission,
            who: "ana".to_owned(),
            why: "branching".to_owned(),
            since: Second(NOW - 60),
            until: None,
        }],
        troubles: vec!["the disk is full".to_owned()],
        known_builds: 11,
        trails: 12,
        packages: PackagesView {
            wanted: true,
            in_force: Some(("v1".to_owned(), 300)),
            proposed: Some(("v2".to_owned(), 500)),
            fetched_at: Some(Second(NOW - 3_600)),
            failed: None,
        },
        outbox: 13,
        submitted: 14,
        dead_letters: 15,
        runs: 16,
        commands: 17,
        koji: Some(KojiView { waiting: 18, asked: 19, compared_until: Some(Second(NOW - 700)), missed: 20 }),
        sink: None,
    }
}

fn hold(id: u32, members: usize) -> HoldLine {
    HoldLine {
        id,
        kind: "flood".to_owned(),
        instance: "primary".to_owned(),
        tag: "f42".to_owned(),
        opened_at: Second(NOW - 100 * i64::from(id)),
        version: 1,
        members,
        growing: true,
    }
}

/// The samples of a text in Prometheus' format by name and labels as they stand there, and the type of each family.
fn parsed(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert_eq!(types.insert(name.to_owned(), kind.to_owned()), None, "{name} has two types");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line:?}"));
            assert_eq!(samples.insert(series.to_owned(), value), None, "{series} stands there twice");
        }
    }
    (samples, types)
}

fn series(name: &str, labels: &[&str], values: &[&str]) -> String {
    // The format has labels in alphabetical order from this encoder.
    let mut pairs: Vec<_> =
        labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    pairs.sort();
    if pairs.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", pairs.join(",")) }
}

#[test]
fn every_metric_is_there_with_all_its_label_sets() {
    let metrics = Metrics::new("eln", "0.1.0");
    let before = parsed(&metrics.render()).0;
    metrics.show(&view());
    let (after, types) = parsed(&metrics.render());
    for metric in TABLE {
        assert_eq!(types.get(metric.name).map(String::as_str), Some(metric.kind.word()), "{}", metric.name);
        let name = match metric.kind {
            Kind::Histogram(_) => format!("{}_count", metric.name),
            Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        };
        for set in metric.sets.known() {
            let series = series(&name, metric.sets.labels(), &set);
            assert_eq!(before.get(&series), Some(&0.0), "{series} at the start");
            assert!(after.contains_key(&series), "{series}");
        }
        let found = after.keys().filter(|series| series.split('{').next() == Some(&name)).count();
        let expected = match metric.sets {
            Sets::Partitions | Sets::Build | Sets::Pipeline => 1,
            Sets::PartitionOutcomes => 5,
            Sets::One
            | Sets::Reasons
            | Sets::HeldReasons
            | Sets::HoldKinds
            | Sets::Phases
            | Sets::Intakes
            | Sets::Pauses
            | Sets::Troubles
            | Sets::KafkaTroubles => metric.sets.known().len(),
        };
        assert_eq!(found, expected, "{}", metric.name);
    }
    for name in ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds"] {
        assert!(after.contains_key(&format!("process_{name}")), "{name} of the process");
    }
}

#[test]
fn a_view_is_told_in_numbers() {
    let metrics = Metrics::new("eln", "0.1.0");
    metrics.show(&view());
    metrics.committed(Duration::from_millis(30), 1_000);
    metrics.commit_failed();
    let samples = parsed(&metrics.render()).0;
    let place = "{partition=\"3\",topic=\"bus\\\"\\\\\\n\"}";
    let decided = "{outcome=\"submitted\",partition=\"3\",topic=\"bus\\\"\\\\\\n\"}";
    let now = 1_738_648_800.0;
    for (series, value) in [
        (format!("records_received_total{place}"), 21.0),
        (format!("records_decided_total{decided}"), 4.0),
        (format!("records_held{place}"), 5.0),
        (format!("records_unaccounted{place}"), 0.0),
        (format!("lag_records{place}"), 10.0),
        (format!("lag_seconds{place}"), 20.0),
        (format!("partition_owned{place}"), 1.0),
        ("decisions_total{outcome=\"ignored\",reason=\"other_tag\"}".to_owned(), 1.0),
        ("held_by_reason{reason=\"mass_rebuild\"}".to_owned(), 5.0),
        ("watermark_timestamp_seconds".to_owned(), now - 30.0),
        ("watermark_age_seconds".to_owned(), 30.0),
        ("intake{state=\"reading\"}".to_owned(), 1.0),
        ("intake{state=\"damaged\"}".to_owned(), 0.0),
        ("phase{phase=\"burst\"}".to_owned(), 1.0),
        ("phase{phase=\"quiet\"}".to_owned(), 0.0),
        ("submission_open".to_owned(), 1.0),
        ("paused{kind=\"submission\"}".to_owned(), 1.0),
        ("paused{kind=\"intake\"}".to_owned(), 0.0),
        ("pause_started_timestamp_seconds{kind=\"submission\"}".to_owned(), now - 60.0),
        ("holds_open{kind=\"flood\"}".to_owned(), 2.0),
        ("hold_members{kind=\"flood\"}".to_owned(), 42.0),
        ("hold_oldest_age_seconds{kind=\"flood\"}".to_owned(), 200.0),
        ("trouble{kind=\"stated\"}".to_owned(), 1.0),
        ("trouble{kind=\"package_proposed\"}".to_owned(), 1.0),
        ("trouble{kind=\"silent\"}".to_owned(), 0.0),
        ("package_list_age_seconds".to_owned(), 3_600.0),
        ("package_list_packages".to_owned(), 300.0),
        ("package_list_proposed_packages".to_owned(), 500.0),
        ("known_builds".to_owned(), 11.0),
        ("trails".to_owned(), 12.0),
        ("outbox_builds".to_owned(), 13.0),
        ("submitted_total".to_owned(), 14.0),
        ("dead_letters_waiting".to_owned(), 15.0),
        ("bursts_total".to_owned(), 16.0),
        ("commands_total".to_owned(), 17.0),
        ("batches_total".to_owned(), 7.0),
        ("commit_duration_seconds_bucket{le=\"0.025\"}".to_owned(), 0.0),
        ("commit_duration_seconds_bucket{le=\"0.05\"}".to_owned(), 1.0),
        ("batch_records_sum".to_owned(), 1_000.0),
        ("kafka_commit_failures_total".to_owned(), 1.0),
    ] {
        assert_eq!(samples.get(&format!("tidegate_{series}")), Some(&value), "{series}");
    }
}

#[test]
fn a_record_that_is_missing_in_the_accounts_is_told_and_counters_never_go_back() {
    let metrics = Metrics::new("eln", "0.1.0");
    metrics.show(&view());
    let mut next = view();
    next.hash = "ffff".to_owned();
    next.submitted = 3;
    next.partitions[0].counts.received += 2;
    metrics.show(&next);
    let samples = parsed(&metrics.render()).0;
    let value = |start: &str| -> Vec<f64> {
        samples.iter().filter(|(series, _)| series.starts_with(start)).map(|(_, value)| *value).collect()
    };
    assert_eq!(value("tidegate_records_unaccounted"), [2.0]);
    assert_eq!(value("tidegate_records_received_total"), [23.0]);
    assert_eq!(value("tidegate_submitted_total"), [14.0]);
    assert_eq!(value("tidegate_pipeline_info"), [1.0]);
    assert!(samples.keys().any(|series| series.contains("hash=\"ffff\"")));
}

#[test]
fn prometheus_finds_nothing_to_complain_about() {
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut check) = check else {
        println!("skipped: promtool is not installed");
        return;
    };
    let metrics = Metrics::new("eln", "0.1.0");
    metrics.show(&view());
    check.stdin.take().unwrap().write_all(metrics.render().as_bytes()).unwrap();
    let done = check.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A server and what it watches.
struct Watched {
    address: SocketAddr,
    view: watch::Sender<Arc<View>>,
    heartbeat: Arc<Heartbeat>,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

async fn watched(bounds: Bounds, began: Instant) -> Watched {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a port");
    let (view, seen) = watch::channel(Arc::new(view()));
    let heartbeat = Arc::new(Heartbeat::new(began));
    let metrics = Arc::new(Metrics::new("eln", "0.1.0"));
    let observed = Observed { view: seen, heartbeat: Arc::clone(&heartbeat), metrics };
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(serve_within(bounds, listener, observed, stopped));
    Watched { address, view, heartbeat, stop, server }
}

impl Watched {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a server that listens")
    }

    /// Status, head and body of the answer to a request.
    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        asked(self.connect().await, &format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await
    }
}

async fn asked(mut stream: TcpStream, request: &str) -> (u16, String, String) {
    stream.write_all(request.as_bytes()).await.expect("a server that reads");
    let mut answer = String::new();
    // To the end: the server closes after each answer.
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn metrics_and_probes_are_served() {
    let watched = watched(Bounds::default(), Instant::now()).await;
    let (status, head, body) = watched.ask("GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(parsed(&body).0.get("tidegate_submitted_total"), Some(&14.0));
    watched.view.send_modify(|view| Arc::make_mut(view).submitted = 15);
    let body = watched.ask("GET", "/metrics").await.2;
    assert_eq!(parsed(&body).0.get("tidegate_submitted_total"), Some(&15.0));
    assert_eq!(watched.ask("GET", "/startup").await.0, 503);
    watched.heartbeat.started();
    for path in ["/startup", "/alive", "/readyz"] {
        assert_eq!(watched.ask("GET", path).await.2, "ok\n", "{path}");
    }
    watched.view.send_modify(|view| Arc::make_mut(view).intake = Intake::Damaged);
    let (status, _, why) = watched.ask("GET", "/readyz").await;
    assert!(status == 503 && why.starts_with("damaged") && why.lines().count() == 1, "{why}");
    assert!(watched.ask("GET", "/").await.2.contains("/readyz"));
    assert_eq!(watched.ask("GET", "/secrets").await.0, 404);
    for method in ["POST", "PUT", "DELETE"] {
        let (status, head, _) = watched.ask(method, "/metrics").await;
        assert!(status == 405 && head.to_lowercase().contains("allow: get"), "{method}: {head}");
    }
}

#[tokio::test]
async fn a_pipeline_that_stands_still_is_told() {
    let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
    let watched = watched(Bounds::default(), long_ago).await;
    for path in ["/alive", "/readyz"] {
        let (status, _, why) = watched.ask("GET", path).await;
        assert!(status == 503 && why.starts_with("stalled"), "{path}: {why}");
    }
    watched.heartbeat.turn(Instant::now());
    assert_eq!(watched.ask("GET", "/alive").await.0, 200);
}

#[tokio::test]
async fn whoever_says_nothing_is_shown_out() {
    let short = Duration::from_millis(50);
    let watched = watched(Bounds { head: short, ..Bounds::default() }, Instant::now()).await;
    let mut idle = watched.connect().await;
    idle.write_all(b"GET /metrics HTTP/1.1\r\nHost:").await.unwrap();
    let mut rest = Vec::new();
    // The end comes from the server: this side goes on waiting.
    let ended = tokio::time::timeout(Duration::from_secs(5), idle.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server keeps a connection that says nothing");
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_ends() {
    let watched = watched(Bounds { connections: 2, ..Bounds::default() }, Instant::now()).await;
    let first = watched.connect().await;
    let _second = watched.connect().await;
    let third = asked(watched.connect().await, "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n");
    tokio::pin!(third);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut third).await;
    assert!(early.is_err(), "the third is answered beside two others");
    drop(first);
    assert_eq!(third.await.0, 200);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let watched = watched(Bounds::default(), Instant::now()).await;
    let many = "a: b\r\n".repeat(65);
    let request = format!("GET /alive HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    assert_eq!(asked(watched.connect().await, &request).await.0, 431);
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let watched = watched(Bounds::default(), Instant::now()).await;
    let _open = watched.connect().await;
    watched.stop.send_replace(true);
    watched.server.await.unwrap();
    assert!(TcpStream::connect(watched.address).await.is_err());
}
