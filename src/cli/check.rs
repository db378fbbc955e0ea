//! `tidegate check`: what is wrong with pipeline files, what they promise, and whether their tests pass.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::Failure;
use super::output::{Format, OutputArgs, plain};
use crate::pipeline::{self, Entry, Finding, Guarantees, Origin, Override, Pipeline, Place, Report};
use crate::text::escaped;
use crate::trial::{self, Verdict};

/// Check pipeline files: all errors at once, what the burst rules promise, the files' own tests
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  tidegate check pipelines/eln.toml
  tidegate check pipelines/*.toml --quiet
  tidegate check my.toml --set burst.hold_back=6s
  tidegate check my.toml -o json

Exit code 0 where every file can be used and its tests pass, warnings or not; 1 where not.")]
pub(super) struct Check {
    /// Pipeline files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Set a key over each file.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = Override::parse)]
    overrides: Vec<Override>,
    /// Do not run the tests in the files.
    #[arg(long)]
    no_tests: bool,
    /// Only errors, warnings and failed tests.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let checked: Vec<Checked> = self.files.iter().map(|file| self.check(file)).collect();
        let (out, mut to) = (self.output.out(), std::io::stdout().lock());
        match out.format {
            Format::Table => {
                for checked in &checked {
                    write!(to, "{}", checked.text(self.quiet))?;
                }
            }
            Format::Plain => {
                for told in checked.iter().flat_map(Checked::findings) {
                    let fields = [&told.place, &told.severity, told.message, told.help]
                        .map(|text| escaped(text).to_string());
                    plain(&mut to, &fields.each_ref().map(String::as_str))?;
                }
            }
            Format::Json | Format::Jsonl | Format::Yaml => {
                let files: Vec<Value> = checked.iter().map(Checked::json).collect();
                out.data(&mut to, "tidegate.check/1", &json!({"files": files}))?;
            }
        }
        let wrong = checked.iter().filter(|checked| !checked.fine()).count();
        if wrong == 0 { Ok(()) } else { Err(Failure::Check { wrong, files: checked.len() }) }
    }

    fn check(&self, path: &Path) -> Checked {
        let file = path.display().to_string();
        match pipeline::load(path, &self.overrides) {
            Err(report) => Checked { file, result: Err(report) },
            Ok(mut pipeline) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                pipeline.warnings.extend(pipeline.absent_lists(folder));
                let tests = if self.no_tests { Vec::new() } else { trial::run_all(&pipeline) };
                Checked { file, result: Ok((Box::new(pipeline), tests)) }
            }
        }
    }
}

/// One file with what was found.
struct Checked {
    file: String,
    result: Result<(Box<Pipeline>, Vec<Verdict>), Report>,
}

impl Checked {
    fn fine(&self) -> bool {
        self.result.as_ref().is_ok_and(|(_, tests)| tests.iter().all(Verdict::passed))
    }

    fn text(&self, quiet: bool) -> String {
        let mut text = String::new();
        let mut line = |part: std::fmt::Arguments<'_>| {
            let written = writeln!(text, "{part}");
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
        };
        let (pipeline, tests) = match &self.result {
            Err(report) => {
                line(format_args!("{report}"));
                return text;
            }
            Ok((pipeline, tests)) => (pipeline, tests),
        };
        for finding in pipeline.warnings.iter().chain(tests.iter().flat_map(|test| &test.failures)) {
            line(format_args!("{finding}\n"));
        }
        let failed = tests.iter().filter(|test| !test.passed()).count();
        let verdict = match (tests.len(), failed) {
            (0, _) => "it can be used; no test was run".to_owned(),
            (all, 0) => format!("it can be used; {all} test{} passed", if all == 1 { "" } else { "s" }),
            (all, failed) => format!("{failed} of {all} tests failed"),
        };
        if quiet {
            if failed > 0 {
                line(format_args!("{}: {verdict}", self.file));
            }
            return text;
        }
        line(format_args!("{}: {verdict}", self.file));
        for test in tests {
            let word = if test.passed() { "passed" } else { "FAILED" };
            line(format_args!("  {word}  {} ({} messages)", test.name, test.messages));
        }
        line(format_args!("\nWhat it promises\n{}", pipeline.guarantees()));
        line(format_args!("Effective configuration, hash {}", pipeline.hash()));
        for entry in &pipeline.entries {
            let from = origin(&self.file, entry);
            line(format_args!("  {:<60} {from}", format!("{} = {}", entry.key, entry.value)));
        }
        line(format_args!(""));
        text
    }

    /// All that is wrong or doubtful, failed tests included.
    fn findings(&self) -> Vec<Told<'_>> {
        match &self.result {
            Err(report) => report.findings.iter().map(Told::new).collect(),
            Ok((pipeline, tests)) => {
                let failures = tests.iter().flat_map(|test| &test.failures);
                pipeline.warnings.iter().chain(failures).map(Told::new).collect()
            }
        }
    }

    fn json(&self) -> Value {
        let (pipeline, tests) = match &self.result {
            Err(report) => {
                let findings: Vec<_> = report.findings.iter().map(Told::new).collect();
                return json!({"file": self.file, "ok": false, "findings": findings});
            }
            Ok((pipeline, tests)) => (pipeline, tests),
        };
        let findings: Vec<_> = pipeline.warnings.iter().map(Told::new).collect();
        let tests: Vec<_> = tests
            .iter()
            .map(|test| {
                let failures: Vec<_> = test.failures.iter().map(Told::new).collect();
                json!({
                    "name": test.name, "passed": test.passed(), "messages": test.messages, "failures": failures,
                })
            })
            .collect();
        let configuration: Vec<_> = pipeline
            .entries
            .iter()
            .map(|entry| json!({"key": entry.key, "value": entry.value, "origin": origin(&self.file, entry)}))
            .collect();
        let guarantees: Guarantees = pipeline.guarantees();
        json!({
            "file": self.file,
            "ok": self.fine(),
            "pipeline": pipeline.name,
            "hash": pipeline.hash(),
            "findings": findings,
            "tests": tests,
            "guarantees": guarantees,
            "configuration": configuration,
        })
    }
}

/// `default`, `file:line` or `--set`.
fn origin(file: &str, entry: &Entry) -> String {
    match entry.origin {
        Origin::Default => "default".to_owned(),
        Origin::File { line } => format!("{file}:{line}"),
        Origin::Set => "--set".to_owned(),
    }
}

/// A finding for programs.
#[derive(Serialize)]
struct Told<'a> {
    severity: String,
    place: String,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    help: &'a str,
    text: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn new(finding: &'a Finding) -> Self {
        let (line, column) = match &finding.place {
            Place::File { line, column, .. } => (Some(*line), Some(*column)),
            Place::Set { column, .. } => (None, Some(*column)),
            Place::Whole { .. } => (None, None),
        };
        Self {
            severity: finding.severity.to_string(),
            place: finding.place.to_string(),
            line,
            column,
            message: &finding.message,
            help: &finding.help,
            text: finding.quoted(),
        }
    }
}
