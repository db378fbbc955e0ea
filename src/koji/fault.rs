//! What each of the hub's fault codes means for the caller.

use super::error::{Blame, Effect, Retry};
use super::xmlrpc::Fault;

/// Koji's name for an exception that it has no code for: a bug of the hub, or a race inside it.
pub const UNKNOWN: i64 = 1;
/// Generic error: something does not exist, or is not in the right state.
pub const GENERIC: i64 = 1000;
/// Authentication failed, or the session is not known.
pub const AUTH: i64 = 1002;
/// The session's number was committed before: a write with this number has happened.
pub const RETRY: i64 = 1009;
/// The hub is offline, its database is out, or it is closed for maintenance.
pub const OFFLINE: i64 = 1014;

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The code.
    pub code: i64,
    /// Koji's name of it.
    pub name: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
    /// Whether the call may be made again; for some codes the text decides, see [`retry`].
    pub retry: Retry,
}

const fn meaning(code: i64, name: &'static str, blame: Blame, retry: Retry) -> Meaning {
    Meaning { code, name, blame, retry }
}

/// All codes that Koji has, in order.
pub const MEANINGS: [Meaning; 26] = [
    meaning(UNKNOWN, "unknown exception", Blame::Unknown, Retry::Pause),
    meaning(GENERIC, "GenericError", Blame::Us, Retry::Never),
    meaning(1001, "LockError", Blame::Hub, Retry::Pause),
    meaning(AUTH, "AuthError", Blame::Credentials, Retry::Never),
    meaning(1003, "TagError", Blame::Us, Retry::Never),
    meaning(1004, "ActionNotAllowed", Blame::Credentials, Retry::Never),
    meaning(1005, "BuildError", Blame::Us, Retry::Never),
    meaning(1006, "AuthLockError", Blame::Credentials, Retry::Pause),
    meaning(1007, "AuthExpired", Blame::Credentials, Retry::NewSession),
    meaning(1008, "SequenceError", Blame::Us, Retry::NewSession),
    meaning(RETRY, "RetryError", Blame::Us, Retry::InDoubt),
    meaning(1010, "PreBuildError", Blame::Us, Retry::Never),
    meaning(1011, "PostBuildError", Blame::Us, Retry::Never),
    meaning(1012, "BuildrootError", Blame::Hub, Retry::Never),
    meaning(1013, "FunctionDeprecated", Blame::Us, Retry::Never),
    meaning(OFFLINE, "ServerOffline", Blame::Hub, Retry::Pause),
    meaning(1015, "LiveCDError", Blame::Hub, Retry::Never),
    meaning(1016, "PluginError", Blame::Hub, Retry::Never),
    meaning(1017, "CallbackError", Blame::Hub, Retry::Never),
    meaning(1018, "ApplianceError", Blame::Hub, Retry::Never),
    meaning(1019, "ParameterError", Blame::Us, Retry::Never),
    meaning(1020, "ImportError", Blame::Hub, Retry::Never),
    meaning(1021, "ConfigurationError", Blame::Hub, Retry::Never),
    meaning(1022, "LiveMediaError", Blame::Hub, Retry::Never),
    meaning(1023, "GSSAPIAuthError", Blame::Credentials, Retry::Never),
    meaning(1024, "NameValidationError", Blame::Us, Retry::Never),
];

/// What the code of a fault stands for; `None` for one that Koji 1.35 does not have.
pub fn find(code: i64) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| meaning.code == code)
}

/// Whose fault it is; a code that nobody knows is the hub's.
pub fn blame(fault: &Fault) -> Blame {
    match (fault.code, find(fault.code)) {
        (AUTH, _) if session_is_over(&fault.text) => Blame::Us,
        (_, Some(meaning)) => meaning.blame,
        (_, None) => Blame::Hub,
    }
}

/// Whether and how the call may be made again.
///
/// A fault means that the hub rolled the call back, with two exceptions: 1009 says that an earlier copy was committed,
/// and an exception without a code may have come out of the commit itself.
pub fn retry(fault: &Fault, effect: Effect) -> Retry {
    match (fault.code, effect, find(fault.code)) {
        (GENERIC, _, _) if fault.text.contains("try again") => Retry::Pause,
        (AUTH, _, _) if session_is_over(&fault.text) => Retry::NewSession,
        // The number was committed, but a read has nothing to be in doubt of. The next number will do.
        (RETRY, Effect::Read, _) => Retry::Pause,
        (UNKNOWN, Effect::Write, _) | (_, Effect::Write, None) => Retry::InDoubt,
        (_, _, Some(meaning)) => meaning.retry,
        (_, Effect::Read, None) => Retry::Never,
    }
}

/// Whether an `AuthError` speaks of the session rather than of the credentials: another login helps then.
fn session_is_over(text: &str) -> bool {
    text.starts_with("Invalid session") || text == "Not logged in"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_koji_in_order() {
        let codes: Vec<i64> = MEANINGS.iter().map(|meaning| meaning.code).collect();
        let expected: Vec<i64> = std::iter::once(UNKNOWN).chain(GENERIC..=1024).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn what_a_fault_means() {
        use Blame::{Credentials, Hub, Unknown, Us};
        use Effect::{Read, Write};
        use Retry::{InDoubt, Never, NewSession, Pause};
        for (code, text, effect, whose, how) in [
            (1, "<class 'psycopg2.errors.UniqueViolation'>: duplicate key", Write, Unknown, InDoubt),
            (1, "<class 'KeyError'>: 'x'", Read, Unknown, Pause),
            (1000, "No such build: 'foo-9.9-9.fc42'", Read, Us, Never),
            (1000, "Unable to lock, try again later", Write, Us, Pause),
            (1001, "", Write, Hub, Pause),
            (1002, "invalid username or password", Write, Credentials, Never),
            (1002, "logins by blocked are not allowed", Write, Credentials, Never),
            (1002, "Invalid session or bad credentials", Write, Us, NewSession),
            (1002, "Not logged in", Write, Us, NewSession),
            (1003, "build x already tagged (eln)", Write, Us, Never),
            (1004, "policy violation (tag)", Write, Credentials, Never),
            (1006, "User locked by another session", Write, Credentials, Pause),
            (1007, "session \"9\" has expired", Write, Credentials, NewSession),
            (1008, "5 > 3 (session 10)", Write, Us, NewSession),
            (1009, "unable to retry call 0 (method build) for session 10", Write, Us, InDoubt),
            (1009, "unable to retry call 0 (method multiCall) for session 10", Read, Us, Pause),
            (1010, "", Write, Us, Never),
            (1014, "database outage", Write, Hub, Pause),
            (1019, "Invalid type for value", Write, Us, Never),
            (1023, "", Read, Credentials, Never),
            (4711, "new in Koji 2", Read, Hub, Never),
            (4711, "new in Koji 2", Write, Hub, InDoubt),
        ] {
            let fault = Fault::new(code, text);
            assert_eq!((blame(&fault), retry(&fault, effect)), (whose, how), "{fault} of a {effect:?}");
        }
    }
}
