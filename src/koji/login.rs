//! Who we are to the hub, and the way into a session.

use super::answers::LoggedIn;
use super::client::{Client, Sender};
use super::command::{self, Command};
use super::error::{CallError, Effect, Problem};
use super::secret::Secret;
use super::session::Session;

#[cfg(feature = "gssapi")]
pub mod kerberos;
#[cfg(feature = "gssapi")]
pub(crate) mod ticket;
pub mod trouble;

/// How we prove who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// By the certificate of the client's settings ([`Identity`](super::tls::Identity)).
    Certificate {
        /// In the name of this user, if the hub allows it.
        proxy_user: Option<String>,
    },
    /// By a password; for hubs of tests.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By Kerberos.
    #[cfg(feature = "gssapi")]
    Kerberos(kerberos::Kerberos),
}

impl Client {
    /// Opens a session. A login whose answer is lost leaves a session behind that nobody uses, so it may be repeated.
    pub async fn log_in(&self, login: &Login) -> Result<Session, CallError> {
        let (command, sender, credential) = match login {
            Login::Certificate { proxy_user } => {
                let command = command::ssl_login(proxy_user.as_deref());
                (command, Sender::Credentials { negotiate: None }, self.certificate().cloned())
            }
            Login::Password { user, password } => (command::login(user, password), Sender::Nobody, None),
            #[cfg(feature = "gssapi")]
            Login::Kerberos(kerberos) => {
                let command = command::ssl_login(kerberos.proxy_user.as_deref());
                let ticket = kerberos.ticket(self.host()).await.map_err(|error| {
                    CallError::new(&command.call().method, Effect::Read, Problem::Ticket(error))
                })?;
                let credential = ticket.credential();
                let sender = Sender::Credentials { negotiate: Some(ticket.into_token()) };
                (command, sender, Some(credential))
            }
        };
        let logged_in = self.open(&command, &sender).await?;
        Ok(Session::new(self.clone(), logged_in, credential))
    }

    async fn open(&self, command: &Command<LoggedIn>, sender: &Sender<'_>) -> Result<LoggedIn, CallError> {
        let call = command.call();
        let value = self.call(call, Effect::Read, sender).await?;
        let failed = |error| CallError::new(&call.method, Effect::Read, Problem::Unexpected(error));
        command.read(&value).map_err(failed)
    }
}
