//! The table of steps: what no row may do.

use crate::governor::clock::Millis;
use crate::submit::row::TaskId;
use crate::submit::stage::{Call, End, Stage, Step};

#[test]
fn no_step_leads_from_a_call_without_a_word_on_it_to_another_call() {
    let call = Call { at: Millis(1), session: None, callnum: 1 };
    let sent = [
        Stage::Intent(call),
        Stage::InDoubt { call: Some(call) },
        Stage::InDoubt { call: None },
        Stage::Accepted { task: TaskId(1) },
        Stage::Building { task: TaskId(1) },
        Stage::Ended(End::Taken),
    ];
    for stage in sent {
        assert!(stage.after(Step::Send { call, again: false }).is_err(), "{stage:?}");
    }
}

#[test]
fn what_ended_stays_so_and_what_was_not_sent_cannot_be_built() {
    let ended = Stage::Ended(End::Canceled);
    let planned = Stage::Planned { not_before: None };
    let call = Call { at: Millis(1), session: None, callnum: 1 };
    let steps = [
        Step::Doubt,
        Step::DoubtCopy,
        Step::Accept(TaskId(1)),
        Step::Begin,
        Step::PlanAgain { not_before: None, retry: true },
        Step::Send { call, again: true },
        Step::End(End::Built { nvr: None }),
    ];
    for step in steps {
        assert!(ended.after(step.clone()).is_err(), "{step:?}");
        let is_legal = matches!(step, Step::Send { .. } | Step::DoubtCopy);
        assert_eq!(planned.after(step.clone()).is_ok(), is_legal, "{step:?}");
    }
}
