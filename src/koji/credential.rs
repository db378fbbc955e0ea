//! What proves who we are, as those see it who watch over a service: of what kind, whose, and until when.

use std::fmt;

use serde::Serialize;

use crate::time::{Second, Seconds};

/// A proof of who we are, which ends one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// What it is.
    pub kind: CredentialKind,
    /// Whose it is: `CN=eln` of a certificate, `eln@EXAMPLE.ORG` of a ticket.
    pub subject: String,
    /// The first second in which it proves nothing any more.
    pub expires_at: Second,
}

/// The kinds of proof that end by themselves; passwords do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A client certificate. Somebody has to put a new one in its place.
    Certificate,
    /// A Kerberos ticket. With a key table each login takes a new one; without, somebody has to.
    Ticket,
}

impl Credential {
    /// How long it lasts yet; 0 once it has expired.
    pub fn remaining(&self, now: Second) -> Seconds {
        (self.expires_at - now).max(Seconds(0))
    }

    /// Whether it proves nothing any more.
    pub fn has_expired(&self, now: Second) -> bool {
        now >= self.expires_at
    }
}

impl fmt::Display for Credential {
    /// `certificate of CN=eln, until 2040-02-03T00:00:00Z`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}, until {}", self.kind, self.subject, self.expires_at)
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Ticket => "ticket",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_ends_at_its_second() {
        let end = Second(1_738_670_400);
        let credential = Credential {
            kind: CredentialKind::Ticket,
            subject: "eln@EXAMPLE.ORG".to_owned(),
            expires_at: end,
        };
        for (before_end, has_expired, remaining) in [(1, false, 1), (0, true, 0), (-1, true, 0)] {
            let now = end - Seconds(before_end);
            assert_eq!(credential.has_expired(now), has_expired, "{before_end}");
            assert_eq!(credential.remaining(now), Seconds(remaining), "{before_end}");
        }
        assert_eq!(credential.to_string(), "ticket of eln@EXAMPLE.ORG, until 2025-02-04T12:00:00Z");
    }
}
