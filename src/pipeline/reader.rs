//! Reads one key after another from the file and the `--set`s, and keeps account of what was read.
//!
//! Each key is named once in the code, where it is read (`sections`); known keys, the effective configuration and
//! the documented defaults all come from that reading.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kinds::{Input, Kind};
use super::nearest::nearest;
use super::overrides::Override;
use super::source::{Finding, Mark, Place, Source, is_secret};
use super::{Entry, FINDINGS_MAX, KeyInfo, Origin};

/// Text of an optional key that is not stated.
pub(super) const UNSET: &str = "unset";

/// The value of a key with its place.
#[derive(Debug, Clone)]
pub(super) struct Setting<T> {
    pub(super) path: &'static str,
    pub(super) value: T,
    pub(super) spot: Spot,
    /// False where what was stated is wrong, and `value` is the default in its stead.
    pub(super) sound: bool,
}

/// Where a value was stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spot {
    Default,
    File(Range<usize>),
    Set(usize, Range<usize>),
}

/// A setting without its type.
pub(super) trait Stated {
    fn spot(&self) -> &Spot;
    fn sound(&self) -> bool;
}

impl<T> Stated for Setting<T> {
    fn spot(&self) -> &Spot {
        &self.spot
    }

    fn sound(&self) -> bool {
        self.sound
    }
}

/// A `--set` on its way through the reader.
struct Set<'i> {
    path: &'i str,
    value: Spanned<DeValue<'i>>,
    source: Source,
    used: bool,
}

/// The reader of one pipeline.
pub(super) struct Reader<'i> {
    source: &'i Source,
    table: DeTable<'i>,
    sets: Vec<Set<'i>>,
    /// Lines, from 1, whose TOML is wrong; nothing more is said of their values.
    broken: Vec<usize>,
    pub(super) findings: Vec<Finding>,
    pub(super) entries: Vec<Entry>,
    pub(super) keys: Vec<KeyInfo>,
}

impl<'i> Reader<'i> {
    pub(super) fn new(
        source: &'i Source,
        table: DeTable<'i>,
        broken: Vec<usize>,
        overrides: &'i [Override],
    ) -> Self {
        let set = |set: &'i Override| Set {
            path: set.key(),
            value: set.value(),
            source: set.source(),
            used: false,
        };
        Self {
            source,
            table,
            sets: overrides.iter().map(set).collect(),
            broken,
            findings: Vec::new(),
            entries: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Reads a key that has a default.
    pub(super) fn key<K: Kind>(
        &mut self,
        path: &'static str,
        kind: &K,
        default: K::Value,
    ) -> Setting<K::Value> {
        self.keys.push(KeyInfo {
            path,
            shape: kind.shape(),
            range: kind.range(),
            default: kind.write(&default),
            schema: kind.schema(),
        });
        let (value, spot, sound) = self.stated(path, kind);
        let value = value.unwrap_or(default);
        self.enter(path, kind.write(&value), &spot);
        Setting { path, value, spot, sound }
    }

    /// Reads a key that may be left out.
    pub(super) fn optional<K: Kind>(&mut self, path: &'static str, kind: &K) -> Setting<Option<K::Value>> {
        self.keys.push(KeyInfo {
            path,
            shape: kind.shape(),
            range: kind.range(),
            default: UNSET.to_owned(),
            schema: kind.schema(),
        });
        let (value, spot, sound) = self.stated(path, kind);
        let text = value.as_ref().map_or_else(|| UNSET.to_owned(), |value| kind.write(value));
        self.enter(path, text, &spot);
        Setting { path, value, spot, sound }
    }

    /// Takes a value of the file that is no key of a section.
    pub(super) fn take(&mut self, path: &str) -> Option<Spanned<DeValue<'i>>> {
        take(&mut self.table, path)
    }

    /// Adds what was found, except in lines whose TOML is wrong.
    pub(super) fn report(&mut self, findings: Vec<Finding>) {
        let sound = findings.into_iter().filter(|finding| match finding.place {
            Place::File { line, .. } => !self.broken.contains(&line),
            Place::Set { .. } | Place::Whole { .. } => true,
        });
        let room = FINDINGS_MAX.saturating_sub(self.findings.len());
        self.findings.extend(sound.take(room));
    }

    /// Takes back what the file, not a `--set`, says of an optional key. Returns whether it said anything.
    pub(super) fn forget<T: Default>(&mut self, setting: &mut Setting<T>, text: &str) -> bool {
        if !matches!(setting.spot, Spot::File(_)) {
            return false;
        }
        setting.value = T::default();
        setting.spot = Spot::Default;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.key == setting.path) {
            text.clone_into(&mut entry.value);
            entry.origin = Origin::Default;
        }
        true
    }

    /// An error at the first of `settings` that was stated.
    pub(super) fn error(&mut self, settings: &[&dyn Stated], message: String, help: String) {
        let finding = self.finding(settings, message, help);
        self.findings.push(finding);
    }

    /// A warning at the first of `settings` that was stated.
    pub(super) fn warning(&mut self, settings: &[&dyn Stated], message: String, help: String) {
        let finding = self.finding(settings, message, help).into_warning();
        self.findings.push(finding);
    }

    /// An error where a required key is missing: at its section, else of the whole file.
    pub(super) fn missing(&mut self, section: &str, message: String, help: String) {
        let header = self.table.get_key_value(section).map(|(key, _)| key.span());
        self.findings.push(match header {
            Some(span) => self.source.error(&span, message, help),
            None => Finding::whole(&self.source.name, message, help),
        });
    }

    /// Where a setting is stated; `None` where it has its default.
    pub(super) fn mark(&self, setting: &dyn Stated) -> Option<Mark> {
        match setting.spot() {
            Spot::Default => None,
            Spot::File(span) => Some(self.source.mark(span)),
            Spot::Set(at, span) => self.sets.get(*at).map(|set| set.source.mark(span)),
        }
    }

    fn finding(&self, settings: &[&dyn Stated], message: String, help: String) -> Finding {
        match settings.iter().find_map(|setting| self.mark(*setting)) {
            Some(mark) => mark.error(message, help),
            None => Finding::whole(&self.source.name, message, help),
        }
    }

    /// What the last `--set`, else the file, says of a key.
    fn stated<K: Kind>(&mut self, path: &'static str, kind: &K) -> (Option<K::Value>, Spot, bool) {
        let in_file = take(&mut self.table, path);
        let mut set = None;
        for (at, candidate) in self.sets.iter_mut().enumerate().filter(|(_, set)| set.path == path) {
            candidate.used = true;
            set = Some(at);
        }
        let (source, value, spot) = match (set.and_then(|at| Some((at, self.sets.get(at)?))), &in_file) {
            (Some((at, set)), _) => (&set.source, &set.value, Spot::Set(at, set.value.span())),
            (None, Some(value)) => (self.source, value, Spot::File(value.span())),
            (None, None) => return (None, Spot::Default, true),
        };
        if matches!(spot, Spot::File(_)) && self.touches_broken(&value.span()) {
            return (None, spot, false);
        }
        let input = Input { value: value.get_ref(), span: value.span(), source: &source.text };
        match kind.read(&input) {
            Ok(value) => (Some(value), spot, true),
            Err(faults) => {
                let faults = faults.into_iter();
                let findings =
                    faults.map(|f| source.error(&f.span, format!("`{path}`: {}", f.message), f.help));
                let room = FINDINGS_MAX.saturating_sub(self.findings.len());
                self.findings.extend(findings.take(room));
                (None, spot, false)
            }
        }
    }

    fn touches_broken(&self, span: &Range<usize>) -> bool {
        let lines = self.source.line(span.start)..=self.source.line(span.end);
        self.broken.iter().any(|line| lines.contains(line))
    }

    fn enter(&mut self, path: &'static str, value: String, spot: &Spot) {
        let origin = match spot {
            Spot::Default => Origin::Default,
            Spot::File(span) => Origin::File { line: self.source.line(span.start) },
            Spot::Set(..) => Origin::Set,
        };
        self.entries.push(Entry { key: path, value, origin });
    }

    /// Reports what nobody asked for. To be called when every key was read.
    pub(super) fn reject_unknown(&mut self) {
        let mut findings = Vec::new();
        self.walk("", &self.table, &mut findings);
        for set in self.sets.iter().filter(|set| !set.used) {
            let key = set.path.rsplit('.').next().unwrap_or_default();
            let start = set.path.len() - key.len();
            let section = set.path.get(..start.saturating_sub(1)).unwrap_or_default();
            let (message, help) = if self.is_section(section) {
                self.unknown_key(section, key)
            } else {
                self.unknown_section(section)
            };
            let span = if self.is_section(section) { start..set.path.len() } else { 0..section.len() };
            findings.push(set.source.error(&span, message, help));
        }
        self.findings.extend(findings);
    }

    fn walk(&self, section: &str, table: &DeTable<'i>, findings: &mut Vec<Finding>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            let section_of_ours = self.is_section(&path);
            if let (DeValue::Table(inner), true) = (value.get_ref(), section_of_ours) {
                self.walk(&path, inner, findings);
                continue;
            }
            let (message, help) = if section_of_ours {
                let message = format!("`{path}` is a section, there is one of it, and it has keys");
                (message, format!("write [{path}] on a line of its own, and its keys below"))
            } else if value.get_ref().is_table() && section.is_empty() {
                self.unknown_section(&path)
            } else {
                self.unknown_key(section, name)
            };
            let told = findings.len() + self.findings.len() >= FINDINGS_MAX;
            if !told && !self.broken.contains(&self.source.line(key.span().start)) {
                findings.push(self.source.error(&key.span(), message, help));
            }
        }
    }

    fn is_section(&self, path: &str) -> bool {
        !path.is_empty()
            && self
                .keys
                .iter()
                .any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    }

    fn unknown_section(&self, name: &str) -> (String, String) {
        let sections = self.sections();
        let help = nearest(name, sections.iter().copied()).map_or_else(
            || format!("the sections are {}", sections.join(", ")),
            |near| format!("did you mean [{near}]?"),
        );
        (format!("there is no section [{}]", super::source::printable(name)), help)
    }

    fn unknown_key(&self, section: &str, name: &str) -> (String, String) {
        let shown = super::source::printable(name);
        if is_secret(name) {
            let message = format!("`{shown}` would be a secret, and a pipeline file holds none");
            return (
                message,
                format!("write the secret into a file and name that file{}", self.secret_key(section, name)),
            );
        }
        let elsewhere = self.keys.iter().find(|key| key.path.rsplit('.').next() == Some(name));
        // Tests stand beside the sections, and are no key of one.
        let tests = section.is_empty().then_some("test");
        let keys = self.keys.iter().filter_map(|key| child(section, key.path));
        let siblings: Vec<&str> = keys.chain(tests).collect();
        let help = match (nearest(name, siblings.iter().copied()), elsewhere) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(key)) => {
                let home = key.path.rsplit_once('.').map_or("", |(home, _)| home);
                if home.is_empty() {
                    format!("`{name}` stands above the first section")
                } else {
                    format!("`{name}` belongs in [{home}]")
                }
            }
            (None, None) if section.is_empty() => "put it into a section, such as [trigger]".to_owned(),
            (None, None) => format!("the keys of [{section}] are {}", siblings.join(", ")),
        };
        let place =
            if section.is_empty() { "above the first section".to_owned() } else { format!("in [{section}]") };
        (format!("there is no key `{shown}` {place}"), help)
    }

    /// ` with a or b`: the keys of a section that name files of secrets, or the one that is meant.
    fn secret_key(&self, section: &str, name: &str) -> String {
        let siblings = self.keys.iter().filter_map(|key| child(section, key.path));
        let files: Vec<&str> =
            siblings.filter(|key| key.strip_suffix("_file").is_some_and(is_secret)).collect();
        let meant = files.iter().find(|key| key.strip_suffix("_file") == Some(name));
        let shown = meant.map_or(files.as_slice(), std::slice::from_ref);
        let list: Vec<String> = shown.iter().map(|key| format!("`{key}`")).collect();
        if list.is_empty() { String::new() } else { format!(" with {}", list.join(" or ")) }
    }

    fn sections(&self) -> Vec<&'static str> {
        let mut sections: Vec<&str> =
            self.keys.iter().filter_map(|key| key.path.split_once('.').map(|(section, _)| section)).collect();
        sections.dedup();
        sections
    }
}

/// The name of a key directly in a section.
fn child(section: &str, path: &'static str) -> Option<&'static str> {
    let name = if section.is_empty() { path } else { path.strip_prefix(section)?.strip_prefix('.')? };
    (!name.contains('.')).then_some(name)
}

/// Takes the value of a dotted key out of a table.
fn take<'i>(table: &mut DeTable<'i>, path: &str) -> Option<Spanned<DeValue<'i>>> {
    match path.split_once('.') {
        None => table.remove(path),
        Some((section, rest)) => {
            let DeValue::Table(inner) = table.get_mut(section)?.get_mut() else { return None };
            take(inner, rest)
        }
    }
}
