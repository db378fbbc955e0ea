//! Which packages are eligible: the list is an input, and may come late.

use super::common::settings;
use super::small;
use super::story::{Story, check, package_list};
use tidegate::engine::select::ListVerdict;

const DAY: i64 = 86_400;

#[test]
fn what_is_not_eligible_counts_in_a_burst_all_the_same() {
    let script = "packages bash zsh
                  100 tag f42 1 bash
                  100 tag f42 2..30 kernel
                  end";
    check(&settings(), script, "1 no_fresh_evidence @161 in flood\n2..30 not_eligible @100");
}

#[test]
fn a_name_is_looked_up_as_it_is_called_downstream() {
    let mut story = Story::new(&settings());
    story.engine.add_renames([("freeipa".to_owned(), "ipa".to_owned())]);
    story.tell("packages ipa bash\n90 complete 1..3\n100 tag f42 1 freeipa\n100 tag f42 2 ipa\n100 tag f42 3 zsh\nend");
    story.expect("1..2 completed\n3 not_eligible");
}

#[test]
fn what_was_ignored_within_seven_days_is_judged_again() {
    let names = "a b c d e f g h i j";
    for (days_later, reason) in [(0, "completed @861"), (-1, "completed @861")] {
        let script = format!(
            "packages {names}\n90 complete 7\n100 tag f42 7 zsh\n{0} tick\n{0} tick\n{0} tag f42 8 a\n{1} tick",
            800 + days_later,
            810 + days_later,
        );
        let mut story = Story::new(&settings());
        story.tell(&script);
        story.expect("7 not_eligible @100");
        story.tell(&format!("packages {names} zsh\nend"));
        story.expect(
            &format!("7 not_eligible, {reason}\n8 no_fresh_evidence")
                .replace("861", &(861 + days_later).to_string()),
        );
    }
}

#[test]
fn seven_days_and_not_a_second_more() {
    let names = "a b c d e f g h i j";
    for (last, again) in [(100 + 7 * DAY, true), (101 + 7 * DAY, false)] {
        // The other tag's event makes `last` the time of the engine.
        let script = format!(
            "packages {names}\n90 complete 7\n100 tag f42 7 zsh\n{last} tick\n{last} tag f40 8\n{0} tick\n{0} tick
             packages {names} zsh\nend",
            last + 6
        );
        let expected = if again { "7 not_eligible, completed" } else { "7 not_eligible" };
        check(&settings(), &script, expected);
    }
}

#[test]
fn what_was_ignored_before_the_first_list_came_is_judged_by_it() {
    let mut settings = settings();
    settings.select.needs_list = true;
    let script = "90 complete 7..8\n100 tag f42 7 bash\n100 tag f42 8 zsh\n300 tick\npackages bash\nend";
    check(&settings, script, "7 not_eligible @100, completed\n8 not_eligible @100");
}

#[test]
fn what_is_judged_again_waits_its_hold_back_and_is_asked_everything() {
    let names = "a b c d e f g h i j";
    let script = format!(
        "packages {names}
         90 complete 1..4
         100 tag f42 1 zsh
         101 tag f42 2 zsh
         102 tag f42 3 zsh
         200 tag f41 2
         300 tag f40 99
         310 tick
         packages {names} zsh
         know f41 3 50
         end"
    );
    // Nothing of it is claimed anew: it was counted when it came.
    let expected = "1 not_eligible, completed @310 alone
                    2 not_eligible, completed @310 alone
                    3 not_eligible, known_build @310";
    let story = check(&small(), &script, expected);
    assert!(story.engine.account().is_balanced());
}

#[test]
fn what_was_never_decided_otherwise_is_not_judged_again() {
    let names = "a b c d e f g h i j";
    let script = format!(
        "packages {names}\n90 complete 1..2\n100 tag f42 1 a\n300 tag f40 99\n310 tick
         packages {names} zsh\n320 tick\npackages {names}\n330 tick\npackages {names} zsh\nend"
    );
    check(&settings(), &script, "1 completed @161");
}

#[test]
fn a_list_that_changes_by_more_than_a_tenth_waits_for_an_operator() {
    let ten = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut story = Story::new(&settings());
    assert_eq!(story.engine.offer_packages(package_list(&ten)), ListVerdict::Applied);
    story.tell("90 complete 1..2\n100 tag f42 1 zsh\n101 tag f42 2 fish\n300 tag f40 99\n310 tick");
    let one_more: Vec<_> = ten.iter().copied().chain(["zsh"]).collect();
    let two_more: Vec<_> = one_more.iter().copied().chain(["fish"]).collect();
    let waits = ListVerdict::Waits { added: 2, removed: 0, of: 10 };
    assert_eq!(story.engine.offer_packages(package_list(&two_more)), waits);
    assert_eq!(story.engine.offer_packages(package_list(&[])), ListVerdict::Empty);
    story.expect("1..2 not_eligible");
    story.tell("accept\nend");
    story.expect("1..2 not_eligible, completed");
    assert!(!story.engine.accept_packages());

    let mut story = Story::new(&settings());
    story.engine.offer_packages(package_list(&ten));
    assert_eq!(story.engine.offer_packages(package_list(&one_more)), ListVerdict::Applied);
    assert_eq!(story.engine.offer_packages(package_list(&one_more)), ListVerdict::Unchanged);
}
