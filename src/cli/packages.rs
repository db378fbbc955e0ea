//! `tidegate packages` and `tidegate reload`: the package list and the pipeline file of a running pipeline.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Failure;
use super::control::{Target, done, reason, unexpected};
use super::output::OutputArgs;
use crate::live::ask::{Answer, Request};
use crate::live::view::PackagesView;
use crate::text::{escaped, grouped};
use crate::time::Second;

/// Show or accept the package list of a running pipeline
#[derive(Debug, Args)]
#[command(before_long_help = "Examples:
  tidegate packages show --state eln.db
  tidegate packages accept --state eln.db --reason 'the list was halved on purpose'")]
pub(super) struct Packages {
    #[command(subcommand)]
    command: PackagesCommand,
}

#[derive(Debug, Subcommand)]
enum PackagesCommand {
    /// Show the list in force, and one that waits.
    Show {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Take the list that waits: it differs too much from the one in force to be taken unseen.
    Accept {
        #[command(flatten)]
        target: Target,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Let a running pipeline read its pipeline file anew
#[derive(Debug, Args)]
#[command(before_long_help = "Examples:
  tidegate check pipelines/eln.toml && tidegate reload --state eln.db")]
pub(super) struct Reload {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: OutputArgs,
}

/// The package list, for programs.
#[derive(Debug, Serialize)]
pub(super) struct PackagesDocument<'a> {
    wanted: bool,
    in_force: Option<List<'a>>,
    proposed: Option<List<'a>>,
    #[serde(serialize_with = "crate::explain::facts::iso")]
    fetched_at: Option<Second>,
    failed: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct List<'a> {
    version: &'a str,
    names: usize,
}

impl<'a> From<&'a PackagesView> for PackagesDocument<'a> {
    fn from(view: &'a PackagesView) -> Self {
        let list = |list: &'a Option<(String, usize)>| {
            list.as_ref().map(|(version, names)| List { version, names: *names })
        };
        Self {
            wanted: view.wanted,
            in_force: list(&view.in_force),
            proposed: list(&view.proposed),
            fetched_at: view.fetched_at,
            failed: view.failed.as_deref(),
        }
    }
}

/// The package list in words.
pub(super) fn in_words(view: &PackagesView) -> String {
    let list = |list: &Option<(String, usize)>| {
        list.as_ref().map_or("none".to_owned(), |(version, names)| {
            format!("{} ({} names)", escaped(version), grouped(*names as u64))
        })
    };
    if !view.wanted {
        return "the pipeline takes none".to_owned();
    }
    let mut parts = vec![format!("in force: {}", list(&view.in_force))];
    parts.extend(view.fetched_at.map(|at| format!("fetched {at}")));
    parts.extend(view.proposed.as_ref().map(|_| format!("waits to be accepted: {}", list(&view.proposed))));
    parts.extend(view.failed.as_ref().map(|failed| format!("the last fetch failed: {}", escaped(failed))));
    parts.join("; ")
}

impl Packages {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            PackagesCommand::Show { target, output } => {
                let Answer::Status(view) = target.ask(Request::Status)? else { return Err(unexpected()) };
                let packages = &view.packages;
                let version = |list: &Option<(String, usize)>| {
                    list.as_ref().map_or(String::new(), |(version, _)| escaped(version).to_string())
                };
                let (in_force, proposed) = (version(&packages.in_force), version(&packages.proposed));
                let document = PackagesDocument::from(packages);
                done(&output, "tidegate.packages/1", &document, &in_words(packages), &[&in_force, &proposed])
            }
            PackagesCommand::Accept { target, reason, output } => {
                let request = Request::AcceptPackages { why: reason };
                let Answer::PackagesAccepted { version, names } = target.ask(request)? else {
                    return Err(unexpected());
                };
                let shown = escaped(&version).to_string();
                let sentence =
                    format!("the package list {shown} of {} names is in force", grouped(names as u64));
                let document = List { version: &version, names };
                done(
                    &output,
                    "tidegate.packages_accepted/1",
                    &document,
                    &sentence,
                    &[&shown, &names.to_string()],
                )
            }
        }
    }
}

impl Reload {
    pub(super) fn run(self) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Reloaded<'a> {
            hash: &'a str,
            changed: &'a [String],
        }
        let Answer::Reloaded { hash, changed } = self.target.ask(Request::Reload)? else {
            return Err(unexpected());
        };
        let shown = escaped(&hash).to_string();
        let keys = changed.iter().map(|key| escaped(key).to_string()).collect::<Vec<_>>().join(", ");
        let sentence = if changed.is_empty() {
            format!("the pipeline file says nothing new: configuration {shown} stays in force")
        } else {
            format!("configuration {shown} is in force; changed: {keys}")
        };
        let document = Reloaded { hash: &hash, changed: &changed };
        done(&self.output, "tidegate.reload/1", &document, &sentence, &[&shown, &keys])
    }
}
