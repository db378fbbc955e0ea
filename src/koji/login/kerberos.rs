//! A token of SPNEGO for the hub, from the system's library of Kerberos.
//!
//! The library finds the key itself: in the file that the environment variable `KRB5_CLIENT_KTNAME` names (set it in the
//! service's unit), from which it fetches and renews tickets without help, or else in the ticket cache of the user.
//! Names of hosts are made canonical as `krb5.conf` says (`rdns`, `dns_canonicalize_hostname`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL};

use crate::koji::secret::Secret;

/// The token that proves to the web server of `host` who we are: `principal`, or whomever the key belongs to. Asks the
/// ticket server over the network, so it runs on a thread where waiting does no harm.
pub(super) async fn token(host: &str, principal: Option<&str>) -> Result<Secret, String> {
    let (host, principal) = (host.to_owned(), principal.map(str::to_owned));
    let made = tokio::task::spawn_blocking(move || make(&host, principal.as_deref()));
    match made.await {
        Ok(Ok(Some(token))) => Ok(Secret::new(STANDARD.encode(token))),
        Ok(Ok(None)) => Err("Kerberos gives no token for the hub".to_owned()),
        Ok(Err(error)) => Err(format!(
            "Kerberos: {error}; check that KRB5_CLIENT_KTNAME names a keytab that this service may read"
        )),
        Err(_) => Err("Kerberos: the library failed".to_owned()),
    }
}

fn make(host: &str, principal: Option<&str>) -> Result<Option<Vec<u8>>, Error> {
    let name = principal
        .map(|principal| Name::new(principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)))
        .transpose()?;
    let credentials = Cred::acquire(name.as_ref(), None, CredUsage::Initiate, None)?;
    let service = Name::new(format!("HTTP@{host}").as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
    let mut context =
        ClientCtx::new(Some(credentials), service, CtxFlags::GSS_C_MUTUAL_FLAG, Some(GSS_MECH_SPNEGO));
    Ok(context.step(None, None)?.map(|token| token.to_vec()))
}
