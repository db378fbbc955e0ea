//! From the settings of a pipeline to those of librdkafka.
//!
//! Secrets are read from their files each time a client is made, and live nowhere but in that client. What would break a
//! promise of ours is set here and cannot be overridden; the pipeline file refuses it where it is written
//! (`crate::pipeline`).

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use thiserror::Error;

use crate::pipeline::KafkaSource;

/// Longest file with a password, in bytes.
const PASSWORD_MAX: u64 = 4_096;

/// What librdkafka takes for `session.timeout.ms` where nothing is stated.
const SESSION_MILLIS: u64 = 45_000;

/// How long it takes to rejoin a group and to ask about its topics, on a machine that is busy with something else too.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// How brokers are reached: by the source, the producer, and whoever comes next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connection {
    /// Brokers, `host:port`.
    pub brokers: Vec<String>,
    /// User's name and the file with the password.
    pub login: Option<(String, String)>,
    /// File with the certificate authority of the brokers.
    pub ca_file: Option<String>,
    /// Files with the client certificate and its key.
    pub certificate: Option<(String, String)>,
    /// Properties of librdkafka that the operator states, name and value.
    pub properties: Vec<(String, String)>,
}

impl Connection {
    /// The brokers of a pipeline's source.
    pub fn of_source(source: &KafkaSource) -> Self {
        Self {
            brokers: source.brokers.clone(),
            login: source.login.clone(),
            ca_file: source.ca_file.clone(),
            certificate: source.certificate.clone(),
            properties: source.properties.clone(),
        }
    }

    /// After how long a group has forgotten a member that died, and told the others: they hear of it by a heartbeat, of
    /// which there are at least three in a session.
    pub fn forgotten_after(&self) -> Duration {
        let stated = self.properties.iter().find(|(name, _)| name == "session.timeout.ms");
        let session = stated.and_then(|(_, millis)| millis.parse().ok()).unwrap_or(SESSION_MILLIS);
        Duration::from_millis(session + session / 3) + TOLD_WITHIN
    }
}

/// Why no client can be made.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The pipeline names no brokers or no topics.
    #[error("the pipeline does not say where to read from: state `{0}` in [source]")]
    Missing(&'static str),
    /// The password cannot be read.
    #[error("the password file {file} cannot be read: {error}. Check the path and who may read it")]
    Password {
        /// The file.
        file: String,
        /// What went wrong.
        error: std::io::Error,
    },
    /// The password file holds no password.
    #[error("the password file {file} {what}: write the password into it, and nothing else")]
    NoPassword {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// TLS is asked for, and the program was built without.
    #[error(
        "{what} needs TLS, and this program was built without it: build it with `--features kafka-tls`, or state \
         \"security.protocol\" = \"SASL_PLAINTEXT\" in [source.properties] where the network is trusted"
    )]
    NoTls {
        /// What asks for it.
        what: &'static str,
    },
    /// librdkafka refuses a property.
    #[error("librdkafka refuses the property `{name}`: {why}. Correct it in [source.properties]")]
    Property {
        /// The property.
        name: String,
        /// What librdkafka says.
        why: String,
    },
    /// librdkafka makes no client.
    #[error("no Kafka client could be made: {0}")]
    Client(String),
}

/// The settings that every client of ours begins with.
pub(super) fn base(connection: &Connection) -> Result<ClientConfig, ConfigError> {
    if connection.brokers.is_empty() {
        return Err(ConfigError::Missing("brokers"));
    }
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    config.set("bootstrap.servers", connection.brokers.join(","));
    config.set("client.id", format!("tidegate-{}", std::process::id()));
    // A broker that comes back is found within seconds.
    config.set("reconnect.backoff.max.ms", "2000");
    secure(&mut config, connection)?;
    for (name, value) in &connection.properties {
        config.set(name, value);
    }
    Ok(config)
}

/// TLS and login, as far as the operator's own properties do not say otherwise.
fn secure(config: &mut ClientConfig, connection: &Connection) -> Result<(), ConfigError> {
    let stated = |name: &str| connection.properties.iter().any(|(stated, _)| stated == name);
    let with_tls = connection.ca_file.is_some() || connection.certificate.is_some();
    if !stated("security.protocol") {
        let (protocol, what) = match (&connection.login, with_tls) {
            (None, false) => ("plaintext", None),
            (None, true) => ("ssl", Some("a certificate")),
            // A password never goes over the network unencrypted unless the operator asks for that.
            (Some(_), _) => ("sasl_ssl", Some("a login")),
        };
        if let (Some(what), false) = (what, cfg!(feature = "kafka-tls")) {
            return Err(ConfigError::NoTls { what });
        }
        config.set("security.protocol", protocol);
    }
    if let Some(file) = &connection.ca_file {
        config.set("ssl.ca.location", file);
    }
    if let Some((certificate, key)) = &connection.certificate {
        config.set("ssl.certificate.location", certificate);
        config.set("ssl.key.location", key);
    }
    if let Some((user, file)) = &connection.login {
        if !stated("sasl.mechanism") && !stated("sasl.mechanisms") {
            config.set("sasl.mechanism", "SCRAM-SHA-512");
        }
        config.set("sasl.username", user);
        config.set("sasl.password", password(file)?);
    }
    Ok(())
}

/// The first line of a password file.
fn password(file: &str) -> Result<String, ConfigError> {
    let mut text = String::new();
    File::open(file)
        .and_then(|open| open.take(PASSWORD_MAX + 1).read_to_string(&mut text))
        .map_err(|error| ConfigError::Password { file: file.to_owned(), error })?;
    let refuse = |what| Err(ConfigError::NoPassword { file: file.to_owned(), what });
    if text.len() as u64 > PASSWORD_MAX {
        return refuse("is longer than a password");
    }
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return refuse("is empty");
    }
    if password.contains(['\r', '\n']) {
        return refuse("has more than one line");
    }
    Ok(password.to_owned())
}

/// What reads the topics as a member of the group.
pub(super) fn consumer(connection: &Connection, group: &str) -> Result<ClientConfig, ConfigError> {
    let mut config = base(connection)?;
    // A new partition is noticed within a minute: bursts are counted over all of them.
    let unless_stated = [
        ("queued.min.messages", "1000000"),
        ("queued.max.messages.kbytes", "65536"),
        ("check.crcs", "true"),
        ("topic.metadata.refresh.interval.ms", "60000"),
    ];
    for (name, value) in unless_stated {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    for (name, value) in [
        ("group.id", group),
        // How far was read stands in the state; Kafka is told afterwards, and only by us.
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // A position that the broker does not have is for a person to decide about, never to be skipped.
        ("auto.offset.reset", "error"),
        ("isolation.level", "read_committed"),
        ("enable.partition.eof", "false"),
        // All partitions are taken away before any is given: one list is in force at a time.
        ("partition.assignment.strategy", "range,roundrobin"),
        ("allow.auto.create.topics", "false"),
    ] {
        config.set(name, value);
    }
    checked(config)
}

/// What asks about topics and group, without being a member: it sees also what open transactions wrote.
pub(super) fn observer(connection: &Connection) -> Result<ClientConfig, ConfigError> {
    let mut config = base(connection)?;
    config.set("isolation.level", "read_uncommitted");
    config.set("allow.auto.create.topics", "false");
    checked(config)
}

/// What reads single records, without being a member, and is told where a partition ends.
pub(super) fn reader(connection: &Connection, group: &str) -> Result<ClientConfig, ConfigError> {
    let mut config = base(connection)?;
    for (name, value) in [
        // librdkafka wants a name, though the group is never joined; this one the user may surely use.
        ("group.id", group),
        ("isolation.level", "read_committed"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
        ("allow.auto.create.topics", "false"),
        // One record is wanted, and soon.
        ("fetch.wait.max.ms", "10"),
        ("queued.min.messages", "1"),
        ("queued.max.messages.kbytes", "1024"),
    ] {
        config.set(name, value);
    }
    checked(config)
}

/// What writes decisions, in order, each at least once.
pub(super) fn producer(connection: &Connection) -> Result<ClientConfig, ConfigError> {
    let mut config = base(connection)?;
    for (name, value) in
        [("compression.type", "zstd"), ("linger.ms", "5"), ("queue.buffering.max.messages", "10000")]
    {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    config.set("enable.idempotence", "true");
    config.set("acks", "all");
    checked(config)
}

/// Has librdkafka look at every property, so that a mistyped one is told by name.
fn checked(config: ClientConfig) -> Result<ClientConfig, ConfigError> {
    use rdkafka::error::KafkaError;
    match config.create_native_config() {
        Ok(_) => Ok(config),
        // The value is left out: it may be a secret.
        Err(KafkaError::ClientConfig(_, why, name, _)) => Err(ConfigError::Property { name, why }),
        Err(error) => Err(ConfigError::Client(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection { brokers: vec!["a:1".to_owned(), "b:2".to_owned()], ..Connection::default() }
    }

    fn with(properties: &[(&str, &str)]) -> Connection {
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Connection { properties: properties.iter().map(pair).collect(), ..connection() }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn what_we_promise_stands_whatever_the_properties_say() {
        let stated = [
            ("enable.auto.commit", "true"),
            ("auto.offset.reset", "latest"),
            ("isolation.level", "read_uncommitted"),
        ];
        let config = consumer(&with(&stated), "g").unwrap();
        for (name, value) in [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("bootstrap.servers", "a:1,b:2"),
            ("security.protocol", "plaintext"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        assert_eq!(producer(&with(&[("acks", "0")])).unwrap().get("acks"), Some("all"));
    }

    #[test]
    fn other_properties_pass_through_and_override_our_choices() {
        let config = consumer(&with(&[("queued.min.messages", "7"), ("session.timeout.ms", "10000")]), "g");
        let config = config.unwrap();
        assert_eq!(config.get("queued.min.messages"), Some("7"));
        assert_eq!(config.get("session.timeout.ms"), Some("10000"));
    }

    #[test]
    fn a_mistyped_property_is_told_by_name() {
        let error = consumer(&with(&[("sesion.timeout.ms", "10000")]), "g").unwrap_err().to_string();
        assert!(error.contains("`sesion.timeout.ms`") && error.contains("[source.properties]"), "{error}");
    }

    #[test]
    fn a_member_that_died_is_forgotten_after_its_session() {
        let six = [("session.timeout.ms", "6000")];
        for (properties, seconds) in [(&[][..], 65), (&six, 13), (&[("session.timeout.ms", "x")], 65)] {
            assert_eq!(with(properties).forgotten_after(), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn a_login_wants_tls_unless_it_is_waived() {
        let secret = file("hunter2\n");
        let login = Some(("tide".to_owned(), secret.path().display().to_string()));
        let safe = base(&Connection { login: login.clone(), ..connection() });
        if cfg!(feature = "kafka-tls") {
            let config = safe.unwrap();
            assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
            assert_eq!(config.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
            assert_eq!(config.get("sasl.password"), Some("hunter2"));
        } else {
            assert!(safe.unwrap_err().to_string().contains("--features kafka-tls"));
        }
        let waived = with(&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")]);
        let config = base(&Connection { login, ..waived }).unwrap();
        assert_eq!(config.get("security.protocol"), Some("SASL_PLAINTEXT"));
        assert_eq!(config.get("sasl.mechanism"), Some("PLAIN"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_password_is_the_one_line_of_its_file() {
        for text in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            assert_eq!(password(&file(text).path().display().to_string()).unwrap(), "hunter2");
        }
        let long = "x".repeat(5_000);
        for (text, what) in
            [("", "is empty"), ("\n", "is empty"), ("a\nb\n", "one line"), (long.as_str(), "longer")]
        {
            let error = password(&file(text).path().display().to_string()).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        let error = password("no/such/file").unwrap_err().to_string();
        assert!(error.contains("no/such/file") && error.contains("cannot be read"), "{error}");
    }
}
