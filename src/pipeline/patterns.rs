//! Kinds of the package selection: regular expressions and renames.

use std::collections::{BTreeMap, BTreeSet};

use regex::RegexBuilder;
use regex_syntax::ast::{self, ErrorKind};
use serde_json::{Value, json};

use super::kinds::{Fault, Input, Kind, quoted};
use super::names::{Text, one_or_list, written};
use super::units::Misread;

const PATTERNS_MAX: usize = 256;
const PATTERN_BYTES_MAX: usize = 4_096;
/// Memory of one compiled expression in bytes.
const COMPILED_MAX: usize = 1 << 20;
const RENAMES_MAX: usize = 10_000;

/// A list of regular expressions of bounded size; one alone counts as a list of one.
pub(super) struct Patterns;

impl Kind for Patterns {
    type Value = Vec<String>;

    fn shape(&self) -> String {
        "list of regular expressions".to_owned()
    }

    fn range(&self) -> String {
        format!("up to {PATTERNS_MAX}, each up to 4 KiB")
    }

    fn schema(&self) -> Value {
        let one = json!({"type": "string", "minLength": 1, "maxLength": PATTERN_BYTES_MAX});
        one_or_list(&one, 0, PATTERNS_MAX)
    }

    fn read(&self, input: &Input<'_>) -> Result<Vec<String>, Vec<Fault>> {
        let items = input.items();
        if items.len() > PATTERNS_MAX {
            let message = format!("the list has {} expressions", items.len());
            let help = format!("state up to {PATTERNS_MAX}; `a|b` joins two into one");
            return Err(vec![input.fault(message, help)]);
        }
        let mut faults = Vec::new();
        let mut patterns = Vec::new();
        for item in items {
            let Some(text) = item.text() else {
                faults.extend(item.unlike("regular expression", "write it in single quotes: '^kernel'"));
                continue;
            };
            match compile(text) {
                Ok(()) => patterns.push(text.to_owned()),
                Err(misread) => faults.push(item.misread(text, misread)),
            }
        }
        if faults.is_empty() { Ok(patterns) } else { Err(faults) }
    }

    fn write(&self, value: &Vec<String>) -> String {
        written(value.iter().map(|text| quoted(text)))
    }
}

/// Compiles an expression within the limits, to see whether that works.
fn compile(pattern: &str) -> Result<(), Misread> {
    let whole = 0..pattern.len();
    if pattern.is_empty() {
        return Err(Misread::new(whole, "an empty expression matches every package", "leave it out"));
    }
    if pattern.len() > PATTERN_BYTES_MAX {
        let message = format!("the expression has {} bytes", pattern.len());
        return Err(Misread::new(whole, message, format!("keep it to {PATTERN_BYTES_MAX} bytes")));
    }
    if let Err(error) = ast::parse::Parser::new().parse(pattern) {
        let span = error.span();
        let message = format!("the regular expression is wrong here: {}", error.kind());
        return Err(Misread::new(span.start.offset..span.end.offset, message, way_out(error.kind())));
    }
    let size = "keep counts such as {1000} small; a package list is no expression but `packages`";
    match RegexBuilder::new(pattern).size_limit(COMPILED_MAX).dfa_size_limit(COMPILED_MAX).build() {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => {
            Err(Misread::new(whole, "the expression grows beyond 1 MiB when it is compiled", size))
        }
        Err(error) => {
            let text = error.to_string();
            let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(Misread::new(whole, format!("the regular expression is wrong: {cause}"), RULES))
        }
    }
}

const RULES: &str = "the syntax is that of the Rust crate `regex`; a backslash protects a special character";

fn way_out(kind: &ErrorKind) -> &'static str {
    if *kind == ErrorKind::UnsupportedLookAround {
        "look-around would make matching slow and is not there: what must not match goes into `exclude`"
    } else if *kind == ErrorKind::UnsupportedBackreference {
        "references back would make matching slow and are not there: write the cases out as `a|b`"
    } else {
        RULES
    }
}

/// A table of upstream name = downstream name.
pub(super) struct Renames;

impl Kind for Renames {
    type Value = Vec<(String, String)>;

    fn shape(&self) -> String {
        "table of upstream = downstream".to_owned()
    }

    fn range(&self) -> String {
        format!("up to {}", super::kinds::grouped(RENAMES_MAX as u64))
    }

    fn schema(&self) -> Value {
        json!({"type": "object", "maxProperties": RENAMES_MAX, "additionalProperties": Text::Tag.schema()})
    }

    fn read(&self, input: &Input<'_>) -> Result<Vec<(String, String)>, Vec<Fault>> {
        let Some(table) = input.value.as_table() else {
            return Err(input.unlike("table", "write { freeipa = \"ipa\" }"));
        };
        if table.len() > RENAMES_MAX {
            let message = format!("the table has {} renames", table.len());
            return Err(vec![input.fault(message, format!("state up to {RENAMES_MAX}"))]);
        }
        let mut faults = Vec::new();
        let mut renames: BTreeMap<&str, (&str, Input<'_>)> = BTreeMap::new();
        let mut targets = BTreeSet::new();
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let item = Input { value: value.get_ref(), span: value.span(), source: input.source };
            let upstream = key.get_ref().as_ref();
            let Some(downstream) = item.text() else {
                faults.extend(item.unlike("package name", "write { freeipa = \"ipa\" }"));
                continue;
            };
            if !Text::is_tag(downstream) || !Text::is_tag(upstream) {
                let pair = format!("{upstream} = {downstream}");
                faults.push(
                    item.fault(format!("{} names no package", quoted(&pair)), "state two package names"),
                );
            } else if upstream == downstream {
                faults.push(item.fault(format!("`{upstream}` is renamed to itself"), "leave it out"));
            } else if targets.insert(downstream) {
                renames.insert(upstream, (downstream, item));
            } else {
                let message = format!("two packages are renamed to `{downstream}`");
                faults.push(item.fault(message, "two upstream packages cannot become one: keep one of them"));
            }
        }
        faults.extend(cycles(&renames));
        let pairs = renames.into_iter().map(|(from, (to, _))| (from.to_owned(), to.to_owned())).collect();
        if faults.is_empty() { Ok(pairs) } else { Err(faults) }
    }

    fn write(&self, value: &Vec<(String, String)>) -> String {
        if value.is_empty() {
            return "{}".to_owned();
        }
        let pairs: Vec<_> =
            value.iter().map(|(from, to)| format!("{} = {}", quoted(from), quoted(to))).collect();
        format!("{{ {} }}", pairs.join(", "))
    }
}

/// One fault for each cycle. Every target occurs once, so the renames form chains and rings.
fn cycles(renames: &BTreeMap<&str, (&str, Input<'_>)>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut visited = BTreeSet::new();
    for (&start, (_, item)) in renames {
        let mut path = Vec::new();
        let mut at = start;
        while visited.insert(at) {
            path.push(at);
            let Some(&(next, _)) = renames.get(at) else { break };
            at = next;
        }
        if path.len() > 1 && at == start {
            let ring = path.iter().take(8).copied().chain([start]).collect::<Vec<_>>().join(" -> ");
            faults.push(item.fault(
                format!("the renames go round in a circle: {ring}"),
                "a rename leads from an upstream name to a downstream name: remove the way back",
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_refused_where_they_go_wrong_with_a_way_out() {
        assert_eq!(compile(r"^(python3?|perl)-.*\.x$"), Ok(()));
        for (pattern, range, message, help) in [
            ("a(b", 1..2, "unclosed group", "syntax"),
            ("^(?!kernel)", 1..4, "look-around", "`exclude`"),
            (r"(a)\1", 3..5, "backreferences", "write the cases out"),
            ("[z-a]", 1..4, "invalid character class range", "syntax"),
            (r"\p{Nonsense}", 0..12, "Unicode property not found", "syntax"),
            ("(?:a{1000}){1000}", 0..17, "beyond 1 MiB", "small"),
            ("", 0..0, "empty expression", "leave it out"),
        ] {
            let misread = compile(pattern).unwrap_err();
            assert_eq!(misread.range, range, "{pattern}: {misread:?}");
            assert!(misread.message.contains(message), "{pattern}: {misread:?}");
            assert!(misread.help.contains(help), "{pattern}: {misread:?}");
        }
        assert!(compile(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
        assert!(compile(&"a".repeat(PATTERN_BYTES_MAX + 1)).unwrap_err().message.contains("4097 bytes"));
    }
}
