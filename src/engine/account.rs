//! Accounts for every record: received = outcomes + what waits + what is held (invariant I1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::decision::{Outcome, Reason};

/// Counts of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Records received, and records judged once more since the package list changed.
    pub received: u64,
    /// Outcomes in the order of [`Outcome::ALL`]; `held` counts what is held now.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Records that wait for their turn or their decision.
    pub pending: u64,
}

impl Counts {
    /// Records with an outcome.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome as usize).copied().unwrap_or(0)
    }

    /// Whether every record is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.received == self.pending + self.outcomes.iter().sum::<u64>()
    }
}

/// The accounts of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    partitions: BTreeMap<u32, Counts>,
    reasons: BTreeMap<Reason, u64>,
}

impl Account {
    /// A record came in; it waits until it is decided.
    pub fn receive(&mut self, partition: u32) {
        let counts = self.partitions.entry(partition).or_default();
        counts.received += 1;
        counts.pending += 1;
    }

    /// A record that waited was decided, or put into a hold.
    pub fn decide(&mut self, partition: u32, reason: Reason) {
        let counts = self.partitions.entry(partition).or_default();
        counts.pending = counts.pending.saturating_sub(1);
        if let Some(count) = counts.outcomes.get_mut(reason.outcome() as usize) {
            *count += 1;
        }
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// A record left its hold: it waits for its final decision.
    pub fn unhold(&mut self, partition: u32, reason: Reason) {
        let counts = self.partitions.entry(partition).or_default();
        counts.pending += 1;
        if let Some(count) = counts.outcomes.get_mut(Outcome::Held as usize) {
            *count = count.saturating_sub(1);
        }
        let count = self.reasons.entry(reason).or_default();
        *count = count.saturating_sub(1);
    }

    /// Counts by partition.
    pub fn partitions(&self) -> &BTreeMap<u32, Counts> {
        &self.partitions
    }

    /// Records by reason.
    pub fn reasons(&self) -> &BTreeMap<Reason, u64> {
        &self.reasons
    }

    /// Counts of all partitions together.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for counts in self.partitions.values() {
            total.received += counts.received;
            total.pending += counts.pending;
            for (sum, count) in total.outcomes.iter_mut().zip(counts.outcomes) {
                *sum += count;
            }
        }
        total
    }

    /// Whether every record of every partition is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.partitions.values().all(Counts::is_balanced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_held_and_released_is_counted_once() {
        let mut account = Account::default();
        account.receive(3);
        assert!(account.is_balanced());
        account.decide(3, Reason::NoFreshEvidence);
        assert_eq!(account.total().outcome(Outcome::Held), 1);
        account.unhold(3, Reason::NoFreshEvidence);
        account.decide(3, Reason::ReleasedByOperator);
        let total = account.total();
        assert_eq!(
            (total.received, total.outcome(Outcome::Held), total.outcome(Outcome::Submitted)),
            (1, 0, 1)
        );
        assert!(account.is_balanced());
    }

    #[test]
    fn the_order_of_outcomes_is_that_of_the_table() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }
}
