//! Sessions, as a hub keeps them: who calls, whether the call may be, and the number of the last call that wrote.
//!
//! A hub runs each call in two transactions, and so does this one. The first looks at the session ([`World::admit`]), the
//! second runs the call and keeps its number ([`super::call::run`]). Each holds the row of the session, so that the calls of one session wait
//! for each other; but between the two nothing is held. Copies of a call that arrive together can all pass the first.

use super::faults::{AUTH, AUTH_LOCK, EXPIRED, RETRY, SEQUENCE, UNKNOWN};
use super::moment::Moment;
use super::world::{Table, World};
use crate::koji::xmlrpc::{Fault, Struct, Value};

/// After so many seconds a session has expired.
const EXPIRES_AFTER: i64 = 24 * 3_600;
/// Methods that may be called again with the number of a call that wrote.
const MAY_RETRY: [&str; 8] = [
    "host.taskWait",
    "host.taskUnwait",
    "host.taskSetWait",
    "host.updateHost",
    "host.setBuildRootState",
    "repoExpire",
    "repoDelete",
    "repoProblem",
];

/// All sessions that ever were.
pub(super) type Sessions = Table<Session>;

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) key: String,
    pub(super) user: i64,
    /// How its user showed who they are; 0: password, 2: certificate.
    pub(super) authtype: i64,
    /// The session that it is a part of.
    pub(super) master: Option<i64>,
    /// The number of the last call that wrote.
    pub(super) callnum: Option<i64>,
    pub(super) exclusive: bool,
    pub(super) expired: bool,
    pub(super) closed: bool,
    pub(super) started: Moment,
}

/// What a request says about its session, as written there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Number of the session; without it the caller is anonymous.
    pub(super) id: Option<String>,
    /// Its key.
    pub(super) key: Option<String>,
    /// The number of the call.
    pub(super) callnum: Option<String>,
}

/// A caller that the hub has let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Caller {
    pub(super) session: Option<i64>,
    pub(super) user: Option<i64>,
    pub(super) callnum: Option<i64>,
    pub(super) exclusive: bool,
}

impl Credentials {
    /// The number of the session that they name, if it is one.
    pub(super) fn session(&self) -> Option<i64> {
        self.id.as_deref().and_then(python_int)
    }
}

impl World {
    /// The first transaction of a call: looks at the session.
    pub(super) fn admit(&mut self, credentials: &Credentials, method: &str) -> Result<Caller, Fault> {
        let Some(id) = &credentials.id else { return Ok(Caller::default()) };
        let id = need_int(id)?;
        let Some(key) = &credentials.key else {
            return Err(Fault::new(UNKNOWN, "<class 'KeyError'>: 'HTTP_KOJI_SESSION_KEY'"));
        };
        let callnum = credentials.callnum.as_deref().map(need_int).transpose()?;
        let session = self.sessions.get(id).filter(|session| session.key == *key && !session.closed);
        let Some(session) = session else {
            return Err(Fault::new(AUTH, "Invalid session or bad credentials"));
        };
        let over = session.expired || session.started.plus_seconds(EXPIRES_AFTER) <= self.now;
        if over && !matches!(method, "login" | "sslLogin") {
            return Err(Fault::new(EXPIRED, format!("session \"{id}\" has expired")));
        }
        if let (Some(last), Some(callnum)) = (session.callnum, callnum) {
            if last > callnum {
                return Err(Fault::new(SEQUENCE, format!("{last} > {callnum} (session {id})")));
            }
            if last == callnum && !MAY_RETRY.contains(&method) {
                let text = format!("unable to retry call {callnum} (method {method}) for session {id}");
                return Err(Fault::new(RETRY, text));
            }
        }
        let user = self.users.get(session.user);
        if let Some(user) = user.filter(|user| user.blocked) {
            return Err(Fault::new(AUTH, format!("logins by {} are not allowed", user.name)));
        }
        let exclusive = session.exclusive
            || self.exclusive_of(session.user) == session.master && session.master.is_some();
        let may_be_locked = matches!(method, "exclusiveSession" | "login" | "logout");
        if !exclusive && self.exclusive_of(session.user).is_some() && !may_be_locked {
            return Err(Fault::new(AUTH_LOCK, "User locked by another session"));
        }
        Ok(Caller { session: Some(id), user: Some(session.user), callnum, exclusive })
    }

    /// The exclusive session of a user.
    fn exclusive_of(&self, user: i64) -> Option<i64> {
        let is_it = |session: &Session| session.user == user && session.exclusive && !session.closed;
        self.sessions.iter().find(|(_, session)| is_it(session)).map(|(id, _)| id)
    }

    /// Keeps the number of a call that wrote. The number may be lower than the one that is kept, where calls that
    /// arrived together have overtaken each other: the hub stores what it is given.
    pub(super) fn keep_callnum(&mut self, caller: &Caller) {
        let session = caller.session.and_then(|id| self.sessions.get_mut(id));
        if let (Some(session), Some(callnum)) = (session, caller.callnum) {
            session.callnum = Some(callnum);
        }
    }

    /// Opens a session, and says what a client is to send from now on.
    pub(super) fn open_session(&mut self, user: i64, authtype: i64, master: Option<i64>) -> Value {
        let key = format!("{user}-{}", self.rng.word(22));
        let id = self.sessions.add(Session {
            key: key.clone(),
            user,
            authtype,
            master,
            callnum: None,
            exclusive: false,
            expired: false,
            closed: false,
            started: self.now,
        });
        shown(id, key)
    }

    /// Gives a session a new key and a new term; its number and the number of its last call stay.
    pub(super) fn renew_session(&mut self, id: i64) -> Result<Value, Fault> {
        let word = self.rng.word(22);
        let now = self.now;
        let session = self.sessions.get_mut(id).ok_or_else(|| Fault::new(AUTH, "Not logged in"))?;
        session.key = format!("{}-{word}", session.user);
        session.expired = false;
        session.started = now;
        Ok(shown(id, session.key.clone()))
    }

    /// Closes a session and its subsessions.
    pub(super) fn close_session(&mut self, id: i64) {
        let ids: Vec<i64> = self
            .sessions
            .iter()
            .filter(|(other, session)| *other == id || session.master == Some(id))
            .map(|(other, _)| other)
            .collect();
        for id in ids {
            if let Some(session) = self.sessions.get_mut(id) {
                session.expired = true;
                session.closed = true;
                session.exclusive = false;
            }
        }
    }

    /// Makes a session the only one of its user.
    pub(super) fn make_exclusive(&mut self, id: i64, force: bool) -> Result<(), Fault> {
        let generic = super::faults::generic;
        let session = self.sessions.get(id).ok_or_else(|| Fault::new(AUTH, "Not logged in"))?;
        if session.master.is_some() {
            return Err(generic("subsessions cannot become exclusive"));
        }
        if session.exclusive {
            return Err(generic("session is already exclusive"));
        }
        match self.exclusive_of(session.user) {
            Some(other) if force => self.close_session(other),
            Some(_) => return Err(Fault::new(AUTH_LOCK, "Cannot get exclusive session")),
            None => {}
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.exclusive = true;
        }
        Ok(())
    }

    /// Lets a session expire, as if its time were over.
    pub fn expire_session(&mut self, id: i64) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.expired = true;
        }
    }
}

fn shown(id: i64, key: String) -> Value {
    Value::from(Struct::new().with("session-id", id).with("session-key", key).with("header-auth", true))
}

/// What Python's `int()` reads.
fn python_int(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

fn need_int(text: &str) -> Result<i64, Fault> {
    python_int(text).ok_or_else(|| {
        let shown = super::faults::repr(&Value::from(text));
        Fault::new(UNKNOWN, format!("<class 'ValueError'>: invalid literal for int() with base 10: {shown}"))
    })
}
