//! Package lists over the network and from files: fetched together, or not at all.
//!
//! A list decides what is built, so it comes over `https` only, from the host that the pipeline file names, and from a
//! public address unless `select.allow_private` says otherwise. Whatever goes wrong, the last good list stays in force: the
//! shell hands on what [`watch::watch`] gives, and the engine judges how much a new list may change at once.

pub mod error;
mod http;
pub mod reach;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::HeaderValue;

use self::error::{FetchError, Problem};
use self::http::{Answer, Http};
use self::reach::{Reach, SystemResolver};
use crate::engine::select::PackageList;
use crate::input::lists::{NAMES_MAX, WrongLine, add_name, content, packages, version};
use crate::koji::tls::{Tls, TlsError};
use crate::pipeline::PackageLists;

/// The most of a list that is read, in bytes after decompression: 4 MiB.
pub const BODY_MAX_BYTES: usize = 4 << 20;
/// How long fetching one list may take, from the look-up of its host to its last byte.
const DEADLINE: Duration = Duration::from_secs(15);

/// How lists are fetched.
#[derive(Clone)]
pub struct FetchSettings {
    /// Whom we trust.
    pub tls: Tls,
    /// Which addresses may be connected to.
    pub reach: Reach,
    /// What finds the addresses of a host.
    pub resolver: Arc<dyn Resolve>,
    /// How long fetching one list may take.
    pub deadline: Duration,
    /// The folder that names of files start from.
    pub folder: PathBuf,
}

impl FetchSettings {
    /// As a pipeline says; files are seen from `folder`.
    pub fn new(lists: &PackageLists, folder: &Path) -> Self {
        Self {
            tls: Tls::default(),
            reach: if lists.allow_private { Reach::ANY } else { Reach::PUBLIC },
            resolver: Arc::new(SystemResolver),
            deadline: DEADLINE,
            folder: folder.to_owned(),
        }
    }
}

impl std::fmt::Debug for FetchSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchSettings").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A list as the server gave it last.
#[derive(Debug)]
struct Kept {
    /// By which the server tells whether it has changed.
    etag: HeaderValue,
    names: BTreeSet<String>,
}

/// Fetches lists, and remembers those that the server can say are unchanged.
#[derive(Debug)]
pub struct Fetcher {
    http: Http,
    folder: PathBuf,
    kept: BTreeMap<String, Kept>,
}

impl Fetcher {
    /// A fetcher that has fetched nothing.
    ///
    /// # Errors
    /// Where the certificates that are trusted cannot be read.
    pub fn new(settings: &FetchSettings) -> Result<Self, TlsError> {
        Ok(Self { http: Http::new(settings)?, folder: settings.folder.clone(), kept: BTreeMap::new() })
    }

    /// Fetches all lists of a pipeline, which together are one.
    ///
    /// # Errors
    /// Where one of them cannot be had, or is no list: then there is none.
    pub async fn fetch(&mut self, lists: &PackageLists) -> Result<PackageList, FetchError> {
        self.kept.retain(|list, _| lists.lists.contains(list));
        let mut names = BTreeSet::new();
        for list in &lists.lists {
            let more = if list.contains("://") { self.remote(list).await } else { self.file(list).await };
            names.extend(more.map_err(|problem| FetchError::new(list, problem))?);
            if names.len() > NAMES_MAX {
                return Err(FetchError::new(list, Problem::TooManyNames));
            }
        }
        Ok(PackageList { version: version(&names), names })
    }

    async fn remote(&mut self, list: &str) -> Result<BTreeSet<String>, Problem> {
        let before = self.kept.get(list);
        match self.http.get(list, before.map(|kept| &kept.etag)).await? {
            Answer::Unchanged => before.map(|kept| kept.names.clone()).ok_or(Problem::Status(304)),
            Answer::Body { text, etag } => {
                let names = names(&text)?;
                self.kept.remove(list);
                if let Some(etag) = etag {
                    self.kept.insert(list.to_owned(), Kept { etag, names: names.clone() });
                }
                Ok(names)
            }
        }
    }

    async fn file(&self, list: &str) -> Result<BTreeSet<String>, Problem> {
        let path = self.folder.join(list);
        let read = tokio::task::spawn_blocking(move || packages(&path)).await;
        match read {
            Ok(Ok(list)) => Ok(list.names),
            Ok(Err(error)) => Err(Problem::File(error.to_string())),
            Err(error) => Err(Problem::File(error.to_string())),
        }
    }
}

/// The names of a body: as in a file, and no line of it is repeated in an error.
fn names(text: &str) -> Result<BTreeSet<String>, Problem> {
    if text.trim_start().starts_with('<') {
        return Err(Problem::Html);
    }
    let mut names = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(line) = content(line) else { continue };
        add_name(line, &mut names).map_err(|wrong| match wrong {
            WrongLine::NoName => Problem::Line(number),
            WrongLine::TooMany => Problem::TooManyNames,
        })?;
    }
    if names.is_empty() { Err(Problem::Empty) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_as_a_file_is() {
        let text = "bash\r\n# shells\nzsh # a shell\n\n  ksh  \nbash\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, text).unwrap();
        let found = names(text).unwrap();
        assert_eq!(found, packages(&path).unwrap().names);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn what_is_no_list_is_refused_without_a_word_of_it() {
        for (text, expected) in [
            ("", Problem::Empty),
            ("# hunter2\n \n", Problem::Empty),
            ("<!DOCTYPE html><title>hunter2", Problem::Html),
            ("\n  <html>", Problem::Html),
            ("bash\nhunter2 hunter2\n", Problem::Line(2)),
            ("bash\nzsh\n-x\n", Problem::Line(3)),
        ] {
            let problem = names(text).unwrap_err();
            assert_eq!(problem, expected, "{text:?}");
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn the_bound_of_names_is_exact() {
        let list =
            |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>().join("\n");
        assert_eq!(names(&list(NAMES_MAX)).unwrap().len(), NAMES_MAX);
        assert_eq!(names(&list(NAMES_MAX + 1)), Err(Problem::TooManyNames));
    }
}
