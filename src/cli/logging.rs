//! How a running pipeline tells what happens: one line on standard error for each change.
//!
//! Whatever a stranger wrote cannot drive a terminal or begin a line: characters that could are shown as their number, in
//! both formats. Passwords and keys never come here: they live in types that do not print them.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::output::armoured;
use crate::text::is_unsafe;

/// What is logged where nobody says otherwise.
const FILTER: &str = "info";

/// What a person says about the log.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// How the log is written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug` or `trace`, also by module: `info,tidegate::kafka=debug`. Without
    /// it `RUST_LOG` decides, else `info`.
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("`{filter}` says not what to log: {why}. Write `info`, or `info,tidegate::kafka=debug`")]
    Filter {
        /// What was written.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody has begun to log already.
    #[error("the log was started before: {0}")]
    Twice(String),
}

/// Begins to log to standard error, for the rest of the process.
///
/// # Errors
/// Where the filter cannot be read, or it was done before.
pub fn start(args: &LogArgs) -> Result<(), LogError> {
    let variable = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = args.log_level.clone().or(variable).unwrap_or_else(|| FILTER.to_owned());
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = Lines { format: args.log, colour: io::stderr().is_terminal() && !no_colour };
    tracing_subscriber::fmt()
        .event_format(lines)
        .with_env_filter(read_filter(&filter)?)
        .with_writer(io::stderr)
        .try_init()
        .map_err(|error| LogError::Twice(error.to_string()))
}

fn read_filter(filter: &str) -> Result<EnvFilter, LogError> {
    let read = EnvFilter::builder().parse(filter);
    read.map_err(|error| LogError::Filter { filter: filter.to_owned(), why: error.to_string() })
}

/// Writes an event as one line.
struct Lines {
    format: LogFormat,
    colour: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut told = Told::default();
        event.record(&mut told);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let level = *event.metadata().level();
        match self.format {
            LogFormat::Text => self.text(&mut to, &time, level, &told),
            LogFormat::Json => json(&mut to, time, level, event.metadata().target(), told),
        }
    }
}

impl Lines {
    fn text(&self, to: &mut Writer<'_>, time: &str, level: Level, told: &Told) -> fmt::Result {
        match colour(level).filter(|_| self.colour) {
            Some(colour) => write!(to, "{time} \u{1b}[{colour}m{level:<5}\u{1b}[0m ")?,
            None => write!(to, "{time} {level:<5} ")?,
        }
        write!(to, "{}", Visible(&told.message))?;
        for (name, value) in &told.fields {
            match value.as_str().filter(|text| is_plain(text)) {
                Some(text) => write!(to, " {name}={text}")?,
                None => write!(to, " {name}={}", Visible(&value.to_string()))?,
            }
        }
        writeln!(to)
    }
}

/// The terminal's code for a level that stands out.
fn colour(level: Level) -> Option<u8> {
    match level {
        Level::ERROR => Some(31),
        Level::WARN => Some(33),
        Level::INFO => None,
        Level::DEBUG | Level::TRACE => Some(2),
    }
}

fn json(to: &mut Writer<'_>, time: String, level: Level, target: &str, told: Told) -> fmt::Result {
    let mut line = Map::new();
    // A field of that name does not take the place of ours.
    line.extend(told.fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    line.insert("time".to_owned(), Value::String(time));
    line.insert("level".to_owned(), Value::String(level.as_str().to_lowercase()));
    line.insert("target".to_owned(), Value::String(target.to_owned()));
    line.insert("message".to_owned(), Value::String(told.message));
    writeln!(to, "{}", armoured(&Value::Object(line).to_string()))
}

/// Whether a text needs no quotation marks.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || is_unsafe(c) || "\"'=\\".contains(c))
}

/// Shows what is invisible or drives a terminal. Backslashes stay: what has gone through `crate::text` is not changed.
struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_unsafe(c) {
                write!(f, "\\u{{{:x}}}", u32::from(c))?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// What an event says.
#[derive(Default)]
struct Told {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Told {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::String(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;
    use crate::time::Second;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while something is logged.
    fn logged(format: LogFormat, colour: bool, filter: &str, log: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Lines { format, colour })
            .with_env_filter(read_filter(filter).unwrap())
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn hostile() {
        tracing::warn!(hold = 7, tag = "f42", why = "a\n2026 ERROR \u{202e}b", "a burst\u{1b}[2J\nin \\x");
    }

    #[test]
    fn an_event_is_one_line_in_which_nothing_drives_a_terminal() {
        let text = logged(LogFormat::Text, false, "info", hostile);
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && Second::parse(time).is_some(), "{time}");
        assert_eq!(
            rest,
            "WARN  a burst\\u{1b}[2J\\u{a}in \\x hold=7 tag=f42 why=\"a\\n2026 ERROR \\u{202e}b\"\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line_and_gives_back_what_was_said() {
        let text = logged(LogFormat::Json, true, "info", hostile);
        assert_eq!(text.lines().count(), 1);
        assert!(!text.trim_end().chars().any(is_unsafe), "{text:?}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "warn");
        assert_eq!(line["message"], "a burst\u{1b}[2J\nin \\x");
        assert_eq!((&line["hold"], &line["why"]), (&Value::from(7), &Value::from("a\n2026 ERROR \u{202e}b")));
        assert!(Second::parse(line["time"].as_str().unwrap()).is_some());
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        for (colour, seen) in [(true, true), (false, false)] {
            let text = logged(LogFormat::Text, colour, "info", || tracing::error!("broken"));
            assert_eq!(text.contains("\u{1b}[31mERROR\u{1b}[0m broken"), seen, "{text:?}");
        }
    }

    #[test]
    fn the_filter_decides_by_level_and_module() {
        let log = || {
            tracing::info!("info");
            tracing::debug!("debug");
            tracing::debug!(target: "tidegate::kafka", "kafka");
        };
        for (filter, lines) in
            [("off", 0), ("error", 0), ("info", 1), ("info,tidegate::kafka=debug", 2), ("debug", 3)]
        {
            assert_eq!(logged(LogFormat::Text, false, filter, log).lines().count(), lines, "{filter}");
        }
        let error = read_filter("tidegate=loud").err().unwrap().to_string();
        assert!(error.contains("`tidegate=loud`"), "{error}");
    }
}
