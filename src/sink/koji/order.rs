//! One order, sent once, under the number that was written down for it.

use super::{Access, BuildStyle};
use crate::koji::command::{self, BuildOptions, BuildRequest};
use crate::koji::sequence::Over;
use crate::koji::xmlrpc::Struct;
use crate::sink::{all, trouble};
use crate::submit::ask::{Order, Receipt, Trouble};
use crate::submit::row::{RowId, Session, TaskId};

/// The member of `custom_user_metadata` that our marker stands in.
pub(super) const MARKER: &str = "tidegate";

/// Orders a build, if the session and the number of its next call are those that were written down.
pub(super) async fn submit(
    access: Option<&mut Access>,
    style: BuildStyle,
    asked: Option<Session>,
    callnum: u64,
    orders: &[Order],
) -> Vec<(RowId, Receipt)> {
    let [order] = orders else {
        let text = "a hub takes one order at a time, and nothing was sent";
        return all(orders, || Receipt::NotDone(Trouble::Unreachable(text.into())));
    };
    let receipt = match agree(access, asked, callnum) {
        Ok(access) => {
            let command = command::build(&request(style, order));
            match access.session.run(&command).await {
                Ok(task) => Receipt::Accepted(TaskId(task)),
                Err(error) => trouble::receipt(&error),
            }
        }
        Err(receipt) => receipt,
    };
    vec![(order.row, receipt)]
}

/// Whether the call may be made; nothing was sent where not.
fn agree(access: Option<&mut Access>, asked: Option<Session>, callnum: u64) -> Result<&mut Access, Receipt> {
    let over = |text: String| Trouble::SessionOver(text.into());
    let Some(access) = access else {
        return Err(Receipt::NotDone(over("nobody is logged in".to_owned())));
    };
    let (own, next) = (access.session.id(), access.session.next_callnum());
    if asked != Some(Session(own)) {
        let text = asked.map_or_else(|| "no session".to_owned(), |asked| format!("session {asked}"));
        return Err(Receipt::NotDone(over(format!("the order is for {text}, and session {own} is open"))));
    }
    if callnum < next {
        // This number was used: what was sent under it may be this very order.
        return Err(Receipt::Lost(over(format!(
            "call {callnum} of session {own} was made before, the next one is {next}"
        ))));
    }
    if let Some(Over::InDoubt { callnum: sent }) = access.session.over() {
        return Err(Receipt::NotDone(over(format!("call {sent} of session {own} is in doubt"))));
    }
    if callnum > next {
        return Err(Receipt::NotDone(over(format!(
            "the order is for call {callnum} of session {own}, the next one is {next}"
        ))));
    }
    Ok(access)
}

fn request(style: BuildStyle, order: &Order) -> BuildRequest<'_> {
    BuildRequest {
        source: &order.source,
        target: &order.target,
        priority: order.priority.or(style.priority),
        channel: None,
        options: BuildOptions {
            kind: style.kind,
            fail_fast: style.fail_fast,
            wait_repo: style.wait_repo,
            metadata: Some(Struct::new().with(MARKER, &*order.marker.0)),
            ..BuildOptions::default()
        },
    }
}
