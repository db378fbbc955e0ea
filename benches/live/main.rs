//! What the live pipeline costs and how long it takes, on a real Kafka: `scripts/live-bench.sh [throughput] [latency]`.
//!
//! *Throughput*: CPU time of `tidegate run` over a backlog, beside a consumer that only polls and one that polls and decodes,
//! each a process of its own, in turns, over the same topic with the same settings of librdkafka; and the peak memory of
//! the run. *Latency*: from when a build may be decided at the earliest to when its decision stands in a topic.
//!
//! | variable | default | is |
//! |---|---|---|
//! | `TIDEGATE_BENCH_RECORDS` | 1,000,000 | records of the backlog |
//! | `TIDEGATE_BENCH_ROUNDS` | 3 | turns of each consumer; medians are told |
//! | `TIDEGATE_BENCH_SECONDS` | 60 | how long builds are published for the latency |

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod consumers;
mod latency;
mod site;
mod throughput;

/// That of the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The middle of some values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if consumers::is_child(&arguments) {
        return;
    }
    let Ok(brokers) = std::env::var("KAFKA_BOOTSTRAP") else {
        println!("skipped: figures of the live pipeline: they need a real Kafka, see scripts/live-bench.sh");
        return;
    };
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    if wanted("throughput") {
        throughput::measure(&brokers);
    }
    if wanted("latency") {
        latency::measure(&brokers);
    }
}
