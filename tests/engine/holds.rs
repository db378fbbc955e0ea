//! Holds: what opens one, joins it, and ends it.

use tidegate::settings::{HoldAction, HoldRule, Settings};
use tidegate::time::Seconds;

use super::common::settings;
use super::small;
use super::story::{Story, check};

const DAY: i64 = 86_400;

fn stated(then: HoldAction) -> Settings {
    let mut settings = small();
    settings.burst.hold_rule = Some(HoldRule { after: Seconds(DAY), then });
    settings
}

#[test]
fn a_new_burst_of_a_key_joins_the_open_hold_of_its_kind() {
    let script = "100 tag f42 1..3\n500 tag f42 4..6\n900 tag f42 7\nend";
    let story =
        check(&small(), script, "1..6 no_fresh_evidence in flood\n7 no_fresh_evidence alone for unproven");
    assert_eq!(story.holds(), ["h1 flood 6", "h2 unproven 1"]);
    // Of another kind, it opens one of its own.
    let script = "100 tag f42 1..3\nknow f41 4 0\nknow f41 5 0\n500 tag f42 4..6\nend";
    let story = check(
        &small(),
        script,
        "1..3 no_fresh_evidence in flood\n4..5 known_build
                                         6 no_fresh_evidence in retag",
    );
    assert_eq!(story.holds(), ["h1 flood 3", "h2 retag 1"]);
}

#[test]
fn whether_a_member_passes_is_told_from_its_burst_and_not_from_the_open_hold() {
    let mut settings = small();
    settings.burst.actor_size = 5;
    // The hold of a mass rebuild is open when a flood comes, and an honest build with it.
    let script = "10 complete 1..10
                  100 tag f42 1..8 by releng
                  9000 tag f42 20..26
                  9001 tag f42 9 by kevin
                  end";
    let expected = "1..8 mass_rebuild in mass_rebuild\n9 completed @9011 in flood
                    20..26 no_fresh_evidence in flood";
    check(&settings, script, expected);
}

#[test]
fn a_burst_with_everything_decided_leaves_no_open_hold() {
    let know: String = (1..=40).map(|build| format!("know f41 {build} 0\n")).collect();
    let story = check(&settings(), &format!("{know}100 tag f42 1..40\nend"), "1..40 known_build in");
    assert!(story.holds().is_empty());
    let story = check(
        &small(),
        "10 complete 9\n100 tag f42 1..5\n101 tag f42 9\n112 tick\n118 tick\nrelease h1 all\n200 tick\nend",
        "1..5 no_fresh_evidence, released_by_operator\n9 completed in flood",
    );
    assert!(story.holds().is_empty());
}

#[test]
fn a_burst_whose_kind_changes_leaves_no_empty_hold() {
    // The first that fall due are part of a flood; the known ones that come later make it a re-tag.
    let know: String = [1, 5, 6, 7, 8].iter().map(|build| format!("know f41 {build} 0\n")).collect();
    let script = format!("{know}100 tag f42 1\n101 tag f42 2..3\n108 tag f42 5..8\nend");
    let story = check(
        &small(),
        &script,
        "1 known_build @110\n2..3 no_fresh_evidence @111 in retag\n5..8 known_build",
    );
    assert_eq!(story.holds(), ["h1 retag 2"]);
    let script = format!("{know}10 complete 3\n100 tag f42 1\n101 tag f42 2..3\n112 tag f42 5..8\nend");
    let mut story = check(
        &small(),
        &script,
        "1 known_build @110\n2 no_fresh_evidence @111 in flood\n3 completed @111 in flood\n5..8 known_build",
    );
    assert_eq!(story.holds(), ["h1 flood 1"]);
    story.command("drop h1 all").unwrap();
    assert!(story.holds().is_empty());
}

#[test]
fn a_hold_that_an_operator_emptied_while_the_kind_changed_is_closed_in_the_end() {
    let know: String = (5..=9).map(|build| format!("know f41 {build} 0\n")).collect();
    // h1, a flood's, is emptied while the burst goes on; then it becomes a re-tag.
    let script = format!(
        "{know}100 tag f42 1..3\n104 tag f42 5\n116 tick\ndrop h1 all\n111 tag f42 6..9\n112 tag f42 4\nend"
    );
    let story = check(
        &small(),
        &script,
        "1..3 no_fresh_evidence in flood, dropped_by_operator\n4 no_fresh_evidence in retag\n5..9 known_build",
    );
    assert_eq!(story.holds(), ["h2 retag 1"]);
}

#[test]
fn the_members_of_a_burst_name_one_hold() {
    // All known, all in one second: the burst is over in the second in which they fall due.
    let know: String = (1..=40).map(|build| format!("know f41 {build} 0\n")).collect();
    let script = format!("{know}100 tag f42 1..40\n101+1 tag f42 41..50\nend");
    let story = check(&settings(), &script, "1..40 known_build\n41..50 no_fresh_evidence in retag");
    let named: std::collections::BTreeSet<_> =
        story.feed.decisions.iter().filter_map(|decision| decision.burst).collect();
    assert_eq!(named.len(), 1, "{named:?}");
    let story = check(&settings(), &format!("{know}100 tag f42 1..40\nend"), "1..40 known_build in");
    let named: std::collections::BTreeSet<_> =
        story.feed.decisions.iter().filter_map(|decision| decision.burst).collect();
    assert_eq!(named.len(), 1, "{named:?}");
}

#[test]
fn each_instance_has_holds_of_its_own() {
    let mut settings = small();
    settings.route.instances.push("koji2".to_owned());
    // One instance stays in a burst while the other's hold is decided.
    let mut story = Story::new(&settings);
    story.tell("100 tag f42 1..3\n100 tag f42 4 at koji2\n130 tag f42 11..13 at koji2\n146 tick");
    assert_eq!(story.holds(), ["h1 flood 3", "h2 unproven 1", "h3 flood 3"]);
    story.command("drop h1 all").unwrap();
    assert_eq!(story.holds(), ["h2 unproven 1", "h3 flood 3"]);
}

#[test]
fn a_stated_rule_drops_after_a_day() {
    // The hold is opened at 110.
    let decided = 110 + DAY;
    let script = format!("100 tag f42 1..3\n{decided} tick\n{decided} tick");
    let mut story = Story::new(&stated(HoldAction::Drop));
    story.tell(&script);
    story.tell(&format!("{} tick", decided + 4));
    assert_eq!(story.holds(), ["h1 flood 3"]);
    story.tell(&format!("{} tick", decided + 5));
    story.expect(&format!("1..3 no_fresh_evidence @110 in flood, dropped_by_rule @{decided}"));
    assert!(story.holds().is_empty());
}

#[test]
fn a_stated_rule_drains_what_is_fresh_by_then() {
    let decided = 110 + DAY;
    let script = format!(
        "100 tag f42 1..4\n200 complete 1..3\nknow f41 2 50\n300 tag f42-updates-candidate 4\n{0} tick\n{0} tick",
        decided + 5
    );
    let story = check(
        &stated(HoldAction::Drain),
        &script,
        &format!(
            "1 no_fresh_evidence, released_by_rule @{decided}
             2 no_fresh_evidence
             3 no_fresh_evidence, released_by_rule @{decided}
             4 no_fresh_evidence, released_by_rule @{decided}"
        ),
    );
    assert_eq!(story.holds(), ["h1 flood 1"]);
}

#[test]
fn a_rule_to_wait_waits() {
    let script = format!("100 tag f42 1..3\n{0} tick\n{0} tick", 100 * DAY);
    let story = check(&stated(HoldAction::Wait), &script, "1..3 no_fresh_evidence");
    assert_eq!(story.holds(), ["h1 flood 3"]);
}

#[test]
fn no_stated_rule_is_carried_out_by_the_end_of_the_input() {
    check(&stated(HoldAction::Drop), "100 tag f42 1..3\nend", "1..3 no_fresh_evidence");
}
