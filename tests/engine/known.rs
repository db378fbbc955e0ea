//! Known builds: seen in another tag of the family, not later than in this one, while that tag was followed.

use super::common::{at, settings};
use super::small;
use super::story::check;

const DAY: i64 = 86_400;

#[test]
fn seen_in_the_same_second_is_known_one_second_later_is_not() {
    for (seen, reason) in [(99, "known_build"), (100, "known_build"), (101, "no_fresh_evidence")] {
        let script = format!("know f41 7 {seen}\n100 tag f42 7\nend");
        check(&settings(), &script, &format!("7 {reason} @161 alone"));
        // From the stream, in either order of reading.
        let script = format!("{seen} tag f41 7\n100 tag f42 7\nend");
        check(&settings(), &script, &format!("7 {reason} @161 alone"));
        let script = format!("100 tag f42 7\n{seen} tag f41 7\nend");
        check(&settings(), &script, &format!("7 {reason} @161 alone"));
    }
}

#[test]
fn a_build_that_is_tagged_again_is_known_by_its_first_time_in_the_tag() {
    let script = "100 tag f42 7\n200 tag f41 7\n300 untag f42 7\n400 tag f42 7\nend";
    check(&settings(), script, "7 no_fresh_evidence, no_fresh_evidence");
}

#[test]
fn what_was_first_seen_in_a_tag_after_it_was_left_is_no_evidence() {
    let mut settings = settings();
    settings.trigger.family[0].left_at = Some(at(50));
    for (seen, reason) in [(49, "known_build"), (50, "known_build"), (51, "no_fresh_evidence")] {
        check(&settings, &format!("know f41 7 {seen}\n100 tag f42 7\nend"), &format!("7 {reason}"));
        check(&settings, &format!("{seen} tag f41 7\n100 tag f42 7\nend"), &format!("7 {reason}"));
    }
    // Fresh evidence decides then.
    check(&settings, "10 complete 7\n51 tag f41 7\n100 tag f42 7\nend", "7 completed");
}

#[test]
fn a_known_build_is_dropped_whatever_its_evidence() {
    let script = "10 complete 7\n20 tag f42-updates-candidate 7\n90 tag f41 7\n200 tag f42 7\nend";
    check(&settings(), script, "7 known_build @261");
}

#[test]
fn known_is_asked_again_when_the_hold_back_ends() {
    // The lagging partition brings it after the trigger, before the decision.
    let script = "10 complete 7\n100 tag f42 7\n150 tick\nknow f41 7 90\nend";
    check(&settings(), script, "7 known_build @161");
}

#[test]
fn an_imported_tag_belongs_to_the_family() {
    check(&settings(), "know f39 7 50\n10 complete 7\n100 tag f42 7\nend", "7 known_build");
    check(&settings(), "10 complete 7\n50 tag f39 7\n100 tag f42 7\nend", "7 completed");
}

#[test]
fn an_import_of_the_trigger_tag_makes_a_duplicate() {
    check(&settings(), "know f42 7 50\n10 complete 7\n100 tag f42 7\nend", "7 build_in_tag @100");
}

/// Once a week what is older is forgotten: never before its time, and not long after.
#[test]
fn a_build_is_known_for_four_hundred_days() {
    for (days, reason) in [(400, "known_build"), (408, "no_fresh_evidence")] {
        let ticks: String = (1..=days).map(|day| format!("{} tick\n", day * DAY - 100)).collect();
        let script = format!("0 tag f41 7\n{ticks}{0} tick\n{0} tag f42 7\nend", days * DAY - 61);
        check(&settings(), &script, &format!("7 {reason}"));
    }
}

/// An import says what is in a tag now, however long ago it was tagged.
#[test]
fn an_old_build_of_an_import_is_known() {
    let script = format!("know f41 7 -{}\n0 tick\n100 tag f42 7\nend", 900 * DAY);
    check(&settings(), &script, "7 known_build");
}

#[test]
fn a_warm_up_makes_builds_known() {
    let script = "teach 50 tag f41 7\nteach 60 tag f42 8\n10 tick\n100 tag f42 7..9\nend";
    check(&small(), script, "7 known_build\n8 build_in_tag\n9 no_fresh_evidence");
}

#[test]
fn the_same_number_in_another_instance_is_another_build() {
    let mut settings = settings();
    settings.route.instances.push("koji2".to_owned());
    let script = "50 tag f41 7 at koji2\n60 complete 7 \n100 tag f42 7\n100 tag f42 7 at koji2\nend";
    check(&settings, script, "7 completed\n7@koji2 known_build");
}
