//! Why Kerberos gave no ticket: what happened, whose fault it is, and what to do.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::koji::error::{Blame, QUOTED_CHARS, Retry};
use crate::text::bounded;

/// A ticket that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketError {
    /// What happened.
    pub problem: TicketProblem,
    /// The key table that was used; `None`: none was given.
    pub keytab: Option<PathBuf>,
    /// The words of the library or the system.
    pub detail: String,
}

/// What keeps Kerberos from giving a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketProblem {
    /// The key table cannot be read.
    Keytab,
    /// There is neither a key of the principal nor a ticket.
    NoKey,
    /// The key is not the one that the ticket server has.
    WrongKey,
    /// The ticket server does not know the principal.
    UnknownPrincipal,
    /// The principal, its key or its password is locked or has expired.
    Locked,
    /// The ticket, which somebody took with `kinit`, has expired.
    Expired,
    /// The ticket server has no service by the name of the hub's host.
    UnknownService,
    /// No ticket server can be reached.
    Unreachable,
    /// The clocks of this machine and the ticket server differ too much.
    ClockSkew,
    /// It took too long.
    TimedOut,
    /// The part of Tidegate that asks for tickets failed.
    Helper,
    /// Something else.
    Other,
}

impl TicketProblem {
    /// Whose fault it is.
    pub fn blame(self) -> Blame {
        match self {
            Self::Unreachable | Self::TimedOut => Blame::Network,
            Self::ClockSkew | Self::Helper => Blame::Us,
            Self::Other => Blame::Unknown,
            Self::Keytab
            | Self::NoKey
            | Self::WrongKey
            | Self::UnknownPrincipal
            | Self::Locked
            | Self::Expired
            | Self::UnknownService => Blame::Credentials,
        }
    }

    /// What may be done after it. Clocks are set right, and servers come back, without anybody touching Tidegate.
    pub fn retry(self) -> Retry {
        match self {
            Self::Unreachable | Self::TimedOut | Self::ClockSkew | Self::Helper | Self::Other => Retry::Pause,
            Self::Keytab
            | Self::NoKey
            | Self::WrongKey
            | Self::UnknownPrincipal
            | Self::Locked
            | Self::Expired
            | Self::UnknownService => Retry::Never,
        }
    }

    /// What happened, and what to do.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Keytab => ("the key table cannot be read", "let this user, and nobody else, read it"),
            Self::NoKey => (
                "there is no key for this principal",
                "`klist -k FILE` says whose keys a key table has: set `keytab` and `principal` to fit",
            ),
            Self::WrongKey => (
                "the ticket server refuses the key",
                "it was changed since the key table was written: put a new key table in its place",
            ),
            Self::UnknownPrincipal => (
                "the ticket server does not know the principal",
                "check `principal`, or ask who runs the realm",
            ),
            Self::Locked => (
                "the principal or its key has expired or is locked",
                "ask who runs the realm, and put a new key table in its place",
            ),
            Self::Expired => (
                "the ticket has expired",
                "take a new one with `kinit`, or set `keytab` so that each login takes one",
            ),
            Self::UnknownService => (
                "the ticket server has no service of the hub's name",
                "check the hub's address; behind an alias, `rdns` and `dns_canonicalize_hostname` of krb5.conf",
            ),
            Self::Unreachable => {
                ("no ticket server can be reached", "check the network, and `kdc` of the realm in krb5.conf")
            }
            Self::ClockSkew => (
                "this machine's clock and the ticket server's differ too much",
                "set the clock right, by NTP",
            ),
            Self::TimedOut => {
                ("no ticket came in time", "check the network, and `kdc` of the realm in krb5.conf")
            }
            Self::Helper => {
                ("the process that asks for tickets failed", "see what it wrote to standard error")
            }
            Self::Other => ("no ticket", "see what `kinit` says with the same key table"),
        }
    }
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, advice) = self.problem.words();
        write!(f, "Kerberos: {what}")?;
        if let Some(keytab) = &self.keytab {
            write!(f, " (key table {})", bounded(&keytab.to_string_lossy(), QUOTED_CHARS))?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", bounded(&self.detail, QUOTED_CHARS))?;
        }
        write!(f, "; {advice}")
    }
}

impl std::error::Error for TicketError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_to_what_and_what_to_do() {
        let error = TicketError {
            problem: TicketProblem::WrongKey,
            keytab: Some(PathBuf::from("/etc/tidegate.keytab")),
            detail: "Preauthentication failed\u{7}".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "Kerberos: the ticket server refuses the key (key table /etc/tidegate.keytab): Preauthentication failed\
             \\u{7}; it was changed since the key table was written: put a new key table in its place"
        );
        let error = TicketError { problem: TicketProblem::Expired, keytab: None, detail: String::new() };
        assert_eq!(
            error.to_string(),
            "Kerberos: the ticket has expired; take a new one with `kinit`, or set `keytab` so that each login takes one"
        );
    }

    #[test]
    fn only_what_may_heal_without_us_is_tried_again() {
        use TicketProblem::{
            ClockSkew, Expired, Helper, Keytab, Locked, NoKey, Other, TimedOut, UnknownPrincipal,
            UnknownService, Unreachable, WrongKey,
        };
        for problem in [Unreachable, TimedOut, ClockSkew, Helper, Other] {
            assert_eq!(problem.retry(), Retry::Pause, "{problem:?}");
        }
        for problem in [Keytab, NoKey, WrongKey, UnknownPrincipal, Locked, Expired, UnknownService] {
            assert_eq!((problem.retry(), problem.blame()), (Retry::Never, Blame::Credentials), "{problem:?}");
        }
    }
}
