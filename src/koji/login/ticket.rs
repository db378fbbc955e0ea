//! Takes a ticket for the hub from the system's library of Kerberos.
//!
//! Runs in a process of its own (`kerberos.rs` says why), which lives as long as it takes. The library finds key table
//! and tickets by its environment, and writes names of hosts as `krb5.conf` says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{
    GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, Oid, OidSet,
};
use serde::{Deserialize, Serialize};

use super::trouble::TicketProblem;
use crate::koji::credential::{Credential, CredentialKind};
use crate::koji::secret::Secret;
use crate::time::{Second, Seconds};

/// What the process replies, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// A ticket.
    Ticket(Ticket),
    /// None.
    Refused {
        /// Why.
        problem: TicketProblem,
        /// The words of the library.
        detail: String,
    },
}

/// A ticket for the hub. Its token is as good as a password for a few minutes, so that it has no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// What is sent to the hub: SPNEGO, in base64.
    token: String,
    /// Whose it is.
    principal: String,
    /// When the ticket that it was made with ends.
    expires_at: Second,
}

impl Ticket {
    /// Who it proves us to be, and until when.
    pub(super) fn credential(&self) -> Credential {
        let subject = self.principal.clone();
        Credential { kind: CredentialKind::Ticket, subject, expires_at: self.expires_at }
    }

    /// What is sent to the hub.
    pub(super) fn into_token(self) -> Secret {
        Secret::new(self.token)
    }
}

/// Takes a ticket for the web server of `host`, as `principal` or as whoever the environment says. Asks the ticket server
/// over the network, and waits.
pub(crate) fn take(host: &str, principal: Option<&str>, now: Second) -> Reply {
    match try_take(host, principal, now) {
        Ok(ticket) => Reply::Ticket(ticket),
        Err(error) => Reply::Refused { problem: problem(error), detail: words(error) },
    }
}

fn try_take(host: &str, principal: Option<&str>, now: Second) -> Result<Ticket, Error> {
    let name = principal
        .map(|principal| Name::new(principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)))
        .transpose()?;
    // By Kerberos alone first: only it says why a ticket is refused. SPNEGO then finds the tickets taken here.
    let kerberos = OidSet::singleton(GSS_MECH_KRB5)?;
    let own = Cred::acquire(name.as_ref(), None, CredUsage::Initiate, Some(&kerberos))?;
    first_token(own.clone(), host, GSS_MECH_KRB5)?;
    let lifetime = Seconds(i64::try_from(own.lifetime()?.as_secs()).unwrap_or(i64::MAX));
    let principal = String::from_utf8_lossy(&own.name()?.display_name()?).into_owned();

    let for_spnego = Cred::acquire(name.as_ref(), None, CredUsage::Initiate, None)?;
    let token = first_token(for_spnego, host, GSS_MECH_SPNEGO)?;
    Ok(Ticket { token, principal, expires_at: now + lifetime })
}

/// What the web server of `host` is sent to begin with, in base64.
fn first_token(own: Cred, host: &str, mechanism: Oid<'static>) -> Result<String, Error> {
    let service = Name::new(format!("HTTP@{host}").as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
    let mut context = ClientCtx::new(Some(own), service, CtxFlags::GSS_C_MUTUAL_FLAG, Some(mechanism));
    Ok(context.step(None, None)?.map(|token| STANDARD.encode(&*token)).unwrap_or_default())
}

/// What the library says: of its two texts, `GSSAPI's (Kerberos' own)`, the second if it is one.
fn words(error: Error) -> String {
    let text = error.to_string();
    let own = text.split_once(" (").and_then(|(_, rest)| rest.strip_suffix(')'));
    own.filter(|_| error.minor != 0).map(str::to_owned).unwrap_or(text)
}

/// Where the numbers of Kerberos' own errors begin (`krb5_err.et`).
const KRB5: i32 = -1_765_328_384;
/// Numbers of GSSAPI's errors (RFC 2744).
const NO_CREDENTIAL: u32 = 7;
const CREDENTIALS_EXPIRED: u32 = 11;

/// What the library's numbers say. Those of Kerberos say more than those of GSSAPI.
fn problem(error: Error) -> TicketProblem {
    let of_kerberos = i32::from_ne_bytes(error.minor.to_ne_bytes()).wrapping_sub(KRB5);
    match (of_kerberos, error.major.bits() >> 16 & 0xff) {
        (6, _) => TicketProblem::UnknownPrincipal,
        (7, _) => TicketProblem::UnknownService,
        // Expired, revoked, key expired.
        (1 | 18 | 23, _) => TicketProblem::Locked,
        // Refused by the server, or its answer cannot be read with our key.
        (24 | 31, _) => TicketProblem::WrongKey,
        (37, _) => TicketProblem::ClockSkew,
        // No server named in krb5.conf, none answers, or its name is not known.
        (154 | 156 | 220, _) => TicketProblem::Unreachable,
        (32, _) | (_, CREDENTIALS_EXPIRED) => TicketProblem::Expired,
        // No key of it, no file of tickets.
        (141 | 181 | 195, _) | (_, NO_CREDENTIAL) => TicketProblem::NoKey,
        _ => TicketProblem::Other,
    }
}
