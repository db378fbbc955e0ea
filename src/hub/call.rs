//! Runs a call: the second of its two transactions.

use std::collections::BTreeSet;

use super::arguments::{Arguments, Signature};
use super::faults::{self, NOT_ALLOWED, OFFLINE, UNKNOWN, generic};
use super::methods;
use super::session::{Caller, Credentials};
use super::world::{Availability, World};
use crate::koji::xmlrpc::{Answer, Call, Fault, Struct, Value};

/// What a method is given beside its arguments.
pub(super) struct Turn<'a> {
    pub(super) world: &'a mut World,
    pub(super) caller: Caller,
    pub(super) client: &'a Client,
    /// The newest event when the transaction began.
    pub(super) since: i64,
    /// Whether anything was written, so that the transaction is committed.
    pub(super) wrote: bool,
}

/// What the server in front of the hub knows of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Client {
    /// The subject of its certificate, `CN=releng,O=Example`.
    pub(super) subject: Option<String>,
    /// Whether the request went to the address for logins.
    pub(super) at_login: bool,
}

/// A method of the hub.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) signature: Signature,
    pub(super) run: fn(&mut Turn<'_>, &Arguments) -> Result<Value, Fault>,
}

/// A call that the hub has let in, and what it needs to run.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    caller: Caller,
    since: i64,
}

/// The first transaction: whether the hub takes the call at all.
pub(super) fn admit(world: &mut World, credentials: &Credentials, method: &str) -> Result<Admitted, Fault> {
    let refusal = match &world.availability {
        Availability::Open | Availability::LockedOut => None,
        Availability::Offline(words) => Some(words.clone()),
        Availability::DatabaseDown => Some("database outage".to_owned()),
        Availability::Misconfigured => Some("configuration error".to_owned()),
    };
    if let Some(words) = refusal {
        return Err(Fault::new(OFFLINE, words));
    }
    methods::find(method)?;
    let caller = world.admit(credentials, method)?;
    if world.availability == Availability::LockedOut && !world.may(&caller, "admin") {
        return Err(Fault::new(OFFLINE, "Server disabled for maintenance"));
    }
    Ok(Admitted { caller, since: world.last_event() })
}

impl Admitted {
    /// The second transaction begins: what is there from now on by others, it does not see.
    pub(super) fn begin(&mut self, world: &World) {
        self.since = world.last_event();
    }
}

/// The rows of sessions that the second transaction of a call holds, in the order in which it takes them: its own where it
/// has a number to keep, and that of each session it logs out.
pub(super) fn rows(call: &Call, credentials: &Credentials) -> BTreeSet<i64> {
    let mut rows = BTreeSet::new();
    if credentials.callnum.is_some() {
        rows.extend(credentials.session());
    }
    let logged_out = |call: &Call| {
        let session = call.params.first().or_else(|| call.named.get("session_id"));
        session.filter(|_| call.method == "logout").and_then(Value::as_int)
    };
    rows.extend(logged_out(call));
    rows.extend(call.entries().iter().flatten().filter_map(logged_out));
    rows
}

/// The second transaction: runs the call, and keeps its number if it wrote.
pub(super) fn run(world: &mut World, admitted: &Admitted, client: &Client, call: &Call) -> Answer {
    let published = world.outbox.len();
    let mut turn = Turn { world, caller: admitted.caller, client, since: admitted.since, wrote: false };
    let result = turn.dispatch(call);
    let wrote = turn.wrote;
    match result {
        Ok(value) => {
            if wrote {
                world.keep_callnum(&admitted.caller);
            }
            Answer::Value(value)
        }
        Err(fault) => {
            world.outbox.truncate(published);
            Answer::Fault(fault)
        }
    }
}

impl World {
    /// Runs a call of a user at once, without a session; anonymously where there is no such user.
    pub fn call_as(&mut self, user: &str, call: &Call) -> Answer {
        let caller = Caller { user: self.user_named(user).map(|user| user.id), ..Caller::default() };
        let admitted = Admitted { caller, since: self.last_event() };
        run(self, &admitted, &Client::default(), call)
    }
}

impl Turn<'_> {
    fn dispatch(&mut self, call: &Call) -> Result<Value, Fault> {
        let method = methods::find(&call.method)?;
        let arguments = method.signature.bind(call)?;
        if self.world.is_full() {
            return Err(Fault::new(OFFLINE, "the world of this hub is full"));
        }
        (method.run)(self, &arguments)
    }

    /// `multiCall`: each call with a savepoint of its own, so that all commit what they wrote but those that faulted.
    /// Savepoints count as writing: the number of the call is kept whatever came of it.
    pub(super) fn multi_call(&mut self, calls: &Value) -> Result<Value, Fault> {
        let calls = calls.as_array().ok_or_else(|| generic("multiCall takes a list of calls"))?;
        let mut answers = Vec::with_capacity(calls.len());
        for entry in calls {
            self.wrote = true;
            let result = read_entry(entry).and_then(|call| self.dispatch(&call));
            answers.push(match result {
                Ok(value) => Answer::Value(value).into_entry(),
                Err(fault) => Answer::Fault(without_class(fault)).into_entry(),
            });
        }
        Ok(Value::Array(answers))
    }

    /// The caller's user; a fault for one that has not logged in.
    pub(super) fn user(&self) -> Result<i64, Fault> {
        World::assert_login(&self.caller)
    }

    /// The host that calls; a fault for anybody else.
    pub(super) fn host(&self) -> Result<i64, Fault> {
        let user = self.caller.user.ok_or_else(|| Fault::new(faults::AUTH, "Not logged in"))?;
        let host = self.world.hosts.values().find(|host| host.user == user);
        let host = host.ok_or_else(|| Fault::new(faults::AUTH, format!("User {user} is not a host")))?;
        if !self.caller.exclusive {
            return Err(Fault::new(faults::AUTH, "This method requires an exclusive session"));
        }
        Ok(host.id)
    }

    /// Refuses what only admins may.
    pub(super) fn refuse(text: &str) -> Fault {
        Fault::new(NOT_ALLOWED, text)
    }
}

fn read_entry(entry: &Value) -> Result<Call, Fault> {
    let members = entry.as_struct().ok_or_else(|| generic("a call of a multiCall is a struct"))?;
    let method = members.get("methodName").and_then(Value::as_str);
    let method = method.ok_or_else(|| Fault::new(UNKNOWN, "<class 'KeyError'>: 'methodName'"))?;
    let params = members.get("params").and_then(Value::as_array).map(<[Value]>::to_vec).unwrap_or_default();
    let whole = Struct::new().with("methodName", method).with("params", params);
    let one = Call::new("multiCall").arg(vec![Value::from(whole)]);
    let mut calls = one.entries().ok_or_else(|| generic("a call of a multiCall cannot be read"))?;
    calls.pop().ok_or_else(|| generic("a call of a multiCall cannot be read"))
}

/// In a `multiCall` the hub tells of an exception without a code only its words.
fn without_class(fault: Fault) -> Fault {
    match fault.text.strip_prefix("<class '").and_then(|rest| rest.split_once("'>: ")) {
        Some((_, words)) if fault.code == UNKNOWN => Fault::new(UNKNOWN, words),
        Some(_) | None => fault,
    }
}
