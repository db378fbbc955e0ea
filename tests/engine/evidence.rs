//! What shows that a build is new.

use super::common::settings;
use super::story::check;
use super::{rule, small};

const DAY: i64 = 86_400;

#[test]
fn a_completion_proves_for_fourteen_days() {
    for (due, reason) in [(14 * DAY, "completed"), (14 * DAY + 1, "no_fresh_evidence")] {
        let tagged = due - 61;
        let script = format!("0 complete 7\n{tagged} tick\n{tagged} tag f42 7\n{tagged} tick\nend");
        check(&settings(), &script, &format!("7 {reason} @{due} alone"));
    }
}

#[test]
fn a_completion_proves_amid_any_flood() {
    check(&settings(), "10 complete 1..5000\n500 tag f42 5\nend", "5 completed");
}

#[test]
fn an_appearance_on_the_way_proves_for_fourteen_days() {
    for tag in ["f42-updates-candidate", "f42-candidate", "f41-updates-candidate", "f42-build-side-128996"] {
        for (due, reason) in [(14 * DAY, "trail"), (14 * DAY + 1, "no_fresh_evidence")] {
            let tagged = due - 61;
            let script = format!("0 tag {tag} 7\n{tagged} tick\n{tagged} tag f42 7\n{tagged} tick\nend");
            check(&settings(), &script, &format!("7 {reason} @{due} alone"));
            let script = script.replacen("tag", "untag", 1);
            check(&settings(), &script, &format!("7 {reason} @{due} alone"));
        }
    }
}

#[test]
fn signing_and_other_tags_prove_nothing() {
    for tag in [
        "f42-signing-pending",
        "f42-build-side-128996-signing-pending",
        "f42-updates-testing-pending",
        "f42-testing-pending",
        "f42-updates-pending",
        "f42-build-side-x",
        "f40-updates-candidate",
        "eln",
    ] {
        let script = format!("0 tag {tag} 7\n200 untag {tag} 7\n300 tag f42 7\nend");
        check(&settings(), &script, "7 no_fresh_evidence @361");
    }
}

#[test]
fn a_candidate_in_a_burst_of_its_tag_proves_nothing() {
    for (count, reason) in [(29, "trail"), (30, "no_fresh_evidence")] {
        let script = format!("100 tag f42-updates-candidate 1..{count}\n500 tag f42 5\nend");
        check(&settings(), &script, &format!("5 {reason} @561 alone"));
        let script = format!("100 untag f42-updates-candidate 1..{count}\n500 tag f42 5\nend");
        check(&settings(), &script, &format!("5 {reason} @561 alone"));
    }
}

#[test]
fn a_late_candidate_takes_the_proof_of_those_it_happened_with() {
    // Three in nine seconds. The third comes when the first two would have proved their builds new, the fourth later still.
    for (third, proof) in [(108, "no_fresh_evidence"), (110, "trail")] {
        let script = format!(
            "100 tag f42-candidate 1\n101 tag f42-candidate 2\n200 tick\nlate {third} tag f42-candidate 3
             300 tag f42 1\n340 tag f42 2\n380 tick\nend"
        );
        check(&small(), &script, &format!("1..2 {proof} alone"));
    }
    let script =
        "100 tag f42-candidate 1\n101 tag f42-candidate 2\n200 tick\nlate 102 tag f42-candidate 3\n205 tick
                  late 92 tag f42-candidate 4\nlate 93 tag f42-candidate 5\nlate 94 tag f42-candidate 6
                  300 tag f42 4\n340 tag f42 5\n380 tag f42 1\n420 tick\nend";
    check(&small(), script, "1 no_fresh_evidence alone\n4..5 no_fresh_evidence alone");
    // Another one in between: only when it happened tells then what belongs together.
    for (third, proof) in [(108, "no_fresh_evidence"), (110, "trail")] {
        let script = format!(
            "100 tag f42-candidate 1\n101 tag f42-candidate 2\n150 tag f42-candidate 9\n200 tick
             late {third} tag f42-candidate 3\n300 tag f42 1\n340 tag f42 2\n380 tick\nend"
        );
        check(&small(), &script, &format!("1..2 {proof} alone"));
    }
}

#[test]
fn one_that_lies_outside_the_burst_proves() {
    let script = "100 tag f42-updates-candidate 1\n161 tag f42-updates-candidate 2..31
                  500 tag f42 1..2\nend";
    check(&settings(), script, "1 trail\n2 no_fresh_evidence");
    let script = "100 tag f42-updates-candidate 1\n159 tag f42-updates-candidate 2..31
                  500 tag f42 1..2\nend";
    check(&settings(), script, "1..2 no_fresh_evidence");
}

#[test]
fn leaving_a_tag_proves_no_more_than_entering_it_did() {
    let script = "100 tag f42-updates-candidate 1..30\n300 untag f42-updates-candidate 5\n500 tag f42 5\nend";
    check(&settings(), script, "5 no_fresh_evidence");
    let script = "100 tag f42-updates-candidate 5\n300 untag f42-updates-candidate 5\n500 tag f42 5\nend";
    check(&settings(), script, "5 trail");
}

#[test]
fn forged_candidates_prove_nothing_at_any_speed() {
    // Each is tagged into the trigger tag right behind its candidate.
    for time in ["100x100", "100x20", "100x5", "100+1", "100+2"] {
        let script = format!("{time} tag f42-updates-candidate 1..60\n{time} tag f42 1..60\nend");
        check(&settings(), &script, "1..60 no_fresh_evidence in flood");
    }
}

#[test]
fn forged_candidates_at_twenty_a_second_prove_nothing_with_a_short_hold_back() {
    let mut settings = settings();
    settings.burst.rules = vec![rule(100, 5)];
    settings.burst.hold_back = tidegate::time::Seconds(6);
    let script = "100x20 tag f42-updates-candidate 1..99\n100x19 tag f42 1..99\nend";
    check(&settings, script, "1..99 no_fresh_evidence alone");
}

#[test]
fn of_two_rules_of_a_candidate_tag_the_longer_one_takes_the_proof_too() {
    // The short rule holds with the third of 108; the long one, with the fourth, reaches back to 100.
    let mut settings = small();
    settings.burst.other_rules = vec![rule(3, 2), rule(8, 9)];
    let script = "100+2 tag f42-updates-candidate 1..4
                  108 tag f42-updates-candidate 5..8
                  200 tag f42 1\n250 tag f42 2\n300 tag f42 5\nend";
    check(&settings, script, "1..2 no_fresh_evidence\n5 no_fresh_evidence");
}

#[test]
fn a_numbered_side_tag_proves_in_a_burst_as_long_as_it_is_no_mass_tag() {
    let mut settings = settings();
    settings.burst.hold_size = 50;
    for (size, reason) in [(49, "trail @261 alone"), (50, "no_fresh_evidence @261 in flood")] {
        let script = format!("100 tag f42-build-side-128996 1..{size}\n200 tag f42 1..40 by bodhi\nend");
        check(&settings, &script, &format!("1..40 {reason}"));
    }
}

#[test]
fn a_merge_of_a_side_tag_is_no_burst_though_it_leaves_it_at_once() {
    let script = "50 tag f42-build-side-128996 1..40
                  200 tag f42 1..40\n200 untag f42-build-side-128996 1..40\nend";
    check(&settings(), script, "1..40 trail @261 alone");
}

#[test]
fn evidence_counts_until_the_hold_back_ends() {
    for (second, reason) in [(160, "completed"), (161, "no_fresh_evidence"), (162, "no_fresh_evidence")] {
        let script = format!("100 tag f42 7\n{second} complete 7\nend");
        check(&settings(), &script, &format!("7 {reason} @161"));
        let script = format!("100 tag f42 7\n{second} tag f42-build-side-1 7\nend");
        check(&settings(), &script, &format!("7 {} @161", reason.replace("completed", "trail")));
    }
}

#[test]
fn a_young_candidate_is_waited_for_until_no_rule_can_claim_it() {
    check(&settings(), "100 tag f42-updates-candidate 7\n100 tag f42 7\nend", "7 trail @161");
    check(&settings(), "100 tag f42 7\n101 tag f42-updates-candidate 7\nend", "7 trail @162");
    check(&settings(), "100 tag f42 7\n160 tag f42-updates-candidate 7\nend", "7 trail @221");
    // It turns out to be part of a burst.
    let script = "100 tag f42 7\n150 tag f42-updates-candidate 7\n209 tag f42-updates-candidate 11..39\nend";
    check(&settings(), script, "7 no_fresh_evidence @211");
    let script = "100 tag f42 7\n150 tag f42-updates-candidate 7\n210 tag f42-updates-candidate 11..39\nend";
    check(&settings(), script, "7 trail @211");
    // It completes meanwhile.
    let script = "100 tag f42 7\n150 tag f42-updates-candidate 7\n180 complete 7\nend";
    check(&settings(), script, "7 completed @211");
}

#[test]
fn only_a_completion_is_one() {
    let mut story = check(&settings(), "", "");
    for (build, new) in [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)] {
        let body = tidegate::event::BuildState { instance: None, build_id: build, new, task_id: None };
        story
            .feed
            .read(&mut story.engine, &super::common::message(90, tidegate::event::Body::BuildState(body)));
    }
    story.tell("100 tag f42 1..5\nend");
    story.expect("1 no_fresh_evidence\n2 completed\n3..5 no_fresh_evidence");
}
