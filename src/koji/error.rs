//! Why a call brought no result, whose fault that is, and what may be done about it.

use std::fmt;

use super::fault;
use super::fields::Unexpected;
use super::login::trouble::TicketError;
use super::sequence::Over;
use super::xmlrpc::{DecodeError, EncodeError, Fault};
use crate::text::bounded;

/// How much of somebody else's text an error repeats.
pub(super) const QUOTED_CHARS: usize = 200;

/// Whether a call changes anything on the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads: it may be made as often as one likes.
    Read,
    /// It changes something: it must not be made twice.
    Write,
}

/// Whose fault a failure is, so that the right person looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The call itself, or the settings.
    Us,
    /// The hub, or what stands before it.
    Hub,
    /// The way there.
    Network,
    /// Who we are, or what we may do: certificate, password, ticket, permission.
    Credentials,
    /// It cannot be told.
    Unknown,
}

/// What may be done after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// It did not run. It may be made at once in a new session.
    NewSession,
    /// It did not run, or changed nothing. It may be made again after a pause.
    Pause,
    /// It may have run. Fence the session off and look for the effect before anything else.
    InDoubt,
}

/// A call that brought no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("koji: {method}: {problem}{}", advice(*.retry, .problem))]
pub struct CallError {
    /// The method called.
    pub method: String,
    /// What happened.
    pub problem: Problem,
    /// What may be done.
    pub retry: Retry,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The hub refused the call, and said why.
    #[error("the hub answers with {}", shown(.0))]
    Fault(Fault),
    /// The call cannot be written down.
    #[error("cannot be sent: {0}")]
    Unsendable(#[from] EncodeError),
    /// The session takes no more calls.
    #[error("the session {0}")]
    SessionOver(Over),
    /// No connection: nothing was sent.
    #[error("no connection to the hub: {0}")]
    Unreachable(String),
    /// The other side could not prove who it is, or did not accept who we are; nothing was sent.
    #[error("no trusted connection to the hub: {0}")]
    Untrusted(String),
    /// The call was sent, in part or whole, and no whole answer came.
    #[error("the answer did not come: {0}")]
    Lost(String),
    /// An answer of HTTP that is none of Koji's.
    #[error("HTTP status {code}{}", detail(.text))]
    Status {
        /// The status.
        code: u16,
        /// The beginning of what came with it, or where a redirect leads.
        text: String,
    },
    /// An answer of another kind than XML.
    #[error("the answer is {0}, not XML: is this the address of a hub?")]
    ContentType(String),
    /// An answer that is no XML-RPC, or costs too much to read.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// An answer of another shape than the method has.
    #[error("the answer is not what this method answers: {0}")]
    Unexpected(#[from] Unexpected),
    /// The credentials could not be made ready for the login.
    #[error("no login: {0}")]
    Credentials(String),
    /// Kerberos gave no ticket for the login.
    #[error("no login: {0}")]
    Ticket(TicketError),
}

impl CallError {
    /// The failure of a call of that effect.
    pub fn new(method: impl Into<String>, effect: Effect, problem: Problem) -> Self {
        let retry = problem.retry(effect);
        Self { method: method.into(), problem, retry }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        self.problem.blame()
    }

    /// Whether the hub says that it is offline: wait, and spend no retries on it.
    pub fn is_offline(&self) -> bool {
        self.fault().is_some_and(|fault| fault.code == fault::OFFLINE)
    }

    /// The hub's own fault.
    pub fn fault(&self) -> Option<&Fault> {
        if let Problem::Fault(fault) = &self.problem { Some(fault) } else { None }
    }
}

impl Problem {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Fault(fault) => fault::blame(fault),
            Self::Ticket(error) => error.problem.blame(),
            Self::Unreachable(_) | Self::Lost(_) => Blame::Network,
            Self::Untrusted(_) | Self::Credentials(_) | Self::Status { code: 401 | 403 | 407, .. } => {
                Blame::Credentials
            }
            Self::Unsendable(_) | Self::SessionOver(_) | Self::Status { code: 300..=499, .. } => Blame::Us,
            Self::Status { .. } | Self::ContentType(_) | Self::Unreadable(_) | Self::Unexpected(_) => {
                Blame::Hub
            }
        }
    }

    /// What may be done after it. Whatever is not known to have failed before it ran is in doubt if it changes anything.
    pub fn retry(&self, effect: Effect) -> Retry {
        match self {
            Self::Fault(fault) => fault::retry(fault, effect),
            _ if effect == Effect::Write && self.may_have_run() => Retry::InDoubt,
            Self::SessionOver(_) => Retry::NewSession,
            Self::Ticket(error) => error.problem.retry(),
            Self::Status { code, .. } if refuses(*code) && *code != TOO_MANY_REQUESTS => Retry::Never,
            Self::Unreadable(error) if comes_again(error) => Retry::Never,
            Self::Unreachable(_)
            | Self::Lost(_)
            | Self::ContentType(_)
            | Self::Status { .. }
            | Self::Unreadable(_) => Retry::Pause,
            Self::Unsendable(_) | Self::Credentials(_) | Self::Untrusted(_) | Self::Unexpected(_) => {
                Retry::Never
            }
        }
    }

    /// Whether the hub may have run the call all the same. What its own faults say is told in [`fault`].
    fn may_have_run(&self) -> bool {
        match self {
            Self::Lost(_) | Self::ContentType(_) | Self::Unreadable(_) | Self::Unexpected(_) => true,
            Self::Status { code, .. } => !refuses(*code),
            Self::Fault(_)
            | Self::Unsendable(_)
            | Self::SessionOver(_)
            | Self::Unreachable(_)
            | Self::Untrusted(_)
            | Self::Credentials(_)
            | Self::Ticket(_) => false,
        }
    }
}

const REQUEST_TIMEOUT: u16 = 408;
const TOO_MANY_REQUESTS: u16 = 429;

/// Whether what answers with this status has refused the request without reading what it asks for.
fn refuses(status: u16) -> bool {
    (300..500).contains(&status) && status != REQUEST_TIMEOUT
}

/// Whether the hub will answer so again: it means it.
fn comes_again(error: &DecodeError) -> bool {
    match error {
        DecodeError::TooLong(_)
        | DecodeError::TextTooLong(_)
        | DecodeError::TooDeep(_)
        | DecodeError::TooMany(_)
        | DecodeError::Forbidden { .. } => true,
        DecodeError::Incomplete { .. }
        | DecodeError::NotXml { .. }
        | DecodeError::NotXmlRpc { .. }
        | DecodeError::Unexpected { .. }
        | DecodeError::Broken(_) => false,
    }
}

/// A fault as people read it: Koji's name of it, its code and its words.
fn shown(fault: &Fault) -> String {
    let name = fault::find(fault.code).map_or("an unknown fault", |meaning| meaning.name);
    format!("{name} ({}): {}", fault.code, bounded(&fault.text, QUOTED_CHARS))
}

fn detail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// What to do, where the failure itself does not say it.
fn advice(retry: Retry, problem: &Problem) -> &'static str {
    match (retry, problem) {
        (Retry::InDoubt, _) => "; whether it ran is not known",
        (Retry::NewSession, _) => "; log in anew",
        (Retry::Never, Problem::Status { code: 300..=399, .. }) => "; set the address that it leads to",
        (_, Problem::Untrusted(_)) => "; check the certificates: `serverca` for the hub's, `cert` for ours",
        (Retry::Never | Retry::Pause, _) => "",
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Us => "us",
            Self::Hub => "the hub",
            Self::Network => "the network",
            Self::Credentials => "the credentials",
            Self::Unknown => "nobody knows",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_problem_means_for_reads_and_for_writes() {
        use Retry::{InDoubt, Never, NewSession, Pause};
        let status = |code| Problem::Status { code, text: String::new() };
        let unexpected = Unexpected::new("", "a whole number", "nil");
        for (problem, blame, read, write) in [
            (Problem::Unsendable(EncodeError::NotFinite), Blame::Us, Never, Never),
            (Problem::SessionOver(Over::LoggedOut), Blame::Us, NewSession, NewSession),
            (Problem::Unreachable(String::new()), Blame::Network, Pause, Pause),
            (Problem::Untrusted(String::new()), Blame::Credentials, Never, Never),
            (Problem::Credentials(String::new()), Blame::Credentials, Never, Never),
            (Problem::Lost(String::new()), Blame::Network, Pause, InDoubt),
            (status(101), Blame::Hub, Pause, InDoubt),
            (status(204), Blame::Hub, Pause, InDoubt),
            (status(301), Blame::Us, Never, Never),
            (status(400), Blame::Us, Never, Never),
            (status(401), Blame::Credentials, Never, Never),
            (status(405), Blame::Us, Never, Never),
            (status(408), Blame::Us, Pause, InDoubt),
            (status(429), Blame::Us, Pause, Pause),
            (status(500), Blame::Hub, Pause, InDoubt),
            (status(502), Blame::Hub, Pause, InDoubt),
            (Problem::ContentType("text/html".to_owned()), Blame::Hub, Pause, InDoubt),
            (Problem::Unreadable(DecodeError::TooLong(1)), Blame::Hub, Never, InDoubt),
            (Problem::Unreadable(DecodeError::Incomplete { at: 0 }), Blame::Hub, Pause, InDoubt),
            (Problem::Unexpected(unexpected), Blame::Hub, Never, InDoubt),
        ] {
            let found = (problem.blame(), problem.retry(Effect::Read), problem.retry(Effect::Write));
            assert_eq!(found, (blame, read, write), "{problem}");
        }
    }

    #[test]
    fn errors_speak_to_people_and_quote_little() {
        let fault = Problem::Fault(Fault::new(1004, "policy violation\u{1b}[2J"));
        assert_eq!(
            CallError::new("build", Effect::Write, fault).to_string(),
            r"koji: build: the hub answers with ActionNotAllowed (1004): policy violation\u{1b}[2J"
        );
        assert_eq!(
            CallError::new("build", Effect::Write, Problem::Lost("the connection closed".to_owned()))
                .to_string(),
            "koji: build: the answer did not come: the connection closed; whether it ran is not known"
        );
        assert_eq!(
            CallError::new(
                "getTag",
                Effect::Read,
                Problem::Status { code: 302, text: "to https://x".to_owned() }
            )
            .to_string(),
            "koji: getTag: HTTP status 302: to https://x; set the address that it leads to"
        );
        let long = CallError::new("getTag", Effect::Read, Problem::Fault(Fault::new(1, "x".repeat(10_000))));
        assert!(long.to_string().len() < 300, "{long}");
    }
}
