//! Duplicates, revocation, and builds that were submitted.

use tidegate::time::Seconds;

use super::common::settings;
use super::small;
use super::story::check;

const DAY: i64 = 86_400;

#[test]
fn a_message_that_was_seen_is_a_duplicate_for_thirty_days() {
    for (second, again) in
        [(30 * DAY, "message_seen"), (30 * DAY + 1, "no_fresh_evidence"), (40 * DAY, "no_fresh_evidence")]
    {
        let script = format!(
            "0 tag f42 7 id a\n10 untag f42 7\n{second} tick\n{second} tag f42 7 id a\n{second} tick\nend"
        );
        check(&settings(), &script, &format!("7 no_fresh_evidence, {again}"));
    }
}

#[test]
fn a_duplicate_is_decided_at_once() {
    let script = "100 tag f42 7 id a\n101 tag f42 7 id a\n102 tag f42 7 id b\nend";
    check(&settings(), script, "7 message_seen @101, build_in_tag @102, no_fresh_evidence @161");
}

#[test]
fn the_same_message_about_another_build_or_tag_is_no_duplicate() {
    let script = "100 tag f42 7 id a\n100 tag f42 8 id a\n100 tag f41 9 id a\n101 tag f42 9 id a\nend";
    check(&settings(), script, "7..8 no_fresh_evidence\n9 known_build");
}

#[test]
fn a_build_in_a_tag_is_a_duplicate_for_ever_without_an_untag() {
    let script = format!("0 tag f42 7\n{0} tick\n{0} tag f42 7\n{0} tick\nend", 350 * DAY);
    check(&settings(), &script, "7 no_fresh_evidence, build_in_tag");
}

#[test]
fn an_untag_revokes() {
    let script = "100 tag f42 7\n200 untag f42 7\n300 tag f42 7\nend";
    check(&settings(), script, "7 no_fresh_evidence @161, no_fresh_evidence @361");
    let script = "100 tag f42 7\n200 untag f41 7\n200 untag f42 8\n300 tag f42 7\nend";
    check(&settings(), script, "7 no_fresh_evidence, build_in_tag");
    // At the same second the order of reading counts.
    let script = "100 tag f42 7\n200 untag f42 7\n200 tag f42 7\nend";
    check(&settings(), script, "7 no_fresh_evidence, no_fresh_evidence");
    let script = "100 tag f42 7\n200 tag f42 7\n200 untag f42 7\nend";
    check(&settings(), script, "7 no_fresh_evidence, build_in_tag");
}

#[test]
fn an_untag_that_is_read_twice_revokes_once() {
    let again = |second: i64| {
        format!(
            "100 tag f42 7\n200 untag f42 7 id u\n300 tag f42 7\n{second} tick\n{second} untag f42 7 id u
             {0} tag f42 7 id z\n{0} tick\nend",
            second + 100
        )
    };
    check(&settings(), &again(400), "7 no_fresh_evidence, no_fresh_evidence, build_in_tag");
    let edge = 200 + 30 * DAY;
    check(&settings(), &again(edge), "7 no_fresh_evidence, no_fresh_evidence, build_in_tag");
    check(&settings(), &again(edge + 1), "7 no_fresh_evidence, no_fresh_evidence, no_fresh_evidence");
}

#[test]
fn a_tag_message_of_before_the_untag_is_still_a_duplicate() {
    let script = "100 tag f42 7 id a\n200 untag f42 7\n300 tag f42 7 id a\n400 tag f42 7 id c
                  500 untag f42 7\n600 tag f42 7 id c\nend";
    let expected = "7 no_fresh_evidence, message_seen, no_fresh_evidence, message_seen";
    check(&settings(), script, expected);
}

#[test]
fn a_message_that_said_nothing_new_says_nothing_new_after_an_untag_either() {
    let script = "100 tag f42 7 id a\n150 tag f42 7 id b\n200 untag f42 7\n300 tag f42 7 id b\nend";
    check(&settings(), script, "7 build_in_tag, no_fresh_evidence, message_seen");
}

#[test]
fn messages_without_an_identity_are_told_by_build_and_tag() {
    let mut story = check(&settings(), "", "");
    for second in [100, 101] {
        let mut message = super::common::message(
            second,
            tidegate::event::Body::Tag(super::common::tagging("f42", 7, "bodhi")),
        );
        message.id = Some(String::new());
        story.feed.read(&mut story.engine, &message);
    }
    story.tell("end");
    story.expect("7 build_in_tag, no_fresh_evidence");
}

#[test]
fn the_instance_is_part_of_the_key() {
    let mut settings = settings();
    settings.route.instances.push("koji2".to_owned());
    let script = "90 complete 7\n100 tag f42 7 id a\n100 tag f42 7 id a at koji2\nend";
    check(&settings, script, "7 completed\n7@koji2 no_fresh_evidence");
    // Neither does an untag there revoke, nor a submission there make a duplicate.
    let script = "90 complete 7\n100 tag f42 7\n200 untag f42 7 at koji2\n300 tag f42 7
                  400 tag f42 7 at koji2\n500 complete 7 at koji2\nend";
    check(&settings, script, "7 completed, build_in_tag\n7@koji2 no_fresh_evidence @461");
}

#[test]
fn a_build_that_was_submitted_stays_a_duplicate_for_ever() {
    let script = "90 complete 7\n100 tag f42 7\n200 untag f42 7\n300 tag f42 7\nend";
    check(&settings(), script, "7 completed @161, already_submitted @300");
    let late = 600 * DAY;
    let script = format!(
        "90 complete 7\n100 tag f42 7\n200 untag f42 7\n{late} tick\n{late} complete 7\n{0} tag f42 7\n{0} tick\nend",
        late + 5
    );
    check(&settings(), &script, "7 completed, already_submitted");
}

#[test]
fn a_build_that_is_tagged_again_before_its_decision_is_submitted_once() {
    let script = "90 complete 7\n100 tag f42 7\n110 untag f42 7\n120 tag f42 7\nend";
    check(&settings(), script, "7 completed @161, already_submitted @181");
    // At the very second of the decision: the timer goes first.
    let script = "90 complete 7\n100 tag f42 7\n110 untag f42 7\n161 tag f42 7\nend";
    check(&settings(), script, "7 completed @161, already_submitted @161");
    let script = "90 complete 7\n100 tag f42 7\n110 untag f42 7\n160 tag f42 7\nend";
    check(&settings(), script, "7 completed @161, already_submitted @221");
    // In a group that is resolved all at once.
    let script = "90 complete 1..3\n100 tag f42 1..3\n101 untag f42 2\n102 tag f42 2\nend";
    check(&small(), script, "1 completed\n2 completed, already_submitted\n3 completed");
}

#[test]
fn nothing_of_it_depends_on_the_age_of_message_identities() {
    let mut settings = settings();
    settings.dedupe.message_ids = Seconds(10);
    let script = "90 complete 7\n100 tag f42 7 id a\n200 untag f42 7 id u\n300 tag f42 7 id a\nend";
    check(&settings, script, "7 completed, already_submitted");
}
