//! The way out of the Kafka thread: a bounded channel that is never waited on for long.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::clock::now;
use super::handover::FromKafka;

/// What the pipeline has not taken yet waits here, in its order.
pub(super) struct Outlet {
    sender: Sender<FromKafka>,
    waiting: VecDeque<FromKafka>,
}

impl Outlet {
    pub(super) fn new(sender: Sender<FromKafka>) -> Self {
        Self { sender, waiting: VecDeque::new() }
    }

    /// Says something, now or as soon as there is room.
    pub(super) fn say(&mut self, what: FromKafka) {
        self.waiting.push_back(what);
        self.push();
    }

    /// Passes on what waits, as far as there is room. Returns whether nothing waits any more.
    pub(super) fn push(&mut self) -> bool {
        while let Some(next) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(next)) = self.sender.try_send(next) {
                self.waiting.push_front(next);
                return false;
            }
        }
        true
    }

    /// Nobody listens any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until there is room, or `deadline`. Returns whether there is.
    pub(super) fn wait(&self, deadline: Instant) -> bool {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut room = pin!(self.sender.reserve());
        loop {
            if let Poll::Ready(room) = room.as_mut().poll(&mut context) {
                return room.is_ok();
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }
}

/// Wakes a thread that waits for a future without a runtime.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kafka::handover::TroubleKind;

    const NEWS: [FromKafka; 3] = [
        FromKafka::Over(TroubleKind::Login),
        FromKafka::Over(TroubleKind::Commit),
        FromKafka::Over(TroubleKind::Other),
    ];

    #[test]
    fn what_finds_no_room_waits_in_its_order() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let mut outlet = Outlet::new(sender);
        for news in NEWS {
            outlet.say(news);
        }
        for news in NEWS {
            assert_eq!(receiver.try_recv().unwrap(), news);
            outlet.push();
        }
        assert!(outlet.push() && receiver.try_recv().is_err());
    }

    #[test]
    fn waiting_ends_with_room_or_with_the_time() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let mut outlet = Outlet::new(sender);
        outlet.say(NEWS[0].clone());
        assert!(!outlet.wait(now()));
        let reader = thread::spawn(move || receiver.blocking_recv().map(|_| receiver));
        assert!(outlet.wait(now() + Duration::from_secs(60)));
        drop(reader.join());
        assert!(outlet.is_closed() && !outlet.wait(now() + Duration::from_secs(60)));
    }
}
