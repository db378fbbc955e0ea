//! When a burst rule holds, and what it claims.

use super::common::settings;
use super::story::check;
use super::{rule, small};

const ALONE: &str = "1..30 no_fresh_evidence alone";
const FLOOD: &str = "1..30 no_fresh_evidence in flood";

#[test]
fn thirty_in_sixty_seconds() {
    for (last, expected) in [(58, FLOOD), (59, FLOOD), (60, ALONE)] {
        check(&settings(), &format!("0+2 tag f42 1..29\n{last} tag f42 30\nend"), expected);
    }
}

#[test]
fn a_hundred_in_five_seconds() {
    let mut settings = settings();
    settings.burst.rules = vec![rule(100, 5)];
    for (last, expected) in [(3, "in flood"), (4, "in flood"), (5, "alone"), (6, "alone")] {
        let script = format!("0 tag f42 1\n1 tag f42 2..99\n{last} tag f42 100\nend");
        check(&settings, &script, &format!("1..100 no_fresh_evidence {expected}"));
    }
    check(&settings, "0x20 tag f42 1..100\nend", "1..100 no_fresh_evidence in flood");
    check(&settings, "0x19 tag f42 1..200\nend", "1..200 no_fresh_evidence alone");
}

#[test]
fn one_build_short_of_the_rule_is_no_burst() {
    check(&settings(), "0 tag f42 1..29\nend", "1..29 no_fresh_evidence alone");
    check(&settings(), "0 tag f42 1..30\nend", FLOOD);
    check(&settings(), "0 tag f42 1..31\nend", "1..31 no_fresh_evidence in flood");
}

#[test]
fn builds_are_counted_not_events() {
    // Thirty events of 29 builds.
    let script = "0 tag f42 1..29\n5 untag f42 7\n6 tag f42 7\nend";
    let expected = "1..6 no_fresh_evidence alone
                    7 no_fresh_evidence alone, no_fresh_evidence alone
                    8..29 no_fresh_evidence alone";
    check(&settings(), script, expected);
}

#[test]
fn a_build_seen_again_counts_at_its_last_time() {
    // By its first time build 1 is outside the window of the others, by its second it is within.
    let script = "0 tag f42 1\n8 untag f42 1\n9 tag f42 1\n12 tag f42 2\n17 tag f42 3\nend";
    let expected = "1 no_fresh_evidence @10 alone, no_fresh_evidence @19 in flood
                    2..3 no_fresh_evidence in flood";
    check(&small(), script, expected);
    check(
        &small(),
        "0 tag f42 1\n8 untag f42 1\n9 tag f42 1\n12 tag f42 2\n18 tag f42 3\nend",
        "1 no_fresh_evidence alone, no_fresh_evidence alone
         2..3 no_fresh_evidence alone",
    );
}

#[test]
fn what_lies_before_the_window_is_not_claimed() {
    // The rule holds at 10 for what came from 2 on.
    let script = "1 tag f42 1\n2 tag f42 2\n10 tag f42 3..4\nend";
    let expected = "1 no_fresh_evidence @11 alone\n2..4 no_fresh_evidence in flood";
    check(&small(), script, expected);
}

#[test]
fn of_two_rules_the_one_that_reaches_back_further_claims() {
    let mut settings = small();
    settings.burst.rules = vec![rule(3, 2), rule(4, 9)];
    let expected = "1..4 no_fresh_evidence in flood";
    check(&settings, "1 tag f42 1\n8 tag f42 2\n9 tag f42 3..4\nend", expected);
    // The short rule holds first, the long one later: what it reaches is claimed then.
    check(&settings, "1 tag f42 1\n7 tag f42 2..4\n9 tag f42 5\nend", "1..5 no_fresh_evidence in flood");
}

#[test]
fn what_comes_between_two_claims_of_a_run_belongs_to_it() {
    let script = "100 complete 10
                  101 tag f42 1..3 by releng
                  115 tag f42 10
                  120 tag f42 4..6 by releng
                  end";
    let story = check(&small(), script, "1..6 no_fresh_evidence in flood\n10 completed @125 in flood");
    assert_eq!(story.runs(), ["101..120 flood @140"]);
}

#[test]
fn another_instance_or_tag_is_counted_apart() {
    let mut settings = small();
    settings.route.instances.push("koji2".to_owned());
    let script = "100 tag f42 1..2\n100 tag f42 3 at koji2\n100 tag f43 4..9\nend";
    check(&settings, script, "1..2 no_fresh_evidence alone\n3@koji2 no_fresh_evidence alone");
    let script = "100 tag f42 1..2\n100 tag f42 3 at koji3\n100 tag f42 4 at primary\nend";
    check(&settings, script, "1..2 no_fresh_evidence in flood\n4 no_fresh_evidence in flood");
}

#[test]
fn duplicates_are_not_counted() {
    let script = "100 tag f42 1 id a\n100 tag f42 2\n101 tag f42 1 id a\n102 tag f42 1 id b\nend";
    let expected = "1 message_seen, build_in_tag, no_fresh_evidence alone\n2 no_fresh_evidence alone";
    check(&small(), script, expected);
}
