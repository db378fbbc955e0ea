//! Questions about the hub itself.

use super::Query;
use crate::koji::answers::{self, Host, HubEvent, User};
use crate::koji::fields::{list, optional, text, whole};
use crate::koji::xmlrpc::Call;
use crate::time::Second;

/// The version of the hub's interface: 1 (`getAPIVersion`).
pub fn api_version() -> Query<i64> {
    Query::new(Call::new("getAPIVersion"), whole)
}

/// The version of Koji: `1.35.3` (`getKojiVersion`).
pub fn koji_version() -> Query<String> {
    Query::new(Call::new("getKojiVersion"), text)
}

/// Who the hub takes us for; `None` without a session (`getLoggedInUser`).
pub fn logged_in_user() -> Query<Option<User>> {
    Query::new(Call::new("getLoggedInUser"), |value| optional(value, answers::user))
}

/// The newest point of the hub's history (`getLastEvent`): cheap, so also the call that tells whether the hub is there
/// and how fast it answers.
pub fn last_event() -> Query<HubEvent> {
    Query::new(Call::new("getLastEvent"), answers::hub_event)
}

/// The newest point of the hub's history before a time (`getLastEvent`); `None` where there is none.
pub fn last_event_before(at: Second) -> Query<Option<HubEvent>> {
    let call = Call::new("getLastEvent").named("before", at.0).named("strict", false);
    Query::new(call, |value| optional(value, answers::hub_event))
}

/// Builders (`listHosts`): of one channel, or of all; those that may take tasks, or all.
pub fn list_hosts(channel_id: Option<u64>, enabled: Option<bool>) -> Query<Vec<Host>> {
    let call = Call::new("listHosts")
        .named_some("channelID", channel_id.map(super::whole))
        .named_some("enabled", enabled);
    Query::new(call, |value| list(value, answers::host))
}
