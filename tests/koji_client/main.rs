//! The client against a server that plays bytes: what it sends, and what it makes of answers.

#![expect(clippy::unwrap_used, reason = "a test whose loopback fails has failed")]

#[path = "../common/canned.rs"]
mod canned;
mod encrypted;
mod reads;
mod sessions;

use tidegate::koji::client::{Client, ClientSettings};
use tidegate::koji::xmlrpc::{Answer, Fault, Struct, Value};

use self::canned::{Canned, Step, answer};

async fn hub(scripts: Vec<Vec<Step>>) -> (Canned, Client) {
    let canned = Canned::start(scripts).await;
    let client = Client::new(&ClientSettings::new(canned.url())).unwrap();
    (canned, client)
}

fn value(value: impl Into<Value>) -> Vec<Step> {
    answer(&Answer::Value(value.into()))
}

fn fault(code: i64, text: &str) -> Vec<Step> {
    answer(&Answer::Fault(Fault::new(code, text)))
}

fn logged_in(id: i64, key: &str) -> Vec<Step> {
    value(Struct::new().with("session-id", id).with("session-key", key).with("header-auth", true))
}

fn event(id: i64) -> Struct {
    Struct::new().with("id", id).with("ts", 1_795_489_734.371_875)
}

/// The value of a header, of which the name may be written in any case.
fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
