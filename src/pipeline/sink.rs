//! Where admitted builds go, told from the keys of `[sink]`.

use super::reader::{Reader, Stated};
use super::sections::{Optional, SINK_KINDS, SinkKind, SinkSection};
use crate::time::Seconds;

/// Where admitted builds go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Nowhere: decisions are written, nothing is submitted.
    DryRun,
    /// A Koji hub.
    Koji {
        /// Address of the hub's XML-RPC interface.
        hub: String,
        /// Build target.
        target: String,
        /// How to log in.
        login: KojiLogin,
        /// How long after the end of an old session a call of it may still take effect; `None`: the default.
        settle: Option<Seconds>,
    },
    /// The `/trigger` endpoint of an `ELNBuildSync`.
    Ebs {
        /// Address of the endpoint.
        url: String,
        /// File with the bearer token.
        token_file: Option<String>,
    },
    /// A Kafka topic.
    Kafka {
        /// Brokers, `host:port`.
        brokers: Vec<String>,
        /// The topic.
        topic: String,
        /// User's name and the file with the password.
        login: Option<(String, String)>,
    },
    /// An HTTP endpoint of one's own.
    Webhook {
        /// Address of the endpoint.
        url: String,
        /// File with the key that messages are signed with.
        secret_file: Option<String>,
    },
}

/// How to log in to Koji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KojiLogin {
    /// Kerberos, with the key table in this file.
    Keytab(String),
    /// A TLS client certificate with its key in this file.
    Certificate(String),
    /// A user's name, and the file with the password; only at a hub on this machine, to rehearse.
    Password(String, String),
}

/// A key of `[sink]` that only some kinds have.
struct Part<'a> {
    key: &'a str,
    setting: &'a dyn Stated,
    stated: bool,
}

/// Makes the sink; reports keys that are missing for its kind or belong to another. `None` where it cannot be
/// made.
pub(super) fn sink(section: &SinkSection, reader: &mut Reader<'_>) -> Option<Sink> {
    let kind = section.kind.value;
    let word = SINK_KINDS.iter().find(|(_, known)| *known == kind).map_or("", |&(word, _)| word);
    let (required, allowed) = keys_of(kind);
    let mut complete = section.kind.sound;
    for part in parts(section) {
        let needed = required.contains(&part.key);
        complete &= part.setting.sound() && (part.stated || !needed);
        if !section.kind.sound || !part.setting.sound() {
            continue;
        }
        if part.stated && !needed && !allowed.contains(&part.key) {
            let help = format!(
                "remove it, or state another `kind`; kind \"{word}\" takes {}",
                listed(required, allowed)
            );
            reader.error(
                &[part.setting],
                format!("`sink.{}` does not go with kind \"{word}\"", part.key),
                help,
            );
        } else if needed && !part.stated {
            let message = format!("kind \"{word}\" needs `sink.{}`", part.key);
            reader.error(&[&section.kind], message, format!("state `{}` in [sink]", part.key));
        }
    }
    let login = login(section, reader);
    if complete { build(section, login) } else { None }
}

fn listed(required: &[&str], allowed: &[&str]) -> String {
    let all: Vec<&str> = required.iter().chain(allowed).copied().collect();
    if all.is_empty() { "no other key".to_owned() } else { all.join(", ") }
}

/// The keys that a kind must have, and those that it may have.
fn keys_of(kind: SinkKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        SinkKind::DryRun => (&[], &[]),
        SinkKind::Koji => {
            (&["hub", "target"], &["keytab_file", "certificate_file", "username", "password_file", "settle"])
        }
        SinkKind::Ebs => (&["url"], &["token_file"]),
        SinkKind::Kafka => (&["brokers", "topic"], &["username", "password_file"]),
        SinkKind::Webhook => (&["url"], &["secret_file"]),
    }
}

fn parts(section: &SinkSection) -> [Part<'_>; 12] {
    fn optional<'a, T>(key: &'a str, setting: &'a Optional<T>) -> Part<'a>
    where
        Optional<T>: Stated,
    {
        Part { key, setting, stated: setting.value.is_some() }
    }
    let brokers =
        Part { key: "brokers", setting: &section.brokers, stated: !section.brokers.value.is_empty() };
    [
        optional("hub", &section.hub),
        optional("target", &section.target),
        optional("keytab_file", &section.keytab_file),
        optional("certificate_file", &section.certificate_file),
        optional("url", &section.url),
        optional("token_file", &section.token_file),
        optional("secret_file", &section.secret_file),
        brokers,
        optional("topic", &section.topic),
        optional("username", &section.username),
        optional("password_file", &section.password_file),
        optional("settle", &section.settle),
    ]
}

/// How a Koji sink logs in: by exactly one of the ways.
fn login(section: &SinkSection, reader: &mut Reader<'_>) -> Option<KojiLogin> {
    let (keytab, certificate) = (&section.keytab_file, &section.certificate_file);
    let password = section.username.value.clone().zip(section.password_file.value.clone());
    let judged = section.kind.sound && section.kind.value == SinkKind::Koji;
    let is_stated = section.username.value.is_some() || section.password_file.value.is_some();
    let sound = keytab.sound && certificate.sound && section.username.sound && section.password_file.sound;
    let help = "state `keytab_file` or `certificate_file`, one of them";
    match (&keytab.value, &certificate.value, password) {
        (Some(file), None, None) if !is_stated => return Some(KojiLogin::Keytab(file.clone())),
        (None, Some(file), None) if !is_stated => return Some(KojiLogin::Certificate(file.clone())),
        (None, None, Some((user, file))) if is_on_this_machine(section) => {
            return Some(KojiLogin::Password(user, file));
        }
        (None, None, Some(_)) if judged => reader.error(
            &[&section.username],
            "a password is for rehearsals with a hub on this machine: anybody on the way could read it"
                .to_owned(),
            help.to_owned(),
        ),
        (None, None, None) if judged && sound && !is_stated => {
            reader.error(&[&section.kind], "kind \"koji\" cannot log in".to_owned(), help.to_owned());
        }
        (Some(_), ..) | (None, Some(_), _) if judged => {
            reader.error(
                &[certificate],
                "kind \"koji\" logs in one way, not two".to_owned(),
                help.to_owned(),
            );
        }
        _ => {}
    }
    None
}

/// Whether the hub is reached without leaving the machine.
fn is_on_this_machine(section: &SinkSection) -> bool {
    let Some(rest) = section.hub.value.as_deref().and_then(|hub| hub.split_once("://")).map(|(_, rest)| rest)
    else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Ok(address) = authority.parse::<std::net::SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host == "localhost" || host.parse().is_ok_and(|address: std::net::Ipv4Addr| address.is_loopback())
}

fn build(section: &SinkSection, login: Option<KojiLogin>) -> Option<Sink> {
    Some(match section.kind.value {
        SinkKind::DryRun => Sink::DryRun,
        SinkKind::Koji => Sink::Koji {
            hub: section.hub.value.clone()?,
            target: section.target.value.clone()?,
            login: login?,
            settle: section.settle.value,
        },
        SinkKind::Ebs => {
            Sink::Ebs { url: section.url.value.clone()?, token_file: section.token_file.value.clone() }
        }
        SinkKind::Kafka => Sink::Kafka {
            brokers: section.brokers.value.clone(),
            topic: section.topic.value.clone()?,
            login: section.username.value.clone().zip(section.password_file.value.clone()),
        },
        SinkKind::Webhook => {
            Sink::Webhook { url: section.url.value.clone()?, secret_file: section.secret_file.value.clone() }
        }
    })
}
