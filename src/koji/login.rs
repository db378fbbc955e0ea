//! Who we are to the hub, and the way into a session.

use super::answers::LoggedIn;
use super::client::{Client, Sender};
use super::command::{self, Command};
use super::error::{CallError, Effect, Problem};
use super::secret::Secret;
use super::session::Session;

#[cfg(feature = "gssapi")]
mod kerberos;

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
    /// By Kerberos, with the key that the environment variable `KRB5_CLIENT_KTNAME` names.
    #[cfg(feature = "gssapi")]
    Kerberos {
        /// As whom; `None`: whomever the key belongs to.
        principal: Option<String>,
        /// In the name of this user, if the hub allows it.
        proxy_user: Option<String>,
    },
}

impl Client {
    /// Opens a session. A login whose answer is lost leaves a session behind that nobody uses, so it may be repeated.
    pub async fn log_in(&self, login: &Login) -> Result<Session, CallError> {
        let (command, sender) = match login {
            Login::Certificate { proxy_user } => {
                (command::ssl_login(proxy_user.as_deref()), Sender::Credentials { negotiate: None })
            }
            Login::Password { user, password } => (command::login(user, password), Sender::Nobody),
            #[cfg(feature = "gssapi")]
            Login::Kerberos { principal, proxy_user } => {
                let command = command::ssl_login(proxy_user.as_deref());
                let token = kerberos::token(self.host(), principal.as_deref()).await;
                let token = token.map_err(|problem| {
                    CallError::new(&command.call().method, Effect::Read, Problem::Credentials(problem))
                })?;
                (command, Sender::Credentials { negotiate: Some(token) })
            }
        };
        let logged_in = self.open(&command, &sender).await?;
        Ok(Session::new(self.clone(), logged_in))
    }

    async fn open(&self, command: &Command<LoggedIn>, sender: &Sender<'_>) -> Result<LoggedIn, CallError> {
        let call = command.call();
        let value = self.call(call, Effect::Read, sender).await?;
        let failed = |error| CallError::new(&call.method, Effect::Read, Problem::Unexpected(error));
        command.read(&value).map_err(failed)
    }
}
