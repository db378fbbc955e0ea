//! Kinds of texts: names, addresses and files, alone or in lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::kinds::{Fault, Input, Kind, quoted};

/// Longest text of a key in bytes.
const TEXT_MAX: usize = 4_096;

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// Anything readable, such as a user's or a consumer group's name.
    Name,
    /// A Koji tag.
    Tag,
    /// A tag with `{release}` for each family tag.
    TagPattern,
    /// A topic prefix, which ends with a point.
    TopicPrefix,
    /// A topic of Kafka.
    Topic,
    /// `host:port`.
    Broker,
    /// An `http://` or `https://` address.
    Url,
    /// A file's name.
    File,
    /// A file's name or an `https://` address.
    FileOrUrl,
}

impl Text {
    fn check(self, text: &str) -> Result<(), (String, &'static str)> {
        if text.trim().is_empty() {
            return Err(("is empty".to_owned(), "state a text, or leave the key out"));
        }
        if text.len() > TEXT_MAX {
            return Err((format!("has {} bytes, more than {TEXT_MAX}", text.len()), "state a shorter text"));
        }
        if text.chars().any(char::is_control) {
            return Err(("has a line break or a control character".to_owned(), "state a text of one line"));
        }
        if has_login(text) {
            return Err((
                "has a login in its address, and a pipeline file holds no secret".to_owned(),
                "remove what stands before the @; a login has keys of its own",
            ));
        }
        let shown = quoted(text);
        match self {
            Self::Name | Self::File => Ok(()),
            Self::Tag if Self::is_tag(text) => Ok(()),
            Self::Tag => Err((format!("{shown} is no Koji tag"), "state one tag's name, such as \"f44\"")),
            Self::TagPattern => pattern(text),
            Self::TopicPrefix if text.ends_with('.') => Ok(()),
            Self::TopicPrefix => Err((
                format!("the topic prefix {shown} does not end with a point"),
                "write the point, as in \"org.fedoraproject.prod.buildsys.\"",
            )),
            Self::Topic if is_topic(text) => Ok(()),
            Self::Topic => Err((
                format!("{shown} is no name of a topic"),
                "a topic has up to 249 letters, digits, points, hyphens and underscores",
            )),
            Self::Broker if is_host_port(text) => Ok(()),
            Self::Broker => {
                Err((format!("{shown} is no broker"), "state host and port: \"kafka1.example.org:9092\""))
            }
            Self::Url if is_url(text, &["https", "http"]) => Ok(()),
            Self::Url => Err((
                format!("{shown} is no address"),
                "state an address that begins with https:// (or http:// inside one machine)",
            )),
            Self::FileOrUrl if !text.contains("://") || is_url(text, &["https"]) => Ok(()),
            Self::FileOrUrl => Err((
                format!("{shown} is neither a file nor an https address"),
                "state a file's name, or an address that begins with https://",
            )),
        }
    }

    /// Whether a text can be the name of a Koji tag.
    pub(super) fn is_tag(text: &str) -> bool {
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '@' | '{' | '}');
        !text.is_empty() && text.len() <= 256 && !text.contains(odd)
    }

    fn read_one(self, input: &Input<'_>) -> Result<String, Vec<Fault>> {
        let Some(text) = input.text() else {
            return Err(input.unlike("text", "write a text in quotes"));
        };
        match self.check(text) {
            Ok(()) => Ok(text.to_owned()),
            Err((message, help)) => Err(vec![input.fault(message, help)]),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Name => "text",
            Self::Tag => "tag",
            Self::TagPattern => "tag pattern",
            Self::TopicPrefix => "topic prefix",
            Self::Topic => "topic",
            Self::Broker => "host:port",
            Self::Url => "address",
            Self::File => "file",
            Self::FileOrUrl => "file or https address",
        }
    }
}

fn pattern(text: &str) -> Result<(), (String, &'static str)> {
    let help = "the only placeholder is {release}, which stands for each tag of the family";
    if Text::is_tag(&text.replace("{release}", "x")) {
        return Ok(());
    }
    Err((format!("{} is no tag pattern", quoted(text)), help))
}

fn has_login(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'))
}

/// Whether Kafka takes a topic of that name.
fn is_topic(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&text.len()) && text.bytes().all(legal) && text != "." && text != ".."
}

fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ','))
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme) && !rest.starts_with(['/', ':']) && !rest.is_empty() && !rest.contains(' ')
    })
}

impl Kind for Text {
    type Value = String;

    fn shape(&self) -> String {
        self.word().to_owned()
    }

    fn range(&self) -> String {
        match self {
            Self::TopicPrefix => "ends with a point".to_owned(),
            Self::Name
            | Self::Tag
            | Self::TagPattern
            | Self::Topic
            | Self::Broker
            | Self::Url
            | Self::File
            | Self::FileOrUrl => String::new(),
        }
    }

    fn schema(&self) -> Value {
        let pattern = match self {
            Self::Name | Self::File | Self::FileOrUrl => "\\S",
            Self::Tag => "^[^\\s,@{}]+$",
            Self::TagPattern => "^([^\\s,@{}]|\\{release\\})+$",
            Self::TopicPrefix => "\\.$",
            Self::Topic => "^[A-Za-z0-9._-]{1,249}$",
            Self::Broker => "^[^\\s/,]+:\\+?[0-9]+$",
            Self::Url => "^https?://",
        };
        json!({"type": "string", "pattern": pattern, "maxLength": TEXT_MAX})
    }

    fn read(&self, input: &Input<'_>) -> Result<String, Vec<Fault>> {
        self.read_one(input)
    }

    fn write(&self, value: &String) -> String {
        quoted(value)
    }
}

/// A list of texts without repetitions; one text alone counts as a list of one.
pub(super) struct List {
    pub(super) of: Text,
    pub(super) min: usize,
    pub(super) max: usize,
}

impl Kind for List {
    type Value = Vec<String>;

    fn shape(&self) -> String {
        format!("list of {}", self.of.word())
    }

    fn range(&self) -> String {
        match self.min {
            0 => format!("up to {}", self.max),
            min => format!("{min} to {}", self.max),
        }
    }

    fn schema(&self) -> Value {
        one_or_list(&self.of.schema(), self.min, self.max)
    }

    fn read(&self, input: &Input<'_>) -> Result<Vec<String>, Vec<Fault>> {
        let items = input.items();
        if !(self.min..=self.max).contains(&items.len()) {
            let found = if items.is_empty() { "is empty".to_owned() } else { format!("has {}", items.len()) };
            let help = format!("state {} in the list", self.range());
            return Err(vec![input.fault(format!("the list {found}"), help)]);
        }
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        let mut texts = Vec::new();
        for item in items {
            match self.of.read_one(&item) {
                Ok(text) if seen.insert(text.clone()) => texts.push(text),
                Ok(text) => {
                    faults.push(
                        item.fault(format!("{} is in the list twice", quoted(&text)), "keep one of them"),
                    );
                }
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok(texts) } else { Err(faults) }
    }

    fn write(&self, value: &Vec<String>) -> String {
        written(value.iter().map(|text| quoted(text)))
    }
}

/// JSON Schema of a list whose only member may stand without its brackets.
pub(super) fn one_or_list(of: &Value, min: usize, max: usize) -> Value {
    json!({"anyOf": [of, {"type": "array", "items": of, "minItems": min, "maxItems": max}]})
}

/// A TOML array of values already written.
pub(super) fn written(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}
