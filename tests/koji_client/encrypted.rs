//! TLS: whom the client trusts, and how the hub knows it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tidegate::koji::client::{Client, ClientSettings};
use tidegate::koji::credential::CredentialKind;
use tidegate::koji::error::{Blame, Problem, Retry};
use tidegate::koji::login::Login;
use tidegate::koji::query;
use tidegate::koji::tls::{Identity, Tls, TlsError};
use tidegate::time::{Second, Seconds};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::canned::play;
use crate::{event, logged_in, value};

/// An authority, and a folder with what it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A certificate with its key in one file, as Koji has it.
    fn client(&self) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_after = date_time_ymd(2040, 2, 3);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "eln");
        let (certificate, key) = self.sign(&params);
        let file = self.folder.path().join("client.pem");
        std::fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        Identity { certificate: file, key: None }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.issuer.der().to_vec())).unwrap();
        roots
    }

    /// Starts a hub with TLS that asks for a certificate, or needs one. Answers two calls.
    async fn hub(&self, needs_certificate: bool) -> (String, Arc<Mutex<Vec<String>>>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        let (certificate, key) = self.sign(&params);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), Arc::clone(&provider));
        let verifier = if needs_certificate { verifier } else { verifier.allow_unauthenticated() };
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/kojihub", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let scripts = Arc::new(Mutex::new(vec![logged_in(9, "k"), value(event(1))].into_iter()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let (scripts, seen) = (Arc::clone(&scripts), Arc::clone(&seen));
                let accepted = acceptor.accept(stream);
                tokio::spawn(async move {
                    if let Ok(stream) = accepted.await {
                        play(stream, scripts, seen).await;
                    }
                });
            }
        });
        (url, requests)
    }
}

fn client(url: &str, ca: &Path, identity: Option<Identity>) -> Client {
    let tls = Tls { server_ca: Some(ca.to_owned()), identity };
    Client::new(&ClientSettings { tls, ..ClientSettings::new(url) }).unwrap()
}

const LOGIN: Login = Login::Certificate { proxy_user: None };

#[tokio::test]
async fn a_certificate_logs_in_where_logins_go() {
    let authority = Authority::new();
    let (url, requests) = authority.hub(true).await;
    let client = client(&url, &authority.ca(), Some(authority.client()));
    let mut session = client.log_in(&LOGIN).await.unwrap();
    assert_eq!(session.id(), 9);
    assert_eq!(session.credential(), client.certificate());
    assert!(session.ask(&query::last_event()).await.is_ok());
    let requests = requests.lock().unwrap().clone();
    let first_lines: Vec<_> = requests.iter().filter_map(|request| request.lines().next()).collect();
    assert_eq!(first_lines, ["POST /kojihub/ssllogin HTTP/1.1", "POST /kojihub HTTP/1.1"]);
}

#[tokio::test]
async fn who_is_not_trusted_gets_nothing_sent() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (url, requests) = authority.hub(false).await;
    let error = client(&url, &stranger.ca(), None).log_in(&LOGIN).await.unwrap_err();
    assert!(matches!(error.problem, Problem::Untrusted(_)), "{error}");
    assert_eq!((error.blame(), error.retry), (Blame::Credentials, Retry::Never));
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_hub_that_needs_a_certificate_says_so() {
    let authority = Authority::new();
    let (url, requests) = authority.hub(true).await;
    let error = client(&url, &authority.ca(), None).log_in(&LOGIN).await.unwrap_err();
    assert!(matches!(error.problem, Problem::Untrusted(_)), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 0);
}

#[test]
fn a_certificate_tells_whose_it_is_and_when_it_ends() {
    let authority = Authority::new();
    let client = client("https://k.example/kojihub", &authority.ca(), Some(authority.client()));
    let certificate = client.certificate().unwrap();
    assert_eq!(certificate.kind, CredentialKind::Certificate);
    assert_eq!(certificate.subject, "CN=eln");
    // The last second in which it is valid, and the one after.
    let last = Second::parse("2040-02-03T00:00:00Z").unwrap();
    assert!(!certificate.has_expired(last) && certificate.has_expired(last + Seconds(1)));
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let authority = Authority::new();
    let identity = authority.client();
    let absent = authority.folder.path().join("absent.pem");
    let setup =
        |tls: Tls| Client::new(&ClientSettings { tls, ..ClientSettings::new("https://k.example/kojihub") });
    let error = setup(Tls { server_ca: Some(absent.clone()), identity: None }).unwrap_err().to_string();
    assert!(error.contains("absent.pem` cannot be read: No such file"), "{error}");
    let empty = authority.folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let error = setup(Tls { server_ca: Some(empty), identity: None }).unwrap_err().to_string();
    assert!(error.contains("empty.pem` has no certificate in PEM: none is there"), "{error}");
    let no_key = Identity { certificate: authority.ca(), key: None };
    let error =
        setup(Tls { server_ca: Some(authority.ca()), identity: Some(no_key) }).unwrap_err().to_string();
    assert!(error.contains("ca.pem` has no private key in PEM"), "{error}");
    let strange = Identity { certificate: authority.ca(), key: Some(identity.certificate.clone()) };
    let error =
        setup(Tls { server_ca: Some(authority.ca()), identity: Some(strange) }).unwrap_err().to_string();
    assert!(error.contains("ca.pem` and its key cannot be used"), "{error}");
    let missing = Identity { certificate: absent, key: None };
    assert!(matches!(missing.credential(), Err(TlsError::File { .. })));
}
