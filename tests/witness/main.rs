//! Koji as a witness: the live pipeline beside a hub, with no broker between them. What the hub publishes is read as a topic
//! would bring it, time goes as the test says, and what the pipeline asks is asked over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod evidence;
mod history;
#[expect(dead_code, reason = "nobody looks at heads of answers here")]
#[path = "../common/hub_wire.rs"]
mod hub_wire;
mod import;
mod stage;
