//! What a failed call means for the submitter.

use crate::koji::error::{Blame, CallError, Problem, Retry};
use crate::koji::fault::GENERIC;
use crate::koji::xmlrpc;
use crate::submit::ask::{Receipt, Trouble};
use crate::submit::row::Fault;

/// How much of a text of the hub is kept, in bytes.
const TEXT_BYTES_MAX: usize = 500;
/// Koji's code for arguments that make no sense.
const PARAMETER: i64 = 1019;

/// A fault of the hub, shortened.
pub(super) fn fault(fault: &xmlrpc::Fault) -> Fault {
    Fault { code: fault.code, text: shortened(&fault.text).into() }
}

/// A fault in our own words, of the kind that Koji calls generic.
pub(super) fn generic(text: &str) -> Fault {
    Fault { code: GENERIC, text: shortened(text).into() }
}

/// A status of HTTP that refuses an order for what it is.
pub(super) fn status(code: u16, text: &str) -> Fault {
    Fault { code: i64::from(code), text: shortened(text).into() }
}

/// The beginning of a text that fits.
pub(super) fn shortened(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Why a call brought nothing.
pub(super) fn of_call(error: &CallError) -> Trouble {
    if error.is_offline() {
        return Trouble::Offline;
    }
    match (error.retry, error.blame()) {
        (Retry::NewSession, _) => Trouble::SessionOver(error.to_string().into()),
        (Retry::Never, Blame::Credentials) => Trouble::Forbidden(error.to_string().into()),
        (Retry::Never | Retry::Pause | Retry::InDoubt, _) => match error.fault() {
            Some(found) => Trouble::Fault(fault(found)),
            None => Trouble::Unreachable(error.to_string().into()),
        },
    }
}

/// What became of an order that ended so.
pub(super) fn receipt(error: &CallError) -> Receipt {
    let trouble = of_call(error);
    if error.retry == Retry::InDoubt {
        return Receipt::Lost(trouble);
    }
    if let Problem::Unsendable(why) = &error.problem {
        return Receipt::Refused(Fault { code: PARAMETER, text: shortened(&why.to_string()).into() });
    }
    if let (Retry::Never, Trouble::Fault(fault)) = (error.retry, &trouble) {
        return Receipt::Refused(fault.clone());
    }
    Receipt::NotDone(trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koji::error::Effect;
    use crate::koji::sequence::Over;

    #[test]
    fn what_became_of_an_order_by_its_failure() {
        let fault = |code, text: &str| Problem::Fault(xmlrpc::Fault::new(code, text));
        let status = |code| Problem::Status { code, text: String::new() };
        for (problem, expected) in [
            (fault(1, "<class 'KeyError'>: 'x'"), "lost"),
            (fault(1000, "No such channel: nope"), "refused"),
            (fault(1000, "locked, try again later"), "not done, a fault"),
            (fault(1001, "locked"), "not done, a fault"),
            (fault(1002, "Invalid session or bad credentials"), "not done, session over"),
            (fault(1004, "only admins may create high-priority tasks"), "not done, forbidden"),
            (fault(1006, "User locked by another session"), "not done, a fault"),
            (fault(1007, "session \"9\" has expired"), "not done, session over"),
            (fault(1008, "5 > 3 (session 10)"), "not done, session over"),
            (fault(1009, "unable to retry call 0"), "lost"),
            (fault(1014, "database outage"), "not done, offline"),
            (fault(1019, "Invalid type"), "refused"),
            (fault(4711, "of a later Koji"), "lost"),
            (Problem::Lost(String::new()), "lost"),
            (Problem::Unreachable(String::new()), "not done, unreachable"),
            (Problem::Untrusted(String::new()), "not done, forbidden"),
            (Problem::SessionOver(Over::Refused), "not done, session over"),
            (Problem::Unsendable(xmlrpc::EncodeError::NotFinite), "refused"),
            (status(403), "not done, forbidden"),
            (status(429), "not done, unreachable"),
            (status(502), "lost"),
        ] {
            let error = CallError::new("build", Effect::Write, problem);
            let found = match receipt(&error) {
                Receipt::Lost(_) => "lost",
                Receipt::Refused(_) => "refused",
                Receipt::NotDone(Trouble::Offline) => "not done, offline",
                Receipt::NotDone(Trouble::Unreachable(_)) => "not done, unreachable",
                Receipt::NotDone(Trouble::SessionOver(_)) => "not done, session over",
                Receipt::NotDone(Trouble::Forbidden(_)) => "not done, forbidden",
                Receipt::NotDone(Trouble::Fault(_)) => "not done, a fault",
                Receipt::Accepted(_) | Receipt::Taken => "taken",
            };
            assert_eq!(found, expected, "{error}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = format!("{}é{}", "x".repeat(TEXT_BYTES_MAX - 1), "y".repeat(50));
        assert_eq!(shortened(&long).len(), TEXT_BYTES_MAX - 1);
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(""), "");
    }
}
