//! Trouble on the way between a client and the hub, by a script: which call is hit, and how.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::generate::rng::Rng;

/// What is to go wrong. The first call is number 1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// Decides what a share hits.
    pub seed: u64,
    /// The rules; a call may be hit by several.
    pub fault: Vec<Rule>,
}

/// Which calls are hit, and how. A rule without `nth` and `share` hits each call of its methods.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name of the method; a `*` at its end stands for any rest.
    pub method: String,
    /// Only the calls of these numbers, counted over the calls of the rule's methods.
    #[serde(default)]
    pub nth: Vec<u64>,
    /// Only this share of the calls, 0 to 1.
    pub share: Option<f64>,
    /// How it is hit.
    pub trouble: Trouble,
}

/// How a call is hit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The hub answers with this fault and does nothing.
    Fault {
        /// Its code.
        code: i64,
        /// Its words.
        text: String,
    },
    /// The session expires before the call.
    Expire,
    /// The call waits.
    Stall {
        /// Where.
        at: Point,
        /// How long in milliseconds of real time; without it, until somebody releases it.
        millis: Option<u64>,
    },
    /// The call is run, and the connection closed without an answer.
    LoseAnswer,
    /// The call is run, and the connection closed after so many bytes of the answer's body.
    Cut {
        /// Bytes that still arrive.
        after_bytes: usize,
    },
    /// Something before the hub answers with this status and a page for people; the call is not run.
    Status {
        /// The status.
        status: u16,
    },
    /// The call is run, but a page for people comes with status 200.
    Html,
    /// The call is run; the answer is a string of so many bytes.
    Flood {
        /// Bytes in all.
        bytes: u64,
    },
    /// The call is run; the answer is an array in an array, and so on.
    Deep {
        /// How many.
        depth: usize,
    },
    /// The call is run; the answer is compressed and becomes this long.
    GzipBomb {
        /// Bytes when it is unpacked.
        bytes: u64,
    },
}

/// A place on the way of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Before the hub looks at its session.
    Arrival,
    /// Between the two transactions: the session was good, and nothing is held.
    Between,
    /// In the second transaction, before anything is written: the row of the session is held.
    Running,
    /// After the commit, before the answer.
    Answer,
}

/// Finds the trouble for each call, in the order of the calls.
#[derive(Debug)]
pub(super) struct Troubles {
    script: Script,
    /// Calls that each rule has seen.
    seen: BTreeMap<usize, u64>,
    rng: Rng,
}

impl Troubles {
    pub(super) fn new(script: Script) -> Self {
        let rng = Rng::new("trouble", script.seed);
        Self { script, seen: BTreeMap::new(), rng }
    }

    /// What hits the next call of that method.
    pub(super) fn next(&mut self, method: &str) -> Vec<Trouble> {
        let mut hit = Vec::new();
        for (place, rule) in self.script.fault.iter().enumerate() {
            let fits = match rule.method.strip_suffix('*') {
                Some(prefix) => method.starts_with(prefix),
                None => method == rule.method,
            };
            if !fits {
                continue;
            }
            let seen = self.seen.entry(place).or_default();
            *seen += 1;
            let counts = rule.nth.is_empty() || rule.nth.contains(seen);
            if counts && rule.share.is_none_or(|share| self.rng.share() < share) {
                hit.push(rule.trouble.clone());
            }
        }
        hit
    }
}

/// Why a script cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the script of faults cannot be read: {0}")]
pub struct ScriptError(String);

impl Script {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        toml::from_str(text).map_err(|error| ScriptError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"
        [[fault]]
        method = "build"
        nth = [2]
        trouble = "lose_answer"

        [[fault]]
        method = "get*"
        trouble = { stall = { at = "between", millis = 5 } }
    "#;

    #[test]
    fn a_rule_hits_the_calls_it_names() {
        let mut troubles = Troubles::new(Script::parse(SCRIPT).unwrap());
        let stall = || vec![Trouble::Stall { at: Point::Between, millis: Some(5) }];
        for (method, expected) in [
            ("build", vec![]),
            ("getTag", stall()),
            ("build", vec![Trouble::LoseAnswer]),
            ("build", vec![]),
            ("getBuild", stall()),
            ("buildArch", vec![]),
        ] {
            assert_eq!(troubles.next(method), expected, "{method}");
        }
    }

    #[test]
    fn a_share_is_about_that_share_and_the_same_for_the_same_seed() {
        let rule = Rule { method: "*".to_owned(), nth: vec![], share: Some(0.25), trouble: Trouble::Html };
        let hits = |seed| {
            let mut troubles = Troubles::new(Script { seed, fault: vec![rule.clone()] });
            (0..1_000).map(|_| troubles.next("build").len()).collect::<Vec<_>>()
        };
        let count: usize = hits(1).iter().sum();
        assert!((200..300).contains(&count), "{count}");
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
    }

    #[test]
    fn a_script_with_a_key_that_is_none_is_refused() {
        let error = Script::parse("[[fault]]\nmethod = 'x'\nntth = [1]\ntrouble = 'html'").unwrap_err();
        assert!(error.to_string().contains("ntth"), "{error}");
    }
}
