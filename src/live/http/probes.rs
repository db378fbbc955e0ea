//! What the probes say: pure.

use std::time::Duration;

use crate::live::heartbeat::{Heartbeat, STALLED};
use crate::live::view::{Intake, View};
use crate::text::bounded;

/// Longest text of a reason, in characters.
const WHY_MAX: usize = 300;

/// What a probe says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well.
    Good,
    /// It is not, for this reason, in one line.
    Bad(String),
}

/// Whether the start is over.
pub(super) fn startup(heartbeat: &Heartbeat, view: &View) -> Verdict {
    if heartbeat.is_started() {
        return Verdict::Good;
    }
    bad(if view.unreachable {
        "starting: no Kafka broker answers; it is tried again by itself. Check the network and the brokers"
    } else {
        "starting: the Kafka group has not given any partitions yet"
    })
}

/// Whether the pipeline turns: `age` is the time since its last turn.
pub(super) fn alive(age: Duration) -> Verdict {
    if age < STALLED {
        return Verdict::Good;
    }
    bad(&format!(
        "stalled: the pipeline has made no turn for {} s, {} s is the bound; the disk may not answer. Restart it, nothing is lost",
        age.as_secs(),
        STALLED.as_secs()
    ))
}

/// Whether it does its work: it reads, or somebody paused it on purpose, and a broker answers.
pub(super) fn ready(age: Duration, view: &View) -> Verdict {
    if let stalled @ Verdict::Bad(_) = alive(age) {
        return stalled;
    }
    if view.unreachable {
        return bad("no Kafka broker answers; reading goes on by itself once one does");
    }
    match &view.intake {
        Intake::Reading | Intake::Paused => Verdict::Good,
        Intake::Waiting => bad("waiting: the Kafka group has given no partitions to this process"),
        Intake::Full { bound } => bad(&format!(
            "full: reading stands still at the bound {}; decide open holds, or raise it in the pipeline file",
            bounded(bound, WHY_MAX / 2)
        )),
        Intake::Damaged => {
            bad("damaged: a partition is not as it was left; `tidegate status` says what to decide")
        }
        Intake::Stopping => bad("stopping"),
    }
}

fn bad(why: &str) -> Verdict {
    Verdict::Bad(bounded(why, WHY_MAX).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::view::tests::view;

    const NOW: Duration = Duration::ZERO;

    fn says(verdict: &Verdict, start: &str) {
        match verdict {
            Verdict::Good => assert_eq!(start, "", "it said that all is well"),
            Verdict::Bad(why) => {
                assert!(!start.is_empty() && why.starts_with(start), "{why}");
                assert_eq!(why.lines().count(), 1, "{why}");
            }
        }
    }

    #[test]
    fn alive_until_the_bound() {
        says(&alive(STALLED.checked_sub(Duration::from_millis(1)).unwrap()), "");
        says(&alive(STALLED), "stalled: the pipeline has made no turn for 60 s, 60 s");
    }

    #[test]
    fn ready_while_it_reads_or_is_paused_on_purpose() {
        for (intake, start) in [
            (Intake::Reading, ""),
            (Intake::Paused, ""),
            (Intake::Waiting, "waiting"),
            (
                Intake::Full { bound: "pending\u{1b}[2J".to_owned() },
                "full: reading stands still at the bound pending\\",
            ),
            (Intake::Damaged, "damaged"),
            (Intake::Stopping, "stopping"),
        ] {
            let view = View { intake, ..view() };
            says(&ready(NOW, &view), start);
            says(&ready(STALLED, &view), "stalled");
            says(&ready(NOW, &View { unreachable: true, ..view }), "no Kafka broker answers");
        }
    }

    #[test]
    fn started_once_partitions_were_assigned_whatever_comes_later() {
        let heartbeat = Heartbeat::new(tokio::time::Instant::now());
        says(&startup(&heartbeat, &view()), "starting: the Kafka group");
        let lost = View { unreachable: true, ..view() };
        says(&startup(&heartbeat, &lost), "starting: no Kafka broker");
        heartbeat.started();
        says(&startup(&heartbeat, &lost), "");
    }
}
