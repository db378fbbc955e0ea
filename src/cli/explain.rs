//! `tidegate explain`: why a build was decided as it was.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::output::{Format, Out, OutputArgs, plain, wrapped};
use crate::explain::facts::{Line, Missing, Story};
use crate::explain::{Page, Paragraph, page, page_of_line, page_of_missing};
use crate::input::Lines;
use crate::state::read::Reader;

/// Columns of a time and the space behind it.
const TIME_WIDTH: usize = "2025-02-04 06:00:00 UTC  ".len();
/// Columns that details stand behind.
const DETAIL_INDENT: usize = 4;
/// Lines of a file of decisions that are told of one message.
const LINES_MAX: usize = 100;

/// Tell why a build was submitted, held or dropped, in plain words
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate explain bash-5.2.37-1.fc42 --state eln.db
  tidegate explain 2655123 --state eln.db -o json
  tidegate explain 3f1c9a52-8d0e-4c53-9a53-0b6f0f2b7a11 --state eln.db --decisions eln.jsonl",
    after_long_help = "The state may be in use by another Tidegate. It holds a row for each build that came into the followed tag; of other \
                       messages it keeps what they teach. What became of each message stands in the file of `tidegate replay --decisions`.

Exit code 4: nothing is known of it."
)]
pub(super) struct Explain {
    /// Name-version-release, number of a build in Koji, or identity of a message.
    #[arg(value_name = "NVR|BUILD_ID|MESSAGE_ID")]
    asked: String,
    /// The state file.
    #[arg(long, value_name = "DB")]
    state: PathBuf,
    /// A file of decisions, to look for the message there too.
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    asked: &'a str,
    found: bool,
    builds: Vec<Told<'a>>,
    messages: &'a [Line],
    missing: Option<&'a Missing>,
}

/// A build with its story in words.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    story: &'a Story,
    text: String,
}

impl Explain {
    pub(super) fn run(self) -> Result<(), Failure> {
        let out = self.output.out();
        let asked = self.asked.trim();
        let reader = Reader::open(&self.state)?;
        let stories = reader.stories(asked)?;
        let lines = match &self.decisions {
            Some(path) => lines_of(path, asked)?,
            None => Vec::new(),
        };
        let lines = not_told(lines, &stories);
        let missing = if stories.is_empty() && lines.is_empty() {
            let file = self.decisions.as_ref().map(|path| path.display().to_string());
            Some(Missing { file, ..reader.missing(asked)? })
        } else {
            None
        };
        let pipeline = reader.last_pipeline()?;
        let mut pages: Vec<Page> = stories.iter().map(page).collect();
        pages.extend(lines.iter().map(|line| page_of_line(line, pipeline.as_ref())));
        let mut to = BufWriter::new(std::io::stdout().lock());
        match out.format {
            Format::Table => {
                let texts: Vec<String> = pages.iter().map(|page| laid_out(page, out)).collect();
                to.write_all(texts.join("\n").as_bytes())?;
            }
            Format::Plain => pages.iter().try_for_each(|page| write_plain(&mut to, page))?,
            Format::Json | Format::Jsonl | Format::Yaml => {
                let told = stories.iter().zip(&pages);
                let builds =
                    told.map(|(story, page)| Told { story, text: laid_out(page, Out::bare()) }).collect();
                let found = missing.is_none();
                let answer = Answer { asked, found, builds, messages: &lines, missing: missing.as_ref() };
                out.data(&mut to, "tidegate.explain/1", &answer)?;
            }
        }
        to.flush()?;
        match missing {
            None => Ok(()),
            Some(missing) => Err(Failure::NotFound(
                laid_out(&page_of_missing(&missing), Out::bare()).trim_end().to_owned(),
            )),
        }
    }
}

/// A page as text: times stand in a column of their own, details below what they explain.
fn laid_out(page: &Page, out: Out) -> String {
    let width = out.width();
    let mut text = format!("{}\n\n", out.strong(wrapped(&page.title, 0, width).trim_end()));
    let mut spaced = true;
    for Paragraph { time, head, details } in &page.events {
        if !details.is_empty() && !spaced {
            text.push('\n');
        }
        if time.is_empty() {
            text.push_str(&wrapped(head, 0, width));
        } else {
            let head = wrapped(head, TIME_WIDTH, width);
            text.extend([format!("{time:<TIME_WIDTH$}").as_str(), head.trim_start()]);
        }
        for detail in details {
            text.push_str(&wrapped(detail, DETAIL_INDENT, width));
        }
        spaced = !details.is_empty();
        if spaced {
            text.push('\n');
        }
    }
    if !page.now.is_empty() {
        if !spaced {
            text.push('\n');
        }
        text.extend([out.strong("Now").as_str(), "\n"]);
        for line in &page.now {
            text.push_str(&wrapped(line, DETAIL_INDENT, width));
        }
    }
    text
}

/// Title, time and sentence of each event, a line each.
fn write_plain(to: &mut impl Write, page: &Page) -> Result<(), Failure> {
    for event in &page.events {
        plain(to, &[&page.title, &event.time, &event.head, &event.details.join(" ")])?;
    }
    plain(to, &[&page.title, "", "Now", &page.now.join(" ")])?;
    Ok(())
}

/// The lines of a file of decisions about a message.
fn lines_of(path: &Path, id: &str) -> Result<Vec<Line>, Failure> {
    let mut lines = Lines::open(path)?;
    let wanted = serde_json::to_vec(id).map_err(std::io::Error::from)?;
    let (finder, mut found) = (memchr::memmem::Finder::new(&wanted), Vec::new());
    while let Some(line) = lines.next_line()? {
        if found.len() < LINES_MAX && finder.find(line.bytes).is_some() {
            let read: Option<Line> = serde_json::from_slice(line.bytes).ok();
            found.extend(read.filter(|line| line.id.as_deref() == Some(id)));
        }
    }
    Ok(found)
}

/// What the state does not tell itself.
fn not_told(lines: Vec<Line>, stories: &[Story]) -> Vec<Line> {
    let told = |line: &Line| {
        let steps = stories.iter().flat_map(|story| &story.steps);
        steps.into_iter().any(|step| step.position.offset == line.line && step.message_id == line.id)
    };
    lines.into_iter().filter(|line| !told(line)).collect()
}
