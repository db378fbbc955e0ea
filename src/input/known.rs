//! Files of known builds: one JSON object a line.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InputError, Lines};
use crate::time::Second;

/// A build that was in a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownBuild {
    /// The hub's number of the build.
    pub build_id: u64,
    /// Its name, version and release; `None` where nobody remembers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvr: Option<String>,
    /// The tag.
    pub tag: String,
    /// When it was tagged.
    #[serde(serialize_with = "as_text")]
    pub tagged_at: Second,
    /// The Koji instance; `None`: the pipeline's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn as_text<S: serde::Serializer>(at: &Second, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[derive(Deserialize)]
struct Raw {
    build_id: u64,
    nvr: Option<String>,
    tag: String,
    tagged_at: Value,
    instance: Option<String>,
}

/// Reads a file of known builds, and gives each to `take`. Gives how many there were.
///
/// # Errors
/// Where a line is none, or lacks something; the builds before it were given.
pub fn read(path: &Path, mut take: impl FnMut(KnownBuild)) -> Result<u64, InputError> {
    let mut lines = Lines::open(path)?;
    let mut count = 0;
    while let Some(line) = lines.next_line()? {
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        let number = line.number;
        let build = parse(line.bytes).map_err(|problem| InputError::Line {
            path: path.to_owned(),
            line: number,
            problem,
        })?;
        take(build);
        count += 1;
    }
    Ok(count)
}

fn parse(bytes: &[u8]) -> Result<KnownBuild, String> {
    const FORM: &str = "a line is an object like {\"build_id\":2500000,\"nvr\":\"bash-5.2-1.fc41\",\"tag\":\"f41\",\"tagged_at\":\
                        \"2025-01-10T08:00:00Z\"}";
    let raw: Raw = serde_json::from_slice(bytes).map_err(|error| format!("{error}; {FORM}"))?;
    let tagged_at = match &raw.tagged_at {
        Value::String(text) => Second::parse(text),
        Value::Number(number) => number.as_f64().and_then(Second::from_float),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let tagged_at =
        tagged_at.ok_or_else(|| format!("tagged_at is {}, which is no time; {FORM}", raw.tagged_at))?;
    if raw.build_id == 0 || raw.build_id > i64::MAX.unsigned_abs() || raw.tag.is_empty() {
        return Err(format!("build_id must be a number above 0 and tag a name; {FORM}"));
    }
    Ok(KnownBuild { build_id: raw.build_id, nvr: raw.nvr, tag: raw.tag, tagged_at, instance: raw.instance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_spellings_of_a_time_and_writes_one() {
        for time in
            ["\"2025-02-04T12:00:00Z\"", "\"2025-02-04T13:00:00+01:00\"", "1738670400", "1738670400.7"]
        {
            let line = format!(
                "{{\"build_id\":7,\"nvr\":\"a-1-2\",\"name\":\"a\",\"tag\":\"f41\",\"tagged_at\":{time}}}"
            );
            let build = parse(line.as_bytes()).unwrap();
            assert_eq!(build.tagged_at, Second(1_738_670_400), "{time}");
            let text = serde_json::to_string(&build).unwrap();
            assert_eq!(parse(text.as_bytes()).unwrap(), build);
        }
    }

    #[test]
    fn says_what_a_line_lacks() {
        for (line, word) in [
            ("", "EOF"),
            ("{\"build_id\":7,\"tag\":\"f41\"}", "tagged_at"),
            ("{\"build_id\":7,\"tag\":\"f41\",\"tagged_at\":\"soon\"}", "no time"),
            ("{\"build_id\":0,\"tag\":\"f41\",\"tagged_at\":1}", "above 0"),
            ("{\"build_id\":-1,\"tag\":\"f41\",\"tagged_at\":1}", "build_id"),
        ] {
            let problem = parse(line.as_bytes()).unwrap_err();
            assert!(problem.contains(word), "{line}: {problem}");
        }
    }
}
