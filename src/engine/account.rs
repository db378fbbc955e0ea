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
    /// In the order of [`Reason::ALL`]; written down by their words, so that a version with more of them reads it.
    #[serde(with = "by_word")]
    reasons: Vec<u64>,
}

/// Counts by reason as (word, count).
mod by_word {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Reason;

    pub(super) fn serialize<S: Serializer>(counts: &[u64], to: S) -> Result<S::Ok, S::Error> {
        let words = Reason::ALL.iter().map(|reason| reason.word()).zip(counts);
        words.filter(|(_, count)| **count > 0).collect::<Vec<_>>().serialize(to)
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Words(Vec<(String, u64)>),
        /// As they were written before: by their places, when there were fewer reasons.
        Places(Vec<u64>),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
        let words: Vec<(String, u64)> = match Written::deserialize(from)? {
            Written::Words(words) => words,
            Written::Places(counts) => {
                let before = Reason::ALL.iter().filter(|reason| **reason != Reason::KojiSaysFresh);
                before.map(|reason| reason.word().to_owned()).zip(counts).collect()
            }
        };
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let count = |reason: &Reason| {
            words.iter().find(|(word, _)| word == reason.word()).map_or(0, |(_, count)| *count)
        };
        Ok(Reason::ALL.iter().map(count).collect())
    }
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
    fn counts_by_reason_are_read_as_they_are_and_as_they_were_written() {
        let mut account = Account::default();
        assert_eq!(serde_json::from_str::<Account>("{\"partitions\":[],\"reasons\":[]}").unwrap(), account);
        account.receive(0);
        account.decide(0, Reason::NoFreshEvidence);
        let text = serde_json::to_string(&account).unwrap();
        assert!(text.contains("[\"no_fresh_evidence\",1]"), "{text}");
        assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), account);
        let before = "\"reasons\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,0,0,0]";
        let old = text.replace("\"reasons\":[[\"no_fresh_evidence\",1]]", before);
        assert_ne!(old, text);
        assert_eq!(serde_json::from_str::<Account>(&old).unwrap(), account);
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
