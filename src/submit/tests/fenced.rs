//! A sink with sessions: what is in doubt is fenced, waited for and looked up.

use super::*;
use crate::submit::ask::{Cause, Failure, Progress, Sought, Trouble};
use crate::submit::row::{Marker, TaskId};
use crate::submit::stage::{End, Stage};
use crate::submit::status::Why;
use crate::submit::{Admission, Changes, Decided, Withdrawal, Word};

fn lost() -> Receipt {
    Receipt::Lost(Trouble::Unreachable("timed out".into()))
}

/// Looks every ten seconds until something is asked.
fn look_until(submitter: &mut Submitter, mut now: i64) -> (i64, Ask) {
    for _ in 0..100 {
        if let Some(ask) = submitter.next(Millis(now)) {
            return (now, ask);
        }
        now += 10_000;
    }
    panic!("nothing is asked")
}

#[test]
fn what_is_in_doubt_is_fenced_waited_for_and_found_by_its_marker() {
    let mut submitter = begun(Manner::Fenced);
    let rows = until_submit(&mut submitter, Millis(1_000), 7);
    submitter.changes();
    submitter.pause(Millis(1_000), "look".into());
    submitter.answer(Millis(2_000), NO_JITTER, receipts(&rows, &lost()));
    let (now, ask) = look_until(&mut submitter, 2_000);
    assert_eq!(ask, Ask::LogIn { fence: vec![Session(7)] });
    submitter.answer(Millis(now), NO_JITTER, Answer::LoggedIn { session: Session(8), next_callnum: 1 });
    // A clock that jumps ahead does not cut the wait short.
    assert_eq!(submitter.next(Millis(now + 3_600_000)), None);
    let (later, ask) = look_until(&mut submitter, now + 3_600_000);
    assert_eq!(later - now - 3_600_000, 110_000, "120 s, of which the jump counts for 10");
    let sought = vec![(RowId(0), Sought::Attempt(Marker("tidegate/s/koji/0/1".into())))];
    assert_eq!(ask, Ask::Find { markers: sought, since: -3_600 });
    let found = Answer::Found(vec![(RowId(0), vec![TaskId(9), TaskId(5)])]);
    submitter.answer(Millis(later), NO_JITTER, found);
    let row = submitter.changes().rows.into_iter().find(|row| row.id() == RowId(0)).unwrap();
    assert_eq!((row.stage(), row.others()), (&Stage::Accepted { task: TaskId(5) }, &[TaskId(9)][..]));
    assert_eq!(submitter.status(Millis(later)).doubles, 1);
    assert_eq!(submitter.decide_in_doubt(Millis(later), RowId(0), Word::WasNot), Decided::NotInDoubt);
}

#[test]
fn a_start_doubts_every_intent_and_no_planned_row() {
    let mut submitter = begun(Manner::Fenced);
    let rows = until_submit(&mut submitter, Millis(1_000), 7);
    let changes = submitter.changes();
    let kept = changes.kept.unwrap();
    assert_eq!((rows, kept.sessions.as_slice()), (vec![RowId(0)], &[Session(7)][..]));
    let mut next = Submitter::restore(settings(Manner::Fenced), Millis(2_000), changes.rows, kept).unwrap();
    assert_eq!((next.status(Millis(2_000)).in_doubt, next.status(Millis(2_000)).planned), (1, 2));
    assert_eq!(next.next(Millis(2_000)), Some(Ask::LogIn { fence: vec![Session(7)] }));
    assert_eq!(next.decide_in_doubt(Millis(2_000), RowId(0), Word::WasNot), Decided::LookedUp);
}

#[test]
fn an_answer_to_a_process_that_is_gone_is_counted_and_changes_nothing() {
    let mut submitter = begun(Manner::Fenced);
    let rows = until_submit(&mut submitter, Millis(1_000), 7);
    let Changes { rows: written, kept } = submitter.changes();
    let mut next =
        Submitter::restore(settings(Manner::Fenced), Millis(2_000), written, kept.unwrap()).unwrap();
    next.changes();
    next.answer(Millis(2_000), NO_JITTER, receipts(&rows, &Receipt::Accepted(TaskId(5))));
    assert_eq!(next.changes(), Changes::default());
    let status = next.status(Millis(2_000));
    assert_eq!((status.misfits, status.in_doubt, status.planned, status.followed), (1, 1, 2, 0));
    assert_eq!(next.next(Millis(2_000)), Some(Ask::LogIn { fence: vec![Session(7)] }));
}

#[test]
fn a_finding_of_more_than_a_minute_ago_is_not_used() {
    for (later, is_used) in [(60_000, true), (60_001, false)] {
        let mut submitter = begun(Manner::Fenced);
        submitter.next(Millis(1_000));
        let opened = Answer::LoggedIn { session: Session(7), next_callnum: 1 };
        submitter.answer(Millis(1_000), NO_JITTER, opened);
        let Some(Ask::Check(inquiries)) = submitter.next(Millis(1_000)) else { panic!("no check") };
        let ready = Finding::Ready { source: "git+https://x#1".into() };
        let findings = inquiries.iter().map(|inquiry| (inquiry.row, ready.clone())).collect();
        submitter.answer(Millis(1_000 + later), NO_JITTER, Answer::Checked(findings));
        let ask = submitter.next(Millis(1_000 + later));
        assert_eq!(matches!(ask, Some(Ask::Submit { .. })), is_used, "{ask:?}");
    }
}

#[test]
fn findings_from_before_a_step_back_of_the_clock_are_not_used() {
    let mut submitter = begun(Manner::Fenced);
    let rows = until_submit(&mut submitter, Millis(1_000), 7);
    submitter.answer(Millis(1_000), NO_JITTER, receipts(&rows, &Receipt::Accepted(TaskId(1))));
    assert_eq!(submitter.next(Millis(0)), None, "the token is spent");
    // A second later by the clock, and who knows how much later in truth.
    let ask = submitter.next(Millis(1_000));
    let Some(Ask::Check(inquiries)) = ask else { panic!("a source of before the step: {ask:?}") };
    assert_eq!(inquiries.iter().map(|inquiry| inquiry.row).collect::<Vec<_>>(), [RowId(1), RowId(2)]);
    // It steps again while Koji is asked.
    let ready = |row| (row, Finding::Ready { source: "git+https://x#1".into() });
    submitter.answer(Millis(0), NO_JITTER, Answer::Checked(vec![ready(RowId(1)), ready(RowId(2))]));
    let ask = submitter.next(Millis(0));
    assert!(matches!(ask, Some(Ask::Check(_))), "a source of before the step: {ask:?}");
}

#[test]
fn what_is_taken_back_during_its_call_is_not_sent_again() {
    let mut submitter = begun(Manner::Fenced);
    let rows = until_submit(&mut submitter, Millis(1_000), 7);
    let why: Arc<str> = "untagged".into();
    assert_eq!(submitter.withdraw(Millis(1_000), key(0), Arc::clone(&why)), Withdrawal::GoesOn);
    let not_done = Receipt::NotDone(Trouble::Unreachable("connection refused".into()));
    submitter.answer(Millis(1_000), NO_JITTER, receipts(&rows, &not_done));
    let row = submitter.changes().rows.into_iter().find(|row| row.id() == RowId(0)).unwrap();
    assert_eq!(row.stage(), &Stage::Ended(End::Withdrawn { why }));
}

#[test]
fn retries_are_counted_and_end() {
    let mut submitter = begun(Manner::Fenced);
    for build in [1, 2] {
        assert_eq!(submitter.withdraw(Millis(0), key(build), "untagged".into()), Withdrawal::Ended);
    }
    let failure = Failure { cause: Cause::Infrastructure, stage: "srpm".into(), text: "no space".into() };
    let mut now = 1_000;
    for attempt in 1..=4 {
        let rows = until_submit(&mut submitter, Millis(now), 7);
        submitter.answer(Millis(now), NO_JITTER, receipts(&rows, &Receipt::Accepted(TaskId(attempt))));
        submitter.news(Millis(now), NO_JITTER, TaskId(attempt), Progress::Failed(failure.clone()));
        let row = submitter.changes().rows.into_iter().find(|row| row.id() == RowId(0)).unwrap();
        assert_eq!(u64::from(row.attempt()), attempt);
        let ended = Stage::Ended(End::Failed { failure: failure.clone() });
        assert_eq!(
            (row.stage() == &ended, row.retries()),
            (attempt == 4, 3.min(u32::try_from(attempt).unwrap()))
        );
        now += 7_200_000;
    }
    assert_eq!(submitter.why(Millis(now), key(0)), Why::NoRow);
}

#[test]
fn a_newer_build_supersedes_what_waits_and_keeps_what_was_sent_from_being_tried_again() {
    let newer = |build: u64, of: u64| {
        let mut plan = plan(build);
        plan.admitted.package = format!("package-{of}").into();
        plan.admitted.tagged_at = Second(10);
        plan
    };
    let mut submitter = begun(Manner::Fenced);
    let rows = until_submit(&mut submitter, Millis(1_000), 7);
    assert_eq!(submitter.admit(Millis(1_000), newer(10, 0)).unwrap(), Admission::Waits);
    assert_eq!(submitter.admit(Millis(1_000), newer(11, 1)).unwrap(), Admission::Waits);
    assert_eq!(submitter.why(Millis(1_000), key(1)), Why::NoRow);
    assert_eq!(submitter.admit(Millis(1_000), newer(11, 1)).unwrap(), Admission::Known(RowId(11)));
    submitter.answer(Millis(1_000), NO_JITTER, receipts(&rows, &Receipt::NotDone(Trouble::Offline)));
    let ended = submitter.changes().rows;
    for (old, by) in [(0, 10), (1, 11)] {
        let row = ended.iter().find(|row| row.id() == RowId(old)).unwrap();
        assert_eq!(row.stage(), &Stage::Ended(End::Superseded { by: key(by) }));
    }
}

#[test]
fn a_sink_that_forbids_is_asked_to_let_in_every_five_minutes_and_nothing_else() {
    let mut submitter = begun(Manner::Fenced);
    assert!(matches!(submitter.next(Millis(1_000)), Some(Ask::LogIn { .. })));
    submitter.answer(Millis(1_000), NO_JITTER, Answer::Failed(Trouble::Forbidden("no".into())));
    assert_eq!(submitter.next(Millis(300_999)), None);
    assert!(submitter.status(Millis(300_999)).trouble.is_some());
    assert!(matches!(submitter.next(Millis(301_000)), Some(Ask::LogIn { .. })));
}

#[test]
fn an_old_copy_looks_up_all_before_it_submits_any() {
    let mut submitter = begun(Manner::Fenced);
    assert!(submitter.adopt(Millis(1_000), Second(100)));
    submitter.admit(Millis(1_000), plan(5)).unwrap();
    assert!(matches!(submitter.next(Millis(1_000)), Some(Ask::LogIn { .. })));
    submitter.answer(Millis(1_000), NO_JITTER, Answer::LoggedIn { session: Session(7), next_callnum: 1 });
    let (now, ask) = look_until(&mut submitter, 1_000);
    let Ask::Find { markers, .. } = ask else { panic!("{ask:?} before the look-up") };
    assert_eq!(markers.len(), 4);
    assert!(markers.iter().all(|(row, sought)| sought.matches(&format!("tidegate/s/koji/{row}/77"))));
    assert!(!markers[0].1.matches("tidegate/s/koji/01/1"));
    let found =
        markers.iter().map(|(row, _)| (*row, if row.0 == 0 { vec![TaskId(4), TaskId(6)] } else { vec![] }));
    submitter.answer(Millis(now), NO_JITTER, Answer::Found(found.collect()));
    assert_eq!(
        submitter.why(Millis(now), key(0)),
        Why::Task { task: TaskId(6), is_building: false, unknown_since: None }
    );
    let rows = until_submit(&mut submitter, Millis(now), 8);
    let changed = submitter.changes().rows;
    let row = changed.iter().find(|row| row.id() == rows[0]).unwrap();
    assert_eq!(row.attempt(), 10_001, "behind all attempts of the later copy");
}
