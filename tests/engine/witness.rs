//! Koji's word about held builds, as an input of the engine.

use tidegate::engine::decision::Reason;
use tidegate::engine::witness::{Finding, Question, Witnessed};
use tidegate::settings::{FamilyTag, HoldAction, HoldRule, Settings};
use tidegate::time::Seconds;

use super::common::{at, settings};
use super::story::Story;

const DAY: i64 = 86_400;

fn new(completed: i64) -> Witnessed {
    Witnessed::Tagged { completed: Some(at(completed)), earlier: Vec::new(), rebuild: None }
}

fn was_in(tag: &str, second: i64) -> Witnessed {
    Witnessed::Tagged { completed: Some(at(0)), earlier: vec![(tag.to_owned(), at(second))], rebuild: None }
}

/// Lets Koji say something of the builds in question that `about` takes, at a second of the machine's clock.
fn say(story: &mut Story, second: i64, about: impl Fn(u64) -> Option<Witnessed>) {
    let finding = |question: Question| {
        let witnessed = about(question.build_id)?;
        Some(Finding { question, asked_at: at(second), witnessed })
    };
    let findings: Vec<_> = story.engine.questions().filter_map(finding).collect();
    story.engine.koji_says(&findings);
    story.feed.settle(&mut story.engine);
}

fn with_left_family() -> Settings {
    let mut settings = settings();
    settings.trigger.family.insert(0, FamilyTag { tag: "f40".to_owned(), left_at: Some(at(-DAY)) });
    settings
}

#[test]
fn what_koji_says_of_a_single_build_and_what_comes_of_it() {
    let rebuilt = Witnessed::Tagged {
        completed: Some(at(0)),
        earlier: Vec::new(),
        rebuild: Some("f42-rebuild".to_owned()),
    };
    let undated = Witnessed::Tagged { completed: None, earlier: Vec::new(), rebuild: None };
    for (witnessed, expected, questions) in [
        (new(0), "koji_says_fresh alone", 0),
        (new(100 - 14 * DAY), "koji_says_fresh alone", 0),
        (new(99 - 14 * DAY), "", 0),
        (undated, "", 0),
        (was_in("f41", 50), "known_build alone", 0),
        (was_in("f40", -DAY), "known_build alone", 0),
        // In a tag that was left before: that shows neither.
        (was_in("f40", 1 - DAY), "", 0),
        // No tag of the family: the engine goes by its own.
        (was_in("f39", 50), "koji_says_fresh alone", 0),
        (rebuilt, "mass_rebuild alone for mass_rebuild", 0),
        (Witnessed::Absent, "", 1),
        (Witnessed::Unanswered, "", 1),
    ] {
        let mut story = Story::new(&with_left_family());
        story.tell("100 tag f42 7 by ada\n200 tick");
        assert_eq!(story.engine.questions().count(), 1);
        say(&mut story, 300, |_| Some(witnessed.clone()));
        let then = if expected.is_empty() { String::new() } else { format!(", {expected}") };
        story.tell("400 tick");
        let kinds: Vec<_> =
            story.feed.decisions.iter().filter(|one| one.detail.is_some()).map(|one| one.reason).collect();
        let mut wanted = vec![Reason::NoFreshEvidence];
        let word = expected.split(' ').next().unwrap();
        wanted.extend(Reason::ALL.iter().filter(|reason| reason.word() == word));
        assert_eq!(kinds, wanted, "{witnessed:?}{then}");
        assert_eq!(story.engine.questions().count(), questions, "{witnessed:?}");
        // The same once more is no news.
        say(&mut story, 300, |_| Some(new(0)));
        let after = story.feed.decisions.iter().filter(|one| one.detail.is_some()).count();
        assert_eq!(after, wanted.len() + questions, "{witnessed:?}");
    }
}

#[test]
fn an_older_finding_than_the_one_that_is_noted_changes_nothing() {
    let mut story = Story::new(&settings());
    story.tell("100 tag f42 7\n200 tick");
    say(&mut story, 300, |_| Some(Witnessed::Absent));
    say(&mut story, 299, |_| Some(new(0)));
    assert_eq!(
        story.engine.account().reasons().filter(|(reason, _)| *reason == Reason::KojiSaysFresh).count(),
        0
    );
    let told = story.engine.questions().next().unwrap().told.unwrap();
    assert_eq!((told.asked, told.at), (1, at(300)));
    say(&mut story, 300, |_| Some(new(0)));
    story.expect("7 no_fresh_evidence, koji_says_fresh");
}

#[test]
fn an_answer_that_decides_nothing_leaves_the_version_of_the_hold() {
    let mut story = Story::new(&settings());
    story.tell("100 tag f42 7\n110 tag f42 8\n200 tick");
    let version = |story: &Story| story.engine.holds().iter().next().unwrap().version;
    let before = version(&story);
    say(&mut story, 300, |_| Some(Witnessed::Absent));
    assert_eq!(version(&story), before);
    say(&mut story, 400, |build| (build == 7).then(|| new(0)));
    assert!(version(&story) > before, "who looked before did not see this");
}

#[test]
fn a_build_that_is_held_twice_is_admitted_once() {
    let mut story = Story::new(&settings());
    story.tell("100 tag f42 7\n110 untag f42 7\n120 tag f42 7\n300 tick");
    assert_eq!(story.holds(), ["h1 unproven 2"]);
    say(&mut story, 400, |_| Some(new(0)));
    assert_eq!(story.holds(), Vec::<String>::new());
    story.expect("7 no_fresh_evidence, no_fresh_evidence, koji_says_fresh, already_submitted");
}

#[test]
fn an_old_build_that_koji_knows_is_known_from_then_on() {
    let mut story = Story::new(&settings());
    story.tell("100 tag f42 7\n200 tick");
    say(&mut story, 300, |_| Some(was_in("f41", 50)));
    story.tell("400 untag f42 7\n410 tag f42 7\n500 tick");
    story.expect("7 no_fresh_evidence, known_build @161, known_build @471");
}

/// 210 builds of one person: were they all new, they would be a mass rebuild. So none goes before Koji has spoken of so many
/// that they cannot be.
#[test]
fn new_members_of_a_burst_wait_while_it_may_turn_out_a_mass_rebuild() {
    let mut story = Story::new(&settings());
    story.tell("100x30 tag f42 1..210 by ada\n400 tick");
    assert_eq!(story.holds(), ["h1 flood 210"]);
    say(&mut story, 500, |build| (build <= 5).then(|| new(0)));
    assert_eq!(story.holds(), ["h1 flood 210"], "205 more may be new");
    say(&mut story, 501, |build| (6..=15).contains(&build).then(|| was_in("f41", 50)));
    assert_eq!(
        story.holds(),
        ["h1 flood 200"],
        "the old ones are dropped at once, and 195 and 5 may still be new"
    );
    say(&mut story, 502, |build| (build == 16).then(|| new(-20 * DAY)));
    assert_eq!(
        story.holds(),
        ["h1 flood 195"],
        "5 went, 1 is old and 194 in question: they cannot be 200 new ones"
    );
    say(&mut story, 503, |build| (build > 16).then(|| new(0)));
    assert_eq!(story.holds(), ["h1 flood 1"], "199 of them were new");
    story.expect(
        "1..5 no_fresh_evidence, koji_says_fresh\n6..15 no_fresh_evidence, known_build\n\
         16 no_fresh_evidence\n17..210 no_fresh_evidence, koji_says_fresh",
    );
}

#[test]
fn a_burst_of_many_new_builds_of_one_person_becomes_a_mass_rebuild() {
    let mut story = Story::new(&settings());
    story.tell("100x30 tag f42 1..220 by ada\n100x30 tag f42 301..340 by bodhi\n400 tick");
    say(&mut story, 500, |_| Some(new(0)));
    assert_eq!(story.holds(), ["h2 mass_rebuild 220"], "what the gating tagged does not count");
    story.expect("1..220 no_fresh_evidence, mass_rebuild\n301..340 no_fresh_evidence, koji_says_fresh");
    // What comes after it of the same person waits too.
    story.tell("450 tag f42 900 by ada\n600 tick");
    say(&mut story, 700, |_| Some(new(0)));
    story.expect(
        "1..220 no_fresh_evidence, mass_rebuild\n301..340 no_fresh_evidence, koji_says_fresh\n900 no_fresh_evidence, mass_rebuild",
    );
}

#[test]
fn an_operator_who_decides_the_rest_lets_the_new_ones_go() {
    let mut story = Story::new(&settings());
    story.tell("100x30 tag f42 1..210 by ada\n400 tick");
    say(&mut story, 500, |build| (build == 1).then(|| new(0)));
    story.command("drop h1 except p1").unwrap();
    assert_eq!(story.holds(), ["h1 flood 1"]);
    say(&mut story, 501, |_| None);
    assert_eq!(story.holds(), Vec::<String>::new());
}

#[test]
fn the_stated_rule_drains_what_koji_called_new() {
    let mut settings = settings();
    settings.burst.hold_rule = Some(HoldRule { after: Seconds(3_600), then: HoldAction::Drain });
    let mut story = Story::new(&settings);
    story.tell("100x30 tag f42 1..210 by ada\n400 tick");
    say(&mut story, 500, |build| (build <= 2).then(|| new(0)));
    story.tell("2000 tick\n3500 tick\n5000 tick");
    story.expect("1..2 no_fresh_evidence, released_by_rule\n3..210 no_fresh_evidence");
}

/// What a person has to let go is not asked about, nor builds of another instance than the hub's.
#[test]
fn only_what_koji_may_decide_is_in_question() {
    let mut settings = settings();
    settings.route.instances.push("koji2".to_owned());
    let mut story = Story::new(&settings);
    story.tell(
        "0 tag f42-rebuild 7\n0 complete 7\n100 tag f42 7\n100 tag f42 8 at koji2\n100 tag f42 9\n200 tick",
    );
    assert_eq!(story.engine.questions().map(|question| question.build_id).collect::<Vec<_>>(), [9]);
}
