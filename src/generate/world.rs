//! A generated stream, and the files it is written to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::cast::Packages;
use super::message::{self, Message};
use super::mix::Mix;
use super::plan::{Line, Millis, NEW, OLD, Payload, Plan, SECOND};
use crate::event::MessageId;
use crate::score::truth::{Burst, Fact, Facts, Label};
use crate::time::Second;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// A generated stream with its truth.
#[derive(Debug)]
pub struct World {
    pub(super) scenario: &'static str,
    pub(super) seed: u64,
    pub(super) plan: Plan,
    /// Where the lines are made as they are written.
    pub(super) mix: Option<Mix>,
}

impl World {
    /// Writes the messages, one a line, in the order of their arrival.
    ///
    /// # Errors
    /// Where `to` does not take them.
    pub fn write_events(&self, to: &mut dyn Write) -> io::Result<()> {
        self.write_lines(to, |line, out| event(out, &self.plan.packages, line))
    }

    /// Writes everything but the messages into a directory: `kafka.jsonl`, `warmup.jsonl`, `known_builds.jsonl`,
    /// `packages.txt`, `renames`, `truth.jsonl`, `truth.json`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write_truth(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let open = |name: &str| File::create(dir.join(name));
        let mut number = 0u64;
        self.write_lines(&mut open("kafka.jsonl")?, |line, out| {
            number += 1;
            let text =
                format!(r#"{{"line":{number},"partition":{},"timestamp":{}}}"#, line.partition, line.arrives);
            out.extend_from_slice(text.as_bytes());
            Ok(())
        })?;
        self.write_facts(dir)?;
        let packages = &self.plan.packages;
        write_lines(&mut open("warmup.jsonl")?, self.plan.warmup.iter(), |line, out| {
            event(out, packages, line)
        })?;
        write_lines(&mut open("known_builds.jsonl")?, self.plan.known.iter(), |known, out| {
            let (build, name) = (known.build, packages.name(known.build.package));
            let (version, release) = (build.version(), build.release());
            let tagged_at = Second::from_millis(known.tagged_at);
            let mut text = String::new();
            write!(text, r#"{{"build_id":{},"nvr":"{name}-{version}-{release}","#, build.id)
                .and_then(|()| write!(text, r#""name":"{name}","tag":"f{OLD}","tagged_at":"{tagged_at}"}}"#))
                .map_err(io::Error::other)?;
            out.extend_from_slice(text.as_bytes());
            Ok(())
        })?;
        let text = |parts: &[&str], out: &mut Vec<u8>| {
            out.extend_from_slice(parts.join(" ").as_bytes());
            Ok(())
        };
        write_lines(&mut open("packages.txt")?, packages.downstream(), |name, out| text(&[name], out))?;
        write_lines(&mut open("renames")?, packages.renames().iter(), |(up, down), out| {
            text(&[up, down], out)
        })
    }

    /// Writes everything into a directory, the messages as `events.jsonl`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write_all(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        self.write_events(&mut File::create(dir.join("events.jsonl"))?)?;
        self.write_truth(dir)
    }

    fn write_lines(
        &self,
        to: &mut dyn Write,
        write: impl FnMut(&Line, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        match &self.mix {
            Some(mix) => write_lines(to, mix.clone(), {
                let mut write = write;
                move |line: Line, out| write(&line, out)
            }),
            None => write_lines(to, self.plan.lines.iter(), write),
        }
    }

    fn write_facts(&self, dir: &Path) -> io::Result<()> {
        let mut labels = BTreeMap::new();
        let mut number = 0;
        self.write_lines(&mut File::create(dir.join("truth.jsonl"))?, |line, out| {
            number += 1;
            *labels.entry(line.label).or_default() += 1;
            serde_json::to_writer(out, &fact(number, line)).map_err(io::Error::other)
        })?;
        let facts = self.facts(labels);
        let mut file = BufWriter::new(File::create(dir.join("truth.json"))?);
        serde_json::to_writer_pretty(&mut file, &facts)?;
        file.write_all(b"\n")?;
        file.flush()
    }

    fn facts(&self, labels: BTreeMap<Label, u64>) -> Facts {
        let bursts = self.plan.bursts.iter().enumerate().map(|(index, burst)| Burst {
            id: burst_id(index),
            kind: burst.kind.to_owned(),
            start: seconds(burst.start),
            end: seconds(burst.end),
        });
        Facts {
            scenario: self.scenario.to_owned(),
            seed: self.seed,
            scale: self.plan.scale,
            trigger_tag: format!("f{NEW}"),
            old_tag: format!("f{OLD}"),
            left_at: seconds(self.plan.left_at),
            bursts: bursts.collect(),
            labels,
        }
    }
}

fn burst_id(index: usize) -> String {
    format!("b{}", index + 1)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium fit a float exactly")]
fn seconds(at: Millis) -> f64 {
    at as f64 / 1_000.0
}

fn fact(number: u64, line: &Line) -> Fact {
    let has_id = matches!(line.payload, Payload::Event(..));
    Fact {
        line: number,
        id: has_id.then(|| MessageId::Uuid(line.id).to_string()),
        label: line.label,
        base: line.base,
        burst: line.burst.map(burst_id),
        build: line.build().map(|build| build.id),
        t: seconds(line.at),
        variant: line.variant.map(str::to_owned),
    }
}

pub(super) fn event(out: &mut Vec<u8>, packages: &Packages, line: &Line) -> io::Result<()> {
    match &line.payload {
        Payload::Raw(bytes) => out.extend_from_slice(bytes),
        Payload::Event(event, origin) => {
            let sent_at = line.at.div_euclid(SECOND) + line.clock_ahead;
            let message = Message { event: *event, origin: *origin, id: line.id, sent_at };
            let text = message::text(packages, &message).map_err(io::Error::other)?;
            out.extend_from_slice(text.as_bytes());
        }
    }
    Ok(())
}

/// Writes one line for each item, in large pieces.
fn write_lines<T>(
    to: &mut dyn Write,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(T, &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + (1 << 13));
    for item in items {
        write(item, &mut buffer)?;
        buffer.push(b'\n');
        if buffer.len() >= BUFFER_BYTES {
            to.write_all(&buffer)?;
            buffer.clear();
        }
    }
    to.write_all(&buffer)?;
    to.flush()
}
