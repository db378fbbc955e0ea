//! Seeded simulation: random streams, read in random pieces with random stops, restarts and kills in between, decide as
//! one that is read in one go.
//!
//! Invariants by number, as in `docs/architecture.md`: I1 (every record is accounted for), I2 (no build is submitted
//! twice), and that restarts change nothing. A failure names its seed; `TIDEGATE_SEED=n` runs that seed alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test that cannot read its own files has failed"
)]
#![expect(clippy::print_stdout, reason = "the seed of a failure must be seen")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate::generate::{Options as Stream, generate_with, scenarios};
use tidegate::replay::{Options, replay};

#[path = "common/random.rs"]
mod random;
#[path = "common/stream.rs"]
mod stream;

use random::Random;

/// Seeds of one run.
const SEEDS: u64 = 26;
/// Holds that must have been opened in all of them: a simulation without holds proves nothing about them.
const HOLDS_MIN: u32 = 10;

struct Simulation {
    dir: PathBuf,
    random: Random,
    lines: u64,
    profile: &'static str,
}

impl Simulation {
    /// Runs once more over the whole input with a state.
    fn run(&self, state: &str, decisions: &str, change: impl FnOnce(&mut Options)) {
        let mut options = stream::options(&self.dir, self.dir.join(decisions));
        options.state = Some(self.dir.join(state));
        change(&mut options);
        let settings = stream::settings(self.profile, &stream::facts(&self.dir));
        let summary = replay(settings, &options, &mut |_, _| ()).unwrap();
        assert!(summary.balanced, "I1: {summary}");
    }

    /// Stops anywhere and goes on from the state, with batches of any size.
    fn with_restarts(&mut self) {
        let mut left = self.lines;
        while left > 0 {
            let part = (1 + self.random.below(self.lines / 3 + 1)).min(left);
            let batch = 1 + self.random.below(2_000);
            self.run("restarts.db", "restarts.jsonl", |options| {
                options.stop_after = Some(part);
                options.batch_records = Some(batch);
            });
            left -= part;
        }
        self.run("restarts.db", "restarts.jsonl", |options| options.end = Some(true));
    }

    /// The input comes in pieces, each a file of its own.
    fn in_pieces(&mut self) {
        let (events, kafka) =
            (read_lines(&self.dir.join("events.jsonl")), read_lines(&self.dir.join("kafka.jsonl")));
        let mut from = 0;
        let mut piece = 0;
        while from < events.len() {
            let to = (from + 1 + usize::try_from(self.random.below(self.lines / 2 + 1)).unwrap())
                .min(events.len());
            let (input, side) = (self.dir.join(format!("p{piece}")), self.dir.join(format!("k{piece}")));
            fs::write(&input, events[from..to].concat()).unwrap();
            fs::write(&side, kafka[from..to].concat()).unwrap();
            let last = to == events.len();
            self.run("pieces.db", "pieces.jsonl", |options| {
                options.inputs = vec![input];
                options.kafka = Some(side);
                options.end = Some(last);
            });
            (from, piece) = (to, piece + 1);
        }
    }

    /// What was written after the last commit is lost with a kill: decisions are cut to what the state knows.
    fn with_a_kill(&mut self) {
        let stop = 1 + self.random.below(self.lines);
        self.run("kill.db", "kill.jsonl", |options| options.stop_after = Some(stop));
        let path = self.dir.join("kill.jsonl");
        let mut written = fs::read(&path).unwrap();
        written.extend_from_slice(b"{\"line\":1,\"outcome\":\"subm");
        fs::write(&path, written).unwrap();
        self.run("kill.db", "kill.jsonl", |options| options.end = Some(true));
    }
}

fn read_lines(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn simulate(seed: u64) -> u32 {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let names: Vec<_> =
        scenarios().iter().map(|scenario| scenario.name).filter(|name| *name != "mix").collect();
    let name = names[usize::try_from(seed).unwrap() % names.len()];
    let cold = random.below(2) == 0;
    let scale = 0.02 + 0.0004 * (random.below(100) as f64);
    let stream = Stream { seed: random.next(), scale, lines: None, cold };
    generate_with(name, stream).unwrap().write_all(dir.path()).unwrap();
    let profile = if random.below(3) == 0 { "eln-fast.toml" } else { "eln.toml" };
    let lines = stream::truth(dir.path()).len() as u64;
    let mut simulation = Simulation { dir: dir.path().to_owned(), random, lines, profile };
    println!("seed {seed}: {name}, {lines} lines, cold {cold}, {profile}");

    let (score, summary) = stream::judged(dir.path(), profile);
    assert!(score.pass && summary.balanced, "I1, I2: {score}\n{summary}");
    let one = fs::read(dir.path().join("decisions.jsonl")).unwrap();
    simulation.with_restarts();
    assert!(fs::read(dir.path().join("restarts.jsonl")).unwrap() == one, "restarts changed a decision");
    simulation.with_a_kill();
    assert!(fs::read(dir.path().join("kill.jsonl")).unwrap() == one, "a kill changed a decision");
    // A piece without records of a partition would not know of it: only streams of one partition come in pieces.
    let partitions: BTreeSet<_> =
        tidegate::input::sidecar::partitions(&dir.path().join("kafka.jsonl")).unwrap();
    if partitions.len() == 1 {
        simulation.in_pieces();
        assert!(fs::read(dir.path().join("pieces.jsonl")).unwrap() == one, "pieces changed a decision");
    }
    summary.holds_opened
}

#[test]
fn pieces_restarts_and_kills_change_nothing() {
    let seeds: Vec<u64> = match std::env::var("TIDEGATE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    let all = seeds.len() > 1;
    let opened: u32 = seeds.into_iter().map(simulate).sum();
    println!("{opened} holds were opened");
    assert!(!all || opened >= HOLDS_MIN, "only {opened} holds were opened: the streams prove too little");
}
