//! What went wrong with a package list, whose fault it is, and what to do. Nothing of a body is repeated.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use thiserror::Error;

use super::BODY_MAX_BYTES;
use crate::input::lists::NAMES_MAX;
use crate::text::bounded;

/// What is shown of an address, in printed characters.
const SHOWN_MAX: usize = 200;

/// A package list that could not be had; the last good one stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the package list {list} cannot be taken: {problem}. {}", .problem.advice())]
pub struct FetchError {
    /// Its address without login and query, or its file.
    pub list: String,
    /// What is wrong.
    pub problem: Problem,
}

impl FetchError {
    pub(super) fn new(list: &str, problem: Problem) -> Self {
        Self { list: shown(list), problem }
    }
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The pipeline file names what may not be fetched, or a file that is not there.
    Pipeline,
    /// The network, or the machine: it may pass.
    Network,
    /// The server, or whoever writes the list.
    Server,
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Its address cannot be used.
    #[error("its address {0}")]
    Address(&'static str),
    /// It leads to an address that may not be connected to.
    #[error("{host} is at {address}, which is {what}")]
    Private {
        /// The host.
        host: String,
        /// Its address.
        address: IpAddr,
        /// What that address is.
        what: &'static str,
    },
    /// Its host has no address.
    #[error("no address of its host was found ({0})")]
    Unresolved(String),
    /// No connection was made.
    #[error("its server cannot be reached ({0})")]
    Unreachable(String),
    /// The server is not whom it should be.
    #[error("its server is not trusted ({0})")]
    Untrusted(String),
    /// The connection broke.
    #[error("the connection to its server broke ({0})")]
    Lost(String),
    /// It took too long.
    #[error("it was not there after {} ms", .0.as_millis())]
    Slow(Duration),
    /// The server answered something else.
    #[error("its server answered with status {0}")]
    Status(u16),
    /// The server sends us elsewhere.
    #[error("its server redirects to {to}, {why}")]
    Redirect {
        /// Where to.
        to: String,
        /// Why it is not followed.
        why: &'static str,
    },
    /// It is too large.
    #[error("it has more than {} MiB", BODY_MAX_BYTES >> 20)]
    TooLarge,
    /// It has too many names.
    #[error("there are more than {NAMES_MAX} names")]
    TooManyNames,
    /// It is a page for people, such as an error or a login.
    #[error("it is a page of HTML, not a list")]
    Html,
    /// It is no text.
    #[error("it is no UTF-8 text")]
    NotText,
    /// A line is no package name.
    #[error("line {0} is no package name; a list has one name a line")]
    Line(u64),
    /// It names nothing: with it nothing would be eligible.
    #[error("it is empty")]
    Empty,
    /// A file of it cannot be read, or is no list.
    #[error("{0}")]
    File(String),
}

impl Problem {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Address(_) | Self::Private { .. } | Self::File(_) => Blame::Pipeline,
            Self::Unresolved(_) | Self::Unreachable(_) | Self::Lost(_) | Self::Slow(_) => Blame::Network,
            Self::Untrusted(_)
            | Self::Status(_)
            | Self::Redirect { .. }
            | Self::TooLarge
            | Self::TooManyNames
            | Self::Html
            | Self::NotText
            | Self::Line(_)
            | Self::Empty => Blame::Server,
        }
    }

    /// What a person can do.
    fn advice(&self) -> &'static str {
        match self {
            Self::Address(_) => "Correct `packages` in [select]",
            Self::Private { .. } => {
                "Should it be taken from there, say `allow_private = true` in [select]; else somebody may have changed its name's \
                 address"
            }
            Self::File(_) => "Put a file with one package a line there",
            Self::Unresolved(_) | Self::Unreachable(_) | Self::Lost(_) | Self::Slow(_) => {
                "It is tried again; if this stays, check the network and the server"
            }
            Self::Untrusted(_) => {
                "Nothing was taken from it: check the server's certificate, and the authorities that this system trusts"
            }
            Self::Redirect { .. } => "State in `packages` the address that it should come from",
            Self::Status(_)
            | Self::TooLarge
            | Self::TooManyNames
            | Self::Html
            | Self::NotText
            | Self::Line(_)
            | Self::Empty => "It is tried again; ask whoever publishes the list",
        }
    }
}

/// A list's address without what may be secret in it; a file's name as it is.
pub(super) fn shown(list: &str) -> String {
    if !list.contains("://") {
        return bounded(list, SHOWN_MAX).to_string();
    }
    let Ok(mut url) = Url::parse(list) else { return "(an address that cannot be read)".to_owned() };
    url.set_query(None);
    url.set_fragment(None);
    // These fail where there can be no login either.
    let _no_login = url.set_username("").and(url.set_password(None));
    bounded(url.as_str(), SHOWN_MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_secrets() {
        for (list, expected) in [
            ("https://lists.example/eln", "https://lists.example/eln"),
            ("https://ana:hunter2@lists.example/eln?token=hunter2#hunter2", "https://lists.example/eln"),
            ("https://[::", "(an address that cannot be read)"),
            ("lists/eln.txt", "lists/eln.txt"),
            ("a\u{1b}[2J", "a\\u{1b}[2J"),
        ] {
            assert_eq!(shown(list), expected);
        }
    }

    #[test]
    fn an_error_says_what_happened_to_what_and_what_to_do() {
        let text = FetchError::new("https://lists.example/eln?key=hunter2", Problem::Status(503)).to_string();
        assert_eq!(
            text,
            "the package list https://lists.example/eln cannot be taken: its server answered with status 503. It is tried \
             again; ask whoever publishes the list"
        );
    }
}
