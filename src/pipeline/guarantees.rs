//! What a pipeline promises by its burst rules, what that costs, and what it does not see.

use std::fmt;

use serde::Serialize;

use super::Pipeline;
use super::checks::greatest_leak;
use super::kinds::grouped;
use super::rules::shown;
use crate::settings::{Rule, Settings};
use crate::time::Seconds;

/// What a pipeline promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guarantees {
    /// How long after its tagging an ordinary new build goes on: hold-back and disorder, in seconds.
    pub latency_s: i64,
    /// The hold-back in it, in seconds.
    pub hold_back_s: i64,
    /// The disorder in it, in seconds.
    pub disorder_s: i64,
    /// How long a group may stay undecided, in seconds from its first member on.
    pub suspect_max_s: i64,
    /// What each rule promises, those of the trigger tag first.
    pub rules: Vec<Guarantee>,
}

/// What one burst rule promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guarantee {
    /// The rule as it is written.
    pub rule: String,
    /// Whether it is a rule of the trigger tag, for which builds wait; else of all other tags.
    pub trigger: bool,
    /// Builds from which it holds.
    pub builds: u32,
    /// Length of its window in seconds.
    pub within_s: i64,
    /// The hold-back that it takes in seconds; of other tags 0, since nothing waits.
    pub needs_s: i64,
    /// The greatest number of builds of a burst that may go on before the rule holds; of other tags none go on.
    pub greatest_leak: u32,
    /// How many builds an hour may come in a steady stream without the rule ever holding.
    pub unseen_per_hour: u64,
}

impl Pipeline {
    /// What the burst rules promise.
    pub fn guarantees(&self) -> Guarantees {
        let Settings { burst, clock, .. } = &self.settings;
        let of = |trigger| move |&rule: &Rule| guarantee(rule, burst.hold_back, trigger);
        let rules = burst.rules.iter().map(of(true)).chain(burst.other_rules.iter().map(of(false)));
        Guarantees {
            latency_s: burst.hold_back.0 + clock.disorder.0,
            hold_back_s: burst.hold_back.0,
            disorder_s: clock.disorder.0,
            suspect_max_s: burst.suspect_max.0,
            rules: rules.collect(),
        }
    }
}

fn guarantee(rule: Rule, hold_back: Seconds, trigger: bool) -> Guarantee {
    let unseen = u64::from(rule.count.saturating_sub(1));
    Guarantee {
        rule: shown(rule),
        trigger,
        builds: rule.count,
        within_s: rule.within.0,
        needs_s: if trigger { rule.within.0 + 1 } else { 0 },
        greatest_leak: if trigger { greatest_leak(rule, hold_back) } else { 0 },
        unseen_per_hour: unseen * 3_600 / rule.within.0.unsigned_abs().max(1),
    }
}

impl fmt::Display for Guarantees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |seconds| Seconds(seconds);
        writeln!(
            f,
            "  An ordinary new build goes on {} after it was tagged: hold-back {}, and {} for disorder.",
            length(self.latency_s),
            length(self.hold_back_s),
            length(self.disorder_s)
        )?;
        writeln!(
            f,
            "  A group that a rule claims and that turns out to be honest goes on {} after its first build at the latest.",
            length(self.suspect_max_s + self.disorder_s)
        )?;
        self.rules.iter().try_for_each(|rule| write!(f, "{rule}"))
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (builds, within) = (grouped(self.builds.into()), Seconds(self.within_s));
        let unseen = grouped(u64::from(self.builds) - 1);
        let hourly = grouped(self.unseen_per_hour);
        if !self.trigger {
            return writeln!(
                f,
                "  \"{}\", other tags: where {builds} builds or more appear in such a tag within {within}, their being \
                 there\n      proves none of them new. It costs no time. Not seen: up to {unseen} in any {within} \
                 ({hourly} an hour).",
                self.rule
            );
        }
        if self.greatest_leak == 0 {
            writeln!(
                f,
                "  \"{}\", trigger tag: of {builds} builds or more within {within} none goes on before all of them are \
                 held.\n      Greatest leak: none. It takes a hold-back of {}.",
                self.rule,
                Seconds(self.needs_s)
            )?;
        } else {
            writeln!(
                f,
                "  \"{}\", trigger tag: of {builds} builds or more within {within} up to {} go on before the rest is \
                 held.\n      Greatest leak: {} builds of each burst. A hold-back of {} would let none through.",
                self.rule,
                grouped(self.greatest_leak.into()),
                grouped(self.greatest_leak.into()),
                Seconds(self.needs_s)
            )?;
        }
        writeln!(
            f,
            "      Not seen: up to {unseen} builds in any {within} ({hourly} an hour); each must still prove itself new."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_leaks_from_the_second_on_in_which_it_is_too_long() {
        let rule = Rule { count: 30, within: Seconds(60) };
        for (hold_back, leak) in [(61, 0), (60, 29), (6, 29)] {
            let guarantee = guarantee(rule, Seconds(hold_back), true);
            assert_eq!((guarantee.greatest_leak, guarantee.needs_s), (leak, 61), "{hold_back}");
            assert_eq!(guarantee.unseen_per_hour, 1_740);
        }
        let other = guarantee(rule, Seconds(6), false);
        assert_eq!((other.greatest_leak, other.needs_s), (0, 0));
    }

    #[test]
    fn words_name_the_numbers() {
        let rule = Rule { count: 1_000, within: Seconds(120) };
        let leaking = guarantee(rule, Seconds(61), true).to_string();
        assert!(
            leaking.contains("Greatest leak: 999 builds of each burst. A hold-back of 2m1s"),
            "{leaking}"
        );
        assert!(leaking.contains("up to 999 builds in any 2m (29,970 an hour)"), "{leaking}");
        let sound = guarantee(rule, Seconds(121), true).to_string();
        assert!(sound.contains("Greatest leak: none. It takes a hold-back of 2m1s"), "{sound}");
    }
}
