use super::*;
use crate::koji::answers::TaskState;
use crate::koji::xmlrpc::Struct;
use crate::time::Second;

/// The arguments of a call, by name, as people write them.
fn arguments(call: &Call) -> String {
    format!("{:?} {:?}", call.params, call.named.iter().collect::<Vec<_>>())
}

#[test]
fn filters_say_no_more_than_they_hold() {
    let plain = list_tagged("f42", TaggedFilter::default());
    assert_eq!(plain.call(), &Call::new("listTagged").arg("f42"));
    let latest = list_tagged("f42", TaggedFilter { draft: Some(false), ..TaggedFilter::LATEST });
    let expected =
        Call::new("listTagged").arg("f42").named("latest", true).named("inherit", true).named("draft", false);
    assert_eq!(latest.call(), &expected);

    let nothing = list_tasks(&TaskFilter::default(), Page::default());
    assert_eq!(nothing.call(), &Call::new("listTasks").arg(Struct::new()).arg(Struct::new()));
    let filter = TaskFilter {
        owner: Some(4),
        method: Some("build"),
        states: TaskState::UNDER_WAY.to_vec(),
        created_after: Some(Second(1_795_489_742)),
        parent: Some(7),
        with_request: true,
    };
    let text = arguments(count_tasks(&filter).call());
    for part in [
        r#"("createdAfter", String("2026-11-24 03:09:02+00:00"))"#,
        r#"("state", Array([Int(0), Int(1), Int(4)]))"#,
        r#"("parent", Int(7))"#,
        r#"("decode", Bool(true))"#,
        r#"("countOnly", Bool(true))"#,
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn history_is_asked_for_by_build_tag_and_time() {
    let filter = HistoryFilter {
        build_id: Some(7),
        tag: Some("f42"),
        package: Some("zlib"),
        after_event: Some(9),
        active: Some(true),
    };
    let expected = Call::new("queryHistory")
        .named("tables", vec!["tag_listing"])
        .named("build", 7)
        .named("tag", "f42")
        .named("package", "zlib")
        .named("afterEvent", 9)
        .named("active", true);
    assert_eq!(query_history(filter).call(), &expected);
}

#[test]
fn what_does_not_exist_is_none() {
    assert_eq!(get_build(7).read(Value::Nil), Ok(None));
    assert_eq!(get_tag("nope").read(Value::Nil), Ok(None));
    assert_eq!(build_target("nope").read(Value::Nil), Ok(None));
    assert_eq!(task_info(7, false).read(Value::Nil), Ok(None));
    assert_eq!(get_repo("eln-build").read(Value::Nil), Ok(None));
    assert_eq!(average_build_duration("zlib").read(Value::Nil), Ok(None));
    assert_eq!(average_build_duration("zlib").read(Value::from(81.5)), Ok(Some(81.5)));
}

#[test]
fn a_repository_tells_its_state_and_its_place_in_history() {
    let repo = Struct::new().with("id", 5).with("state", 1).with("create_event", 77);
    let found = repo_info(5).read(repo.clone().into()).unwrap().unwrap();
    assert_eq!((found.id, found.koji_event_id), (5, 77));
    assert_eq!(found.state, crate::koji::answers::RepoState::Ready);
    let error = repo_info(5).read(repo.with("state", 9).into()).unwrap_err();
    assert_eq!(error.to_string(), "state should be the state of a repository, 0 to 4, is 9");
}

#[test]
fn as_many_tasks_come_as_were_asked_for() {
    let task = Struct::new().with("id", 1).with("method", "build").with("state", 0).with("arch", "noarch");
    let two = Value::Array(vec![task.into(), Value::Nil]);
    let found = task_infos(&[1, 2], false).read(two.clone()).unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    let error = task_infos(&[1, 2, 3], false).read(two).unwrap_err();
    assert_eq!(error.to_string(), "it should be one answer for each task, is 2 answers");
}

#[test]
fn a_failed_task_is_an_answer() {
    use crate::koji::answers::TaskResult;
    let fault = Struct::new().with("faultCode", 1000).with("faultString", "unknown build target: nope");
    let failed = TaskResult::Failed(Fault::new(1000, "unknown build target: nope"));
    assert_eq!(task_result(3).read(fault.into()), Ok(failed));
    let done = Value::from(vec!["work/1.log"]);
    assert_eq!(task_result(3).read(done.clone()), Ok(TaskResult::Done(done)));
}

#[test]
fn answers_of_a_batch_are_read_each_with_its_place() {
    let batch = Query::batch(vec![api_version(), api_version()]);
    let entry = |value: Value| Value::Array(vec![value]);
    let error = batch.read(Value::Array(vec![entry(1.into()), entry("1".into())])).unwrap_err();
    assert_eq!(error.to_string(), "[1] should be a whole number, is a string");
    let error = batch.read(Value::Array(vec![entry(1.into()), Value::Nil])).unwrap_err();
    assert_eq!(error.to_string(), "[1] should be a result or a fault, is neither");
    assert!(batch.read(Value::Nil).is_err());
}

#[test]
fn what_is_shown_of_a_query_is_its_method() {
    assert_eq!(format!("{:?}", get_tag("f42")), r#"Query("getTag")"#);
    assert_eq!(format!("{:?}", list_tagged("f42", TaggedFilter::default())), r#"Listing("listTagged")"#);
}

#[test]
fn the_history_of_a_build_may_be_empty_or_left_out() {
    let query = build_history(7);
    assert_eq!(query.call().named.get("build"), Some(&Value::Int(7)));
    assert_eq!(query.read(Struct::new().into()), Ok(Vec::new()));
    assert_eq!(
        query.read(Struct::new().with("tag_listing", Value::Array(Vec::new())).into()),
        Ok(Vec::new())
    );
    assert!(query.read(Struct::new().with("tag_listing", 3).into()).is_err());
    assert!(query.read(Value::Nil).is_err());
}

#[test]
fn the_newest_event_before_a_time_may_be_none() {
    let query = last_event_before(Second(1_795_489_734));
    assert_eq!(query.read(Value::Nil), Ok(None));
    let event = Struct::new().with("id", 9).with("ts", 1_795_489_733.5);
    let found = query.read(event.into()).unwrap().unwrap();
    assert_eq!((found.koji_event_id, found.at.0), (9, 1_795_489_733));
    assert!(query.call().encode().unwrap().contains("1795489734"));
}
