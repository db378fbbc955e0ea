//! Properties of librdkafka that an operator states, `[source.properties]`.
//!
//! Any may be stated but those that would break what Tidegate promises, those that have a key of their own, and
//! secrets. Whether librdkafka knows one is for it to say, when the pipeline starts.

use serde_json::{Value, json};
use toml::de::DeValue;

use super::kinds::{Fault, Input, Kind, quoted};
use super::source::is_secret;

/// Most properties of one table.
const PROPERTIES_MAX: usize = 64;
/// Longest value in bytes.
const VALUE_MAX: usize = 4_096;

/// What is refused, and what to do instead.
const REFUSED: [(&str, &str); 27] = [
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("offset.store.method", OFFSETS),
    ("offset.store.path", OFFSETS),
    ("offset.store.sync.interval.ms", OFFSETS),
    ("auto.offset.reset", RESET),
    ("topic.auto.offset.reset", RESET),
    ("group.instance.id", MEMBERS),
    ("group.protocol", MEMBERS),
    ("group.protocol.type", MEMBERS),
    ("group.remote.assignor", MEMBERS),
    ("partition.assignment.strategy", MEMBERS),
    ("isolation.level", "records of transactions that were rolled back must not be read: leave it out"),
    ("enable.partition.eof", "Tidegate tells the end of a partition its own way: leave it out"),
    ("allow.auto.create.topics", "a mistyped topic would be made, and read for ever: create topics by hand"),
    ("enable.idempotence", "records could be written twice or out of order: leave it out"),
    ("acks", "records could be lost: leave it out"),
    ("request.required.acks", "records could be lost: leave it out"),
    ("test.mock.num.brokers", "the brokers would be imitations inside this process: leave it out"),
    ("bootstrap.servers", "it has a key of its own: state `brokers`"),
    ("metadata.broker.list", "it has a key of its own: state `brokers`"),
    ("group.id", "it has a key of its own: state `group`"),
    ("sasl.username", "it has a key of its own: state `username`"),
    ("ssl.ca.location", "it has a key of its own: state `ca_file`"),
    ("ssl.key.location", "it has a key of its own: state `key_file`"),
];
const OFFSETS: &str = "how far was read is written in the state, in the same transaction as what was decided; \
     otherwise records could be lost at a crash: leave it out";
/// What sounds like a secret and names a file or an address.
const NO_SECRETS: [&str; 2] = ["sasl.kerberos.keytab", "sasl.oauthbearer.token.endpoint.url"];
const RESET: &str =
    "a position that the broker does not have must be told and not be skipped: leave it out, and see `begin`";
const MEMBERS: &str = "a second instance must be noticed and not be fenced off or mixed in: leave it out";

/// A table of properties.
pub(super) struct Properties;

impl Kind for Properties {
    type Value = Vec<(String, String)>;

    fn shape(&self) -> String {
        "table of property = value".to_owned()
    }

    fn range(&self) -> String {
        format!("up to {PROPERTIES_MAX}")
    }

    fn schema(&self) -> Value {
        let refused: Vec<&str> = REFUSED.iter().map(|(name, _)| *name).collect();
        json!({
            "type": "object",
            "maxProperties": PROPERTIES_MAX,
            "propertyNames": {"not": {"enum": refused}},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        })
    }

    fn read(&self, input: &Input<'_>) -> Result<Self::Value, Vec<Fault>> {
        let help = "write each property in quotes: \"session.timeout.ms\" = 45000";
        let Some(table) = input.value.as_table() else { return Err(input.unlike("table", help)) };
        if table.len() > PROPERTIES_MAX {
            let message = format!("the table has {} properties", table.len());
            return Err(vec![input.fault(message, format!("state up to {PROPERTIES_MAX}"))]);
        }
        let mut faults = Vec::new();
        let mut properties = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let at_key = Input { value: value.get_ref(), span: key.span(), source: input.source };
            let at_value = Input { value: value.get_ref(), span: value.span(), source: input.source };
            if let Some(help) = refusal(name) {
                faults.push(at_key.fault(format!("{} may not be stated", quoted(name)), help));
                continue;
            }
            match scalar(&at_value, help) {
                Ok(value) => properties.push((name.to_owned(), value)),
                Err(found) => faults.extend(found),
            }
        }
        properties.sort_unstable();
        if faults.is_empty() { Ok(properties) } else { Err(faults) }
    }

    fn write(&self, value: &Self::Value) -> String {
        let pairs: Vec<String> =
            value.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }
}

/// Why a property may not be stated, if so, and what to do instead.
fn refusal(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Some(why);
    }
    if NO_SECRETS.contains(&name.as_str()) {
        return None;
    }
    let words = name.replace('.', "_");
    let inline = name.contains(".pem") || name == "sasl.oauthbearer.config" || name == "sasl.jaas.config";
    (is_secret(&words) || inline).then_some(
        "a pipeline file holds no secrets: state `password_file`, or `key_file` with a key that has no passphrase",
    )
}

/// A text, number or truth value as librdkafka takes it.
fn scalar(input: &Input<'_>, help: &str) -> Result<String, Vec<Fault>> {
    let text = match input.value {
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Integer(_) | DeValue::Datetime(_) => {
            return Err(input.unlike("text, number or truth value", help));
        }
        DeValue::Array(_) | DeValue::Table(_) => {
            let help = "names of properties have points in them: write each in quotes, \"session.timeout.ms\" = 45000";
            return Err(input.unlike("text, number or truth value", help));
        }
    };
    if text.len() > VALUE_MAX || text.chars().any(char::is_control) {
        let message = format!("the value has {} bytes, or a line break or a control character", text.len());
        return Err(vec![input.fault(message, format!("state one line of up to {VALUE_MAX} bytes"))]);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    fn read(table: &str) -> Result<Vec<(String, String)>, Vec<String>> {
        let text = format!("name = \"t\"\n[trigger]\nfollow = \"f44\"\n[source.properties]\n{table}\n");
        match crate::pipeline::parse("t.toml", &text, &[]) {
            Ok(pipeline) => Ok(pipeline.kafka.properties),
            Err(report) => Err(report.errors().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn texts_numbers_and_truth_values_pass_through() {
        let stated = "\"session.timeout.ms\" = 45_000\n\"check.crcs\" = true\n\"sasl.kerberos.keytab\" = \"/etc/k\"\n\
             \"ssl.cipher.suites\" = \"a,b\"";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read(stated).unwrap(),
            [
                pair("check.crcs", "true"),
                pair("sasl.kerberos.keytab", "/etc/k"),
                pair("session.timeout.ms", "45000"),
                pair("ssl.cipher.suites", "a,b"),
            ]
        );
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_would_break_a_promise_is_refused_in_words() {
        for (stated, help) in [
            ("\"enable.auto.commit\" = true", "could be lost at a crash"),
            ("\"Auto.Offset.Reset\" = \"latest\"", "see `begin`"),
            ("\"group.instance.id\" = \"a\"", "second instance"),
            ("\"group.id\" = \"a\"", "state `group`"),
            ("\"sasl.password\" = \"hunter2\"", "holds no secrets"),
            ("\"ssl.key.pem\" = \"hunter2\"", "holds no secrets"),
            ("\"isolation.level\" = \"read_uncommitted\"", "rolled back"),
            ("session.timeout.ms = 45000", "in quotes"),
            ("\"session.timeout.ms\" = 1979-05-27", "in quotes"),
            ("\"session.timeout.ms\" = [1]", "in quotes"),
            ("\"client.rack\" = \"a\\nb\"", "one line"),
        ] {
            let errors = read(stated).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(help), "{stated}: {errors:?}");
            assert!(!errors[0].contains("hunter2"), "{errors:?}");
        }
    }
}
