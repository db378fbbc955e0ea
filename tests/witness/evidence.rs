//! Evidence 3: held builds are admitted or dropped by Koji's word, or wait on.

use std::collections::BTreeSet;

use crate::stage::{Stage, nvrs};

#[tokio::test]
async fn new_builds_of_a_cold_start_are_admitted_by_kojis_word_after_their_hold_back() {
    let mut stage = Stage::set(4).await;
    for nvr in nvrs("new", 0..3) {
        stage.tag("bodhi", "f42", &[nvr]).await;
        stage.live(40, 1).await;
    }
    stage.live(60, 1).await;
    for nvr in nvrs("new", 0..3) {
        assert_eq!(stage.fate(&nvr), ["held no_fresh_evidence", "submitted koji_says_fresh"], "{nvr}");
    }
    stage.tag("bodhi", "f42", &nvrs("new", 3..4)).await;
    stage.live(65, 1).await;
    assert!(stage.fate("new3-1-1.fc42").is_empty(), "its hold-back is not over");
    stage.live(3, 1).await;
    assert_eq!(stage.fate("new3-1-1.fc42").len(), 2);
    assert_eq!(stage.view().holds, []);
}

#[tokio::test]
async fn a_slow_drip_of_old_builds_is_dropped_and_makes_them_known() {
    let mut stage = Stage::set(3).await;
    for nvr in nvrs("old", 0..3) {
        stage.tag("ada", "f42", &[nvr]).await;
        stage.live(40, 1).await;
    }
    stage.live(100, 1).await;
    for nvr in nvrs("old", 0..3) {
        assert_eq!(stage.fate(&nvr), ["held no_fresh_evidence", "dropped known_build"], "{nvr}");
    }
    // Tagged again, it is dropped without a question.
    let calls = stage.calls;
    stage.untag("ada", "f42", "old0-1-1.fc42").await;
    stage.tag("ada", "f42", &nvrs("old", 0..1)).await;
    stage.live(100, 1).await;
    assert_eq!(stage.fate("old0-1-1.fc42").last().unwrap(), "dropped known_build");
    assert_eq!((stage.fate("old0-1-1.fc42").len(), stage.calls), (3, calls));
}

#[tokio::test]
async fn a_build_that_was_complete_long_ago_waits_for_a_person_and_is_asked_about_once() {
    let mut stage = Stage::set(1).await;
    stage.tag("ada", "f42", &nvrs("stale", 0..1)).await;
    stage.live(24 * 3_600, 300).await;
    assert_eq!(stage.fate("stale0-1-1.fc42"), ["held no_fresh_evidence"]);
    let view = stage.view();
    assert_eq!(view.koji.map(|koji| (koji.waiting, koji.asked)), Some((0, 1)));
}

/// A tagging that was rolled back is announced all the same. Koji knows nothing of it, however often it is asked.
#[tokio::test]
async fn a_phantom_is_never_admitted() {
    let mut stage = Stage::set(2).await;
    stage.hub.world(|world| world.publish_phantom("f42", "new0-1-1.fc42"));
    stage.live(24 * 3_600, 60).await;
    assert_eq!(stage.fate("new0-1-1.fc42"), ["held no_fresh_evidence"]);
    let asked = stage.view().koji.unwrap().asked;
    // At once, then after 1, 5 and 30 min, then every hour or a little later.
    assert!((22..=27).contains(&asked), "asked about {asked} times");
    // The tagging is made up for: its own message is the second of a build that was seen in the tag.
    stage.tag("bodhi", "f42", &nvrs("new", 0..1)).await;
    stage.live(2 * 3_600, 60).await;
    assert_eq!(stage.admitted(), ["new0-1-1.fc42"]);
}

#[tokio::test]
async fn a_hub_that_is_offline_costs_time_only_and_is_told_of_once() {
    let mut stage = Stage::set(2).await;
    stage.tag("bodhi", "f42", &nvrs("new", 0..2)).await;
    stage.offline(true);
    let mut troubles = BTreeSet::new();
    for _ in 0..30 {
        stage.live(60, 1).await;
        troubles.extend(stage.view().troubles);
    }
    // Of the builds, and of the history that is to be compared meanwhile.
    assert_eq!(troubles.len(), 2, "{troubles:?}");
    assert!(troubles.iter().all(|text| text.contains("offline")), "{troubles:?}");
    // 30 s, doubled up to 10 min, each at least half of that.
    assert!((8..=20).contains(&stage.calls), "{} calls", stage.calls);
    assert_eq!((stage.admitted().len(), stage.view().koji.unwrap().asked), (0, 0));
    stage.offline(false);
    stage.live(600, 1).await;
    assert_eq!(stage.admitted(), nvrs("new", 0..2));
    assert!(stage.view().troubles.is_empty());
}

/// The answer of a negative question is kept, so that the next is due by it also after a restart.
#[tokio::test]
async fn a_restart_asks_again_what_was_not_answered_and_nothing_else() {
    let mut stage = Stage::set(2).await;
    stage.hub.world(|world| world.publish_phantom("f42", "new0-1-1.fc42"));
    stage.live(70, 1).await;
    assert_eq!(stage.calls, 1);
    stage.tag("bodhi", "f42", &nvrs("new", 1..2)).await;
    stage.live(30, 1).await;
    stage.restart();
    stage.live(10, 1).await;
    assert_eq!(stage.calls, 1, "the first answer still counts");
    stage.live(60, 1).await;
    assert_eq!(stage.admitted(), ["new1-1-1.fc42"]);
    stage.restart();
    stage.live(600, 1).await;
    assert_eq!(stage.admitted(), ["new1-1-1.fc42"]);
    assert_eq!(stage.fate("new0-1-1.fc42"), ["held no_fresh_evidence"]);
}

/// A finding that comes twice, or after the build was decided, changes nothing.
#[tokio::test]
async fn a_report_that_comes_twice_counts_once() {
    let mut stage = Stage::set(1).await;
    stage.tag("bodhi", "f42", &nvrs("new", 0..1)).await;
    let inquiry = loop {
        stage.pass(1);
        if let Some(inquiry) = stage.inquiry() {
            break inquiry;
        }
    };
    let tidegate::live::witness::Inquiry::Builds(builds) = inquiry else { panic!("{inquiry:?}") };
    let finding = tidegate::engine::witness::Finding {
        question: builds.questions[0],
        asked_at: builds.asked_at,
        witnessed: tidegate::engine::witness::Witnessed::Tagged {
            completed: Some(stage.second(-3_600)),
            earlier: Vec::new(),
            rebuild: None,
        },
    };
    for _ in 0..2 {
        stage.report(tidegate::live::witness::Report::Builds(Ok(vec![finding.clone()])));
        stage.restart();
    }
    assert_eq!(stage.fate("new0-1-1.fc42"), ["held no_fresh_evidence", "submitted koji_says_fresh"]);
}

/// Amid a flood of old builds some are new: they go, the old ones are dropped, and nobody is needed.
#[tokio::test]
async fn a_flood_of_a_cold_start_is_taken_apart_by_kojis_word() {
    let mut stage = Stage::set(300).await;
    let mut mixed = nvrs("old", 0..300);
    mixed.extend(nvrs("new", 0..20));
    stage.tag("ada", "f42", &mixed).await;
    stage.live(300, 1).await;
    assert_eq!(stage.admitted(), nvrs("new", 0..20));
    for nvr in nvrs("old", 0..300) {
        assert_eq!(stage.fate(&nvr).last().unwrap(), "dropped known_build", "{nvr}");
    }
    assert_eq!(stage.view().holds, []);
    assert_eq!(stage.calls, 320_usize.div_ceil(50), "in batches of 50");
}

/// New builds by the hundred of one person are a mass rebuild, also where no message had shown that they are new.
#[tokio::test]
async fn new_builds_by_the_hundred_wait_for_a_person() {
    let mut stage = Stage::set(250).await;
    stage.tag("ada", "f42", &nvrs("new", 0..250)).await;
    stage.live(300, 1).await;
    assert_eq!(stage.admitted(), Vec::<String>::new());
    assert_eq!(stage.held("mass_rebuild").len(), 250);
    assert_eq!(stage.fate("new7-1-1.fc42"), ["held no_fresh_evidence", "held mass_rebuild"]);
    let kinds: Vec<_> = stage.view().holds.iter().map(|hold| (hold.kind.clone(), hold.members)).collect();
    assert_eq!(kinds, [("mass_rebuild".to_owned(), 250)]);
}

/// The normal gating tags as much as it likes.
#[tokio::test]
async fn new_builds_by_the_hundred_of_the_gating_go() {
    let mut stage = Stage::set(250).await;
    stage.tag("bodhi", "f42", &nvrs("new", 0..250)).await;
    stage.live(300, 1).await;
    assert_eq!(stage.admitted().len(), 250);
}

#[tokio::test]
async fn a_build_that_was_in_a_mass_rebuilds_tag_waits_for_a_person() {
    let mut stage = Stage::set(1).await;
    stage.tag("bodhi", "f42", &nvrs("rebuilt", 0..1)).await;
    stage.live(120, 1).await;
    assert_eq!(stage.fate("rebuilt0-1-1.fc42"), ["held no_fresh_evidence", "held mass_rebuild"]);
}
