//! `tidegate config`: the schema of pipeline files, and how two of them differ.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::output::{Format, OutputArgs, plain};
use crate::engine::select::{PackageList, Select};
use crate::input::lists;
use crate::pipeline::{self, Difference, Override, Pipeline};
use crate::text::escaped;

/// Names of packages that are shown of each kind of change; JSON has all.
const NAMES_SHOWN: usize = 20;

/// About pipeline files: their schema, and how two of them differ
#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Schema(Schema),
    Diff(Diff),
}

/// Print the JSON Schema of pipeline files, for editors and for other programs
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  tidegate config schema > pipeline.schema.json
An editor with TOML support completes keys with it; `#:schema pipeline.schema.json` as a file's first line names it.")]
struct Schema {}

/// Tell how one pipeline file differs from another, and for which builds
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  tidegate config diff pipelines/eln.toml pipelines/eln-fast.toml
  tidegate config diff old.toml new.toml --packages packages.txt -o json")]
struct Diff {
    /// The first pipeline file.
    old: PathBuf,
    /// The second.
    new: PathBuf,
    /// Set a key over both files.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = Override::parse)]
    overrides: Vec<Override>,
    /// The package list of both, one downstream name a line; without it the lists that the files name, as far as they are
    /// files here.
    #[arg(long, value_name = "FILE")]
    packages: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Schema(Schema {}) => {
                let text = serde_json::to_string_pretty(&pipeline::schema()).map_err(std::io::Error::from)?;
                Ok(writeln!(std::io::stdout().lock(), "{text}")?)
            }
            What::Diff(diff) => diff.run(),
        }
    }
}

impl Diff {
    fn run(&self) -> Result<(), Failure> {
        let load = |path: &Path| pipeline::load(path, &self.overrides);
        let (old, new) = (load(&self.old)?, load(&self.new)?);
        let differences = pipeline::differences(&old, &new);
        let (before, after) = (self.list(&self.old, &old)?, self.list(&self.new, &new)?);
        let packages = Packages::compare((&old, before.as_ref()), (&new, after.as_ref()))?;
        let (out, mut to) = (self.output.out(), std::io::stdout().lock());
        match out.format {
            Format::Table => write!(to, "{}", self.words(&differences, packages.as_ref()))?,
            Format::Plain => {
                for Difference { key, old, new, .. } in &differences {
                    plain(
                        &mut to,
                        &[*key, old.as_str(), new.as_str()]
                            .map(|text| escaped(text).to_string())
                            .each_ref()
                            .map(String::as_str),
                    )?;
                }
            }
            Format::Json | Format::Jsonl | Format::Yaml => {
                let document = json!({
                    "old": self.old.display().to_string(),
                    "new": self.new.display().to_string(),
                    "differences": differences,
                    "packages": packages.map(|packages| json!({"added": packages.added, "removed": packages.removed})),
                });
                out.data(&mut to, "tidegate.config-diff/1", &document)?;
            }
        }
        Ok(())
    }

    /// The package list of a pipeline: the given one, else all that it names, else its fallback. `None` where they are
    /// no files here.
    fn list(&self, file: &Path, pipeline: &Pipeline) -> Result<Option<BTreeSet<String>>, Failure> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let files: Vec<PathBuf> = match (&self.packages, &pipeline.packages.fallback) {
            (Some(given), _) => vec![given.clone()],
            (None, fallback) => {
                let remote = pipeline.packages.lists.iter().any(|list| list.contains("://"));
                let named = if remote { fallback.as_slice() } else { pipeline.packages.lists.as_slice() };
                named.iter().map(|list| folder.join(list)).collect()
            }
        };
        let mut names = BTreeSet::new();
        for file in &files {
            names.extend(lists::packages(file)?.names);
        }
        Ok((!names.is_empty()).then_some(names))
    }

    fn words(&self, differences: &[Difference], packages: Option<&Packages>) -> String {
        let mut text = String::new();
        let mut line = |part: std::fmt::Arguments<'_>| {
            let written = writeln!(text, "{part}");
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
        };
        let (old, new) = (self.old.display(), self.new.display());
        if differences.is_empty() {
            line(format_args!("{old} and {new} say the same."));
        } else {
            line(format_args!("From {old} to {new}:"));
        }
        for Difference { key, old, new, words } in differences {
            line(format_args!("\n{key}: {old}\n  becomes {new}\n  {words}"));
        }
        match packages {
            Some(packages) => {
                for (names, what) in
                    [(&packages.added, "become eligible"), (&packages.removed, "are no longer eligible")]
                {
                    line(format_args!("\n{} packages {what}{}", names.len(), some(names)));
                }
            }
            None if differences.iter().any(|difference| difference.key.starts_with("select.")) => {
                line(format_args!(
                    "\nWhich packages become eligible cannot be told: the lists are no files here. Give one with --packages."
                ));
            }
            None => {}
        }
        text
    }
}

/// `: bash, zsh and 3 more`.
fn some(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(": {}{rest}", shown.join(", "))
}

/// Downstream names of packages that only one of two pipelines takes.
struct Packages {
    added: Vec<String>,
    removed: Vec<String>,
}

/// A pipeline with the names in its list.
type Listed<'a> = (&'a Pipeline, Option<&'a BTreeSet<String>>);

impl Packages {
    /// Compares two pipelines on all names that one of them lists; `None` where neither lists any.
    fn compare(old: Listed<'_>, new: Listed<'_>) -> Result<Option<Self>, Failure> {
        let names: BTreeSet<&String> = old.1.into_iter().chain(new.1).flatten().collect();
        if names.is_empty() {
            return Ok(None);
        }
        let (before, after) = (select(old)?, select(new)?);
        let mut packages = Self { added: Vec::new(), removed: Vec::new() };
        for name in names {
            match (before.is_eligible(name), after.is_eligible(name)) {
                (false, true) => packages.added.push(name.clone()),
                (true, false) => packages.removed.push(name.clone()),
                (true, true) | (false, false) => {}
            }
        }
        Ok(Some(packages))
    }
}

/// What tells which downstream names a pipeline takes.
fn select((pipeline, names): Listed<'_>) -> Result<Select, Failure> {
    let mut settings = pipeline.settings_for("").select;
    // The names are those after the renames.
    settings.renames.clear();
    let mut select = Select::new(&settings).map_err(crate::replay::ReplayError::from)?;
    if let Some(names) = names.filter(|_| settings.needs_list) {
        let version = "0000000000000000".to_owned();
        select.offer(std::sync::Arc::new(PackageList { version, names: names.clone() }));
    }
    Ok(select)
}
