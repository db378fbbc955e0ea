use super::*;
use crate::kafka::handover::Partition;

fn partition(topic: &str, number: i32, owner: Owner) -> Partition {
    Partition { topic: topic.into(), number, owner, low: 0, end: 100, committed: None }
}

fn assignment(generation: u64, partitions: Vec<Partition>) -> Assignment {
    Assignment { generation, partitions }
}

fn ours(topic: &str, number: i32) -> Partition {
    partition(topic, number, Owner::Ours)
}

fn stored(number: u32, topic: &str, partition: i32, next: u64) -> StoredPartition {
    StoredPartition { number, topic: topic.to_owned(), partition, next, last: None }
}

#[test]
fn numbers_are_given_once_in_the_order_of_topics_and_kept() {
    let mut partitions = Partitions::default();
    // The broker lists them in any order.
    let assigned = partitions.assign(&assignment(1, vec![ours("b", 0), ours("a", 1), ours("a", 0)]));
    assert_eq!(assigned.new, [0, 1, 2]);
    assert_eq!(partitions.read(1, 2, 0, None), Some(0), "a/0 stood third");
    assert_eq!(partitions.read(1, 0, 0, None), Some(2), "b/0 stood first");
    let kept: Vec<_> = partitions.take_changed();
    let mut later = Partitions::new(kept, BTreeMap::new());
    let grown = assignment(1, vec![ours("a", 0), ours("a", 1), ours("a", 2), ours("b", 0)]);
    let assigned = later.assign(&grown);
    assert_eq!(assigned.new, [3], "a further partition comes behind the others");
    let start = |next| StartAt::Stored { next, last: None };
    assert_eq!(
        assigned.starts,
        [(0, start(1)), (1, start(0)), (2, StartAt::Earliest), (3, start(1))],
        "one that was never filled is known all the same"
    );
}

#[test]
fn what_comes_of_an_assignment_that_is_over_is_not_taken() {
    let mut partitions = Partitions::default();
    partitions.assign(&assignment(1, vec![ours("a", 0)]));
    assert_eq!(partitions.read(1, 0, 7, Some(70)), Some(0));
    partitions.revoke(1);
    assert_eq!(partitions.read(1, 0, 8, Some(80)), None);
    assert_eq!(partitions.positions(), None);
    let assigned = partitions.assign(&assignment(2, vec![ours("a", 0)]));
    let last = Some(LastRead { offset: 7, kafka_millis: 70 });
    assert_eq!(assigned.starts, [(0, StartAt::Stored { next: 8, last })]);
    assert_eq!(partitions.read(1, 0, 8, Some(80)), None);
    assert_eq!(partitions.read(2, 0, 8, Some(80)), Some(0));
    assert_eq!(partitions.positions(), Some((2, vec![(0, 9)])));
}

#[test]
fn whoever_has_read_all_is_no_newcomer() {
    let other = |number| partition("a", number, Owner::Other { client_id: "c".into(), host: "h".into() });
    let mut partitions = Partitions::default();
    partitions.assign(&assignment(1, vec![other(0), ours("a", 1)]));
    assert_eq!(partitions.elsewhere().collect::<Vec<_>>(), [("a/0".to_owned(), "c at h")]);
    assert!(!partitions.were_all_ours());
    partitions.assign(&assignment(2, vec![ours("a", 0), ours("a", 1)]));
    assert!(partitions.were_all_ours() && partitions.elsewhere().next().is_none());
    partitions.assign(&assignment(3, vec![ours("a", 0), other(1)]));
    assert!(partitions.were_all_ours() && partitions.elsewhere().count() == 1);
}

#[test]
fn a_partition_that_was_made_anew_is_another_one() {
    let decided = BTreeMap::from([(("a".to_owned(), 0), Decided::Earliest)]);
    let mut partitions = Partitions::new(vec![stored(0, "a", 0, 500), stored(1, "a", 1, 3)], decided);
    let assigned = partitions.assign(&assignment(1, vec![ours("a", 0), ours("a", 1)]));
    assert_eq!((assigned.new, assigned.gone), (vec![2], vec![(0, "a/0".to_owned())]));
    assert_eq!(assigned.starts.first(), Some(&(0, StartAt::Earliest)));
    assert_eq!(partitions.numbers(), [1, 2]);
    let changed = partitions.take_changed();
    assert_eq!(changed.iter().map(|stored| stored.number).collect::<Vec<_>>(), [0, 2]);
    // It stays away after a restart, and the decision is used up.
    let mut later = Partitions::new(changed, BTreeMap::new());
    assert_eq!(later.numbers(), [2]);
    assert!(later.assign(&assignment(1, vec![ours("a", 0)])).new.is_empty());
}

#[test]
fn somebody_may_decide_to_leave_records_out() {
    let decided = BTreeMap::from([(("a".to_owned(), 0), Decided::Offset(40))]);
    let mut partitions = Partitions::new(vec![stored(0, "a", 0, 7)], decided);
    let assigned = partitions.assign(&assignment(1, vec![ours("a", 0)]));
    assert_eq!(assigned.starts, [(0, StartAt::Decided(40))]);
    assert!(assigned.new.is_empty() && assigned.gone.is_empty());
}

#[test]
fn a_partition_that_is_not_listed_any_more_is_gone() {
    let mut partitions = Partitions::new(vec![stored(0, "old", 0, 7), stored(1, "a", 0, 1)], BTreeMap::new());
    let assigned = partitions.assign(&assignment(1, vec![ours("a", 0)]));
    assert_eq!(assigned.gone, [(0, "old/0".to_owned())]);
    assert_eq!(partitions.numbers(), [1]);
}

#[test]
fn progress_passes_over_what_is_no_record() {
    let mut partitions = Partitions::default();
    partitions.assign(&assignment(4, vec![ours("a", 0)]));
    partitions.read(4, 0, 0, None);
    partitions.take_changed();
    let progress =
        PartitionProgress { partition: 0, next: 3, end: 3, caught_up: true, last_kafka_millis: None };
    assert_eq!(partitions.progress(3, &progress), None, "of an assignment that is over");
    assert_eq!(partitions.progress(4, &progress), Some(0));
    assert_eq!(partitions.take_changed().first().map(|stored| stored.next), Some(3));
    assert!(partitions.get(0).is_some_and(|entry| entry.caught_up));
    partitions.progress(4, &progress);
    assert!(partitions.take_changed().is_empty(), "nothing new, nothing to write");
}
