//! Decisions of operators: what they reach, what they refuse, and what becomes of what changed meanwhile.

use tidegate::engine::command::Refused;
use tidegate::engine::decision::{HoldId, Reason};

use super::common::settings;
use super::small;
use super::story::{Story, check};

/// A flood of five builds, held in h1 since 110.
const FLOOD: &str = "100 tag f42 1 bash
                     100 tag f42 2 bash-completion
                     100 tag f42 3 zsh
                     100 tag f42 4 fish
                     100 tag f42 5 ksh
                     200 tick";

fn flood() -> Story {
    let mut story = Story::new(&small());
    story.tell(FLOOD);
    assert_eq!(story.holds(), ["h1 flood 5"]);
    story
}

#[test]
fn a_decision_reaches_what_it_names() {
    for (selection, reached) in [
        ("all", vec![1, 2, 3, 4, 5]),
        ("package bash", vec![1]),
        ("nvr bash-1-1.fc42", vec![1]),
        ("pattern bash*", vec![1, 2]),
        ("pattern ?sh-*", vec![3, 5]),
        ("except bash", vec![2, 3, 4, 5]),
    ] {
        for (word, reason) in [("release", "released_by_operator"), ("drop", "dropped_by_operator")] {
            let mut story = flood();
            let line = format!("{word} h1 {selection}");
            let previewed = story.preview(&line);
            let done = story.command(&line);
            assert_eq!(previewed, done, "{line}");
            assert_eq!(done.unwrap().stay, 5 - reached.len(), "{line}");
            let fate =
                |build: u64| if reached.contains(&build) { format!(", {reason}") } else { String::new() };
            let expected: String =
                (1..=5).map(|build| format!("{build} no_fresh_evidence{}\n", fate(build))).collect();
            story.expect(&expected);
        }
    }
}

#[test]
fn what_names_nothing_is_refused() {
    let mut story = flood();
    for line in [
        "release h1 nvr bash",
        "release h1 nvr bash-1-1.fc42x",
        "drop h1 package bas",
        "drop h1 pattern bash",
        "drop h1 pattern *.fc41",
    ] {
        assert_eq!(story.preview(line), Err(Refused::NothingMatches(HoldId(1))), "{line}");
        assert_eq!(story.command(line), Err(Refused::NothingMatches(HoldId(1))), "{line}");
    }
    assert_eq!(story.command("release h2 all"), Err(Refused::NoSuchHold(HoldId(2))));
    story.command("drop h1 all").unwrap();
    assert_eq!(story.command("drop h1 all"), Err(Refused::NoSuchHold(HoldId(1))));
}

#[test]
fn of_two_operators_who_decide_at_once_the_second_is_refused() {
    let mut story = flood();
    assert_eq!(story.engine.holds().get(HoldId(1)).unwrap().version, 5);
    story.command("release h1 package bash version 5").unwrap();
    let refused = Refused::Changed { hold: HoldId(1), seen: 5, now: 6 };
    assert_eq!(story.preview("drop h1 all version 5"), Err(refused.clone()));
    assert_eq!(story.command("drop h1 all version 5"), Err(refused));
    story.command("drop h1 all version 6").unwrap();
    story.expect("1 no_fresh_evidence, released_by_operator\n2..5 no_fresh_evidence, dropped_by_operator");
}

#[test]
fn a_member_that_joins_makes_a_new_version() {
    let mut story = flood();
    story.tell("300 tag f42 11..13\n400 tick");
    let refused = Refused::Changed { hold: HoldId(1), seen: 5, now: 8 };
    assert_eq!(story.command("release h1 all version 5"), Err(refused));
}

#[test]
fn a_preview_changes_nothing() {
    let story = flood();
    let (holds, account) = (story.engine.holds().clone(), story.engine.account().clone());
    story.preview("release h1 all").unwrap();
    story.preview("drop h1 pattern *").unwrap();
    assert_eq!(story.engine.account(), &account);
    assert!(holds.iter().eq(story.engine.holds().iter()));
}

#[test]
fn a_preview_says_what_becomes_of_a_build_that_is_held_twice() {
    let mut story = Story::new(&small());
    story.tell("100 tag f42 7\n150 untag f42 7\n200 tag f42 7\n300 tick");
    assert_eq!(story.holds(), ["h1 unproven 2"]);
    let previewed = story.preview("release h1 all").unwrap();
    let nvr = "p7-1-1.fc42".to_owned();
    let expected = [(nvr.clone(), Reason::ReleasedByOperator), (nvr, Reason::AlreadySubmitted)];
    assert_eq!(previewed.builds, expected);
    assert_eq!(story.command("release h1 all").unwrap(), previewed);
    story.expect("7 no_fresh_evidence, no_fresh_evidence, released_by_operator, already_submitted");
}

#[test]
fn a_decision_needs_a_reason() {
    use tidegate::engine::command::{Action, HoldCommand};
    use tidegate::engine::hold::Selection;
    let mut story = flood();
    for reason in ["", " ", "\t\n"] {
        let command = HoldCommand {
            hold: HoldId(1),
            version: None,
            selection: Selection::All,
            action: Action::Drop,
            reason: reason.to_owned(),
            who: "ada".to_owned(),
        };
        assert_eq!(story.engine.preview(&command), Err(Refused::NoReason));
        assert_eq!(story.engine.command(&command), Err(Refused::NoReason));
    }
    assert_eq!(story.holds(), ["h1 flood 5"]);
}

#[test]
fn an_older_build_of_a_package_is_superseded_when_its_hold_is_released() {
    let script = "100 tag f42 1 bash\n200 complete 2\n300 tag f42 2 bash\n400 tag f42 3 zsh\n500 tick
                  release h1 all";
    let expected = "1 no_fresh_evidence, superseded\n2 completed\n3 no_fresh_evidence, released_by_operator";
    check(&small(), script, expected);
    // Until then it stays held; dropped, it is dropped.
    let script = "100 tag f42 1 bash\n200 complete 2\n300 tag f42 2 bash\n400 tick\ndrop h1 all";
    check(&small(), script, "1 no_fresh_evidence, dropped_by_operator\n2 completed");
    // A newer one that is held is released after an older one that was admitted.
    let script = "100 complete 1\n200 tag f42 1 bash\n300 tag f42 2 bash\n400 tick\nrelease h1 all";
    check(&small(), script, "1 completed\n2 no_fresh_evidence, released_by_operator");
    // Not even the operator who names it gets the older one.
    let script = "100 tag f42 1 bash\n200 complete 2\n300 tag f42 2 bash\n400 tick\nrelease h1 package bash";
    check(&small(), script, "1 no_fresh_evidence, superseded\n2 completed");
}

#[test]
fn a_build_that_became_known_is_dropped_unless_it_is_named() {
    let script = "100 tag f42 1..2\n200 tick\nknow f41 1 50\nrelease h1 all";
    check(&small(), script, "1 no_fresh_evidence, known_build\n2 no_fresh_evidence, released_by_operator");
    let script = "100 tag f42 1..2\n200 tick\nknow f41 1 50\nrelease h1 pattern p1-*";
    check(&small(), script, "1 no_fresh_evidence, known_build\n2 no_fresh_evidence");
    let script = "100 tag f42 1..2\n200 tick\nknow f41 1 50\nrelease h1 nvr p1-1-1.fc42";
    check(&small(), script, "1 no_fresh_evidence, released_by_operator\n2 no_fresh_evidence");
}

#[test]
fn a_build_that_was_submitted_meanwhile_is_not_submitted_again() {
    let script = "100 tag f42 7\n150 untag f42 7\n170 complete 7\n200 tag f42 7\n300 tick\nrelease h1 all";
    check(&settings(), script, "7 no_fresh_evidence @161, completed @261, already_submitted");
}

#[test]
fn a_release_while_the_burst_goes_on_reaches_what_is_held_by_then() {
    let mut story = Story::new(&small());
    // A build every four seconds keeps the rule holding; at 116 those of 100 and 104 are held.
    story.tell("100+4 tag f42 1..5\n121 tick");
    assert_eq!(story.holds(), ["h1 flood 2"]);
    story.command("release h1 all").unwrap();
    assert_eq!(story.holds(), ["h1 flood 0"]);
    story.tell("120+4 tag f42 6..8\nend");
    story.expect("1..2 no_fresh_evidence, released_by_operator\n3..8 no_fresh_evidence in flood");
    assert_eq!(story.holds(), ["h1 flood 6"]);
}
