//! Burst rules as people write them: `"100 in 5s"`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::kinds::{Fault, Input, Kind, quoted};
use super::names::{one_or_list, written};
use super::units::{self, Misread};
use crate::settings::Rule;
use crate::time::Seconds;

const RULES_MAX: usize = 16;
const COUNT_MIN: u32 = 2;
const COUNT_MAX: u32 = 1_000_000;
const WITHIN_MAX: Seconds = Seconds(86_400);
const HELP: &str = "a rule is written as \"100 in 5s\": a burst is 100 builds of one tag within 5 seconds";

/// A list of burst rules; one rule alone counts as a list of one.
pub(super) struct Rules;

/// A rule as a person writes it, without the quotes.
pub(super) fn shown(rule: Rule) -> String {
    format!("{} in {}", rule.count, rule.within)
}

impl Kind for Rules {
    type Value = Vec<Rule>;

    fn shape(&self) -> String {
        "list of rules".to_owned()
    }

    fn range(&self) -> String {
        format!(
            "1 to {RULES_MAX}; {COUNT_MIN} to {} builds within 1s to {WITHIN_MAX}",
            super::kinds::grouped(COUNT_MAX.into())
        )
    }

    fn schema(&self) -> Value {
        one_or_list(&json!({"type": "string", "pattern": "^.*[0-9]+.* in .+$"}), 1, RULES_MAX)
    }

    fn read(&self, input: &Input<'_>) -> Result<Vec<Rule>, Vec<Fault>> {
        let items = input.items();
        if items.is_empty() || items.len() > RULES_MAX {
            let message = format!("the list has {} rules", items.len());
            return Err(vec![input.fault(message, format!("state 1 to {RULES_MAX} rules"))]);
        }
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        let mut rules = Vec::new();
        for item in items {
            let read = item.text().map(|text| rule(text).map_err(|misread| item.misread(text, misread)));
            match read {
                None => faults.extend(item.unlike("rule", HELP)),
                Some(Err(fault)) => faults.push(fault),
                Some(Ok(rule)) if seen.insert((rule.count, rule.within)) => rules.push(rule),
                Some(Ok(rule)) => {
                    let message = format!("the rule {} is in the list twice", quoted(&shown(rule)));
                    faults.push(item.fault(message, "keep one of them"));
                }
            }
        }
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }

    fn write(&self, value: &Vec<Rule>) -> String {
        written(value.iter().map(|&rule| quoted(&shown(rule))))
    }
}

fn rule(text: &str) -> Result<Rule, Misread> {
    let whole = 0..text.len();
    let Some((count, within)) = text.split_once(" in ") else {
        return Err(Misread::new(whole, format!("{} is no rule", quoted(text)), HELP));
    };
    let within_at = count.len() + " in ".len();
    let Ok(count) = count.trim().parse::<u32>() else {
        let message = format!("{} is no number of builds", quoted(count.trim()));
        return Err(Misread::new(0..count.len(), message, HELP));
    };
    if !(COUNT_MIN..=COUNT_MAX).contains(&count) {
        let message = format!("a rule of {count} builds is out of range");
        let help = format!("state {COUNT_MIN} to {} builds", super::kinds::grouped(COUNT_MAX.into()));
        return Err(Misread::new(whole, message, help));
    }
    let window = units::length(within).map_err(|misread| Misread {
        range: misread.range.start + within_at..misread.range.end + within_at,
        ..misread
    })?;
    if window < Seconds(1) || window > WITHIN_MAX {
        let message = format!("a rule's window of {window} is out of range");
        return Err(Misread::new(whole, message, format!("state 1s to {WITHIN_MAX}")));
    }
    Ok(Rule { count, within: window })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rules_and_marks_what_is_none() {
        assert_eq!(rule("100 in 5s"), Ok(Rule { count: 100, within: Seconds(5) }));
        assert_eq!(rule("2 in 1m30s"), Ok(Rule { count: 2, within: Seconds(90) }));
        for (text, range, message) in [
            ("100/5s", 0..6, "\"100/5s\" is no rule"),
            ("many in 5s", 0..4, "\"many\" is no number of builds"),
            ("1 in 5s", 0..7, "a rule of 1 builds is out of range"),
            ("-3 in 5s", 0..2, "\"-3\" is no number of builds"),
            ("30 in 60", 6..8, "`60` has no unit"),
            ("30 in 60 parsecs", 9..16, "`parsecs` is no unit of time"),
            ("30 in 0s", 0..8, "a rule's window of 0s is out of range"),
            ("30 in 2d", 0..8, "a rule's window of 2d is out of range"),
        ] {
            let misread = rule(text).unwrap_err();
            assert_eq!((misread.range, misread.message.as_str()), (range, message), "{text}");
        }
    }
}
