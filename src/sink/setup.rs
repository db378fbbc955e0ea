//! From the sink of a pipeline file to one that carries orders out.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use super::Sink;
use super::dry_run::DryRunSink;
use super::ebs::{EbsSettings, EbsSink, NAMES_MAX};
use super::kafka::KafkaSink;
use super::koji::{BuildStyle, KojiSettings, KojiSink, Targets};
use super::post::{PostError, SecretFile, Timeouts};
use super::reads::{DEFAULT_CHANNEL, Farm, Reads};
use super::webhook::{WebhookSettings, WebhookSink};
use crate::kafka::config::{ConfigError, Connection};
use crate::koji::client::{Client, ClientSettings};
use crate::koji::login::Login;
use crate::koji::secret::Secret;
use crate::koji::tls::{Identity, Tls};
use crate::pipeline::{self, KojiLogin};
use crate::submit::ask::{Answer, Ask};

/// A sink of any kind.
#[derive(Debug)]
pub enum AnySink {
    /// Submits nothing.
    DryRun(DryRunSink),
    /// Orders builds of a hub.
    Koji(Box<KojiSink>),
    /// Names packages to an `ELNBuildSync`.
    Ebs(Box<EbsSink>),
    /// Writes builds to a topic.
    Kafka(Box<KafkaSink>),
    /// Posts builds to an address.
    Webhook(Box<WebhookSink>),
}

/// Why a sink cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The hub's address or a file of certificates.
    #[error("[sink]: {0}")]
    Koji(#[from] crate::koji::client::SetupError),
    /// The address of an `ELNBuildSync` or a webhook.
    #[error("[sink] url: {0}")]
    Post(#[from] PostError),
    /// The brokers or the topic.
    #[error("[sink]: {0}")]
    Kafka(#[from] ConfigError),
    /// A file with a secret.
    #[error("[sink] {file} cannot be read: {source}; does it exist, and may this user read it?")]
    Secret {
        /// The file, as the pipeline file names it.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key table, in a program without Kerberos.
    #[error(
        "[sink] keytab_file: this program was built without Kerberos: build it with `--features gssapi`, or state \
         `certificate_file`"
    )]
    NoKerberos,
}

/// A hub beside the sink, for sinks that have none of their own: where builds are looked up, and whose load counts.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Address of the hub's XML-RPC interface.
    pub hub: String,
    /// The build target whose arches count for the load.
    pub target: Arc<str>,
}

/// Sets up the sink of a pipeline; nothing is sent yet. Files that it names are looked for in `folder`, where their names
/// do not begin with `/`.
///
/// # Errors
/// Where an address, a file of certificates or the settings of Kafka are of no use.
pub fn setup(sink: &pipeline::Sink, folder: &Path, beside: Option<&Beside>) -> Result<AnySink, SetupError> {
    let path = |file: &String| folder.join(file);
    let text = |file: &String| folder.join(file).to_string_lossy().into_owned();
    let reads = || beside.map(reads).transpose();
    Ok(match sink {
        pipeline::Sink::DryRun => AnySink::DryRun(DryRunSink::new(reads()?)),
        pipeline::Sink::Koji { hub, target, login, .. } => {
            AnySink::Koji(Box::new(KojiSink::new(&koji(hub, target, login, folder)?)?))
        }
        pipeline::Sink::Ebs { url, token_file } => {
            let settings = EbsSettings {
                url: url.clone(),
                token_file: token_file.as_ref().map(path).map(SecretFile::new),
                names: NAMES_MAX,
                tls: Tls::default(),
                timeouts: Timeouts::default(),
            };
            AnySink::Ebs(Box::new(EbsSink::new(&settings, reads()?)?))
        }
        pipeline::Sink::Kafka { brokers, topic, login } => {
            let connection = Connection {
                brokers: brokers.clone(),
                login: login.as_ref().map(|(user, file)| (user.clone(), text(file))),
                ..Connection::default()
            };
            AnySink::Kafka(Box::new(KafkaSink::new(&connection, topic.as_str(), reads()?)?))
        }
        pipeline::Sink::Webhook { url, secret_file } => {
            let settings = WebhookSettings {
                url: url.clone(),
                secret_file: secret_file.as_ref().map(path).map(SecretFile::new),
                tls: Tls::default(),
                timeouts: Timeouts::default(),
            };
            AnySink::Webhook(Box::new(WebhookSink::new(&settings, reads()?)?))
        }
    })
}

/// How the hub of a pipeline's sink is used, with all that the pipeline does not state at its default.
///
/// # Errors
/// Where the login needs Kerberos and this program has none.
pub fn koji(hub: &str, target: &str, login: &KojiLogin, folder: &Path) -> Result<KojiSettings, SetupError> {
    let mut client = ClientSettings::new(hub);
    let login = match login {
        KojiLogin::Certificate(file) => {
            client.tls.identity = Some(Identity { certificate: folder.join(file), key: None });
            Login::Certificate { proxy_user: None }
        }
        KojiLogin::Password(user, file) => {
            let password = std::fs::read_to_string(folder.join(file))
                .map_err(|source| SetupError::Secret { file: file.clone(), source })?;
            Login::Password { user: user.clone(), password: Secret::new(password.trim_end()) }
        }
        KojiLogin::Keytab(file) => kerberos(&folder.join(file))?,
    };
    Ok(KojiSettings {
        client,
        login,
        targets: Targets { rules: Vec::new(), common: target.into() },
        channel: Some(DEFAULT_CHANNEL),
        options: BuildStyle::default(),
    })
}

#[cfg(feature = "gssapi")]
#[expect(clippy::unnecessary_wraps, reason = "it fails where the program has no Kerberos")]
fn kerberos(keytab: &Path) -> Result<Login, SetupError> {
    use crate::koji::login::kerberos::Kerberos;
    Ok(Login::Kerberos(Kerberos { keytab: Some(keytab.to_owned()), ..Kerberos::default() }))
}

#[cfg(not(feature = "gssapi"))]
fn kerberos(_keytab: &Path) -> Result<Login, SetupError> {
    Err(SetupError::NoKerberos)
}

fn reads(beside: &Beside) -> Result<Reads, SetupError> {
    let client = Client::new(&ClientSettings::new(&beside.hub))?;
    let farm = Farm { target: Arc::clone(&beside.target), channel: Some(DEFAULT_CHANNEL) };
    Ok(Reads::new(client, farm))
}

impl Sink for AnySink {
    /// The futures of the kinds differ much in size: each is on the heap.
    fn perform(&mut self, ask: Ask) -> impl Future<Output = Answer> + Send {
        let future: std::pin::Pin<Box<dyn Future<Output = Answer> + Send + '_>> = match self {
            Self::DryRun(sink) => Box::pin(sink.perform(ask)),
            Self::Koji(sink) => Box::pin(sink.perform(ask)),
            Self::Ebs(sink) => Box::pin(sink.perform(ask)),
            Self::Kafka(sink) => Box::pin(sink.perform(ask)),
            Self::Webhook(sink) => Box::pin(sink.perform(ask)),
        };
        future
    }
}
