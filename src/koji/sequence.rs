//! The numbers of a session's calls, and when a session is over. Pure: no socket, no clock.
//!
//! The hub commits the number of a call with the call, and refuses a write that comes with a number it has committed.
//! So every call gets a number of its own, greater than all before, and none is ever sent again: a repeated read takes
//! the next number, since a `multiCall` of reads commits its number too. After a write of which the answer is lost the
//! session is over: what it did has to be found out by another one.

use std::fmt;

use super::error::{CallError, Effect, Retry};

/// The numbering of one session's calls, which are made one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequence {
    next: u64,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Idle,
    Calling {
        callnum: u64,
        effect: Effect,
    },
    Over(Over),
}

/// Why a session takes no more calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The hub does not know it any more, or has lost count of it. Its calls did not run.
    Refused,
    /// The write of this number may have run.
    InDoubt {
        /// The number.
        callnum: u64,
    },
    /// It was ended in good order.
    LoggedOut,
}

impl Sequence {
    /// The number of the next call. A call of which nobody waited for the end counts as one without an answer.
    pub fn begin(&mut self, effect: Effect) -> Result<u64, Over> {
        match self.phase {
            Phase::Over(over) => return Err(over),
            Phase::Calling { callnum, effect: Effect::Write } => {
                let over = Over::InDoubt { callnum };
                self.phase = Phase::Over(over);
                return Err(over);
            }
            Phase::Idle | Phase::Calling { effect: Effect::Read, .. } => {}
        }
        let callnum = self.next;
        self.next = callnum.saturating_add(1);
        self.phase = Phase::Calling { callnum, effect };
        Ok(callnum)
    }

    /// The call that began last has ended: with an answer (`None`), or with an error.
    pub fn end(&mut self, error: Option<&CallError>) {
        let Phase::Calling { callnum, .. } = self.phase else { return };
        self.phase = match error.map(|error| error.retry) {
            Some(Retry::NewSession) => Phase::Over(Over::Refused),
            Some(Retry::InDoubt) => Phase::Over(Over::InDoubt { callnum }),
            Some(Retry::Never | Retry::Pause) | None => Phase::Idle,
        };
    }

    /// The session was ended by us.
    pub fn log_out(&mut self) {
        self.phase = Phase::Over(Over::LoggedOut);
    }

    /// Why it takes no more calls; `None` while it does.
    pub fn over(&self) -> Option<Over> {
        match self.phase {
            Phase::Over(over) => Some(over),
            Phase::Calling { callnum, effect: Effect::Write } => Some(Over::InDoubt { callnum }),
            Phase::Idle | Phase::Calling { effect: Effect::Read, .. } => None,
        }
    }

    /// The number that the next call will have: what is written down before a call is sent.
    pub fn next_callnum(&self) -> u64 {
        self.next
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("is no longer valid at the hub"),
            Self::InDoubt { callnum } => write!(f, "has a call without an answer, number {callnum}"),
            Self::LoggedOut => f.write_str("was logged out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::koji::error::Problem;
    use crate::koji::xmlrpc::Fault;
    use Effect::{Read, Write};

    fn fault(code: i64, text: &str) -> Problem {
        Problem::Fault(Fault::new(code, text))
    }

    #[test]
    fn what_ends_a_session_and_what_does_not() {
        let lost = || Some(Problem::Lost(String::new()));
        let in_doubt = Some(Over::InDoubt { callnum: 1 });
        for (effect, problem, over) in [
            (Read, None, None),
            (Write, None, None),
            (Read, lost(), None),
            (Write, lost(), in_doubt),
            (Write, Some(Problem::Unreachable(String::new())), None),
            (Read, Some(Problem::Status { code: 502, text: String::new() }), None),
            (Write, Some(Problem::Status { code: 502, text: String::new() }), in_doubt),
            (Write, Some(fault(1, "<class 'KeyError'>: 'x'")), in_doubt),
            (Read, Some(fault(1000, "No such tagInfo: 'nope'")), None),
            (Write, Some(fault(1002, "Invalid session or bad credentials")), Some(Over::Refused)),
            (Write, Some(fault(1002, "could not verify client: NONE")), None),
            (Write, Some(fault(1003, "build x already tagged (eln)")), None),
            (Write, Some(fault(1006, "User locked by another session")), None),
            (Read, Some(fault(1007, "session \"9\" has expired")), Some(Over::Refused)),
            (Write, Some(fault(1007, "session \"9\" has expired")), Some(Over::Refused)),
            (Write, Some(fault(1008, "5 > 3 (session 10)")), Some(Over::Refused)),
            (Read, Some(fault(1009, "unable to retry call 1 (method multiCall)")), None),
            (Write, Some(fault(1009, "unable to retry call 1 (method build)")), in_doubt),
            (Write, Some(fault(1014, "database outage")), None),
        ] {
            let mut sequence = Sequence::default();
            assert_eq!(sequence.begin(Read), Ok(0));
            sequence.end(None);
            assert_eq!(sequence.begin(effect), Ok(1));
            let error = problem.map(|problem| CallError::new("m", effect, problem));
            sequence.end(error.as_ref());
            assert_eq!(sequence.over(), over, "{effect:?} {error:?}");
            // Whatever happened, no number is given out twice.
            assert_eq!(sequence.begin(Write), over.map_or(Ok(2), Err), "{effect:?} {error:?}");
        }
    }

    #[test]
    fn a_call_that_nobody_waited_for_has_no_answer() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.begin(Read), Ok(0));
        assert_eq!(sequence.over(), None);
        assert_eq!(sequence.begin(Write), Ok(1));
        assert_eq!(sequence.over(), Some(Over::InDoubt { callnum: 1 }));
        assert_eq!(sequence.begin(Read), Err(Over::InDoubt { callnum: 1 }));
        sequence.end(None);
        assert_eq!(sequence.over(), Some(Over::InDoubt { callnum: 1 }), "a late end changes nothing");
    }

    proptest! {
        #[test]
        fn numbers_only_grow_and_nothing_follows_the_end(
            calls in proptest::collection::vec((any::<bool>(), 0usize..6), 1..40),
        ) {
            let mut sequence = Sequence::default();
            let mut given = Vec::new();
            for (is_write, outcome) in calls {
                let effect = if is_write { Write } else { Read };
                let was_over = sequence.over();
                let number = sequence.begin(effect);
                prop_assert_eq!(was_over, number.err());
                given.extend(number);
                let problem = match outcome {
                    0 => continue,
                    1 => None,
                    2 => Some(Problem::Lost(String::new())),
                    3 => Some(Problem::Unreachable(String::new())),
                    4 => Some(fault(1007, "session \"9\" has expired")),
                    _ => Some(fault(1000, "No such build: 'x-1-1'")),
                };
                sequence.end(problem.map(|problem| CallError::new("m", effect, problem)).as_ref());
            }
            let expected: Vec<u64> = (0..).take(given.len()).collect();
            prop_assert_eq!(given, expected);
        }
    }

    #[test]
    fn a_session_that_was_logged_out_takes_no_calls() {
        let mut sequence = Sequence::default();
        sequence.log_out();
        assert_eq!(sequence.begin(Read), Err(Over::LoggedOut));
    }
}
