//! Every event waits until a rule could no longer claim it.

use super::common::settings;
use super::small;
use super::story::{Story, check};

#[test]
fn a_single_build_is_decided_when_its_hold_back_is_over() {
    check(&settings(), "90 complete 7\n100 tag f42 7\nend", "7 completed @161 alone");
    check(&settings(), "100 tag f42 7\nend", "7 no_fresh_evidence @161 alone for unproven");
}

#[test]
fn nothing_is_decided_before_the_watermark_has_reached_it() {
    let mut story = Story::new(&settings());
    // Five seconds of disorder: the watermark of a record of 165 is 160.
    story.tell("90 complete 7\n100 tag f42 7\n165 tick");
    story.expect("");
    story.tell("166 tick");
    story.expect("7 completed @161");
}

#[test]
fn a_member_at_the_edge_of_the_longest_window_is_still_there_to_be_claimed() {
    let expected = "1 no_fresh_evidence @161 in flood\n2..30 no_fresh_evidence @220 in flood";
    check(&settings(), "100 tag f42 1\n159 tag f42 2..30\nend", expected);
    let expected = "1 no_fresh_evidence @161 alone\n2..30 no_fresh_evidence @221 alone";
    check(&settings(), "100 tag f42 1\n160 tag f42 2..30\nend", expected);
}

#[test]
fn a_timer_goes_before_an_event_of_the_same_second() {
    // A rule that is longer than the hold-back allows: build 1 is due in the second in which the rule holds.
    let mut settings = small();
    settings.burst.rules = vec![super::rule(3, 20)];
    let expected = "1 no_fresh_evidence @110 in flood\n2..3 no_fresh_evidence in flood";
    check(&settings, "100 tag f42 1\n105 tag f42 2\n109 tag f42 3\nend", expected);
    // The two that are left are fewer than the rule asks for.
    let expected = "1 no_fresh_evidence @110 alone\n2..3 no_fresh_evidence @130 alone";
    check(&settings, "100 tag f42 1\n105 tag f42 2\n110 tag f42 3\nend", expected);
}

#[test]
fn a_jump_of_the_watermark_fires_every_timer_at_its_own_time() {
    let script = "90 complete 1..3
                  100 tag f42 1
                  300 tag f42 2
                  5000 tag f42 3
                  5001 tick
                  900000 tick
                  900001 tick";
    check(&settings(), script, "1 completed @161\n2 completed @361\n3 completed @5061");
}
