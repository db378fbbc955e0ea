//! The notation of Koji's files: sections, and keys with values, as Python's `RawConfigParser` reads them.
//!
//! An own reader, since the crates for INI do not tell in which line a value stands, and treat quotes, escapes or
//! comments behind a value otherwise than Python does.

use std::collections::BTreeSet;
use std::path::Path;

use super::{ConfError, Source};
use crate::text::bounded;

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    pub(super) section: &'a str,
    /// In lower case: keys differ in nothing else.
    pub(super) key: String,
    /// With the lines that continue it.
    pub(super) value: String,
    pub(super) file: &'a Path,
    /// The line of the key, from 1.
    pub(super) line: usize,
}

/// The settings of a file in order. A section without keys gives one setting without a key, so that it is seen.
pub(super) fn read(source: &Source) -> Result<Vec<Setting<'_>>, ConfError> {
    let mut settings: Vec<Setting<'_>> = Vec::new();
    let mut section = None;
    let mut seen: BTreeSet<(&str, String)> = BTreeSet::new();
    for (index, text) in source.text.lines().enumerate() {
        let line = index + 1;
        let wrong = |problem: String| ConfError::Line { file: source.file.clone(), line, problem };
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let is_indented = text.starts_with([' ', '\t']);
        let last = settings.last_mut().filter(|last| is_indented && !last.key.is_empty());
        if let Some(last) = last {
            if !last.value.is_empty() {
                last.value.push('\n');
            }
            last.value.push_str(trimmed);
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let name = rest.split_once(']').map(|(name, _)| name);
            let name = name.ok_or_else(|| wrong("a section without `]`".to_owned()))?;
            section = Some(name);
            settings.push(Setting {
                section: name,
                key: String::new(),
                value: String::new(),
                file: &source.file,
                line,
            });
            continue;
        }
        let section = section.ok_or_else(|| wrong("a key before the first [section]".to_owned()))?;
        let (key, value) = trimmed.split_once(['=', ':']).ok_or_else(|| {
            wrong(format!("`{}` is neither a [section] nor `key = value`", bounded(trimmed, 40)))
        })?;
        let key = key.trim().to_ascii_lowercase();
        if !seen.insert((section, key.clone())) {
            return Err(wrong(format!("`{}` is set twice in [{}]", bounded(&key, 40), bounded(section, 40))));
        }
        let value = value.trim().to_owned();
        settings.push(Setting { section, key, value, file: &source.file, line });
    }
    Ok(settings)
}
