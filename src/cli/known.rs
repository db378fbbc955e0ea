//! `tidegate known`: the known builds of a state.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Column, Format, OutputArgs, Table, plain};
use super::{Failure, PipelineArgs, say};
use crate::input::known::KnownBuild;
use crate::replay::{ReplayError, import};
use crate::state::{Batch, State};

/// Import, export or count the known builds of a state
#[derive(Debug, Args)]
pub(super) struct Known {
    #[command(subcommand)]
    command: KnownCommand,
}

#[derive(Debug, Subcommand)]
enum KnownCommand {
    /// Read known builds into a state: JSON lines with `build_id`, `nvr`, `tag`, `tagged_at`.
    Import {
        #[command(flatten)]
        common: Common,
        /// Files of known builds; `-` is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write the known builds of a state as JSON lines.
    Export {
        #[command(flatten)]
        common: Common,
        /// Only of this tag.
        #[arg(long)]
        tag: Option<String>,
    },
    /// Count the known builds of a state by tag.
    Stats {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The state file.
    #[arg(long, value_name = "DB")]
    state: PathBuf,
    /// Let the state stand on a network file system.
    #[arg(long)]
    allow_network_state: bool,
}

impl Known {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            KnownCommand::Import { common, files } => import_files(&common, &files),
            KnownCommand::Export { common, tag } => export(&common, tag.as_deref()),
            KnownCommand::Stats { common, output } => stats(&common, &output),
        }
    }
}

fn open(common: &Common) -> Result<(State, crate::engine::Engine), Failure> {
    let settings = common.pipeline.load()?.settings()?;
    let state = State::open(&common.state, common.allow_network_state)?;
    let loaded = state.load(settings, []).map_err(ReplayError::from)?;
    Ok((state, loaded.engine))
}

fn import_files(common: &Common, files: &[PathBuf]) -> Result<(), Failure> {
    let (mut state, mut engine) = open(common)?;
    let mut count = 0;
    for path in files {
        count += import(&mut engine, path)?;
    }
    state.commit(&mut engine, &Batch::default())?;
    say(&format!("{count} known builds read into {}", common.state.display()));
    Ok(())
}

fn export(common: &Common, only: Option<&str>) -> Result<(), Failure> {
    let (_, engine) = open(common)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for member in engine.knowledge().tags.family() {
        let tag = engine.name(member.tag);
        if only.is_some_and(|only| only != tag) {
            continue;
        }
        for (build, tagged_at) in engine.knowledge().seen.in_tag(member.tag) {
            let known = KnownBuild {
                build_id: build.id,
                nvr: None,
                tag: tag.to_owned(),
                tagged_at,
                instance: Some(engine.name(build.instance).to_owned()),
            };
            serde_json::to_writer(&mut out, &known).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}

/// How many builds are known in one tag.
#[derive(Serialize)]
struct TagCount<'a> {
    tag: &'a str,
    known_builds: usize,
}

fn stats(common: &Common, output: &OutputArgs) -> Result<(), Failure> {
    let (_, engine) = open(common)?;
    let (out, mut to) = (output.out(), std::io::stdout().lock());
    let mut counts = BTreeMap::new();
    for member in engine.knowledge().tags.family() {
        counts.insert(engine.name(member.tag), engine.knowledge().seen.in_tag(member.tag).len());
    }
    let counts = counts.into_iter().map(|(tag, known_builds)| TagCount { tag, known_builds });
    let mut table = Table::new(out, &[Column::text("tag", 24), Column::number("known builds", 12)]);
    match out.format {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let tags: Vec<_> = counts.collect();
            out.data(&mut to, "tidegate.known/1", &BTreeMap::from([("tags", tags)]))?;
        }
        Format::Table | Format::Plain => {
            for TagCount { tag, known_builds } in counts {
                let cells = [crate::text::escaped(tag).to_string(), known_builds.to_string()];
                let cells = cells.each_ref().map(String::as_str);
                if out.format == Format::Plain {
                    plain(&mut to, &cells)?;
                } else {
                    table.row(&mut to, &cells)?;
                }
            }
        }
    }
    Ok(())
}
