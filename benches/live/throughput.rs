//! CPU time of each record, and the peak of memory over a backlog.

use std::io::{self, Write};

use rdkafka::producer::BaseProducer;
use tidegate::generate::{Options, generate_with};

use super::consumers::{With, cost};
use super::site::{PARTITIONS, Site, flush, now, producer, send, topic, until};
use super::{median, number};

pub(crate) fn measure(brokers: &str) {
    let (records, rounds) = (number("TIDEGATE_BENCH_RECORDS", 1_000_000), number("TIDEGATE_BENCH_ROUNDS", 3));
    let topic = topic(brokers, "bench-backlog", PARTITIONS);
    let began = now();
    publish(brokers, &topic, records);
    println!("{records} records were published in {:.0} s", began.elapsed().as_secs_f64());

    let site = Site::new(brokers, &topic, "");
    let [mut polled, mut decoded, mut ran, mut took] = [const { Vec::new() }; 4];
    let mut peak = 0;
    for round in 0..rounds {
        polled.push(cost(brokers, &topic, records, With::Nothing));
        decoded.push(cost(brokers, &topic, records, With::Decoding));
        let (cpu, seconds, memory) = run(&site, &format!("{round}.db"), records);
        println!(
            "round {round}: CPU seconds polling {:.2}, and decoding {:.2}, tidegate run {cpu:.2} (in {seconds:.1} s, peak {memory} MiB)",
            polled[polled.len() - 1],
            decoded[decoded.len() - 1],
        );
        ran.push(cpu);
        took.push(seconds);
        peak = peak.max(memory);
    }
    let [polled, decoded, ran, took] = [polled, decoded, ran, took].map(median);
    #[expect(clippy::cast_precision_loss, reason = "records of a benchmark are far below 2^52")]
    let rate = |seconds: f64| records as f64 / seconds;
    println!(
        "{records} records, median of {rounds} rounds: records a CPU-second, and share of the speed of polling and decoding"
    );
    println!("polling               {:>10.0}  {:.2}", rate(polled), decoded / polled);
    println!("polling and decoding  {:>10.0}  1.00", rate(decoded));
    println!("tidegate run          {:>10.0}  {:.2}  (wanted: 0.60)", rate(ran), decoded / ran);
    println!("tidegate run reads {:.0} records a second of wall time", rate(took));
    println!("peak memory of tidegate run: {peak} MiB (wanted: below 300 MB)");
}

/// CPU seconds, seconds and peak MiB of a run over the whole backlog.
fn run(site: &Site, state: &str, records: u64) -> (f64, f64, u64) {
    let mut process = site.run(state);
    let began = now();
    until("the whole backlog to be read", || {
        assert!(process.is_running(), "it ended:\n{}", site.log(state));
        site.read(state) >= records
    });
    (process.cpu(), began.elapsed().as_secs_f64(), process.peak())
}

/// Publishes the mix of a bus, line by line over the partitions.
fn publish(brokers: &str, topic: &str, records: u64) {
    let producer = producer(brokers);
    let mix = generate_with("mix", Options { lines: Some(records), ..Options::default() }).unwrap();
    let mut lines = Lines { producer: &producer, topic, begun: Vec::new(), count: 0 };
    mix.write_events(&mut lines).unwrap();
    assert_eq!(lines.count, records);
    flush(&producer);
}

/// Takes text, and publishes each of its lines.
struct Lines<'a> {
    producer: &'a BaseProducer,
    topic: &'a str,
    begun: Vec<u8>,
    count: u64,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.pop_if(|last| *last == b'\n').is_some() {
                let partition =
                    i32::try_from(self.count % u64::from(PARTITIONS.unsigned_abs())).unwrap_or_default();
                send(self.producer, self.topic, partition, &self.begun);
                self.count += 1;
                self.begun.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
