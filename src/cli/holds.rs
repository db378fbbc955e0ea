//! `tidegate holds`: what is held, and decisions about it.

use std::io::{BufRead as _, BufWriter, IsTerminal as _, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Failure;
use super::control::{Target, reason, unexpected};
use super::output::{Column, Format, Out, OutputArgs, Table, plain};
use crate::engine::command::Action;
use crate::engine::hold::Selection;
use crate::live::ask::{Answer, HeldLine, HoldLine, HoldPage, Refusal, RefusalKind, Request};
use crate::text::{escaped, grouped};
use crate::time::Second;

/// Builds that are decided at once without having been looked at.
const UNSEEN_MAX: usize = 100;
/// Builds of a preview that are shown before somebody confirms.
const PREVIEW: usize = 10;

/// List holds, and release or drop what they hold
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate holds list --state eln.db
  tidegate holds show h3 --state eln.db
  tidegate holds release h3 --state eln.db --package bash --reason 'wanted' --dry-run
  tidegate holds release h3 --state eln.db --version 5 --reason 'mass rebuild'
  tidegate holds drop h3 --state eln.db --reason 'branching'",
    after_long_help = "A decision is final. With --version it is refused where somebody else changed the hold since you looked."
)]
pub(super) struct Holds {
    #[command(subcommand)]
    command: HoldsCommand,
}

#[derive(Debug, Subcommand)]
enum HoldsCommand {
    /// List the open holds.
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show what a hold holds, and what a release would make of it.
    Show {
        /// The hold, as h3.
        #[arg(value_parser = hold)]
        hold: u32,
        /// Most builds that are shown.
        #[arg(long, value_name = "N", default_value_t = 50)]
        members: usize,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Let builds go on, at the rate of the governor.
    Release(Decision),
    /// Drop builds for good.
    Drop(Decision),
}

#[derive(Debug, Args)]
struct Decision {
    /// The hold, as h3.
    #[arg(value_parser = hold)]
    hold: u32,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    target: Target,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Only say what would become of them.
    #[arg(long)]
    dry_run: bool,
    /// The version of the hold that you saw.
    #[arg(long, value_name = "V")]
    version: Option<u32>,
    /// Decide more than 100 builds without having looked.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which builds: all where nothing is said.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Which {
    /// Only builds of this package.
    #[arg(long)]
    package: Option<String>,
    /// Only this build.
    #[arg(long)]
    nvr: Option<String>,
    /// Only builds whose NVR matches, with `*` and `?`.
    #[arg(long)]
    pattern: Option<String>,
    /// All but the builds of this package.
    #[arg(long, value_name = "PACKAGE")]
    except: Option<String>,
}

impl From<Which> for Selection {
    fn from(which: Which) -> Self {
        let Which { package, nvr, pattern, except } = which;
        let named = package.map(Self::Package).or(nvr.map(Self::Nvr));
        named.or(pattern.map(Self::Pattern)).or(except.map(Self::Except)).unwrap_or(Self::All)
    }
}

/// A hold, for programs.
#[derive(Debug, Serialize)]
pub(super) struct HoldDocument<'a> {
    hold: String,
    kind: &'a str,
    instance: &'a str,
    tag: &'a str,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    opened_at: Second,
    version: u32,
    builds: usize,
    growing: bool,
}

#[derive(Debug, Serialize)]
struct BuildDocument<'a> {
    nvr: &'a str,
    build_id: u64,
    reason: &'a str,
    actor: &'a str,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    tagged_at: Second,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    held_at: Second,
    released_as: &'a str,
}

impl<'a> From<&'a HoldLine> for HoldDocument<'a> {
    fn from(line: &'a HoldLine) -> Self {
        let HoldLine { id, kind, instance, tag, opened_at, version, members, growing } = line;
        let (hold, builds) = (format!("h{id}"), *members);
        Self {
            hold,
            kind,
            instance,
            tag,
            opened_at: *opened_at,
            version: *version,
            builds,
            growing: *growing,
        }
    }
}

impl<'a> From<&'a HeldLine> for BuildDocument<'a> {
    fn from(line: &'a HeldLine) -> Self {
        let HeldLine { nvr, build_id, reason, actor, tagged_at, held_at, released_as } = line;
        let (tagged_at, held_at) = (*tagged_at, *held_at);
        Self { nvr, build_id: *build_id, reason, actor, tagged_at, held_at, released_as }
    }
}

impl Holds {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            HoldsCommand::List { target, output } => list(&target, output.out()),
            HoldsCommand::Show { hold, members, target, output } => {
                show(&page(&target, hold, members)?, output.out())
            }
            HoldsCommand::Release(decision) => decision.run(Action::Release),
            HoldsCommand::Drop(decision) => decision.run(Action::Drop),
        }
    }
}

fn page(target: &Target, id: u32, members_max: usize) -> Result<HoldPage, Failure> {
    let Answer::Hold(page) = target.ask(Request::Hold { id, members_max })? else { return Err(unexpected()) };
    Ok(page)
}

fn list(target: &Target, out: Out) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Listed<'a> {
        holds: Vec<HoldDocument<'a>>,
    }
    let Answer::Holds(holds) = target.ask(Request::Holds)? else { return Err(unexpected()) };
    let mut to = BufWriter::new(std::io::stdout().lock());
    if matches!(out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        let document = Listed { holds: holds.iter().map(Into::into).collect() };
        out.data(&mut to, "tidegate.holds/1", &document)?;
    } else if holds.is_empty() && out.format == Format::Table {
        writeln!(to, "nothing is held")?;
    } else {
        write_holds(&mut to, out, &holds)?;
    }
    Ok(to.flush()?)
}

/// Holds as a table, or as lines.
pub(super) fn write_holds(to: &mut impl Write, out: Out, holds: &[HoldLine]) -> Result<(), Failure> {
    let columns = [
        Column::text("hold", 4),
        Column::text("kind", 12),
        Column::number("builds", 7),
        Column::number("version", 7),
        Column::text("opened (UTC)", 20),
        Column::text("growing", 7),
        Column::text("tag", 0),
    ];
    let mut table = Table::new(out, &columns);
    for hold in holds {
        let (id, kind, tag) =
            (format!("h{}", hold.id), escaped(&hold.kind).to_string(), escaped(&hold.tag).to_string());
        let (builds, version) = (hold.members.to_string(), hold.version.to_string());
        let growing = if hold.growing { "yes" } else { "no" };
        let cells = [id.as_str(), &kind, &builds, &version, &hold.opened_at.to_string(), growing, &tag];
        if out.format == Format::Plain { plain(to, &cells)? } else { table.row(to, &cells)? }
    }
    Ok(())
}

fn show(page: &HoldPage, out: Out) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(flatten)]
        hold: HoldDocument<'a>,
        reasons: &'a [(String, usize)],
        members: Vec<BuildDocument<'a>>,
        more: usize,
    }
    let mut to = BufWriter::new(std::io::stdout().lock());
    if matches!(out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        let (reasons, members) = (&page.reasons, page.members.iter().map(Into::into).collect());
        let document = Shown { hold: (&page.hold).into(), reasons, members, more: page.more };
        out.data(&mut to, "tidegate.hold/1", &document)?;
        return Ok(to.flush()?);
    }
    if out.format == Format::Table {
        let HoldLine { id, kind, tag, members, version, opened_at, .. } = &page.hold;
        let (kind, tag, members) = (escaped(kind), escaped(tag), grouped(*members as u64));
        let head = format!("h{id}: {kind} in {tag}, {members} builds, version {version}, opened {opened_at}");
        writeln!(to, "{}", out.strong(&head))?;
        for (reason, count) in &page.reasons {
            writeln!(to, "  {} {}", grouped(*count as u64), escaped(reason))?;
        }
        writeln!(to)?;
    }
    let columns = [
        Column::text("tagged (UTC)", 20),
        Column::text("by", 8),
        Column::text("held as", 18),
        Column::text("released as", 18),
        Column::text("build", 0),
    ];
    let mut table = Table::new(out, &columns);
    for held in &page.members {
        let safe = |text: &str| escaped(text).to_string();
        let (actor, reason) = (safe(&held.actor), safe(&held.reason));
        let (released, nvr) = (safe(&held.released_as), safe(&held.nvr));
        let cells =
            [held.tagged_at.to_string().as_str(), &actor, &reason, &released, &nvr].map(str::to_owned);
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        if out.format == Format::Plain { plain(&mut to, &cells)? } else { table.row(&mut to, &cells)? }
    }
    if out.format == Format::Table && page.more > 0 {
        writeln!(to, "and {} more: --members N shows more", grouped(page.more as u64))?;
    }
    Ok(to.flush()?)
}

impl Decision {
    fn run(self, action: Action) -> Result<(), Failure> {
        let Self { hold, which, target, reason, dry_run, mut version, yes, output } = self;
        let selection = Selection::from(which);
        let decide = |version, dry_run| -> Result<Decided, Failure> {
            let (selection, why) = (selection.clone(), reason.clone());
            let request = Request::Decide { hold, version, selection, action, why, dry_run };
            let Answer::Decided { builds, stay, dry_run } = target.ask(request)? else {
                return Err(unexpected());
            };
            Ok(Decided { builds, stay, dry_run })
        };
        if !dry_run && version.is_none() && !yes {
            // What is confirmed is what was seen: a change in between is refused.
            let seen = page(&target, hold, 0)?.hold.version;
            let preview = decide(Some(seen), true)?;
            if preview.builds.len() > UNSEEN_MAX {
                confirm(&preview, hold, action)?;
            }
            version = Some(seen);
        }
        decide(version, dry_run)?.write(hold, action, output.out())
    }
}

/// What became of builds, or would.
struct Decided {
    builds: Vec<(String, String)>,
    stay: usize,
    dry_run: bool,
}

impl Decided {
    fn write(&self, hold: u32, action: Action, out: Out) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Build<'a> {
            nvr: &'a str,
            reason: &'a str,
        }
        #[derive(Serialize)]
        struct Document<'a> {
            hold: String,
            action: Action,
            dry_run: bool,
            builds: Vec<Build<'a>>,
            stay: usize,
        }
        let mut to = BufWriter::new(std::io::stdout().lock());
        if matches!(out.format, Format::Json | Format::Jsonl | Format::Yaml) {
            let builds = self.builds.iter().map(|(nvr, reason)| Build { nvr, reason }).collect();
            let hold = format!("h{hold}");
            let document = Document { hold, action, dry_run: self.dry_run, builds, stay: self.stay };
            out.data(&mut to, "tidegate.decided/1", &document)?;
            return Ok(to.flush()?);
        }
        let mut table = Table::new(out, &[Column::text("becomes", 20), Column::text("build", 0)]);
        for (nvr, reason) in &self.builds {
            let (nvr, reason) = (escaped(nvr).to_string(), escaped(reason).to_string());
            if out.format == Format::Plain {
                plain(&mut to, &[&reason, &nvr])?;
            } else {
                table.row(&mut to, &[&reason, &nvr])?;
            }
        }
        if out.format == Format::Table {
            let (count, stay) = (grouped(self.builds.len() as u64), grouped(self.stay as u64));
            let what = word(action, self.dry_run);
            writeln!(to, "\n{count} builds of h{hold} {what}, {stay} stay")?;
        }
        Ok(to.flush()?)
    }
}

fn word(action: Action, dry_run: bool) -> &'static str {
    match (action, dry_run) {
        (Action::Release, false) => "were released",
        (Action::Release, true) => "would be released (nothing was changed)",
        (Action::Drop, false) => "were dropped",
        (Action::Drop, true) => "would be dropped (nothing was changed)",
    }
}

/// Shows on a terminal what would happen, and asks; elsewhere `--yes` or `--version` is needed.
fn confirm(preview: &Decided, hold: u32, action: Action) -> Result<(), Failure> {
    let refuse = |text: String| Failure::Refused(Refusal { kind: RefusalKind::Refused, text });
    let count = grouped(preview.builds.len() as u64);
    let (mut to, from) = (std::io::stderr().lock(), std::io::stdin());
    if !from.is_terminal() {
        return Err(refuse(format!(
            "{count} builds of h{hold} {}: look with `tidegate holds show h{hold}` and give its --version, or say --yes",
            word(action, true)
        )));
    }
    for (nvr, reason) in preview.builds.iter().take(PREVIEW) {
        writeln!(to, "  {}  {}", escaped(reason), escaped(nvr))?;
    }
    let more = preview.builds.len().saturating_sub(PREVIEW);
    write!(to, "  and {} more\n{count} builds of h{hold}: go on? [y/N] ", grouped(more as u64))?;
    to.flush()?;
    let mut line = String::new();
    from.lock().read_line(&mut line)?;
    if matches!(line.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(refuse("nothing was changed".to_owned()))
    }
}

/// A hold as it is typed: `h3` or `3`.
fn hold(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('h').unwrap_or(text);
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| "a hold is named as h3; `tidegate holds list` lists them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_named_by_number() {
        for (text, number) in [
            ("h3", Some(3)),
            ("3", Some(3)),
            ("h", None),
            ("", None),
            ("h-3", None),
            ("+3", None),
            ("h4294967296", None),
        ] {
            assert_eq!(hold(text).ok(), number, "{text}");
        }
    }
}
