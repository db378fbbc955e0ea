//! Package lists and renames as files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{InputError, Lines};
use crate::engine::select::PackageList;

/// The most names of one list.
pub const NAMES_MAX: usize = 200_000;

/// Reads a package list: one downstream name a line; `#` begins a comment.
///
/// # Errors
/// Where it cannot be read, a line is no package name, or it is empty.
pub fn packages(path: &Path) -> Result<PackageList, InputError> {
    let mut names = BTreeSet::new();
    each_line(path, |text| {
        add_name(text, &mut names).map_err(|wrong| match wrong {
            WrongLine::NoName => {
                format!("{:?} is no package name; a list has one name a line", shortened(text.trim()))
            }
            WrongLine::TooMany => format!("the list has more than {NAMES_MAX} names"),
        })
    })?;
    if names.is_empty() {
        let problem = "the list is empty: with it nothing would be eligible".to_owned();
        return Err(InputError::File { path: path.to_owned(), problem });
    }
    Ok(PackageList { version: version(&names), names })
}

/// What is wrong with a line of a package list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongLine {
    /// It is no package name.
    NoName,
    /// With it the list has more than [`NAMES_MAX`] names.
    TooMany,
}

/// Adds the name that a line holds, comments taken off.
///
/// # Errors
/// Where it is none, or one too many.
pub fn add_name(line: &str, names: &mut BTreeSet<String>) -> Result<(), WrongLine> {
    let name = line.trim();
    if !is_name(name) {
        return Err(WrongLine::NoName);
    }
    names.insert(name.to_owned());
    if names.len() > NAMES_MAX { Err(WrongLine::TooMany) } else { Ok(()) }
}

/// What a line of a list says beside its comment; `None`: nothing.
pub fn content(line: &str) -> Option<&str> {
    line.split('#').next().filter(|text| !text.trim().is_empty())
}

/// Reads renames: `upstream downstream`, one pair a line.
///
/// # Errors
/// Where it cannot be read, a line is no pair, or a name is renamed twice.
pub fn renames(path: &Path) -> Result<Vec<(String, String)>, InputError> {
    let mut pairs = BTreeMap::new();
    each_line(path, |text| {
        let mut words = text.split_whitespace();
        let (Some(up), Some(down), None) = (words.next(), words.next(), words.next()) else {
            return Err(format!("{:?} is no pair of names: `upstream downstream`", shortened(text)));
        };
        if !is_name(up) || !is_name(down) || up == down {
            return Err(format!("{:?} must be two different package names", shortened(text)));
        }
        match pairs.insert(up.to_owned(), down.to_owned()) {
            Some(before) if before != down => {
                Err(format!("{up} is renamed twice, to {before} and to {down}"))
            }
            Some(_) | None => Ok(()),
        }
    })?;
    if let Some((up, down)) = pairs.iter().find(|(_, down)| pairs.contains_key(*down)) {
        let problem = format!("{up} is renamed to {down}, which is itself renamed: name the last name");
        return Err(InputError::File { path: path.to_owned(), problem });
    }
    Ok(pairs.into_iter().collect())
}

/// The version of a list: a hash of its names, whatever their order; 16 hexadecimal digits.
pub fn version(names: &BTreeSet<String>) -> String {
    // FNV-1a: the same on every machine; it tells versions apart and protects nothing.
    let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let bytes = names.iter().flat_map(|name| name.bytes().chain([b'\n']));
    format!("{:016x}", bytes.fold(0xcbf2_9ce4_8422_2325, mix))
}

fn each_line(path: &Path, mut take: impl FnMut(&str) -> Result<(), String>) -> Result<(), InputError> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next_line()? {
        let number = line.number;
        let fail = |problem| InputError::Line { path: path.to_owned(), line: number, problem };
        let text = std::str::from_utf8(line.bytes).map_err(|_| fail("it is no UTF-8 text".to_owned()))?;
        if let Some(text) = content(text) {
            take(text).map_err(fail)?;
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    text.len() <= 200
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(inner)
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn the_version_does_not_depend_on_order_or_comments() {
        let (_a, one) = file("bash\nzsh # a shell\r\n\n");
        let (_b, two) = file("# shells\nzsh\nbash\nbash");
        let (_c, three) = file("bash\nksh\n");
        let [one, two, three] = [one, two, three].map(|path| packages(&path).unwrap());
        assert_eq!(one, two);
        assert_ne!(one.version, three.version);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, word) in
            [("", "empty"), ("# nothing\n", "empty"), ("<html>\n", "line 1"), ("a\n-b\n", "line 2")]
        {
            let (_folder, path) = file(text);
            let error = packages(&path).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn renames_are_pairs_and_end_at_once() {
        let (_folder, path) = file("freeipa ipa\nfedora-logos redhat-logos # branding\n");
        assert_eq!(renames(&path).unwrap().len(), 2);
        for text in ["a\n", "a b c\n", "a a\n", "a b\na c\n", "a b\nb c\n"] {
            let (_folder, path) = file(text);
            assert!(renames(&path).is_err(), "{text}");
        }
    }
}
