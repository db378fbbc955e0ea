//! `tidegate history`: what was decided, and what was held at a time.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::output::{Column, Format, Out, OutputArgs, Table, plain};
use super::{Failure, say};
use crate::engine::decision::{Outcome, Reason};
use crate::explain::facts::Step;
use crate::state::read::{Filter, Known, Reader};
use crate::text::escaped;
use crate::time::{Second, Seconds};

/// Rows that are read at once.
const ROWS: u32 = 1_000;
/// The columns of a decision for people.
const COLUMNS: [Column; 6] = [
    Column::text("decided (UTC)", 20),
    Column::text("outcome", 11),
    Column::text("reason", 20),
    Column::text("hold", 4),
    Column::text("tag", 6),
    Column::text("build", 0),
];

/// List what was decided, or what was held at a time
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate history --state eln.db --since 2d
  tidegate history --state eln.db --package bash -o json
  tidegate history --state eln.db --outcome held --since 2025-02-04 --until 2025-02-05T12:00:00Z
  tidegate history --state eln.db --as-of 2025-02-04T07:00:00Z",
    after_long_help = "Listed are builds that came into the followed tag, and messages that cannot be read, in the order of the \
                       decisions. Times are event time: what the messages say, in UTC. The state may be in use by another Tidegate."
)]
pub(super) struct History {
    #[command(flatten)]
    from: FromState,
    /// Decided at that time or later: `2025-02-04`, `2025-02-04T06:00:00Z`, or `2d` before the newest decision.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    since: Option<When>,
    /// Decided before that time.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    until: Option<When>,
    /// What was held at that time, and how much of each outcome was decided until then.
    #[arg(long, value_name = "TIME", value_parser = When::parse, conflicts_with_all = ["since", "until", "outcome", "reason"])]
    as_of: Option<When>,
    #[command(flatten)]
    output: OutputArgs,
    /// No messages beside the result.
    #[arg(long, short)]
    quiet: bool,
}

/// Which decisions of which state.
#[derive(Debug, Args)]
pub(super) struct FromState {
    /// The state file.
    #[arg(long, value_name = "DB")]
    pub(super) state: PathBuf,
    /// Only of this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Only of this package, by its name in Koji.
    #[arg(long)]
    package: Option<String>,
    /// Only with this outcome.
    #[arg(long, value_parser = PossibleValuesParser::new(Outcome::ALL.map(Outcome::word)))]
    outcome: Option<String>,
    /// Only with this reason.
    #[arg(long, value_parser = PossibleValuesParser::new(Reason::ALL.iter().map(|reason| reason.word())), hide_possible_values = true)]
    reason: Option<String>,
}

impl FromState {
    pub(super) fn filter(&self) -> Filter {
        let outcome = self.outcome.as_deref();
        Filter {
            tag: self.tag.clone(),
            package: self.package.clone(),
            outcome: Outcome::ALL.into_iter().find(|known| Some(known.word()) == outcome),
            reason: self.reason.clone(),
            ..Filter::default()
        }
    }
}

/// A time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    At(Second),
    Before(Seconds),
}

impl When {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let day = Second::parse(&format!("{text}T00:00:00Z"));
        if let Some(at) = Second::parse(text).or(day) {
            return Ok(Self::At(at));
        }
        let (digits, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => 0,
        };
        let length =
            digits.parse::<i64>().ok().filter(|number| (0..=1_000_000).contains(number) && seconds > 0);
        length.map(|number| Self::Before(Seconds(number * seconds))).ok_or_else(|| {
            "neither a time, as 2025-02-04 or 2025-02-04T06:00:00Z, nor a length before the newest decision, as 90m, 12h or 2d"
                .to_owned()
        })
    }

    pub(super) fn resolve(self, newest: Second) -> Second {
        match self {
            Self::At(at) => at,
            Self::Before(length) => newest - length,
        }
    }
}

impl History {
    pub(super) fn run(self) -> Result<(), Failure> {
        let reader = Reader::open(&self.from.state)?;
        let newest = reader.reaches()?.unwrap_or_default();
        let time = |when: Option<When>| when.map(|when| when.resolve(newest));
        let filter = Filter { since: time(self.since), until: time(self.until), ..self.from.filter() };
        let out = self.output.out();
        let mut to = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        let listed = match time(self.as_of) {
            Some(at) => as_of(&reader, &filter, at, out, &mut to)?,
            None => list(&reader, &filter, out, &mut to)?,
        };
        to.flush()?;
        if listed == 0 && !self.quiet {
            say("tidegate: no decision of the state is asked for by that; without options all are listed");
        }
        Ok(())
    }
}

/// Writes decisions, one after another.
pub(super) struct Rows {
    out: Out,
    table: Table,
}

impl Rows {
    pub(super) fn new(out: Out) -> Self {
        Self { out, table: Table::new(out, &COLUMNS) }
    }

    pub(super) fn write(&mut self, to: &mut impl Write, step: &Step) -> Result<(), Failure> {
        if matches!(self.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
            let format = if self.out.format == Format::Yaml { Format::Yaml } else { Format::Jsonl };
            return Ok(self.out.with(format).data(to, "tidegate.decision/1", step)?);
        }
        let name = match (&step.nvr, &step.letter) {
            (Some(nvr), _) => nvr.clone(),
            (None, Some(letter)) => letter.explanation.clone(),
            (None, None) => String::new(),
        };
        let safe = |text: &str| escaped(text).to_string();
        let time = step.decided_at.map_or(String::new(), |at| at.to_string());
        let (outcome, reason, name) = (safe(&step.outcome), safe(&step.reason), safe(&name));
        let tag = step.tag.as_deref().map_or(String::new(), safe);
        let hold = step.hold.as_deref().unwrap_or_default();
        if self.out.format == Format::Plain {
            let build = step.build_id.map_or(String::new(), |id| id.to_string());
            let id = step.message_id.as_deref().map_or(String::new(), safe);
            return Ok(plain(to, &[&time, &outcome, &reason, hold, &tag, &name, &build, &id])?);
        }
        Ok(self.table.row(to, &[&time, &outcome, &reason, hold, &tag, &name])?)
    }
}

/// Lists decisions; gives how many.
fn list(reader: &Reader, filter: &Filter, out: Out, to: &mut impl Write) -> Result<u64, Failure> {
    #[derive(Serialize)]
    struct Listed {
        decisions: Vec<Step>,
    }
    let known = &mut Known::default();
    let mut rows = Rows::new(out);
    let (mut all, mut count) = (Vec::new(), 0);
    let mut id = filter.since.map_or(Ok(0), |since| reader.last_before(since))?;
    let last = filter.until.map_or_else(|| reader.newest(), |until| reader.last_before(until))?;
    while id < last {
        let (steps, reached) = reader.after(id, ROWS, filter, known)?;
        if reached == id {
            break;
        }
        id = reached;
        count += steps.len() as u64;
        // One document takes all at once.
        if out.format == Format::Json || out.format == Format::Yaml {
            all.extend(steps);
            continue;
        }
        for step in &steps {
            rows.write(to, step)?;
        }
    }
    if out.format == Format::Json || out.format == Format::Yaml {
        out.data(to, "tidegate.history/1", &Listed { decisions: all })?;
    }
    Ok(count)
}

/// Lists what was held at a time; gives how many decisions there were until then.
fn as_of(
    reader: &Reader,
    filter: &Filter,
    at: Second,
    out: Out,
    to: &mut impl Write,
) -> Result<u64, Failure> {
    #[derive(Serialize)]
    struct AsOf<'a> {
        as_of: String,
        outcomes: &'a BTreeMap<String, u64>,
        held: Vec<&'a Step>,
    }
    let known = &mut Known::default();
    let mut held = BTreeMap::new();
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let (mut id, last) = (0, reader.last_before(at + Seconds(1))?);
    let until = Filter { until: Some(at + Seconds(1)), ..filter.clone() };
    while id < last {
        let (steps, reached) = reader.after(id, ROWS, &until, known)?;
        if reached == id {
            break;
        }
        id = reached;
        for step in steps {
            let place = (step.position.partition, step.position.offset);
            *outcomes.entry(step.outcome.clone()).or_default() += 1;
            if held.remove(&place).is_some() {
                outcomes.entry(Outcome::Held.word().to_owned()).and_modify(|count| *count -= 1);
            }
            if step.outcome == Outcome::Held.word() {
                held.insert(place, step);
            }
        }
    }
    let count = outcomes.values().sum();
    match out.format {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let held = held.values().collect();
            let as_of = AsOf { as_of: at.to_string(), outcomes: &outcomes, held };
            out.data(to, "tidegate.as_of/1", &as_of)?;
        }
        Format::Plain | Format::Table => {
            if out.format == Format::Table {
                let told: Vec<_> =
                    outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
                writeln!(to, "Until {at}: {}. Held then:\n", escaped(&told.join(", ")))?;
            }
            let mut rows = Rows::new(out);
            for step in held.values() {
                rows.write(to, step)?;
            }
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_type_them() {
        let noon = Second::parse("2025-02-04T12:00:00Z").unwrap();
        for (text, second) in [
            ("2025-02-04", Some(noon.0 - 43_200)),
            ("2025-02-04T12:00:00Z", Some(noon.0)),
            ("2025-02-04 12:00:00", Some(noon.0)),
            ("0s", Some(noon.0)),
            ("90m", Some(noon.0 - 5_400)),
            ("2d", Some(noon.0 - 172_800)),
            ("1w", Some(noon.0 - 604_800)),
            ("", None),
            ("d", None),
            ("-1d", None),
            ("2é", None),
            ("99999999999d", None),
            ("yesterday", None),
        ] {
            let read = When::parse(text).ok().map(|when| when.resolve(noon).0);
            assert_eq!(read, second, "{text}");
        }
    }
}
