//! The monotonic clock of the Kafka thread: deadlines, and the time of a proof. Nothing here tells the time of day.

use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one place where the Kafka thread reads a clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}
