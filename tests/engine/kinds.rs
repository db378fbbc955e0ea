//! When a group is a burst, of which kind, and who passes.

use tidegate::settings::Settings;

use super::common::settings;
use super::small;
use super::story::check;

#[test]
fn it_is_a_burst_where_fewer_than_half_are_fresh() {
    for (fresh, place) in [(14, "in flood"), (15, "alone"), (16, "alone")] {
        let script = format!("10 complete 1..{fresh}\n100 tag f42 1..30\nend");
        let rest = fresh + 1;
        let expected = format!("1..{fresh} completed @161 {place}\n{rest}..30 no_fresh_evidence {place}");
        check(&settings(), &script, &expected);
    }
}

#[test]
fn half_is_asked_anew_with_every_claim() {
    // Fifteen of thirty are fresh; with the next one fewer than half are.
    let script = "10 complete 1..15\n100 tag f42 1..30\n120 tag f42 31\nend";
    check(&settings(), script, "1..15 completed @161 in flood\n16..31 no_fresh_evidence in flood");
}

#[test]
fn members_that_are_not_eligible_are_asked_for_their_evidence_too() {
    let script = "10 complete 1..14\n90 packages p1 p30\n100 tag f42 1..30\nend";
    let script = script.replace("90 packages", "packages");
    let expected = "1 completed in flood\n2..29 not_eligible @100\n30 no_fresh_evidence in flood";
    check(&settings(), &script, expected);
}

fn actor_size(size: u32, gating: &[&str]) -> Settings {
    let mut settings = settings();
    settings.burst.actor_size = size;
    settings.burst.gating_users = gating.iter().map(|user| (*user).to_owned()).collect();
    settings
}

#[test]
fn two_hundred_new_builds_of_one_person_are_a_mass_rebuild() {
    let settings = settings();
    let script = |last| format!("10 complete 1..300\n100 tag f42 1..{last} by releng\nend");
    check(&settings, &script(199), "1..199 completed @161 alone");
    check(&settings, &script(200), "1..200 mass_rebuild @161 in mass_rebuild");
    check(&settings, &script(201), "1..201 mass_rebuild @161 in mass_rebuild");
}

#[test]
fn users_of_the_normal_gating_are_never_taken_for_it() {
    let script = "10 complete 1..300\n100 tag f42 1..300 by bodhi\nend";
    check(&actor_size(5, &["bodhi"]), script, "1..300 completed alone");
    check(&actor_size(5, &["kevin", "bodhi"]), script, "1..300 completed alone");
    check(&actor_size(5, &["kevin"]), script, "1..300 mass_rebuild in mass_rebuild");
}

#[test]
fn many_people_together_are_no_mass_rebuild() {
    let script = "10 complete 1..40
                  100 tag f42 1..4 by ada
                  100 tag f42 5..8 by ben
                  100 tag f42 9..12 by cyd
                  end";
    let mut settings = small();
    settings.burst.actor_size = 5;
    check(&settings, script, "1..12 completed alone");
    settings.burst.actor_size = 4;
    check(&settings, script, "1..12 mass_rebuild in mass_rebuild");
}

#[test]
fn a_group_of_hold_size_is_a_burst_whatever_its_evidence() {
    let mut settings = settings();
    settings.burst.hold_size = 40;
    let script = |last| format!("10 complete 1..{last}\n100 tag f42 1..{last}\nend");
    check(&settings, &script(39), "1..39 completed alone");
    check(&settings, &script(40), "1..40 mass_rebuild in mass_rebuild");
    check(&settings, &script(41), "1..41 mass_rebuild in mass_rebuild");
}

#[test]
fn the_size_remembers_earlier_groups_and_halves_every_hour() {
    let mut settings = settings();
    settings.burst.hold_size = 60;
    let script =
        |second: i64, last| format!("10 complete 1..99\n100 tag f42 1..40\n{second} tag f42 41..{last}\nend");
    // An hour later, 20 of the first 40 still count.
    check(&settings, &script(3_700, 79), "1..40 completed alone\n41..79 completed alone");
    check(&settings, &script(3_700, 80), "1..40 completed alone\n41..80 mass_rebuild in mass_rebuild");
    check(&settings, &script(3_701, 80), "1..40 completed alone\n41..80 completed alone");
}

#[test]
fn most_known_is_a_retag_and_anything_else_a_flood() {
    let know: String = (1..=16).map(|build| format!("know f41 {build} 0\n")).collect();
    let script = format!("{know}100 tag f42 1..30\nend");
    let story = check(&settings(), &script, "1..16 known_build\n17..30 no_fresh_evidence in retag");
    assert_eq!(story.runs(), ["100..100 retag @161"]);
    let know = know.replace("know f41 16 0\n", "");
    let story = check(
        &settings(),
        &format!("{know}100 tag f42 1..30\nend"),
        "1..15 known_build\n16..30 no_fresh_evidence in flood",
    );
    assert_eq!(story.runs(), ["100..100 flood @161"]);
}

#[test]
fn an_honest_build_amid_a_flood_or_a_retag_passes_after_its_hold_back() {
    let story = check(
        &settings(),
        "10 complete 99\n100 tag f42 1..40\n101 tag f42 99\n102 tag f42 41\nend",
        "1..41 no_fresh_evidence in flood\n99 completed @162 in flood",
    );
    assert_eq!(story.runs(), ["100..102 flood @163"]);
    let know: String = (1..=40).map(|build| format!("know f41 {build} 0\n")).collect();
    let story = check(
        &settings(),
        &format!("{know}10 complete 99\n100 tag f42 1..39\n101 tag f42 99\n102 tag f42 40\nend"),
        "1..40 known_build\n99 completed @162",
    );
    assert_eq!(story.runs(), ["100..102 retag @163"]);
}

#[test]
fn an_honest_merge_an_hour_after_a_branching_is_not_taken_for_part_of_it() {
    let mut settings = settings();
    settings.burst.hold_size = 60;
    let know: String = (1..=200).map(|build| format!("know f41 {build} 0\n")).collect();
    let script = format!(
        "{know}10 complete 301..340\n100 tag f42 1..200 by releng\n3700 tag f42 301..340 by bodhi\nend"
    );
    check(&settings, &script, "1..200 known_build @161\n301..340 completed @3761 in");
}

#[test]
fn a_build_of_a_rebuild_tag_waits_in_any_state() {
    let script = "10 complete 7\n50 tag f42-rebuild 7\n200 tag f42 7\nend";
    check(&settings(), script, "7 mass_rebuild @261 alone for mass_rebuild");
    // In a group that is no burst, and in a flood.
    let script = "10 complete 1..31\n50 tag f42-rebuild 7\n200 tag f42 1..31\nend";
    let expected = "1..6 completed alone\n7 mass_rebuild alone for mass_rebuild\n8..31 completed alone";
    check(&settings(), script, expected);
    let script = "10 complete 7\n50 tag f42-rebuild 7\n200 tag f42 1..31\nend";
    let expected = "1..6 no_fresh_evidence in flood\n7 mass_rebuild in mass_rebuild
                    8..31 no_fresh_evidence in flood";
    check(&settings(), script, expected);
    // Leaving it counts as well.
    let script = "10 complete 7\n50 untag f42-rebuild 7\n200 tag f42 7\nend";
    check(&settings(), script, "7 mass_rebuild @261 alone for mass_rebuild");
}

#[test]
fn the_tail_of_a_mass_rebuild_waits_too() {
    let mut settings = small();
    settings.burst.actor_size = 5;
    let script = "10 complete 1..12
                  100 tag f42 1..10 by releng
                  400 tag f42 11 by releng
                  400 tag f42 12 by kevin
                  end";
    let expected = "1..10 mass_rebuild in mass_rebuild\n11 mass_rebuild @410 alone for mass_rebuild
                    12 completed @410 alone";
    check(&settings, script, expected);
    // One hour later half of the ten are forgotten, and a little more.
    let script = "10 complete 1..12
                  100 tag f42 1..10 by releng
                  3690 tag f42 11 by releng
                  3691 tag f42 12 by releng
                  end";
    let expected =
        "1..10 mass_rebuild in mass_rebuild\n11 mass_rebuild @3700 alone\n12 completed @3701 alone";
    check(&settings, script, expected);
}
