//! The clock of the sinks: how long a call took, and when a message was signed. Nothing is decided by it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, for what is measured.
#[expect(clippy::disallowed_methods, reason = "the one place where a sink measures how long something took")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, for what is signed.
#[expect(clippy::disallowed_methods, reason = "the one place where a sink reads the time of day")]
pub(super) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
