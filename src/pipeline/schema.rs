//! The JSON Schema of a pipeline file, made from the keys as the reader reads them and from their documentation.
//!
//! It is what an editor needs to complete keys and to mark wrong ones. It passes all that the reader takes; what takes
//! two keys to judge is the reader's alone.

use serde_json::{Map, Value, json};

use super::{KeyInfo, case, keys, nothing};

/// The page that documents every key; its tables carry the meanings.
const PAGE: &str = include_str!("../../docs/pipeline-file.md");

/// What a table of a test is called in the schema.
fn definition(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// One such table, or a list of them.
pub(super) fn reference(name: &str) -> Value {
    super::names::one_or_list(&definition(name), 0, 1_000)
}

/// The schema of a pipeline file.
pub fn schema() -> Value {
    let mut root = object();
    for key in keys() {
        insert(&mut root, key.path, described(&key));
    }
    let [test, event, expectation] = case::keys(&nothing());
    let defs = json!({
        "test": flat(&test, &["name"]),
        "event": flat(&event, &[]),
        "expectation": flat(&expectation, &[]),
    });
    insert(&mut root, "test", json!({"type": "array", "maxItems": 64, "items": definition("test")}));
    require(&mut root, "/properties/trigger", &["follow"]);
    require(&mut root, "", &["trigger"]);
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("Tidegate pipeline file"));
        root.insert("$defs".to_owned(), defs);
    }
    root
}

/// The keys of a test, of its events and of its expectations.
pub fn test_keys() -> Vec<KeyInfo> {
    case::keys(&nothing()).concat()
}

fn object() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

/// Puts the schema of a dotted key into that of its section.
fn insert(root: &mut Value, path: &str, schema: Value) {
    let mut at = root;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let Some(properties) = at.get_mut("properties").and_then(Value::as_object_mut) else { return };
        if parts.peek().is_none() {
            properties.insert(part.to_owned(), schema);
            return;
        }
        at = properties.entry(part).or_insert_with(object);
    }
}

fn require(root: &mut Value, pointer: &str, keys: &[&str]) {
    if let Some(object) = root.pointer_mut(pointer).and_then(Value::as_object_mut) {
        object.insert("required".to_owned(), json!(keys));
    }
}

/// The schema of a table whose keys have no sections.
fn flat(keys: &[KeyInfo], required: &[&str]) -> Value {
    let mut table = object();
    for key in keys {
        insert(&mut table, key.path.rsplit('.').next().unwrap_or(key.path), described(key));
    }
    require(&mut table, "", required);
    table
}

fn described(key: &KeyInfo) -> Value {
    let mut text = meaning(key.path).unwrap_or_default().to_owned();
    for (name, value) in [("Range", key.range.as_str()), ("Default", key.default.as_str())] {
        if !value.is_empty() && value != "unset" {
            text = format!("{text} {name}: {value}.");
        }
    }
    let mut schema = Map::new();
    schema.insert("description".to_owned(), Value::String(text.trim().replace('`', "")));
    schema.extend(key.schema.as_object().cloned().unwrap_or_default());
    Value::Object(schema)
}

/// What the documentation says of a key.
pub(super) fn meaning(path: &str) -> Option<&'static str> {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut here = false;
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let named = if title.starts_with('[') { title } else { "" };
            here = named.trim_matches(['[', ']']) == section;
        }
        let row = line.strip_prefix("| `").and_then(|row| row.strip_prefix(key)?.strip_prefix("` | "));
        if let Some(row) = row.filter(|_| here) {
            return row.trim_end_matches(" |").rsplit(" | ").next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_meaning_from_the_page() {
        let all = keys().into_iter().chain(test_keys());
        let silent: Vec<_> = all.map(|key| key.path).filter(|path| meaning(path).is_none()).collect();
        assert_eq!(silent, Vec::<&str>::new());
        assert_eq!(meaning("burst.hold_rule.then").unwrap().split(':').next(), Some("What becomes of it"));
        assert_eq!(meaning("burst.then"), None);
    }

    #[test]
    fn a_dotted_key_lies_in_its_section() {
        let schema = schema();
        let then = schema.pointer("/properties/burst/properties/hold_rule/properties/then").unwrap();
        assert_eq!(then["enum"], json!(["wait", "drain", "drop"]));
        assert_eq!(schema["required"], json!(["trigger"]));
        assert_eq!(schema["properties"]["burst"]["additionalProperties"], json!(false));
    }
}
