//! Another member of the group that was there when this process came: one that lives, or one that died and that Kafka has
//! not forgotten yet. Only time tells. Pure.
//!
//! Until it is told nothing is read, written or committed by this process.

use std::time::Duration;

use crate::kafka::handover::{Assignment, Owner};

/// What is known of such a member.
#[derive(Debug, Clone)]
pub struct Rivals {
    /// After how long one that died is forgotten.
    forgotten_after: Duration,
    seen: Option<Seen>,
}

/// A member that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// A partition that it reads.
    pub partition: String,
    /// Who it is.
    pub who: String,
    since: Duration,
}

impl Rivals {
    /// Members that died are forgotten after so long.
    pub fn new(forgotten_after: Duration) -> Self {
        Self { forgotten_after, seen: None }
    }

    /// Looks at an assignment that came at `now`. Gives whether somebody else has a part of it.
    pub fn look(&mut self, assignment: &Assignment, now: Duration) -> bool {
        let since = self.seen.as_ref().map_or(now, |seen| seen.since);
        let other = assignment.partitions.iter().find_map(|partition| {
            let who = who(&partition.owner)?;
            Some(Seen { partition: format!("{}/{}", partition.topic, partition.number), who, since })
        });
        self.seen = other;
        self.seen.is_some()
    }

    /// The member that lives, since it is still there though a dead one would be forgotten.
    pub fn alive(&self, now: Duration) -> Option<&Seen> {
        self.seen.as_ref().filter(|seen| now.saturating_sub(seen.since) > self.forgotten_after)
    }

    /// What is waited for, in words.
    pub fn waiting(&self) -> Option<String> {
        let Seen { partition, who, .. } = self.seen.as_ref()?;
        let seconds = self.forgotten_after.as_secs_f64();
        Some(format!(
            "{who} reads {partition}: if it has died, Kafka forgets it within {seconds:.0} s and reading begins, else this process ends then"
        ))
    }
}

/// Who has a partition, where it is not this process.
pub fn who(owner: &Owner) -> Option<String> {
    match owner {
        Owner::Ours => None,
        Owner::Other { client_id, host } => Some(format!("{client_id} at {host}")),
        Owner::NotOurs => Some("another member of the group".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::handover::Partition;

    fn assignment(owners: &[Owner]) -> Assignment {
        let partition = |(number, owner): (i32, &Owner)| Partition {
            topic: "a".into(),
            number,
            owner: owner.clone(),
            low: 0,
            end: 0,
            committed: None,
        };
        Assignment { generation: 1, partitions: (0..).zip(owners).map(partition).collect() }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_that_outlasts_the_patience_lives() {
        let other = Owner::Other { client_id: "c".into(), host: "h".into() };
        let mut rivals = Rivals::new(at(60));
        assert!(rivals.look(&assignment(&[Owner::Ours, other.clone()]), at(10)));
        assert!(
            rivals.waiting().is_some_and(|text| text.contains("c at h reads a/1") && text.contains("60 s"))
        );
        assert_eq!(rivals.alive(at(70)), None);
        assert_eq!(rivals.alive(at(71)).map(|seen| seen.who.as_str()), Some("c at h"));
        // Another share of the same member, or another member, does not begin the wait anew.
        assert!(rivals.look(&assignment(&[Owner::NotOurs, Owner::Ours]), at(65)));
        assert_eq!(rivals.alive(at(70)), None);
        assert_eq!(rivals.alive(at(71)).map(|seen| seen.partition.as_str()), Some("a/0"));
    }

    #[test]
    fn one_that_is_forgotten_was_dead() {
        let mut rivals = Rivals::new(at(60));
        assert!(rivals.look(&assignment(&[Owner::NotOurs]), at(10)));
        assert!(!rivals.look(&assignment(&[Owner::Ours]), at(50)));
        assert_eq!((rivals.alive(at(1_000)), rivals.waiting()), (None, None));
        assert!(!Rivals::new(at(0)).look(&assignment(&[]), at(1)));
        // A later one is waited for from its own first sight on.
        assert!(rivals.look(&assignment(&[Owner::NotOurs]), at(1_000)));
        assert_eq!(rivals.alive(at(1_060)), None);
    }
}
