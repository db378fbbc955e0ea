//! Login by Kerberos against a real ticket server, which `scripts/kerberos.sh test` starts, at a fake hub behind a web
//! server that checks tickets by the same library as a real one.

#![cfg(feature = "gssapi")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its realm has failed")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libgssapi::context::{CtxFlags, SecurityContext, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use tempfile::TempDir;
use tidegate::hub::{FakeHub, Settings, WorldFile};
use tidegate::koji::client::{Client, ClientSettings};
use tidegate::koji::conf::{self, Source};
use tidegate::koji::credential::CredentialKind;
use tidegate::koji::error::{Blame, CallError, Problem, Retry};
use tidegate::koji::login::Login;
use tidegate::koji::login::kerberos::Kerberos;
use tidegate::koji::login::trouble::TicketProblem;
use tidegate::koji::query;
use tidegate::koji::session::Session;
use tidegate::time::Second;

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const BOT: &str = "bot@TIDE.TEST";
/// How long the realm's tickets last.
const LIFETIME_SECONDS: i64 = 10 * 3_600;

/// The folder of the realm; `None`, said in a line, where no ticket server was started.
#[expect(clippy::print_stdout, reason = "the runner reads which tests were skipped")]
fn realm() -> Option<PathBuf> {
    let folder = std::env::var_os("TIDEGATE_KDC").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: login by Kerberos: no ticket server, start the tests by scripts/kerberos.sh test");
    }
    folder
}

/// A hub and the web server before it.
struct Site {
    hub: FakeHub,
    url: String,
    shown: Shown,
}

/// Whose tickets the web server took.
type Shown = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Front {
    hub: String,
    http: reqwest::Client,
    shown: Shown,
}

impl Site {
    async fn start() -> Self {
        let world = WorldFile::parse(include_str!("fixtures/hub/small.toml")).unwrap();
        let hub = FakeHub::start(Settings { world, ..Settings::default() }).await.unwrap();
        let shown = Shown::default();
        // Another test may have installed it first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let front = Front { hub: format!("http://{}", hub.address()), http, shown: Arc::clone(&shown) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/kojihub", listener.local_addr().unwrap().port());
        let router = Router::new().fallback(pass).with_state(front);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { hub, url, shown }
    }

    async fn log_in(&self, kerberos: Kerberos) -> Result<Session, CallError> {
        let client = Client::new(&ClientSettings::new(self.url.clone())).unwrap();
        client.log_in(&Login::Kerberos(kerberos)).await
    }

    /// What a login that brings no session fails with.
    async fn refused(&self, kerberos: Kerberos) -> (TicketProblem, CallError) {
        let error = self.log_in(kerberos).await.unwrap_err();
        let Problem::Ticket(ticket) = &error.problem else { panic!("{error}") };
        assert!(self.shown.lock().unwrap().is_empty(), "the hub was asked");
        (ticket.problem, error)
    }
}

/// Passes a call on to the hub; a login only with a ticket, and then in the name of whom the ticket belongs to.
async fn pass(State(front): State<Front>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut request = front.http.post(format!("{}{uri}", front.hub)).body(body);
    for (name, value) in &headers {
        if name.as_str().starts_with("koji-") || name == header::CONTENT_TYPE {
            request = request.header(name, value);
        }
    }
    let mut proof = HeaderMap::new();
    if uri.path().ends_with("/ssllogin") {
        let Some((principal, token)) = check(&headers) else {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Negotiate")]).into_response();
        };
        let name = principal.split('@').next().unwrap_or_default();
        request = request.header("Fake-Hub-Subject", format!("CN={name}"));
        front.shown.lock().unwrap().push(principal);
        proof.insert(header::WWW_AUTHENTICATE, format!("Negotiate {token}").parse().unwrap());
    }
    let answer = request.send().await.unwrap();
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned().unwrap();
    proof.insert(header::CONTENT_TYPE, kind);
    (answer.status(), proof, answer.bytes().await.unwrap()).into_response()
}

/// Whose ticket a request carries, and the token that proves in turn who the web server is.
fn check(headers: &HeaderMap) -> Option<(String, String)> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Negotiate ")?;
    let mut context = ServerCtx::new(Some(Cred::acquire(None, None, CredUsage::Accept, None).unwrap()));
    let reply = context.step(&STANDARD.decode(token).ok()?, None).ok()??;
    let is_mutual = context.is_complete() && context.flags().ok()?.contains(CtxFlags::GSS_C_MUTUAL_FLAG);
    let name = context.source_name().ok()?.display_name().ok()?;
    is_mutual.then(|| (String::from_utf8_lossy(&name).into_owned(), STANDARD.encode(&*reply)))
}

/// A login with a key table of the realm.
fn with_key(realm: &Path, keytab: &str) -> Kerberos {
    Kerberos { keytab: Some(realm.join(keytab)), program: PathBuf::from(TIDEGATE), ..Kerberos::default() }
}

/// A program that is Tidegate in another environment.
fn elsewhere(folder: &TempDir, before: &str) -> PathBuf {
    let program = folder.path().join("tidegate");
    fs::write(&program, format!("#!/bin/sh\n{before} exec '{TIDEGATE}' \"$@\"\n")).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    program
}

#[expect(clippy::disallowed_methods, reason = "a real ticket server goes by the real time")]
fn now() -> Second {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Second(i64::try_from(since.as_secs()).unwrap())
}

async fn user(session: &mut Session) -> Option<String> {
    session.ask(&query::logged_in_user()).await.unwrap().map(|user| user.name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_table_logs_in_and_says_until_when() {
    let Some(realm) = realm() else { return };
    let site = Site::start().await;
    for principal in [None, Some("bot".to_owned()), Some(BOT.to_owned())] {
        let began = now();
        let kerberos = Kerberos { principal, ..with_key(&realm, "bot.keytab") };
        let mut session = site.log_in(kerberos).await.unwrap();
        let credential = session.credential().unwrap();
        assert_eq!((credential.kind, credential.subject.as_str()), (CredentialKind::Ticket, BOT));
        let remaining = credential.remaining(began).0;
        assert!((LIFETIME_SECONDS - 2..=LIFETIME_SECONDS + 60).contains(&remaining), "{credential}");
        assert_eq!(user(&mut session).await.as_deref(), Some("bot"));
        session.log_out().await.unwrap();
    }
    assert_eq!(*site.shown.lock().unwrap(), [BOT; 3]);
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_koji_logs_in() {
    let Some(realm) = realm() else { return };
    let site = Site::start().await;
    let text = format!(
        "[eln]\nserver = {}\nauthtype = kerberos\nkeytab = {}\nprincipal = {BOT}\n",
        site.url,
        realm.join("bot.keytab").display()
    );
    let source = Source { file: PathBuf::from("koji.conf"), text };
    let profile = conf::parse("eln", &[source], None).unwrap();
    let Login::Kerberos(kerberos) = profile.login().unwrap() else { panic!("{profile:?}") };
    let login = Login::Kerberos(Kerberos { program: PathBuf::from(TIDEGATE), ..kerberos });
    let mut session = Client::new(&profile.client_settings()).unwrap().log_in(&login).await.unwrap();
    assert_eq!(user(&mut session).await.as_deref(), Some("bot"));
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_realm_refuses_is_told_apart() {
    let Some(realm) = realm() else { return };
    let site = Site::start().await;
    for (keytab, principal, wanted, words) in [
        ("stale.keytab", None, TicketProblem::WrongKey, "put a new key table in its place"),
        ("gone.keytab", None, TicketProblem::UnknownPrincipal, "gone@TIDE.TEST"),
        ("locked.keytab", None, TicketProblem::Locked, "ask who runs the realm"),
        ("bot.keytab", Some("other"), TicketProblem::NoKey, "bot.keytab"),
        ("none.keytab", None, TicketProblem::Keytab, "none.keytab): No such file"),
        ("krb5.conf", None, TicketProblem::NoKey, "klist -k FILE"),
    ] {
        let principal = principal.map(str::to_owned);
        let (problem, error) = site.refused(Kerberos { principal, ..with_key(&realm, keytab) }).await;
        assert_eq!(problem, wanted, "{keytab}: {error}");
        assert_eq!((error.blame(), error.retry), (Blame::Credentials, Retry::Never), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("koji: sslLogin: no login: Kerberos: ") && text.contains(words), "{text}");
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_the_realm_does_not_know_gets_no_ticket() {
    let Some(realm) = realm() else { return };
    let site = Site::start().await;
    let url = site.url.replace("localhost", "127.0.0.1");
    let client = Client::new(&ClientSettings::new(url)).unwrap();
    let login = Login::Kerberos(with_key(&realm, "bot.keytab"));
    let error = client.log_in(&login).await.unwrap_err();
    let Problem::Ticket(ticket) = &error.problem else { panic!("{error}") };
    assert_eq!(ticket.problem, TicketProblem::UnknownService, "{error}");
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ticket_server_is_a_matter_of_the_network() {
    let Some(realm) = realm() else { return };
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = fs::read_to_string(realm.join("krb5.conf")).unwrap();
    let kdc = settings.lines().find(|line| line.trim_start().starts_with("kdc = ")).unwrap();
    let servers =
        [("silent", settings.replace(kdc, "    kdc = 127.0.0.1:1")), ("unnamed", settings.replace(kdc, ""))];
    for (name, settings) in servers {
        let file = folder.path().join(name);
        fs::write(&file, settings).unwrap();
        let program = elsewhere(&folder, &format!("KRB5_CONFIG='{}'", file.display()));
        let (problem, error) = site.refused(Kerberos { program, ..with_key(&realm, "bot.keytab") }).await;
        assert_eq!(problem, TicketProblem::Unreachable, "{name}: {error}");
        assert_eq!((error.blame(), error.retry), (Blame::Network, Retry::Pause), "{error}");
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_somebody_took_is_used_until_it_ends() {
    let Some(realm) = realm() else { return };
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    let tickets = folder.path().join("tickets");
    let program = elsewhere(&folder, &format!("KRB5CCNAME='FILE:{}'", tickets.display()));
    let own = Kerberos { program, ..Kerberos::default() };

    let (problem, error) = site.refused(own.clone()).await;
    assert_eq!(problem, TicketProblem::NoKey, "{error}");

    take_ticket(&realm, &tickets, "1h");
    let session = site.log_in(own.clone()).await.unwrap();
    let remaining = session.credential().unwrap().remaining(now()).0;
    assert!((3_500..=3_600).contains(&remaining), "{remaining}");
    site.shown.lock().unwrap().clear();

    take_ticket(&realm, &tickets, "1s");
    let is_over = |_: &u32| !Command::new("klist").arg("-s").arg(&tickets).status().unwrap().success();
    assert!((0..20_000).find(is_over).is_some(), "a ticket of one second does not end");
    let (problem, error) = site.refused(own).await;
    assert_eq!(problem, TicketProblem::Expired, "{error}");
    assert!(error.to_string().contains("kinit"), "{error}");
    site.hub.stop().await;
}

/// Takes a ticket for a user, as a person does.
fn take_ticket(realm: &Path, tickets: &Path, lifetime: &str) {
    let mut kinit = Command::new("kinit");
    kinit.arg("-k").arg("-t").arg(realm.join("bot.keytab")).arg("-c").arg(tickets);
    assert!(kinit.args(["-l", lifetime, "bot"]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_said_to_be_off() {
    let Some(realm) = realm() else { return };
    if Command::new("faketime").arg("--version").output().is_err() {
        println!("skipped: a clock that is off: faketime is not installed");
        return;
    }
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tidegate");
    fs::write(&program, format!("#!/bin/sh\nexec faketime -f +1h '{TIDEGATE}' \"$@\"\n")).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let (problem, error) = site.refused(Kerberos { program, ..with_key(&realm, "bot.keytab") }).await;
    assert_eq!(problem, TicketProblem::ClockSkew, "{error}");
    assert_eq!((error.blame(), error.retry), (Blame::Us, Retry::Pause), "{error}");
    site.hub.stop().await;
}
