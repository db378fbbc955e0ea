//! Places where a test can let the process die, as a power cut would. Builds without debug assertions have none.

use std::io::Write;

/// A place in the cycle of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// Records were judged; the transaction has not begun.
    BeforeBegin,
    /// What the engine did is written, and nothing else.
    AfterWrite,
    /// All is written, nothing is committed.
    BeforeCommit,
    /// The transaction is committed; nobody knows yet.
    AfterCommit,
    /// The Kafka thread is about to be told how far was read.
    BeforeKafkaCommit,
}

impl FailPoint {
    /// All places, in the order of the cycle.
    pub const ALL: [Self; 5] =
        [Self::BeforeBegin, Self::AfterWrite, Self::BeforeCommit, Self::AfterCommit, Self::BeforeKafkaCommit];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeBegin => "before_begin",
            Self::AfterWrite => "after_write",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::BeforeKafkaCommit => "before_kafka_commit",
        }
    }
}

/// At which place, and at which visit there, the process dies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailAt(Option<(FailPoint, u64)>);

impl FailAt {
    /// Reads `PLACE:VISIT`, such as `before_commit:3`. `None`: that is no place.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, visit) = text.split_once(':')?;
        let point = FailPoint::ALL.into_iter().find(|point| point.word() == word)?;
        Some(Self(Some((point, visit.parse().ok().filter(|visit| *visit > 0)?))))
    }

    /// What the environment asks for, in builds for tests.
    pub fn of_environment() -> Self {
        if cfg!(debug_assertions) {
            std::env::var("TIDEGATE_FAIL_AT").ok().and_then(|text| Self::parse(&text)).unwrap_or_default()
        } else {
            Self::default()
        }
    }

    /// A place is visited: the process may die here.
    pub fn visit(&mut self, point: FailPoint) {
        let Some((at, visits)) = &mut self.0 else { return };
        if *at != point {
            return;
        }
        *visits -= 1;
        if *visits == 0 {
            // Whoever does not read it learns as much from the abort.
            drop(writeln!(std::io::stderr(), "fail point: the process dies {}", point.word()));
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_by_name_and_visit() {
        for point in FailPoint::ALL {
            let text = format!("{}:2", point.word());
            assert_eq!(FailAt::parse(&text), Some(FailAt(Some((point, 2)))));
        }
        for text in ["", "before_begin", "before_begin:0", "nowhere:1", "before_begin:x"] {
            assert_eq!(FailAt::parse(text), None, "{text}");
        }
        FailAt::default().visit(FailPoint::BeforeBegin);
    }
}
