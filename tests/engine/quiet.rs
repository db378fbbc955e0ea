//! When a run is over, and what becomes of a group that was no burst.

use tidegate::settings::Settings;
use tidegate::time::Seconds;

use super::common::settings;
use super::small;
use super::story::check;

fn quiet(seconds: i64) -> Settings {
    let mut settings = settings();
    settings.burst.quiet = Seconds(seconds);
    settings
}

#[test]
fn a_group_is_resolved_when_quiet_and_the_last_hold_back_are_over() {
    // Thirty new builds, the last claimed at 158.
    let script = "10 complete 1..30\n100+2 tag f42 1..30\nend";
    for (seconds, over) in [(60, 219), (61, 219), (62, 220), (120, 278)] {
        let expected = format!("1..30 completed @{over} alone");
        let story = check(&quiet(seconds), script, &expected);
        assert_eq!(story.runs(), [format!("100..158 suspect @{over}")]);
    }
}

#[test]
fn one_second_before_quiet_a_new_claim_still_joins_the_run() {
    let script =
        |last| format!("10 complete 1..6\n100+1 tag f42 1..3\n119 tag f42 4..5\n{last} tag f42 6\nend");
    let story = check(&small(), &script(121), "1..6 completed @141");
    assert_eq!(story.runs(), ["100..121 suspect @141"]);
    let story = check(&small(), &script(122), "1..3 completed @122\n4..6 completed @142");
    assert_eq!(story.runs(), ["100..102 suspect @122", "119..122 suspect @142"]);
}

#[test]
fn single_builds_do_not_keep_a_group_open() {
    // A build every 5 s, too few for a rule of 3 in 9 s.
    let script = "10 complete 1..30\n100 tag f42 1..3\n109+5 tag f42 4..30\nend";
    let mut expected = "1..3 completed @120\n4 completed @120\n".to_owned();
    for build in 5..=30 {
        expected += &format!("{build} completed @{}\n", 109 + 5 * (build - 4) + 10);
    }
    let story = check(&small(), script, &expected);
    assert_eq!(story.runs(), ["100..100 suspect @120"]);
}

#[test]
fn a_large_group_waits_for_a_longer_quiet() {
    let mut settings = small();
    settings.burst.large = 5;
    check(&settings, "10 complete 1..9\n100 tag f42 1..5\nend", "1..5 completed @120");
    check(&settings, "10 complete 1..9\n100 tag f42 1..6\nend", "1..6 completed @200");
    // A burst is over after the short quiet, however large.
    let story = check(&settings, "100 tag f42 1..9\nend", "1..9 no_fresh_evidence @110 in flood");
    assert_eq!(story.runs(), ["100..100 flood @120"]);
}

#[test]
fn a_group_is_undecided_for_no_longer_than_suspect_max() {
    let mut settings = small();
    settings.burst.suspect_max = Seconds(30);
    // One new build a second. At 130 the hold-back of those up to 120 is over; the others begin the next group.
    let story = check(
        &settings,
        "10 complete 1..50\n100+1 tag f42 1..50\nend",
        "1..21 completed @130\n22..42 completed @151\n43..50 completed @169",
    );
    let runs = ["100..129 suspect @130", "121..150 suspect @151", "142..149 suspect @169"];
    assert_eq!(story.runs()[0], runs[0]);
    assert_eq!(story.runs()[2], runs[2]);
    assert_eq!(story.runs().len(), 3);
}

#[test]
fn a_group_resolved_for_its_age_is_counted_on_by_the_memory() {
    let mut settings = small();
    settings.burst.suspect_max = Seconds(30);
    settings.burst.hold_size = 40;
    // The fortieth comes at 139 and more are needed since what is remembered fades: the burst is seen at 140.
    let script = "10 complete 1..60\n100+1 tag f42 1..60\nend";
    let expected = "1..21 completed @130 alone\n22..31 mass_rebuild @140 in mass_rebuild
                    32..60 mass_rebuild in mass_rebuild";
    check(&settings, script, expected);
}
