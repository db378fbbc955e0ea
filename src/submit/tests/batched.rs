//! Sinks without sessions: chunks, keys, and a person's word.

use super::*;
use crate::submit::ask::{Progress, Trouble};
use crate::submit::row::TaskId;
use crate::submit::stage::{End, Stage};
use crate::submit::{Decided, Word};

#[test]
fn a_chunk_costs_a_token_for_each_name_and_the_next_waits_for_it() {
    let mut submitter = begun(BATCHED);
    let rows = until_submit(&mut submitter, Millis(5_000), 0);
    assert_eq!(rows, [RowId(0), RowId(1)]);
    assert_eq!(submitter.status(Millis(5_000)).governor.tokens_millionths, 3_000_000);
    submitter.answer(Millis(5_000), NO_JITTER, receipts(&rows, &Receipt::Taken));
    assert_eq!(submitter.next(Millis(64_999)), None, "the chunk is at work");
    assert_eq!(submitter.next(Millis(65_000)), Some(Ask::Follow(Vec::new())));
    let idle = Answer::Followed(vec![(TaskId(0), Some(Progress::Built { nvr: None }))]);
    submitter.answer(Millis(65_000), NO_JITTER, idle);
    assert_eq!(until_submit(&mut submitter, Millis(65_000), 0), [RowId(2)]);
}

#[test]
fn a_lost_chunk_waits_for_a_person_and_a_partial_answer_is_a_loss_of_the_rest() {
    let mut submitter = begun(BATCHED);
    until_submit(&mut submitter, Millis(5_000), 0);
    submitter.answer(Millis(5_000), NO_JITTER, receipts(&[RowId(0)], &Receipt::Taken));
    assert_eq!(submitter.status(Millis(5_000)).for_a_person, [RowId(1)]);
    assert_eq!(submitter.decide_in_doubt(Millis(6_000), RowId(1), Word::WasNot), Decided::Done);
    assert_eq!(submitter.decide_in_doubt(Millis(6_000), RowId(1), Word::WasNot), Decided::NotInDoubt);
    assert_eq!(submitter.status(Millis(6_000)).planned, 2);
}

#[test]
fn what_a_receiver_knows_by_its_key_is_sent_again_with_the_same() {
    let mut submitter = begun(Manner::Repeatable);
    let Some(Ask::Submit { orders: first, .. }) = submitter.next(Millis(1_000)) else { panic!("no order") };
    let lost = Receipt::Lost(Trouble::Unreachable("timed out".into()));
    submitter.answer(Millis(1_000), NO_JITTER, receipts(&[first[0].row], &lost));
    let mut markers = Vec::new();
    for now in [10_000, 11_000, 12_000] {
        let Some(Ask::Submit { orders, .. }) = submitter.next(Millis(now)) else { panic!("no order") };
        markers.push(orders[0].marker.clone());
        submitter.answer(Millis(now), NO_JITTER, receipts(&[orders[0].row], &Receipt::Taken));
    }
    assert!(markers.contains(&first[0].marker), "{markers:?}");
    let ended = submitter.changes().rows;
    assert_eq!(ended.len(), 3);
    assert!(ended.iter().all(|row| row.stage() == &Stage::Ended(End::Taken)));
}

#[test]
fn slices_wait_for_those_before_them_and_the_group_is_reported() {
    let mut submitter = Submitter::restore(settings(Manner::DryRun), Millis(0), [], Kept::default()).unwrap();
    for build in 0..3 {
        let mut plan = plan(build);
        plan.admitted.group = Some("g".into());
        plan.slice = 2 - u32::try_from(build).unwrap();
        submitter.admit(Millis(0), plan).unwrap();
    }
    // Each came before a row of a lower slice was known, and stands aside once it is.
    let mut order = Vec::new();
    for second in 1..=3 {
        let rows = until_submit(&mut submitter, Millis(second * 1_000), 0);
        order.extend(rows.iter().copied());
        submitter.answer(Millis(second * 1_000), NO_JITTER, receipts(&rows, &Receipt::Taken));
    }
    assert_eq!(order, [RowId(2), RowId(1), RowId(0)]);
    let reports = submitter.finished_groups();
    assert_eq!((reports.len(), reports[0].tally.taken), (1, 3));
}
