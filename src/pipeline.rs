//! The pipeline file: what a pipeline reads, holds back and submits, as an operator writes it.
//!
//! TOML with one section for each part of the flow. [`parse`] is pure: it takes a text and the `--set`s, checks
//! every value by itself and against the others, and gives a [`Pipeline`] or a [`Report`] of all that is wrong. All
//! keys stand in `sections`, with their kinds and defaults; `docs/pipeline-file.md` documents them.
//!
//! What the engine needs is in [`Settings`]; what the shell needs beside it is in [`Pipeline`].

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::settings::{FamilyTag, Settings};
use crate::time::Seconds;

mod assemble;
mod case;
mod checks;
mod diff;
mod family;
mod fields;
mod guarantees;
mod kinds;
mod moments;
mod names;
mod nearest;
mod overrides;
mod patterns;
mod properties;
mod reader;
mod rules;
mod schema;
mod sections;
mod sink;
mod source;
mod syntax;
mod trigger;
mod units;

pub use case::{Amount, Builds, Case, Expectation, Fate, Step, Stream, Tagged, What};
pub use checks::greatest_leak;
pub use diff::{Difference, differences};
pub use family::Begin;
pub use guarantees::{Guarantee, Guarantees};
pub use overrides::{Override, OverrideError};
pub use schema::{schema, test_keys};
pub use sink::{KojiLogin, Sink};
pub use source::{Finding, Mark, Place, Severity};
pub use trigger::Follow;
pub use units::duration;

use reader::Reader;
use sections::Sections;
use source::{Medium, Source};

/// Largest pipeline file in bytes.
const FILE_MAX: usize = 256 * 1_024;
/// Most findings that are made: each looks for its line in the text.
const FINDINGS_MAX: usize = 1_000;
/// Most findings that a report shows.
const SHOWN_MAX: usize = 100;

/// A pipeline file, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The pipeline's name: `name`, else the file's name without its extension.
    pub name: String,
    /// What is followed.
    pub follow: Follow,
    /// Where records come from.
    pub kafka: KafkaSource,
    /// From where on records are judged. A replay judges all, unless this is a time.
    pub begin: Begin,
    /// How the trigger tag changes.
    pub cutover: Cutover,
    /// Where the package list comes from.
    pub packages: PackageLists,
    /// The Koji hub that is asked for evidence; `None`: none is asked.
    pub evidence_hub: Option<String>,
    /// How often the history of that hub is compared with what the bus brought.
    pub reconcile: Seconds,
    /// Builds that follow each other within this time go together; `None`: no batches.
    pub batch_gap: Option<Seconds>,
    /// The load of Koji's builders, 0 to 1, above which nothing is submitted.
    pub load_max: f64,
    /// How long an admitted build waits for a held one of its group.
    pub partner_held: Seconds,
    /// Where admitted builds go.
    pub sink: Sink,
    /// What is announced, and on which topics.
    pub outputs: Outputs,
    /// The effective configuration: every key, in the order of the flow.
    pub entries: Vec<Entry>,
    /// What a person should know.
    pub warnings: Vec<Finding>,
    /// The tests that the file carries.
    pub cases: Vec<Case>,
    /// All but the trigger, which [`Pipeline::settings_for`] fills in.
    settings: Settings,
    family: Vec<FamilyTag>,
}

/// Kafka as the source of records. Empty where the file states none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSource {
    /// Brokers, `host:port`.
    pub brokers: Vec<String>,
    /// Topics that carry the messages.
    pub topics: Vec<String>,
    /// Consumer group; by default the pipeline's name behind `tidegate-`.
    pub group: String,
    /// User's name and the file with the password.
    pub login: Option<(String, String)>,
    /// File with the certificate authority of the brokers.
    pub ca_file: Option<String>,
    /// Files with the client certificate and its key.
    pub certificate: Option<(String, String)>,
    /// Properties of librdkafka that the file states, by name.
    pub properties: Vec<(String, String)>,
}

/// Topics, at the brokers of the source, on which a running pipeline announces what it does; `None`: it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Decisions.
    pub decisions: Option<String>,
    /// What happens to bursts and holds.
    pub bursts: Option<String>,
    /// Records that cannot be read.
    pub dead_letters: Option<String>,
}

/// Times of a change of the trigger tag (design section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutover {
    /// How long the new tag must have been quiet.
    pub quiet: Seconds,
    /// After how long an alert says that it does not end.
    pub max: Seconds,
}

/// Where the package list comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageLists {
    /// Files or `https://` addresses; together they are the list. Empty: every package is eligible.
    pub lists: Vec<String>,
    /// File that stands in until the list was fetched once.
    pub fallback: Option<String>,
    /// How often lists over the network are fetched.
    pub refresh: Seconds,
    /// Lists may be fetched from addresses that are not public.
    pub allow_private: bool,
    /// Where the two are stated.
    marks: [Option<Mark>; 2],
}

/// One key of the effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `section.key`.
    pub key: &'static str,
    /// The value as TOML, or `unset`.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody stated it.
    Default,
    /// The file.
    File {
        /// Line, from 1.
        line: usize,
    },
    /// A `--set`.
    Set,
}

/// What can be said of a key in general.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// `section.key`.
    pub path: &'static str,
    /// Kind of its values, in words.
    pub shape: String,
    /// Range of its values, in words; empty where there is none.
    pub range: String,
    /// Its default as TOML, or `unset`.
    pub default: String,
    /// JSON Schema of its values.
    pub schema: serde_json::Value,
}

/// Why a pipeline was refused: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Report {
    /// The errors in the order of the file, then those of the `--set`s; warnings stand beside them.
    pub findings: Vec<Finding>,
}

/// A pipeline follows an alias, and nothing says which tag that is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "pipeline `{pipeline}` follows `{alias}`, and which tag that is cannot be told here: \
     name the tag with --set trigger.follow=TAG (as in --set trigger.follow=f44), \
     or write the tag it stands for into the file, as `tag` in [trigger]"
)]
pub struct Unresolved {
    /// The pipeline's name.
    pub pipeline: String,
    /// The alias.
    pub alias: String,
}

impl Pipeline {
    /// Hash of the effective configuration without the name: 16 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.settings.hash
    }

    /// A warning for each package list that should be a file, seen from `folder`, and is none that can be read.
    pub fn absent_lists(&self, folder: &Path) -> Vec<Finding> {
        let [lists, fallback] = &self.packages.marks;
        let stated = self.packages.lists.iter().map(|list| (list, lists));
        let stated = stated.chain(self.packages.fallback.iter().map(|list| (list, fallback)));
        let mut warnings = Vec::new();
        for (list, mark) in stated.filter(|(list, _)| !list.contains("://")) {
            let path = folder.join(list);
            if let (Some(mark), Err(error)) = (mark, std::fs::File::open(&path)) {
                let message = format!("the package list {} cannot be read: {error}", path.display());
                let help = "put it there, one package a line, before the pipeline is run".to_owned();
                warnings.push(mark.error(message, help).into_warning());
            }
        }
        warnings
    }
}

impl fmt::Display for Report {
    /// As a person reads it: each finding with its line, then how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.iter().take(SHOWN_MAX) {
            writeln!(f, "{finding}\n")?;
        }
        if let Some(more @ 1..) = self.findings.len().checked_sub(SHOWN_MAX) {
            writeln!(f, "and {more} more\n")?;
        }
        let errors = self.errors().count();
        write!(f, "{errors} error{}: the pipeline was not loaded", if errors == 1 { "" } else { "s" })
    }
}

impl Report {
    /// The findings for which the pipeline was refused.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    fn whole(name: &str, message: String, help: &str) -> Self {
        Self { findings: vec![Finding::whole(name, message, help.to_owned())] }
    }

    fn too_large(name: &str) -> Self {
        let message = format!("the pipeline file has more than {FILE_MAX} bytes");
        Self::whole(name, message, "a pipeline file is a few hundred lines; is this the right file?")
    }
}

/// Reads and checks a pipeline file.
pub fn load(path: &Path, overrides: &[Override]) -> Result<Pipeline, Report> {
    let name = path.display().to_string();
    let unread = |error: std::io::Error| {
        let message = format!("the pipeline file cannot be read: {error}");
        Report::whole(&name, message, "check the path and who may read it")
    };
    let mut bytes = Vec::new();
    // One byte more than is taken shows that there is more, also where the path is a device without end.
    let limit = FILE_MAX as u64 + 1;
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if read.map_err(unread)? > FILE_MAX {
        return Err(Report::too_large(&name));
    }
    match String::from_utf8(bytes) {
        Ok(text) => parse(&name, &text, overrides),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = Source { name: name.clone(), text, medium: Medium::File };
            let message = "the file is not UTF-8 text from here on".to_owned();
            let finding = source.error(&(at..at + 1), message, "save it as UTF-8".to_owned());
            Err(Report { findings: vec![finding] })
        }
    }
}

/// Reads and checks the text of a pipeline file. `name` is used for messages and as the pipeline's name.
pub fn parse(name: &str, text: &str, overrides: &[Override]) -> Result<Pipeline, Report> {
    if text.len() > FILE_MAX {
        return Err(Report::too_large(name));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source { name: name.to_owned(), text: text.to_owned(), medium: Medium::File };
    let document = syntax::read(&source);
    if !document.readable {
        return Err(Report { findings: document.findings });
    }
    let follow_in_file = stated_follow(&document);
    let mut reader = Reader::new(&source, document.table, document.broken, overrides);
    reader.findings = document.findings;
    let mut sections = Sections::read(&mut reader);
    let follow = trigger::follow(&mut sections.trigger, follow_in_file.as_deref(), &mut reader);
    let sink = sink::sink(&sections.sink, &mut reader);
    checks::check(&sections, &mut reader);
    let cases = case::read(&mut reader, &source);
    let marks = [reader.mark(&sections.select.packages), reader.mark(&sections.select.packages_fallback)];
    reader.reject_unknown();
    let Reader { mut findings, entries, .. } = reader;
    findings.sort_by_key(Finding::rank);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Report { findings });
    }
    let (Some(follow), Some(sink)) = (follow, sink) else {
        // Each of them tells what it lacks; this keeps a silent gap from passing.
        let message = "the pipeline does not say what to follow or where builds go".to_owned();
        return Err(Report::whole(name, message, "state [trigger] and [sink]"));
    };
    let mut pipeline = Pipeline::assemble(name, sections, (follow, sink), entries, findings);
    pipeline.packages.marks = marks;
    Ok(Pipeline { cases, ..pipeline })
}

/// Every key of the sections of a pipeline file, in the order of the flow.
pub fn keys() -> Vec<KeyInfo> {
    let source = nothing();
    let mut reader = Reader::new(&source, toml::de::DeTable::new(), Vec::new(), &[]);
    Sections::read(&mut reader);
    reader.keys
}

/// A text without any key.
fn nothing() -> Source {
    Source { name: String::new(), text: String::new(), medium: Medium::File }
}

fn stated_follow(document: &syntax::Document<'_>) -> Option<String> {
    let trigger = document.table.get("trigger")?.get_ref().as_table()?;
    trigger.get("follow")?.get_ref().as_str().map(str::to_owned)
}

/// Hash of the effective configuration without the name, which decides nothing: 16 hexadecimal digits.
fn hash(entries: &[Entry]) -> String {
    let mut lines: Vec<String> = entries
        .iter()
        .filter(|entry| entry.key != "name")
        .map(|entry| format!("{} = {}\n", entry.key, entry.value))
        .collect();
    lines.sort_unstable();
    let digest = Sha256::digest(lines.concat());
    let head = digest.iter().take(8).fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    format!("{head:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_same_in_every_build_whatever_the_order_and_the_origin() {
        let entry = |key, value: &str, origin| Entry { key, value: value.to_owned(), origin };
        let name = entry("name", "\"n\"", Origin::Set);
        let (x, y) = (entry("a.x", "1", Origin::Default), entry("b.y", "\"2\"", Origin::File { line: 7 }));
        // The first 16 digits of `printf 'a.x = 1\nb.y = "2"\n' | sha256sum`.
        assert_eq!(hash(&[x.clone(), y.clone()]), "108b3b6e5de96a7e");
        assert_eq!(hash(&[y, name, x]), "108b3b6e5de96a7e");
    }

    #[test]
    fn a_long_report_is_cut_and_says_so() {
        let finding = Finding::whole("x.toml", "wrong".to_owned(), "mend it".to_owned());
        let shown = |count| Report { findings: vec![finding.clone(); count] }.to_string();
        assert!(!shown(SHOWN_MAX).contains("more"));
        assert!(shown(SHOWN_MAX + 3).contains("and 3 more\n\n103 errors: the pipeline was not loaded"));
    }
}
