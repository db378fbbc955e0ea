//! How many records a CPU-second a whole replay decides, against the least that a plain reader would do: read lines and
//! have `serde_json` fill a borrowed struct of topic, id, sent-at, tag, build and name on every line.
//!
//! `cargo bench --bench replay`; `TIDEGATE_BENCH_LINES` says how many lines (default 1,000,000; `docs/performance.md`
//! uses 5,000,000). The mix is that of `tidegate generate mix`: a fifth of trigger tags, 45 % other tags, 15 %
//! `build.state.change`, a fifth other topics. All is measured in one process, in turns; CPU time of all its threads.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidegate::generate::{Options as Stream, generate_with};
use tidegate::pipeline::{self, Override};
use tidegate::replay::{Options, replay};
use tidegate::settings::Settings;

/// That of the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns that are measured; the median is told.
const ROUNDS: usize = 5;
/// Known builds of the memory figure.
const KNOWN: u64 = 1_000_000;

#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    headers: PlainHeaders<'a>,
    body: PlainBody<'a>,
}

#[derive(Deserialize)]
struct PlainHeaders<'a> {
    #[serde(borrow, rename = "sent-at")]
    sent_at: Cow<'a, str>,
}

#[derive(Deserialize)]
struct PlainBody<'a> {
    #[serde(borrow)]
    tag: Option<Cow<'a, str>>,
    build_id: Option<u64>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

/// What a plain reader would do.
fn baseline(events: &Path) -> usize {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(events).unwrap());
    let (mut line, mut sum) = (Vec::new(), 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).unwrap() == 0 {
            return sum;
        }
        let plain: Plain<'_> = serde_json::from_slice(&line).unwrap();
        let texts =
            [Some(plain.topic), Some(plain.id), Some(plain.headers.sent_at), plain.body.tag, plain.body.name];
        sum += texts.iter().flatten().map(|text| text.len()).sum::<usize>();
        sum += usize::from(plain.body.build_id.is_some());
    }
}

/// CPU seconds of this process until now.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a benchmark are far below 2^52")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

fn measured(work: impl FnOnce()) -> f64 {
    let before = cpu();
    work();
    cpu() - before
}

fn settings() -> Settings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/eln.toml");
    let sets = ["trigger.follow=f42", "trigger.family=f41,f42"].map(|set| Override::parse(set).unwrap());
    pipeline::load(&path, &sets).unwrap().settings().unwrap()
}

fn run(dir: &Path, events: &str, state: Option<PathBuf>, known: Option<PathBuf>) {
    let options = Options {
        inputs: vec![dir.join(events)],
        packages: Some(dir.join("packages.txt")),
        state,
        known,
        end: Some(true),
        ..Options::default()
    };
    black_box(replay(settings(), &options, &mut |_, _| ()).unwrap());
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn write_mix(dir: &Path, lines: u64) {
    let stream =
        generate_with("mix", Stream { seed: 1, scale: 1.0, lines: Some(lines), cold: false }).unwrap();
    stream.write_truth(dir).unwrap();
    let mut events = BufWriter::new(File::create(dir.join("events.jsonl")).unwrap());
    stream.write_events(&mut events).unwrap();
    events.flush().unwrap();
}

/// Peak memory of a process that holds a million known builds and reads the mix, in MiB.
fn peak_with_known_builds(dir: &Path) -> u64 {
    let mut known = BufWriter::new(File::create(dir.join("known.jsonl")).unwrap());
    let mut line = String::new();
    for id in 0..KNOWN {
        line.clear();
        let build = 1_000_000 + id;
        writeln!(
            line,
            r#"{{"build_id":{build},"nvr":"p{id}-1-1.fc41","tag":"f41","tagged_at":"2024-06-01T00:00:00Z"}}"#
        )
        .unwrap();
        known.write_all(line.as_bytes()).unwrap();
    }
    known.flush().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("--memory")
        .arg(dir)
        .output()
        .unwrap();
    String::from_utf8(child.stdout).unwrap().trim().parse().unwrap()
}

/// The child of [`peak_with_known_builds`].
fn print_peak(dir: &Path) {
    run(dir, "events.jsonl", None, Some(dir.join("known.jsonl")));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1_024);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(index) = arguments.iter().position(|argument| argument == "--memory") {
        print_peak(Path::new(arguments.get(index + 1).unwrap()));
        return;
    }
    let lines =
        std::env::var("TIDEGATE_BENCH_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000u64);
    let dir = tempfile::tempdir().unwrap();
    write_mix(dir.path(), lines);
    let events = dir.path().join("events.jsonl");
    let [mut plain, mut bare, mut kept] = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        plain.push(measured(|| {
            black_box(baseline(&events));
        }));
        bare.push(measured(|| run(dir.path(), "events.jsonl", None, None)));
        let state = dir.path().join(format!("{round}.db"));
        kept.push(measured(|| run(dir.path(), "events.jsonl", Some(state), None)));
    }
    let [plain, bare, kept] = [plain, bare, kept].map(median);
    #[expect(clippy::cast_precision_loss, reason = "lines of a benchmark are far below 2^52")]
    let rate = |seconds: f64| lines as f64 / seconds;
    println!(
        "{lines} lines, median of {ROUNDS} rounds, records a CPU-second and share of the baseline's speed"
    );
    println!("baseline       {:>10.0}  1.00", rate(plain));
    println!("without state  {:>10.0}  {:.2}", rate(bare), plain / bare);
    println!("with state     {:>10.0}  {:.2}", rate(kept), plain / kept);
    println!("peak memory with {KNOWN} known builds: {} MiB", peak_with_known_builds(dir.path()));
}
