//! From one followed tag to the next: what is judged beside, what waits, and what ends a cutover.

use tidegate::engine::cutover::{CourseError, Followed, WaitsFor};
use tidegate::settings::Settings;
use tidegate::time::{Second, Seconds};

use super::common::at;
use super::small;
use super::story::{Story, check};

/// f42 is followed, behind an alias; the next tag has to be quiet for 90 s, which is seen 10 s later.
fn settings() -> Settings {
    let mut settings = small();
    settings.trigger.by_alias = true;
    settings.trigger.cutover_quiet = Seconds(90);
    settings
}

fn followed(story: &Story) -> &str {
    story.engine.name(story.engine.course().followed)
}

#[test]
fn builds_of_the_next_tag_wait_from_its_first_sight_and_go_when_the_cutover_ends() {
    let mut story = Story::new(&settings());
    story.tell("10 complete 7..9\n100 tag f43 7\n100 tag f42 8\n200 tick");
    story.expect("8 completed @110");
    assert_eq!(story.engine.course().waiting(), 1, "the alias has not moved");
    story.tell("follow f43 200\n210 tag f43 9\n220 tag f42 10\n250 tick\ncopied 9 of 10 at 250");
    assert_eq!(story.engine.cutover_waits_for(), [WaitsFor::Quiet(at(300))]);
    // The watermark follows 5 s behind.
    story.tell("304 tick");
    assert_eq!(followed(&story), "f42");
    story.tell("305 tick");
    assert_eq!(followed(&story), "f43");
    story.tell("310 tag f42 11\n310 complete 12\n320 tag f43 12\nend");
    story.expect(
        "7 completed @300\n8 completed @110\n9 completed @300\n10 no_fresh_evidence @230\n12 completed @330",
    );
}

#[test]
fn a_literal_tag_has_no_next_one_before_it_is_asked_for() {
    let mut settings = settings();
    settings.trigger.by_alias = false;
    check(&settings, "10 complete 7\n100 tag f43 7\nend", "");
    let script = "10 complete 7..8\n100 tag f43 7\n150 tick\nfollow f43 150\n160 tag f43 8\nconfirm 170\n400 tick\nend";
    // What came before nobody asked for.
    check(&settings, script, "8 completed");
}

#[test]
fn each_condition_alone_keeps_the_cutover_open() {
    let mut settings = settings();
    settings.trigger.cutover_quiet = Seconds(40);
    settings.trigger.needs_buildroot = true;
    let begin = "10 complete 7\n100 tag f43 7\n150 tick\nfollow f43 150\n";
    for (facts, ends) in [
        ("", false),
        ("copied 9 of 10 at 160", false),
        ("buildroot 160", false),
        ("copied 8 of 10 at 160\nbuildroot 160", false),
        ("copied 0 of 0 at 160\nbuildroot 160", false),
        ("copied 9 of 10 at 160\nbuildroot 150", false),
        ("copied 9 of 10 at 160\nbuildroot 151", true),
        ("copied 9 of 10 at 160\ncopied 5 of 10 at 161\nbuildroot 151", false),
        ("confirm 160", true),
    ] {
        let mut story = Story::new(&settings);
        story.tell(&format!("{begin}{facts}\n900 tick"));
        assert_eq!(followed(&story) == "f43", ends, "{facts}");
        assert_eq!(story.engine.course().waiting(), usize::from(!ends), "{facts}");
    }
}

#[test]
fn unrest_in_the_new_tag_begins_the_quiet_anew() {
    // A build that nothing proves new, one that is known, and three in 9 s; a new one is no unrest, nor what is in the old tag.
    for (what, ends_at) in [
        ("tag f43 50", 390),
        ("tag f43 1", 390),
        ("tag f43 20..22", 390),
        ("tag f43 23", 300),
        ("tag f42 51..60", 300),
    ] {
        let mut settings = settings();
        settings.burst.other_rules = vec![];
        let mut story = Story::new(&settings);
        story.tell("know f42 1 10\n90 complete 20..23\n100 tick\nfollow f43 200\n");
        story.tell(&format!("copied 9 of 10 at 210\n291 {what}\n"));
        story.tell("302 tick");
        assert_eq!(followed(&story), "f42", "{what}: a second too early");
        story.tell("1000 tick");
        assert_eq!(followed(&story), "f43", "{what}");
        // In the last second of the quiet.
        let mut story = Story::new(&settings);
        story.tell("know f42 1 10\n90 complete 20..23\n100 tick\nfollow f43 200\n");
        story.tell(&format!("copied 9 of 10 at 210\n290 {what}\n{} tick", ends_at + 4));
        assert_eq!(followed(&story), "f42", "{what}: a second too early");
        story.tell(&format!("{} tick", ends_at + 5));
        assert_eq!(followed(&story), "f43", "{what}");
    }
}

#[test]
fn what_became_known_or_submitted_meanwhile_does_not_go_on() {
    let script = "10 complete 7..9\n100 tag f43 7..8\n150 tick\nfollow f43 150\n160 tag f42 7\nknow f42 8 90\n\
                  confirm 170\n400 tick\nend";
    check(&settings(), script, "7 completed @170, already_submitted\n8 known_build");
}

#[test]
fn an_alias_that_flips_back_and_forth_loses_nothing_and_lets_nothing_through() {
    let mut story = Story::new(&settings());
    story.tell("10 complete 7..9\n100 tag f43 7\n120 tick\nfollow f43 120\ncopied 10 of 10 at 130\n150 tick");
    let again =
        |story: &mut Story, tag, second| story.engine.follow(tag, "the alias moved", Some(at(second)));
    assert_eq!(again(&mut story, "f42", 160), Ok(Followed::CalledOff));
    story.tell("160 tag f43 8\n900 tick");
    assert_eq!((followed(&story), story.engine.course().waiting()), ("f42", 2));
    assert_eq!(again(&mut story, "f43", 1_000), Ok(Followed::Begun));
    assert_eq!(again(&mut story, "f43", 1_010), Ok(Followed::Unchanged));
    // That the builds were copied has to be seen anew.
    story.tell("2000 tick");
    assert_eq!(story.engine.cutover_waits_for(), [WaitsFor::Copying]);
    story.tell("copied 10 of 10 at 1100\nend");
    story.expect("7 completed @1995\n8 completed @1995");
}

#[test]
fn a_third_tag_is_refused_while_a_cutover_goes_on() {
    let mut story = Story::new(&settings());
    story.tell("100 tick\nfollow f43 100");
    let refused = story.engine.follow("epel10", "the alias moved", None);
    assert!(
        matches!(&refused, Err(CourseError::UnderWay { wanted, .. }) if wanted == "epel10"),
        "{refused:?}"
    );
    assert_eq!(followed(&story), "f42");
}

#[test]
fn what_an_operator_calls_off_stays_called_off_until_something_else_is_asked_for() {
    let mut story = Story::new(&settings());
    story.tell("10 complete 7\n100 tag f43 7\n150 tick\nfollow f43 110\ncall_off");
    let again = |story: &mut Story, tag| story.engine.follow(tag, "the alias moved", Some(at(120)));
    assert_eq!(again(&mut story, "f43"), Ok(Followed::StaysCalledOff));
    story.tell("confirm 130\ncall_off");
    assert_eq!(again(&mut story, "f42"), Ok(Followed::Unchanged));
    assert_eq!(again(&mut story, "f43"), Ok(Followed::Begun));
    assert_eq!(story.engine.course().waiting(), 1);
}

#[test]
fn a_tag_that_is_followed_again_was_away_in_between() {
    let mut story = Story::new(&settings());
    story.tell("100 tick\nfollow f43 100\nconfirm 100\n300 tick");
    assert_eq!(followed(&story), "f43");
    // f42 was left at 200. What comes into it now makes nothing known, until it is judged again.
    story.tell(
        "305 complete 1..3\n310 tag f42 1\n400 tick\nfollow f42 400\n410 tag f42 2\nconfirm 410\n600 tick",
    );
    assert_eq!(followed(&story), "f42");
    story.tell("610 tag f43 1..2\n620 tag f42 3\n700 tick\nfollow f43 700\nconfirm 700\n900 tick\nend");
    story.expect("1 completed\n2 completed, already_submitted\n3 completed");
}

#[test]
fn a_clone_during_the_cutover_lets_the_new_builds_through_and_nothing_else() {
    let mut settings = settings();
    settings.burst.quiet = Seconds(20);
    let known: String = (1..=40).map(|build| format!("know f42 {build} 10\n")).collect();
    let mut story = Story::new(&settings);
    story.tell(&format!(
        "{known}50 complete 50..51\n100 tick\nfollow f43 100\n150x20 tag f43 1..40 by releng"
    ));
    story.tell("151 tag f43 50\n151 tag f42 51\n160 tick\ncopied 40 of 40 at 160\n400 tick");
    assert_eq!(followed(&story), "f43");
    story.tell("end");
    story.expect("1..40 known_build\n50 completed @251\n51 completed @161");
    assert!(story.holds().is_empty(), "{:?}", story.holds());
}

#[test]
fn what_waits_at_the_end_of_the_input_is_held() {
    let script = "10 complete 7\n100 tag f43 7\n150 tick\nfollow f43 150\n160 tick\nend";
    let story = check(&settings(), script, "7 end_of_input");
    assert_eq!(story.holds(), ["h1 unproven 1"]);
}

#[test]
fn what_waits_for_a_tag_that_is_never_followed_is_let_go_after_thirty_days() {
    let mut script = "10 complete 7\n100 tag f43 7\n".to_owned();
    // Twice each day: a time far ahead is believed when a second one says the same.
    for half_day in 1..80 {
        script.push_str(&format!("{} complete {half_day}\n", half_day * 43_200));
    }
    let mut story = Story::new(&settings());
    story.tell(&script);
    story.expect("7 other_tag");
    assert_eq!(story.engine.course().waiting(), 0);
}

#[test]
fn a_cutover_that_is_asked_for_before_any_time_is_known_begins_with_the_first() {
    let mut story = Story::new(&settings());
    story.tell("follow f43 never\nconfirm 0\n1000 tick\n1005 tick\n1060 tick");
    assert_eq!(followed(&story), "f42");
    story.tell("1200 tick");
    assert_eq!(followed(&story), "f43");
    assert!(story.engine.now() > Second::MIN);
}
