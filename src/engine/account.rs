//! Accounts for every record: received = outcomes + what waits + what is held (invariant I1).

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
    /// By partition, in their order.
    partitions: Vec<(u32, Counts)>,
    /// In the order of [`Reason::ALL`].
    reasons: Vec<u64>,
}

impl Account {
    /// A record came in; it waits until it is decided.
    pub fn receive(&mut self, partition: u32) {
        let counts = self.of(partition);
        counts.received += 1;
        counts.pending += 1;
    }

    /// A record that waited was decided, or put into a hold.
    pub fn decide(&mut self, partition: u32, reason: Reason) {
        let counts = self.of(partition);
        counts.pending = counts.pending.saturating_sub(1);
        if let Some(count) = counts.outcomes.get_mut(reason.outcome() as usize) {
            *count += 1;
        }
        *self.reason(reason) += 1;
    }

    /// A record left its hold: it waits for its final decision.
    pub fn unhold(&mut self, partition: u32, reason: Reason) {
        let counts = self.of(partition);
        counts.pending += 1;
        if let Some(count) = counts.outcomes.get_mut(Outcome::Held as usize) {
            *count = count.saturating_sub(1);
        }
        let count = self.reason(reason);
        *count = count.saturating_sub(1);
    }

    /// Counts by partition, in their order.
    pub fn partitions(&self) -> &[(u32, Counts)] {
        &self.partitions
    }

    /// Records by reason; what never occurred is left out.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.iter().copied().zip(self.reasons.iter().copied()).filter(|(_, count)| *count > 0)
    }

    fn of(&mut self, partition: u32) -> &mut Counts {
        let found = self.partitions.binary_search_by_key(&partition, |(number, _)| *number);
        let index = found.unwrap_or_else(|index| {
            self.partitions.insert(index, (partition, Counts::default()));
            index
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or made just before")]
        &mut self.partitions[index].1
    }

    fn reason(&mut self, reason: Reason) -> &mut u64 {
        if self.reasons.len() < Reason::ALL.len() {
            self.reasons.resize(Reason::ALL.len(), 0);
        }
        #[expect(clippy::indexing_slicing, reason = "there is one for each reason")]
        &mut self.reasons[reason as usize]
    }

    /// Counts of all partitions together.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for (_, counts) in &self.partitions {
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
        self.partitions.iter().all(|(_, counts)| counts.is_balanced())
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
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }
}
