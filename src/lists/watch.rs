//! Fetches lists again and again: each `select.refresh`, and sooner after a failure.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::Fetcher;
use super::error::FetchError;
use crate::engine::select::PackageList;
use crate::pipeline::PackageLists;

/// Wait after the first failure; it doubles from failure to failure, up to the ordinary wait.
const FIRST_WAIT: Duration = Duration::from_secs(30);

/// A failure, and what comes next. The last good list stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error} (failure {failures} in a row, the next try is in {} s)", .again_in.as_secs())]
pub struct FetchFailed {
    /// What went wrong.
    #[source]
    pub error: FetchError,
    /// Failures in a row, this one included.
    pub failures: u32,
    /// When it is tried again.
    pub again_in: Duration,
}

/// Fetches the lists at once, and then about every `every`; tells each result. Ends with `stop`, or when nobody listens.
pub async fn watch(
    mut fetcher: Fetcher,
    lists: PackageLists,
    every: Duration,
    out: mpsc::Sender<Result<Arc<PackageList>, FetchFailed>>,
    stop: impl Future<Output = ()>,
) {
    let work = async {
        let mut failures = 0u32;
        loop {
            let result = fetcher.fetch(&lists).await;
            failures = if result.is_ok() { 0 } else { failures.saturating_add(1) };
            let again_in = wait(every, failures, random());
            let told = result.map(Arc::new).map_err(|error| FetchFailed { error, failures, again_in });
            if out.send(told).await.is_err() {
                return;
            }
            tokio::time::sleep(again_in).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stop => {}
        () = out.closed() => {}
    }
}

/// How long to wait after so many failures in a row: a tenth less to a tenth more, so that pipelines that were started
/// together do not ask together.
fn wait(every: Duration, failures: u32, random: u32) -> Duration {
    let usual = match failures {
        0 => every,
        _ => FIRST_WAIT.saturating_mul(1 << (failures - 1).min(16)).min(every),
    };
    let share = 0.9 + 0.2 * f64::from(random) / f64::from(u32::MAX);
    usual.mul_f64(share)
}

fn random() -> u32 {
    Uuid::new_v4().as_fields().0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_stay_within_a_tenth_of_their_length(every in 60u64..604_800, failures: u32, random: u32) {
            let every = Duration::from_secs(every);
            let usual = if failures == 0 { every } else {
                let doubled = (0..failures.min(17) - 1).fold(FIRST_WAIT, |length, _| length * 2);
                doubled.min(every)
            };
            let found = wait(every, failures, random);
            let slack = Duration::from_millis(1);
            prop_assert!(found + slack >= usual.mul_f64(0.9) && found <= usual.mul_f64(1.1) + slack);
        }
    }

    #[test]
    fn waits_double_from_failure_to_failure_up_to_the_ordinary_one() {
        let middle = u32::MAX / 2;
        let waits: Vec<_> = (0..9)
            .map(|failures| (wait(Duration::from_secs(3_600), failures, middle).as_secs_f64() / 30.0).round())
            .collect();
        assert_eq!(waits, [120.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0]);
    }
}
