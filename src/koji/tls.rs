//! Whom we trust, and the certificate by which the hub knows us.
//!
//! The certificate is offered in the first handshake: rustls has neither renegotiation nor authentication after the
//! handshake, so the hub's web server must ask for it there (`SSLVerifyClient optional` for the whole host).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::credential::{Credential, CredentialKind};
use super::error::QUOTED_CHARS;
use crate::text::bounded;
use crate::time::{Second, Seconds};

/// Whom we trust, and who we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// A file (PEM) of the only authorities that are trusted; `None`: those of the system.
    pub server_ca: Option<PathBuf>,
    /// The certificate by which we are known.
    pub identity: Option<Identity>,
}

/// A client certificate with its key, in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and those that it was signed with (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM); `None`: in the same file, as Koji has it.
    pub key: Option<PathBuf>,
}

/// A file of certificates or keys that is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {problem}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It does not contain what it should.
    #[error("`{}` has no {wanted} in PEM: {problem}", .file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The certificates of the system cannot be used.
    #[error(
        "the certificates that this system trusts cannot be read: {0}; set `serverca` to a file of your own"
    )]
    System(String),
    /// Certificate and key do not belong together, or are of an unknown kind.
    #[error("`{}` and its key cannot be used: {problem}", .file.display())]
    Identity {
        /// The file of the certificate.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl Tls {
    /// What the connections are made with. Reads the files; those of the system only if they are `needed`, so that a hub
    /// without encryption can be used where the system trusts nobody.
    pub(crate) fn config(&self, needed: bool) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::System(error.to_string()))?;
        let builder = match &self.server_ca {
            Some(file) => versions.with_root_certificates(roots(file)?),
            None if needed => {
                versions.with_platform_verifier().map_err(|error| TlsError::System(error.to_string()))?
            }
            None => versions.with_root_certificates(RootCertStore::empty()),
        };
        let Some(identity) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        builder.with_client_auth_cert(identity.chain()?, identity.private_key()?).map_err(|error| {
            TlsError::Identity { file: identity.certificate.clone(), problem: error.to_string() }
        })
    }
}

impl Identity {
    /// Whose the certificate is, and when it ends: from then on the hub refuses it.
    pub fn credential(&self) -> Result<Credential, TlsError> {
        let wrong = |problem: String| TlsError::Content {
            file: self.certificate.clone(),
            wanted: "certificate",
            problem,
        };
        let chain = self.chain()?;
        let first = chain.first().ok_or_else(|| wrong("none is there".to_owned()))?;
        let (_, certificate) =
            x509_parser::parse_x509_certificate(first).map_err(|error| wrong(error.to_string()))?;
        Ok(Credential {
            kind: CredentialKind::Certificate,
            subject: bounded(&certificate.subject().to_string(), QUOTED_CHARS).to_string(),
            // The last second of its validity is still valid.
            expires_at: Second(certificate.validity().not_after.timestamp()) + Seconds(1),
        })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(&self.certificate)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let file = self.key.as_ref().unwrap_or(&self.certificate);
        PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| content(file, "private key", &error))
    }
}

fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| content(file, "certificate of an authority", &error))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(content(file, "certificate", &"none is there")),
        Ok(found) => Ok(found),
        Err(error) => Err(content(file, "certificate", &error)),
    }
}

fn content(file: &Path, wanted: &'static str, problem: &impl ToString) -> TlsError {
    TlsError::Content { file: file.to_owned(), wanted, problem: problem.to_string() }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file)
        .map_err(|error: io::Error| TlsError::File { file: file.to_owned(), problem: error.to_string() })
}
