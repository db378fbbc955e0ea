//! Seeded simulation of the submitter against a model of a hub in virtual time: calls and answers are lost, doubled and late,
//! hub and process stop at any step, clocks step, old processes go on.
//!
//! Invariants by number, as in `docs/architecture.md`: I13 (a build has one task, for each failure of the farm one more), I14
//! (the rate), I15 (fresh findings only); and that every row ends. A failure names its seed; `TIDEGATE_SUBMIT_SEED=n` runs that
//! seed alone, `TIDEGATE_SUBMIT_RUNS=n` the first n seeds.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]
#![expect(clippy::expect_used, clippy::panic, reason = "a broken invariant ends the run")]
#![expect(clippy::print_stdout, reason = "the seed of a failure and the faults must be seen")]

mod faults;
mod hub;
mod law;
#[path = "../common/random.rs"]
mod random;
mod run;
mod world;

use faults::{ALL, Histogram};

/// Runs where nothing else is asked for.
const RUNS: u64 = 200;
/// In so many runs each kind of fault must have happened `EACH_MIN` times, or they prove too little.
const EACH_MIN: u64 = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn every_build_gets_one_task_whatever_goes_wrong() {
    let seeds: Vec<u64> = match number("TIDEGATE_SUBMIT_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("TIDEGATE_SUBMIT_RUNS").unwrap_or(RUNS)).collect(),
    };
    let is_whole = seeds.len() as u64 >= RUNS;
    let mut faults = Histogram::default();
    let (mut storms, mut calls) = (0, 0);
    for seed in seeds.iter().copied() {
        let named = NameSeed(seed);
        let outcome = run::run(seed);
        drop(named);
        faults.add(&outcome.faults);
        storms += u64::from(outcome.is_storm);
        calls += outcome.calls;
    }
    println!("{} runs, {storms} of them crash storms, {calls} calls that submit", seeds.len());
    for fault in ALL {
        println!("{:>8}  {fault:?}", faults.of(fault));
    }
    println!("{:>8}  faults in all", faults.0.values().sum::<u64>());
    if is_whole {
        assert!(storms * 10 >= seeds.len() as u64, "only {storms} crash storms");
        for fault in ALL {
            assert!(faults.of(fault) >= EACH_MIN, "{fault:?} happened {} times only", faults.of(fault));
        }
    }
}

/// Says which seed failed.
struct NameSeed(u64);

impl Drop for NameSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {0} failed; TIDEGATE_SUBMIT_SEED={0} runs it alone", self.0);
        }
    }
}
