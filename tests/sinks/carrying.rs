//! A sink that panics, hangs, or is not waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidegate::sink::Sink;
use tidegate::sink::carrier::{Carrier, Limits};
use tidegate::submit::ask::{Answer, Ask, Receipt, Trouble};
use tidegate::submit::row::RowId;

use crate::{SOURCE, order};

/// How a sink breaks.
#[derive(Debug, Clone, Copy)]
enum Breaks {
    Panics,
    Hangs,
}

/// Counts what it is asked to submit, and breaks.
struct Broken {
    breaks: Breaks,
    asked: Arc<AtomicUsize>,
}

impl Sink for Broken {
    async fn perform(&mut self, _ask: Ask) -> Answer {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        match self.breaks {
            Breaks::Panics => panic!("a mistake that the test makes on purpose"),
            Breaks::Hangs => std::future::pending().await,
        }
    }
}

fn carried(breaks: Breaks, limit: Duration) -> (Carrier<Broken>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let sink = Broken { breaks, asked: Arc::clone(&asked) };
    (Carrier::new(sink, Limits { submit: limit, other: limit }), asked)
}

fn submit(rows: &[u64]) -> Ask {
    let orders = rows.iter().map(|row| order(*row, SOURCE, "eln")).collect();
    Ask::Submit { session: None, callnum: 0, orders }
}

#[tokio::test]
async fn what_breaks_in_a_submission_is_lost_and_in_any_other_ask_failed() {
    for breaks in [Breaks::Panics, Breaks::Hangs] {
        let (mut sink, asked) = carried(breaks, Duration::from_millis(20));
        let Answer::Submitted(receipts) = sink.perform(submit(&[1, 2])).await else { panic!("{breaks:?}") };
        let rows: Vec<RowId> = receipts.iter().map(|(row, _)| *row).collect();
        assert_eq!(rows, [RowId(1), RowId(2)]);
        assert!(receipts.iter().all(|(_, receipt)| matches!(receipt, Receipt::Lost(_))), "{receipts:?}");
        let failed = sink.perform(Ask::Sample).await;
        assert!(matches!(failed, Answer::Failed(Trouble::Unreachable(_))), "{failed:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 2, "each ask reached the sink once");
    }
}

#[tokio::test]
async fn a_submission_that_nobody_waited_for_is_not_sent_again() {
    let (mut sink, asked) = carried(Breaks::Hangs, Duration::from_secs(3_600));
    {
        let mut begun = Box::pin(sink.perform(submit(&[1])));
        let pending =
            std::future::poll_fn(|context| std::task::Poll::Ready(begun.as_mut().poll(context).is_pending()));
        assert!(pending.await);
    }
    let Answer::Submitted(receipts) = sink.perform(submit(&[1, 2])).await else { panic!("no receipts") };
    assert!(
        matches!(receipts.as_slice(), [(RowId(1), Receipt::Lost(_)), (RowId(2), Receipt::NotDone(_))]),
        "{receipts:?}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
