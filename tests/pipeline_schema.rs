//! The JSON Schema of pipeline files: it passes all that the reader takes, and refuses what is wrong in its structure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate::pipeline::{self, Origin};

fn folder(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

/// TOML as JSON has it; times become texts, as a schema sees them.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(list) => list.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}

fn document(file: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(file).expect("a text");
    text.parse::<toml::Table>().ok().map(|table| json(toml::Value::Table(table)))
}

/// The schema, ready to judge.
fn validator() -> jsonschema::Validator {
    let schema = pipeline::schema();
    assert!(jsonschema::meta::is_valid(&schema), "the schema is none by its own rules");
    jsonschema::validator_for(&schema).expect("a schema")
}

#[test]
fn what_the_reader_takes_passes() {
    let validator = validator();
    let files = [folder("pipelines"), folder("tests/good")].concat();
    assert!(files.len() >= 8);
    for file in files {
        let loaded = pipeline::load(&file, &[]);
        assert!(loaded.is_ok(), "{}: {}", file.display(), loaded.unwrap_err());
        let document = document(&file).expect("TOML");
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

#[test]
fn the_good_files_state_every_key() {
    let mut stated = BTreeSet::new();
    for file in folder("tests/good") {
        let pipeline = pipeline::load(&file, &[]).unwrap_or_else(|report| panic!("{report}"));
        let entries = pipeline.entries.iter();
        stated.extend(entries.filter(|entry| entry.origin != Origin::Default).map(|entry| entry.key));
    }
    let missing: Vec<_> =
        pipeline::keys().iter().map(|key| key.path).filter(|path| !stated.contains(path)).collect();
    assert!(missing.is_empty(), "no good file states {missing:?}");
}

#[test]
fn what_is_wrong_in_its_structure_is_refused() {
    let validator = validator();
    let refused: Vec<String> = folder("tests/broken")
        .iter()
        .filter(|file| document(file).is_some_and(|document| !validator.is_valid(&document)))
        .map(|file| file.file_name().expect("a name").to_string_lossy().chars().take(2).collect())
        .collect();
    // The others break no structure but a law of two keys, a spelling inside of a text, or TOML itself.
    let structural =
        ["01", "02", "03", "04", "05", "23", "30", "31", "35", "36", "38", "39", "40", "41", "44", "45"];
    assert_eq!(refused, structural);
}

#[test]
fn every_default_passes() {
    let schema = pipeline::schema();
    for key in pipeline::keys().iter().filter(|key| key.default != "unset") {
        let text = format!("value = {}", key.default);
        let table = text.parse::<toml::Table>().expect("a default as TOML");
        let value = json(table["value"].clone());
        let pointer = format!("/properties/{}", key.path.replace('.', "/properties/"));
        let of_key = schema.pointer(&pointer).unwrap_or_else(|| panic!("no schema of {}", key.path));
        assert!(jsonschema::is_valid(of_key, &value), "{} = {}", key.path, key.default);
    }
}
