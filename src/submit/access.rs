//! The session that calls are made in, and what to do after trouble: wait, longer each time.

use std::time::Duration;

use super::ask::Trouble;
use super::row::Session;
use super::settings::{FORBIDDEN_WAIT, TROUBLE_WAIT};
use crate::governor::clock::{Millis, Moment, whole_millis};
use crate::governor::hub::Jitter;

/// The session for calls that submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// There is none, or it is not to be used any more.
    Closed,
    /// There is one.
    Open {
        session: Session,
        /// The number of its next call.
        callnum: u64,
    },
}

impl Access {
    /// Uses up the number of the next call.
    pub(super) fn take_callnum(&mut self) -> (Option<Session>, u64) {
        match self {
            Self::Closed => (None, 0),
            Self::Open { session, callnum } => {
                let taken = *callnum;
                *callnum += 1;
                (Some(*session), taken)
            }
        }
    }
}

/// Trouble with the sink as a whole: nothing is asked before `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setback {
    pub(super) trouble: Trouble,
    pub(super) since: Millis,
    pub(super) times: u32,
    pub(super) until: Moment,
}

impl Setback {
    /// What there was of it before, and this.
    pub(super) fn after(
        before: Option<Self>,
        trouble: Trouble,
        at: (Millis, Moment),
        jitter: Jitter,
    ) -> Self {
        let (since, times) =
            before.map_or((at.0, 0), |before| (before.since, before.times.saturating_add(1)));
        let wait = match trouble {
            Trouble::Forbidden(_) => whole_millis(FORBIDDEN_WAIT),
            // A session may end at any time: that alone is no reason to wait.
            Trouble::SessionOver(_) if times == 0 => 0,
            Trouble::SessionOver(_) | Trouble::Offline | Trouble::Unreachable(_) | Trouble::Fault(_) => {
                back_off(times, TROUBLE_WAIT, jitter)
            }
        };
        Self { trouble, since, times, until: Moment(at.1.0.saturating_add(wait)) }
    }

    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.trouble, Trouble::Forbidden(_))
    }
}

/// A wait in milliseconds after `times` others: doubles from the first up to the longest; its second half is subject to jitter.
pub(super) fn back_off(times: u32, (first, longest): (Duration, Duration), jitter: Jitter) -> u64 {
    let whole = u128::from(whole_millis(first)).saturating_mul(1 << times.min(64));
    let whole = whole.min(u128::from(whole_millis(longest)));
    let least = whole.div_ceil(2);
    let more = (whole - least) * u128::from(jitter.0) / u128::from(u32::MAX);
    u64::try_from(least + more).unwrap_or(u64::MAX)
}
