//! A session: calls in our name, one at a time, each sent once.

use super::answers::LoggedIn;
use super::client::{Client, Sender};
use super::command::{self, Command};
use super::credential::Credential;
use super::error::{CallError, Effect, Problem};
use super::query::Query;
use super::secret::Secret;
use super::sequence::{Over, Sequence};
use super::xmlrpc::{Call, Value};

/// A session at the hub. It is neither renewed nor shared: when it is over, another is opened. A call borrows it until it
/// has ended, so that calls of one session cannot overtake one another.
#[derive(Debug)]
pub struct Session {
    client: Client,
    id: u64,
    key: Secret,
    sequence: Sequence,
    credential: Option<Credential>,
}

impl Session {
    pub(super) fn new(client: Client, logged_in: LoggedIn, credential: Option<Credential>) -> Self {
        let LoggedIn { session_id, session_key } = logged_in;
        Self { client, id: session_id, key: session_key, sequence: Sequence::default(), credential }
    }

    /// The hub's number of the session: what another session ends it by.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it was opened with; `None` for a password. The session goes on when that ends; the next login fails.
    pub fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// The number that the next call will have: what is written down before a write is sent.
    pub fn next_callnum(&self) -> u64 {
        self.sequence.next_callnum()
    }

    /// Why the session takes no more calls; `None` while it does.
    pub fn over(&self) -> Option<Over> {
        self.sequence.over()
    }

    /// Changes something on the hub. Sent once; if it is not known whether it ran, the error says so, and the session is
    /// over. Dropping the future before its end counts as that too.
    pub async fn run<T>(&mut self, command: &Command<T>) -> Result<T, CallError> {
        self.call(command.call(), Effect::Write, |value| command.read(&value)).await
    }

    /// Asks in our name: for what an anonymous client is not told, such as who we are. Slower for the hub than
    /// [`Client::ask`].
    pub async fn ask<T: 'static>(&mut self, query: &Query<T>) -> Result<T, CallError> {
        self.call(query.call(), Effect::Read, |value| query.read(value)).await
    }

    /// Ends another session of the same user: the hub waits for a call that it runs, and refuses its later ones. One that
    /// is gone already is no error.
    pub async fn fence(&mut self, session_id: u64) -> Result<(), CallError> {
        self.run(&command::logout(Some(session_id))).await
    }

    /// Ends the session.
    pub async fn log_out(mut self) -> Result<(), CallError> {
        self.run(&command::logout(None)).await?;
        self.sequence.log_out();
        Ok(())
    }

    async fn call<T>(
        &mut self,
        call: &Call,
        effect: Effect,
        read: impl FnOnce(Value) -> Result<T, super::fields::Unexpected>,
    ) -> Result<T, CallError> {
        let failed = |problem| CallError::new(&call.method, effect, problem);
        let callnum = self.sequence.begin(effect).map_err(|over| failed(Problem::SessionOver(over)))?;
        let sender = Sender::Session { id: self.id, key: &self.key, callnum };
        let answer = self.client.call(call, effect, &sender).await;
        let result = answer.and_then(|value| read(value).map_err(|error| failed(Problem::Unexpected(error))));
        self.sequence.end(result.as_ref().err());
        result
    }
}
