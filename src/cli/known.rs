//! `tidegate known`: the known builds of a state.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Column, Format, OutputArgs, Table, plain};
use super::{Failure, PipelineArgs, say};
use crate::input::known::KnownBuild;
use crate::input::koji;
use crate::koji::client::{Client, ClientSettings, SetupError};
use crate::koji::error::CallError;
use crate::live::open::BEGIN;
use crate::live::shell::Clock;
use crate::pipeline::Begin;
use crate::replay::{ReplayError, import};
use crate::settings::{FamilyTag, Trigger};
use crate::state::{Batch, State};
use crate::text::grouped;
use crate::time::Second;

/// The longest list of a tag that is read: a million builds take less than 2 GiB.
const LISTING_MAX_BYTES: u64 = 4 << 30;
/// Builds after which it is said how many there are.
const PROGRESS_EACH: u64 = 10_000;

/// Import, export or count the known builds of a state
#[derive(Debug, Args)]
#[command(before_long_help = "Examples:
  tidegate known import pipelines/eln.toml --set trigger.follow=f45 --state eln.db --from-koji
  tidegate known import pipelines/eln.toml --set trigger.follow=f45 --state eln.db known.jsonl
  tidegate known stats pipelines/eln.toml --set trigger.follow=f45 --state eln.db")]
pub(super) struct Known {
    #[command(subcommand)]
    command: KnownCommand,
}

#[derive(Debug, Subcommand)]
enum KnownCommand {
    /// Read known builds into a state: from files of JSON lines with `build_id`, `nvr`, `tag`, `tagged_at`, or from Koji.
    Import {
        #[command(flatten)]
        common: Common,
        /// Files of known builds; `-` is standard input.
        #[arg(required_unless_present = "from_koji", conflicts_with = "from_koji")]
        files: Vec<PathBuf>,
        /// Ask the hub of the pipeline (evidence.hub) what is in its tags, without a login.
        #[arg(long)]
        from_koji: bool,
        /// Only what is in this tag; may be given several times. By default all tags of the family.
        #[arg(long, value_name = "TAG", requires = "from_koji")]
        tag: Vec<String>,
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
            KnownCommand::Import { common, tag, from_koji: true, .. } => import_from_koji(&common, &tag),
            KnownCommand::Import { common, files, .. } => import_files(&common, &files),
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

/// Why nothing came from Koji; the state is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum KojiError {
    #[error(
        "pipeline {0}: it names no hub to ask: state evidence.ask_koji = true and evidence.hub, in the file or by --set"
    )]
    NoHub(String),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("nothing was imported: {0}")]
    Call(#[from] CallError),
}

/// Reads what is in tags of the hub into the state, all in one transaction: half of it would pass for all.
fn import_from_koji(common: &Common, only: &[String]) -> Result<(), Failure> {
    let pipeline = common.pipeline.load()?;
    let address = pipeline.evidence_hub.as_deref().ok_or_else(|| KojiError::NoHub(pipeline.name.clone()))?;
    let settings = ClientSettings { listing_bytes: LISTING_MAX_BYTES, ..ClientSettings::new(address) };
    let hub = Client::new(&settings).map_err(KojiError::from)?;
    let (mut state, mut engine) = open(common)?;
    let begin = begin(&state, pipeline.begin)?;
    let Trigger { tag: trigger, family, .. } = engine.settings().trigger.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for tag in chosen(family, only) {
        let shown = crate::text::escaped(&tag.tag).to_string();
        if begin.is_none() && tag.tag == trigger {
            say(&format!(
                "{shown}: left out. The pipeline judges the oldest messages that are kept, so that it is not known which of its builds they are about"
            ));
            continue;
        }
        let mut read = 0u64;
        let take = |build: KnownBuild| {
            engine.know(None, build.build_id, &build.tag, build.tagged_at);
            read += 1;
            if read.is_multiple_of(PROGRESS_EACH) {
                say(&format!("{shown}: {} builds", grouped(read)));
            }
        };
        let counts = runtime.block_on(koji::read(&hub, &tag, begin, take)).map_err(KojiError::from)?;
        let younger = match (counts.younger, begin) {
            (0, _) | (_, None) => String::new(),
            (count, Some(begin)) => {
                format!(
                    "; {} were tagged after {begin}, where the pipeline begins: the bus tells of those",
                    grouped(count)
                )
            }
        };
        say(&format!("{shown}: {} known builds{younger}", grouped(counts.taken)));
    }
    state.commit(&mut engine, &Batch::default())?;
    say(&format!("read into {}", common.state.display()));
    Ok(())
}

/// From when on the pipeline judges; `None`: from the oldest message on.
fn begin(state: &State, begin: Begin) -> Result<Option<Second>, Failure> {
    if let Some(text) = state.meta(BEGIN)? {
        return Ok(Second::parse(&text));
    }
    Ok(match begin {
        Begin::Now => Some(Clock::start().now().wall),
        Begin::At(at) => Some(at),
        Begin::Earliest => None,
    })
}

/// The tags to read: those that were named, else all of the family.
fn chosen(family: Vec<FamilyTag>, only: &[String]) -> Vec<FamilyTag> {
    if only.is_empty() {
        return family;
    }
    let named = |tag: &String| {
        let known = family.iter().find(|member| member.tag == *tag).cloned();
        known.unwrap_or_else(|| FamilyTag { tag: tag.clone(), left_at: None })
    };
    only.iter().map(named).collect()
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
