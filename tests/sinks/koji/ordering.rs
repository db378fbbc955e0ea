//! Logins, fences, orders, lost answers, and how an order is found again.

use tidegate::hub::{Availability, Point, Trouble as Hit};
use tidegate::koji::command::BuildKind;
use tidegate::koji::xmlrpc::{Call, Value};
use tidegate::sink::Sink;
use tidegate::sink::koji::BuildStyle;
use tidegate::submit::ask::{Answer, Ask, Receipt, Sought, Trouble};
use tidegate::submit::row::{MarkerBase, RowId, Session, TaskId};

use super::{BEGIN, asked, hit, log_in, ordered, sink, sink_with, start, submit, tasks, world};
use crate::{SOURCE, marker, order};

async fn found(sink: &mut impl Sink, sought: Vec<Sought>, since: i64) -> Vec<Vec<TaskId>> {
    let markers = (0..).map(RowId).zip(sought).collect();
    let answer = sink.perform(Ask::Find { markers, since }).await;
    let Answer::Found(found) = answer else { panic!("{answer:?}") };
    found.into_iter().map(|(_, tasks)| tasks).collect()
}

#[tokio::test]
async fn an_order_becomes_a_task_that_carries_its_marker_and_is_found_by_it() {
    let hub = start(world()).await;
    let style = BuildStyle { priority: Some(5), kind: BuildKind::Draft, fail_fast: true, wait_repo: true };
    let mut sink = sink_with(&hub, style, "rebuilderpw");
    let (session, callnum) = log_in(&mut sink, &[]).await;
    let first = ordered(&mut sink, (session, callnum), order(7, SOURCE, "eln")).await;
    let stated = tidegate::submit::ask::Order { priority: Some(3), ..order(8, SOURCE, "eln") };
    let second = ordered(&mut sink, (session, callnum + 1), stated).await;

    let request = |task: TaskId| {
        let id = i64::try_from(task.0).unwrap();
        asked(&hub, &Call::new("getTaskInfo").arg(id).named("request", true))
    };
    let task = request(first);
    let task = task.as_struct().unwrap();
    let arguments = task.get("request").and_then(Value::as_array).unwrap();
    assert_eq!((arguments[0].as_str(), arguments[1].as_str()), (Some(SOURCE), Some("eln")));
    let options = arguments[2].as_struct().unwrap();
    for name in ["draft", "fail_fast", "wait_repo"] {
        assert_eq!(options.get(name), Some(&Value::from(true)), "{name}");
    }
    assert_eq!(options.get("scratch"), None);
    let metadata = options.get("custom_user_metadata").and_then(Value::as_struct).unwrap();
    assert_eq!(metadata.get("tidegate").and_then(Value::as_str), Some(&*marker(7).0));
    let priority = |task: &Value| task.as_struct().unwrap().get("priority").and_then(Value::as_int);
    assert_eq!((priority(&request(first)), priority(&request(second))), (Some(25), Some(23)));

    let base = |row| Sought::AnyAttempt(MarkerBase::new("s1", "eln", row));
    let sought = vec![
        Sought::Attempt(marker(7)),
        Sought::Attempt(MarkerBase::new("s1", "eln", 7).attempt(2)),
        base(8),
        base(70),
    ];
    assert_eq!(found(&mut sink, sought.clone(), BEGIN).await, [vec![first], vec![], vec![second], vec![]]);
    let none: [Vec<TaskId>; 4] = Default::default();
    assert_eq!(found(&mut sink, sought, BEGIN + 1).await, none, "older tasks are not ours");
    hub.stop().await;
}

#[tokio::test]
async fn what_is_looked_for_is_found_on_any_page() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    let (session, callnum) = log_in(&mut sink, &[]).await;
    // More than two pages of tasks, the sought ones at both ends and in the middle.
    let mut made = Vec::new();
    for number in 0..401 {
        made.push(ordered(&mut sink, (session, callnum + number), order(number, SOURCE, "eln")).await);
    }
    let rows = [0, 199, 200, 400];
    let sought = rows.iter().map(|row| Sought::Attempt(marker(*row))).collect();
    let expected: Vec<Vec<TaskId>> =
        rows.iter().map(|row| vec![made[usize::try_from(*row).unwrap()]]).collect();
    assert_eq!(found(&mut sink, sought, BEGIN).await, expected);
    hub.stop().await;
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_never_sent_again_and_is_found() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    let (session, callnum) = log_in(&mut sink, &[]).await;
    hit(&hub, "build", Hit::LoseAnswer);
    let lost = submit(&mut sink, session, callnum, order(7, SOURCE, "eln")).await;
    assert!(matches!(lost, Receipt::Lost(_)), "{lost:?}");
    let again = submit(&mut sink, session, callnum, order(7, SOURCE, "eln")).await;
    assert!(matches!(again, Receipt::Lost(_)), "the number was used: {again:?}");
    let other = submit(&mut sink, session, callnum + 1, order(8, SOURCE, "eln")).await;
    assert!(matches!(other, Receipt::NotDone(Trouble::SessionOver(_))), "{other:?}");
    assert_eq!(tasks(&hub), 1, "what came after was not sent");

    let (newer, _) = log_in(&mut sink, &[session]).await;
    assert_ne!(newer, session);
    let tasks = found(&mut sink, vec![Sought::Attempt(marker(7)), Sought::Attempt(marker(8))], BEGIN).await;
    assert_eq!((tasks[0].len(), tasks[1].len()), (1, 0));
    hub.stop().await;
}

#[tokio::test]
async fn a_login_ends_the_sessions_that_it_is_given() {
    let hub = start(world()).await;
    let (mut old, mut new) = (sink(&hub), sink(&hub));
    let (session, callnum) = log_in(&mut old, &[]).await;
    // A session that is gone is no obstacle.
    log_in(&mut new, &[session, Session(4_711)]).await;
    let refused = submit(&mut old, session, callnum, order(7, SOURCE, "eln")).await;
    assert!(matches!(refused, Receipt::NotDone(Trouble::SessionOver(_))), "{refused:?}");
    assert_eq!(tasks(&hub), 0);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_waits_for_the_call_that_the_old_session_runs() {
    let hub = start(world()).await;
    let (mut old, mut new) = (sink(&hub), sink(&hub));
    let (session, callnum) = log_in(&mut old, &[]).await;
    hit(&hub, "build", Hit::Stall { at: Point::Running, millis: None });
    let running =
        tokio::spawn(async move { submit(&mut old, session, callnum, order(7, SOURCE, "eln")).await });
    hub.wait_stalled(1).await;
    let fencing = tokio::spawn(async move {
        log_in(&mut new, &[session]).await;
        new
    });
    hub.release();
    let mut new = fencing.await.unwrap();
    assert_eq!(found(&mut new, vec![Sought::Attempt(marker(7))], BEGIN).await[0].len(), 1);
    assert!(matches!(running.await.unwrap(), Receipt::Accepted(_)));
    hub.stop().await;
}

#[tokio::test]
async fn a_login_fails_where_a_fence_does_or_the_password_is_wrong() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    hit(&hub, "logout", Hit::Fault { code: 1001, text: "locked".to_owned() });
    let failed = sink.perform(Ask::LogIn { fence: vec![Session(4_711)] }).await;
    assert!(matches!(&failed, Answer::Failed(Trouble::Fault(fault)) if fault.code == 1001), "{failed:?}");
    // Nobody is logged in then.
    let refused = submit(&mut sink, Session(1), 0, order(7, SOURCE, "eln")).await;
    assert!(matches!(refused, Receipt::NotDone(Trouble::SessionOver(_))), "{refused:?}");
    let blind = sink.perform(Ask::Find { markers: Vec::new(), since: BEGIN }).await;
    assert!(matches!(blind, Answer::Failed(Trouble::SessionOver(_))), "{blind:?}");

    let mut stranger = sink_with(&hub, BuildStyle::default(), "wrong");
    let forbidden = stranger.perform(Ask::LogIn { fence: Vec::new() }).await;
    assert!(matches!(forbidden, Answer::Failed(Trouble::Forbidden(_))), "{forbidden:?}");
    hub.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_under_another_number_than_was_written_down() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    let (session, callnum) = log_in(&mut sink, &[]).await;
    let another = Session(session.0 + 1);
    for (session, callnum) in [(another, callnum), (session, callnum + 1), (session, callnum + 100)] {
        let receipt = submit(&mut sink, session, callnum, order(7, SOURCE, "eln")).await;
        assert!(matches!(receipt, Receipt::NotDone(Trouble::SessionOver(_))), "{receipt:?}");
    }
    let used = submit(&mut sink, session, callnum - 1, order(7, SOURCE, "eln")).await;
    assert!(matches!(used, Receipt::Lost(_)), "{used:?}");
    let orders = vec![order(7, SOURCE, "eln"), order(8, SOURCE, "eln")];
    let both = sink.perform(Ask::Submit { session: Some(session), callnum, orders }).await;
    let Answer::Submitted(receipts) = both else { panic!("no receipts") };
    assert!(receipts.iter().all(|(_, receipt)| matches!(receipt, Receipt::NotDone(_))), "{receipts:?}");
    assert_eq!(tasks(&hub), 0);
    ordered(&mut sink, (session, callnum), order(7, SOURCE, "eln")).await;
    hub.stop().await;
}

#[tokio::test]
async fn what_the_hub_says_of_itself_is_told_apart() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    let (session, callnum) = log_in(&mut sink, &[]).await;
    hub.world(|world| world.set_availability(Availability::Offline("branching".to_owned())));
    let receipt = submit(&mut sink, session, callnum, order(7, SOURCE, "eln")).await;
    assert_eq!(receipt, Receipt::NotDone(Trouble::Offline));
    assert_eq!(sink.perform(Ask::Sample).await, Answer::Failed(Trouble::Offline));
    assert_eq!(sink.perform(Ask::Follow(vec![TaskId(1)])).await, Answer::Failed(Trouble::Offline));
    hub.world(|world| world.set_availability(Availability::Open));
    // A refusal by the hub costs no session.
    hit(&hub, "build", Hit::Fault { code: 1019, text: "Invalid type".to_owned() });
    let receipt = submit(&mut sink, session, callnum + 1, order(7, SOURCE, "eln")).await;
    assert!(matches!(&receipt, Receipt::Refused(fault) if fault.code == 1019), "{receipt:?}");
    hit(&hub, "build", Hit::Expire);
    let receipt = submit(&mut sink, session, callnum + 2, order(7, SOURCE, "eln")).await;
    assert!(matches!(receipt, Receipt::NotDone(Trouble::SessionOver(_))), "{receipt:?}");
    assert_eq!(tasks(&hub), 0);
    let url = hub.url();
    hub.stop().await;
    let gone = sink.perform(Ask::Sample).await;
    assert!(matches!(gone, Answer::Failed(Trouble::Unreachable(_))), "{url}: {gone:?}");
}
