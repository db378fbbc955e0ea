//! Sessions: numbers, faults, lost answers, secrets.

use std::future::poll_fn;
use std::task::Poll;

use tidegate::koji::command::{self, BuildRequest, Command};
use tidegate::koji::error::{Problem, Retry};
use tidegate::koji::login::Login;
use tidegate::koji::query;
use tidegate::koji::secret::Secret;
use tidegate::koji::sequence::Over;
use tidegate::koji::xmlrpc::Value;

use crate::canned::{Step, endless};
use crate::{event, fault, header, hub, logged_in, value};

fn login() -> Login {
    Login::Password { user: "bot".to_owned(), password: Secret::new("open-sesame") }
}

fn build() -> Command<u64> {
    let request =
        BuildRequest { source: "git+https://src.example/rpms/x#1", target: "eln", ..BuildRequest::default() };
    command::build(&request)
}

#[tokio::test]
async fn each_call_of_a_session_has_the_next_number() {
    let (canned, client) = hub(vec![
        logged_in(7, "7-hush"),
        value(41),
        fault(1003, "build x already tagged (eln)"),
        value(event(3)),
        value(42),
        value(Value::Nil),
    ])
    .await;
    let mut session = client.log_in(&login()).await.unwrap();
    assert_eq!((session.id(), session.next_callnum()), (7, 0));
    assert_eq!(session.run(&build()).await, Ok(41));
    assert_eq!(session.run(&build()).await.unwrap_err().retry, Retry::Never);
    assert!(session.ask(&query::last_event()).await.is_ok());
    assert_eq!(session.run(&build()).await, Ok(42));
    assert_eq!((session.next_callnum(), session.over()), (4, None));
    assert_eq!(session.log_out().await, Ok(()));
    let requests = canned.requests();
    let numbers: Vec<_> = requests.iter().map(|request| header(request, "Koji-Session-Callnum")).collect();
    assert_eq!(numbers, [None, Some("0"), Some("1"), Some("2"), Some("3"), Some("4")]);
    for request in requests.iter().skip(1) {
        assert_eq!(header(request, "Koji-Session-Id"), Some("7"));
        assert_eq!(header(request, "Koji-Session-Key"), Some("7-hush"));
    }
}

#[tokio::test]
async fn a_write_without_an_answer_ends_the_session_and_is_not_sent_again() {
    let cut = vec![Step::Close];
    let half = vec![
        Step::Send(endless()),
        Step::Send(b"<?xml version='1.0'?>\n<methodResponse>".to_vec()),
        Step::Close,
    ];
    for lost in [cut, half] {
        let (canned, client) =
            hub(vec![logged_in(7, "k"), lost, logged_in(8, "k"), value(Value::Nil), value(41)]).await;
        let mut session = client.log_in(&login()).await.unwrap();
        let error = session.run(&build()).await.unwrap_err();
        assert_eq!(error.retry, Retry::InDoubt, "{error}");
        let over = Over::InDoubt { callnum: 0 };
        assert_eq!(session.over(), Some(over));
        let error = session.ask(&query::last_event()).await.unwrap_err();
        assert_eq!((error.problem, error.retry), (Problem::SessionOver(over), Retry::NewSession));
        assert_eq!(canned.requests().len(), 2, "nothing was sent again");

        // The old session is fenced off by a new one, which then goes on.
        let mut other = client.log_in(&login()).await.unwrap();
        assert_eq!(other.fence(session.id()).await, Ok(()));
        let fence = canned.requests().pop().unwrap();
        assert!(fence.contains("<methodName>logout</methodName>"), "{fence}");
        assert!(fence.contains("<value><int>7</int></value>"), "{fence}");
        assert_eq!(other.run(&build()).await, Ok(41));
    }
}

#[tokio::test]
async fn a_read_without_an_answer_leaves_the_session_as_it_is() {
    let (canned, client) = hub(vec![logged_in(7, "k"), vec![Step::Close], value(41)]).await;
    let mut session = client.log_in(&login()).await.unwrap();
    let error = session.ask(&query::last_event()).await.unwrap_err();
    assert_eq!((error.retry, session.over()), (Retry::Pause, None));
    assert_eq!(session.run(&build()).await, Ok(41));
    assert_eq!(header(canned.requests().last().unwrap(), "Koji-Session-Callnum"), Some("1"));
}

#[tokio::test]
async fn a_session_that_the_hub_has_forgotten_asks_for_a_new_one() {
    for (code, text) in [
        (1007, "session \"7\" has expired"),
        (1008, "5 > 0 (session 7)"),
        (1002, "Invalid session or bad credentials"),
    ] {
        let (_canned, client) = hub(vec![logged_in(7, "k"), fault(code, text)]).await;
        let mut session = client.log_in(&login()).await.unwrap();
        let error = session.run(&build()).await.unwrap_err();
        assert_eq!((error.retry, session.over()), (Retry::NewSession, Some(Over::Refused)), "{error}");
        assert!(error.to_string().ends_with("; log in anew"), "{error}");
    }
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_in_doubt() {
    let (canned, client) = hub(vec![logged_in(7, "k"), vec![Step::Silence]]).await;
    let mut session = client.log_in(&login()).await.unwrap();
    {
        let command = build();
        let mut call = Box::pin(session.run(&command));
        while canned.requests().len() < 2 {
            let is_pending = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await;
            assert!(is_pending);
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(session.over(), Some(Over::InDoubt { callnum: 0 }));
    assert!(matches!(session.run(&build()).await.unwrap_err().problem, Problem::SessionOver(_)));
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again() {
    let (canned, client) = hub(vec![fault(1002, "invalid username or password")]).await;
    let error = client.log_in(&login()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    assert_eq!(
        error.to_string(),
        "koji: login: the hub answers with AuthError (1002): invalid username or password"
    );
    assert_eq!(canned.requests().len(), 1);
}

#[tokio::test]
async fn a_hub_that_knows_no_headers_is_refused() {
    let old = tidegate::koji::xmlrpc::Struct::new().with("session-id", 7).with("session-key", "7-hush");
    let (_canned, client) = hub(vec![value(old)]).await;
    let error = client.log_in(&login()).await.unwrap_err().to_string();
    assert!(error.contains("header-auth should be true (Koji 1.30 or newer)"), "{error}");
}

#[tokio::test]
async fn secrets_are_shown_nowhere() {
    let (canned, client) = hub(vec![logged_in(7, "7-hush"), fault(1004, "no"), vec![Step::Close]]).await;
    let mut session = client.log_in(&login()).await.unwrap();
    let refused = session.run(&build()).await.unwrap_err();
    let lost = session.run(&build()).await.unwrap_err();
    let command = command::login("bot", &Secret::new("open-sesame"));
    let shown =
        format!("{session:?} {client:?} {:?} {refused:?} {refused} {lost:?} {lost} {command:?}", login());
    for secret in ["7-hush", "open-sesame"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(canned.requests().iter().any(|request| request.contains(secret)), "{secret} was used");
    }
}
