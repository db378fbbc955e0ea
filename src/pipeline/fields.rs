//! Reads the keys of one table that is no section: a test, an event of it, an expectation.
//!
//! As with sections, each key is named once, where it is read: known keys, their documentation and their schema all
//! come from that reading.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kinds::{Input, Kind};
use super::nearest::nearest;
use super::reader::UNSET;
use super::source::{Finding, Mark, Source, printable};
use super::{FINDINGS_MAX, KeyInfo};

/// The tables of a list, or the one table that stands without its brackets.
type Tables<'a> = Vec<&'a Spanned<DeValue<'a>>>;

/// One table on its way through the reader.
pub(super) struct Fields<'a> {
    /// What the table is, for messages.
    what: &'static str,
    /// `None`: no table is read, the keys are only told.
    table: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    source: &'a Source,
    pub(super) keys: Vec<KeyInfo>,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Fields<'a> {
    /// The keys of a value, which must be a table.
    pub(super) fn of(
        what: &'static str,
        value: &'a Spanned<DeValue<'a>>,
        source: &'a Source,
    ) -> Result<Self, Box<Finding>> {
        let span = value.span();
        let Some(table) = value.get_ref().as_table() else {
            let help = format!("write {what} as a table: {{ key = value, ... }}");
            return Err(Box::new(source.error(&span, format!("{what} is a table, and this is none"), help)));
        };
        Ok(Self { table: Some(table), ..Self::empty(what, span, source) })
    }

    /// No table: what is read from it tells which keys there are.
    pub(super) fn empty(what: &'static str, span: Range<usize>, source: &'a Source) -> Self {
        Self { what, table: None, span, source, keys: Vec::new(), findings: Vec::new() }
    }

    /// Reads a key; `None` where it is not stated, or wrong, which is then told.
    pub(super) fn get<K: Kind>(&mut self, path: &'static str, kind: &K) -> Option<K::Value> {
        self.announce(path, kind.shape(), kind.range(), kind.schema());
        let value = self.stated(path)?;
        let input = Input { value: value.get_ref(), span: value.span(), source: &self.source.text };
        match kind.read(&input) {
            Ok(value) => Some(value),
            Err(faults) => {
                for fault in faults {
                    self.add(&fault.span, format!("`{path}`: {}", fault.message), fault.help);
                }
                None
            }
        }
    }

    /// The tables that a key holds, with the schema of each.
    pub(super) fn tables(&mut self, path: &'static str, schema: serde_json::Value) -> Tables<'a> {
        self.announce(path, "list of tables".to_owned(), String::new(), schema);
        match self.stated(path) {
            None => Vec::new(),
            Some(value) => match value.get_ref().as_array() {
                Some(list) => list.iter().collect(),
                None => vec![value],
            },
        }
    }

    /// Whether a key is stated, rightly or wrongly.
    pub(super) fn has(&self, path: &str) -> bool {
        self.stated(path).is_some()
    }

    /// The place of a key's value, else of the table.
    pub(super) fn mark(&self, path: &str) -> Mark {
        self.source.mark(&self.place(path))
    }

    /// An error at a key's value, else at the table.
    pub(super) fn error(&mut self, path: &str, message: String, help: String) {
        let span = self.place(path);
        self.add(&span, message, help);
    }

    /// Tells what nobody asked for. To be called when every key was read.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        let known: Vec<&str> = self.keys.iter().map(|key| name(key.path)).collect();
        let unknown: Vec<_> = self
            .table
            .into_iter()
            .flat_map(DeTable::keys)
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .collect();
        for key in unknown {
            let typed = key.get_ref().as_ref();
            let help = nearest(typed, known.iter().copied()).map_or_else(
                || format!("the keys of {} are {}", self.what, known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.add(&key.span(), format!("{} has no key `{}`", self.what, printable(typed)), help);
        }
        self.findings
    }

    fn announce(&mut self, path: &'static str, shape: String, range: String, schema: serde_json::Value) {
        self.keys.push(KeyInfo { path, shape, range, default: UNSET.to_owned(), schema });
    }

    fn stated(&self, path: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.get(name(path))
    }

    fn place(&self, path: &str) -> Range<usize> {
        self.stated(path).map_or_else(|| self.span.clone(), Spanned::span)
    }

    fn add(&mut self, span: &Range<usize>, message: String, help: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(self.source.error(span, message, help));
        }
    }
}

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
