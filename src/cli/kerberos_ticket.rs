//! `tidegate kerberos-ticket`: what Tidegate starts for itself to log in by Kerberos. Not for people.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::Failure;
use crate::koji::login::ticket;
use crate::time::Second;

/// Take a ticket for the web server of a Koji hub, and print it as JSON
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct KerberosTicket {
    /// Name of the hub's host.
    #[arg(long)]
    host: String,
    /// As whom; without it: whomever the key table or the ticket belongs to.
    #[arg(long)]
    principal: Option<String>,
}

impl KerberosTicket {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let reply = ticket::take(&self.host, self.principal.as_deref(), now());
        let mut output = io::stdout().lock();
        serde_json::to_writer(&mut output, &reply).map_err(io::Error::from)?;
        output.flush()?;
        Ok(())
    }
}

/// The time of day, against which a ticket's lifetime is counted.
#[expect(
    clippy::disallowed_methods,
    reason = "a process that lives for one ticket; nothing of the core runs in it"
)]
fn now() -> Second {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Second(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
