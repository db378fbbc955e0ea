//! Late, dateless and impossible events; several partitions; `begin`; the warm-up.

use tidegate::time::Seconds;

use super::common::{at, settings};
use super::small;
use super::story::{Story, check};

#[test]
fn an_event_behind_the_watermark_runs_on_it() {
    // The watermark is 195.
    for (sent, due) in [(200, 261), (195, 256), (194, 256), (100, 256), (-9000, 256)] {
        let script = format!("200 tick\nlate {sent} tag f42 7\nend");
        check(&settings(), &script, &format!("7 no_fresh_evidence @{due}"));
    }
}

#[test]
fn late_evidence_counts_by_the_time_it_happened() {
    // Fourteen days before it is judged at 256, and one second more.
    let limit = 14 * 86_400;
    for (sent, reason) in [(256 - limit, "completed"), (255 - limit, "no_fresh_evidence")] {
        let script = format!("200 tick\nlate 195 tag f42 7\nlate {sent} complete 7\nend");
        check(&settings(), &script, &format!("7 {reason} @256"));
    }
}

#[test]
fn a_late_event_is_counted_where_it_happened_too() {
    let mut settings = small();
    settings.burst.rules = vec![super::rule(3, 5)];
    settings.burst.hold_back = Seconds(20);
    // Builds 1 and 2 wait until 120 and 121, the third comes when the watermark is 110.
    for (sent, place) in [(96, "alone"), (97, "in flood"), (104, "in flood"), (105, "alone")] {
        let script = format!("100 tag f42 1\n101 tag f42 2\n115 tick\nlate {sent} tag f42 3\nend");
        let expected = format!(
            "1 no_fresh_evidence @120 {place}\n2 no_fresh_evidence @121 {place}
                                3 no_fresh_evidence @130 {place}"
        );
        check(&settings, &script, &expected);
    }
}

#[test]
fn late_events_that_come_together_are_a_burst_though_they_happened_apart() {
    let script = "1000 tick\nlate 100 tag f42 1\nlate 300 tag f42 2\nlate 500 tag f42 3\nend";
    check(&small(), script, "1..3 no_fresh_evidence @1005 in flood");
}

#[test]
fn a_late_event_into_a_burst_that_is_over_joins_it() {
    let mut settings = settings();
    settings.burst.actor_size = 40;
    // A mass rebuild of 45; half an hour later fewer than 40 of them are remembered.
    let script = |sent| {
        format!(
            "10 complete 1..60\n100+1 tag f42 1..45 by releng\n1900 tick\nlate {sent} tag f42 50 by releng\nend"
        )
    };
    let expected = |fate| format!("1..45 mass_rebuild in mass_rebuild\n50 {fate}");
    for sent in [100, 120, 144] {
        let story = check(&settings, &script(sent), &expected("mass_rebuild in mass_rebuild"));
        assert_eq!(story.holds(), ["h1 mass_rebuild 46"], "sent at {sent}");
    }
    for sent in [99, 145] {
        check(&settings, &script(sent), &expected("completed alone"));
    }
    // Two hours later too, when it is not counted any more where it happened.
    let script = script(120).replace("1900 tick", "7300 tick\n7300 tick");
    check(&settings, &script, &expected("mass_rebuild @7356 in mass_rebuild"));
}

#[test]
fn what_carries_no_time_takes_one_and_moves_nothing() {
    // Kafka's time, or the newest good one of the partition where that is older.
    for (kafka, due) in [(150, 211), (300, 261), (90, 256)] {
        let script = format!("200 tick kafka 201\ndateless tag f42 7 kafka {kafka}\nend");
        check(&settings(), &script, &format!("7 no_fresh_evidence @{due}").replace("@211", "@256"));
        let script = script.replace("dateless", "1970");
        check(&settings(), &script, &format!("7 no_fresh_evidence @{due}").replace("@211", "@256"));
    }
    // One of the future is not believed where Kafka tells the time.
    let script = "200 tick kafka 201\n2099 tag f42 7 kafka 300\n300 tag f42 8 kafka 301\n367 tick kafka 367";
    check(&settings(), script, "7 no_fresh_evidence @261\n8 no_fresh_evidence @361");
}

#[test]
fn what_comes_before_any_time_is_judged_as_soon_as_there_is_one() {
    let mut story = Story::new(&settings());
    story.tell("dateless tag f42 7\ndateless tag f42 8");
    assert_eq!((story.engine.waiting(), story.engine.watermark()), (2, None));
    story.tell("100 tick\nend");
    story.expect("7..8 no_fresh_evidence @156");
    check(&settings(), "dateless tag f42 7\nend", "7 no_fresh_evidence");
}

#[test]
fn one_message_of_the_future_moves_nothing_without_a_second_one() {
    let script = "100 tick\n2099 tag f42 9\nlate 110 tag f42 7\nlate 180 tick";
    check(&settings(), script, "7 no_fresh_evidence @171");
    // It is decided at its own time when the stream ends.
    let script = format!("{script}\nend");
    check(&settings(), &script, "7 no_fresh_evidence @171\n9 no_fresh_evidence");
}

#[test]
fn the_watermark_is_the_least_of_all_partitions() {
    let mut story = Story::on(&settings(), &[0, 1]);
    story.tell("90 complete 7\n100 tag f42 7\n300 tick");
    assert_eq!(story.engine.watermark(), None);
    story.expect("");
    story.tell("166 tick on 1");
    assert_eq!(story.engine.watermark(), Some(at(161)));
    story.expect("7 completed @161");
}

#[test]
fn a_silent_partition_stops_the_clock_until_it_is_proved_to_be_caught_up() {
    let mut story = Story::on(&settings(), &[0, 1]);
    story.tell("80 tick on 1\n90 complete 7\n100 tag f42 7\n300 tick\ncaught_up 1 160");
    story.expect("");
    story.tell("caught_up 1 161");
    story.expect("7 completed @161");
    // A proof of less changes nothing.
    story.tell("caught_up 1 100");
    assert_eq!(story.engine.watermark(), Some(at(161)));
    // What comes behind it all the same is late.
    story.tell("late 120 tag f42 8 on 1\nend");
    story.expect("7 completed @161\n8 no_fresh_evidence @222");
}

#[test]
fn evidence_of_a_lagging_partition_comes_in_time() {
    let mut story = Story::on(&settings(), &[0, 1]);
    story.tell("100 tag f42 7\n10000 tick\n10001 tick\nlate 50 complete 7 on 1\nlate 300 tick on 1");
    story.expect("7 completed @161");
}

#[test]
fn a_burst_over_two_partitions_is_one() {
    let mut story = Story::on(&settings(), &[0, 1]);
    story.tell("100 tag f42 1..15\n5000 tick\n5001 tick\nlate 100 tag f42 16..30 on 1\nend");
    story.expect("1..30 no_fresh_evidence @161 in flood");
}

#[test]
fn a_partition_that_appears_later_does_not_turn_the_clock_back() {
    // Rules of two lengths: what the short one has left behind, the long one still counts.
    let mut settings = small();
    settings.burst.rules = vec![super::rule(3, 2), super::rule(5, 9)];
    let mut story = Story::new(&settings);
    story.tell("100 tag f42 1\n104 tag f42 2\n115 tick");
    assert_eq!(story.engine.watermark(), Some(at(110)));
    story.tell("late 101 untag f42 1 on 1\nlate 102 tag f42 1 on 1\nlate 103 tag f42 3 on 1");
    assert_eq!(story.engine.watermark(), Some(at(110)));
    story.tell("130 tick on 1\n130 tick\nend");
    // Each waits its hold-back from when it could first be read.
    story.expect("1 no_fresh_evidence @110, no_fresh_evidence @120\n2 no_fresh_evidence @114\n3 no_fresh_evidence @120");
}

#[test]
fn before_begin_records_only_teach() {
    let mut settings = settings();
    settings.clock.begin = Some(at(100));
    let script = "50 complete 7..9\n60 tag f41 8\n99 tag f42 6\n100 tag f42 7..8\n120 tag f42 6\nend";
    check(&settings, script, "6 before_begin @99, build_in_tag\n7 completed @161\n8 known_build");
    // They count in the windows.
    let script = "90 tag f42 1..29\n110 tag f42 30\nend";
    check(&settings, script, "1..29 before_begin\n30 no_fresh_evidence in flood");
}

#[test]
fn a_warm_up_only_teaches() {
    let script = "teach 10 complete 7
                  teach 20 tag f41 8
                  teach 30 tag f42 1
                  teach 40 tag f42-updates-candidate 9
                  100 tag f42 7..9
                  101 tag f42 1
                  end";
    let story = check(&settings(), script, "1 build_in_tag\n7 completed\n8 known_build\n9 trail");
    assert_eq!(story.engine.account().total().received, 4);
}

#[test]
fn a_warm_up_counts_in_the_windows_of_what_follows() {
    check(&small(), "teach 100 tag f42 1..2\n104 tag f42 3\nend", "3 no_fresh_evidence in flood");
    // And in those of the tags that prove: a burst there that the warm-up ends in.
    let script = "teach 100 tag f42-updates-candidate 1..2\n104 tag f42-updates-candidate 3
                  200 tag f42 1\nend";
    check(&small(), script, "1 no_fresh_evidence");
}

#[test]
fn a_warm_up_without_a_time_is_no_record_of_the_stream() {
    let script = "teach dateless tag f41 7\nteach dateless tag f42 8\nteach 50 tag f41 9
                  100 tag f42 7..9\nend";
    let story = check(&settings(), script, "7 known_build\n8 build_in_tag\n9 known_build");
    assert_eq!(story.engine.account().total().received, 3);
    // Where no record of the warm-up had one, that of the stream's first tells it.
    let script = "teach dateless tag f41 7\nteach dateless tag f42 8\n100 tag f42 7..8\nend";
    check(&settings(), script, "7 known_build\n8 build_in_tag");
}

#[test]
fn one_wild_time_in_a_warm_up_spoils_nothing() {
    let script = "teach 10 tag f41 7
                  teach 4000000000 tag f41 8
                  teach 20 tag f42-updates-candidate 9
                  100 tag f42 7..9
                  end";
    let story = check(&settings(), script, "7 known_build @161\n8 known_build @161\n9 trail @161");
    assert!(story.engine.now() < at(1_000));
}

#[test]
fn a_stream_that_begins_before_the_end_of_its_warm_up_leaks_nothing() {
    let mut settings = small();
    settings.burst.rules = vec![super::rule(3, 2), super::rule(5, 9)];
    let script = "teach 90 tag f42 1
                  teach 200 tag f42 1..2
                  50 tag f42 3
                  51 tag f42 4..5
                  52 untag f42 1
                  53 tag f42 1
                  100 tick
                  300 tick
                  end";
    let story =
        check(&settings, script, "1 no_fresh_evidence @210 in flood\n3..5 no_fresh_evidence @210 in flood");
    assert_eq!(story.engine.account().total().received, 7);
}
