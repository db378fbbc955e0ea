//! Reconciliation: what the bus has lost is judged after all, once, and by the same rules.

use tidegate::live::ask::{Answer, Reconciled, RefusalKind};

use crate::stage::{Stage, nvrs};

fn reconciled(answer: Answer) -> Reconciled {
    let Answer::Reconciled(reconciled) = answer else { panic!("{answer:?}") };
    reconciled
}

#[tokio::test]
async fn a_message_that_the_bus_lost_is_found_and_judged() {
    let mut stage = Stage::set(3).await;
    stage.tag("bodhi", "f42", &nvrs("new", 0..1)).await;
    stage.hub.world(|world| world.lose_messages(2));
    stage.tag("bodhi", "f42", &nvrs("new", 1..2)).await;
    stage.tag("ada", "f42", &nvrs("old", 0..1)).await;
    stage.live(300, 1).await;
    assert_eq!(stage.admitted(), nvrs("new", 0..1));
    let early = reconciled(stage.reconcile(None, false).await);
    assert_eq!(early.missed, [], "it may still come");
    stage.live(1_000, 10).await;
    assert_eq!(stage.admitted(), nvrs("new", 0..1), "it is compared every six hours, not before");
    let dry = reconciled(stage.reconcile(None, true).await);
    assert_eq!(
        dry.missed.iter().map(|line| &*line.nvr).collect::<Vec<_>>(),
        ["new1-1-1.fc42", "old0-1-1.fc42"]
    );
    assert_eq!(stage.view().koji.unwrap().missed, 0, "nothing was changed");
    stage.live(6 * 3_600, 60).await;
    assert_eq!(stage.admitted(), nvrs("new", 0..2));
    assert_eq!(stage.fate("old0-1-1.fc42"), ["held no_fresh_evidence", "dropped known_build"]);
    let explained = stage.explained("new1-1-1.fc42");
    assert!(explained.contains("It was found in Koji's own history."), "{explained}");
    let koji = stage.view().koji.unwrap();
    assert_eq!(koji.missed, 2);
    assert!(koji.compared_until > Some(stage.second(5 * 3_600)), "{koji:?}");
    let partition =
        stage.view().partitions.into_iter().find(|partition| partition.topic == "koji history").unwrap();
    assert_eq!((partition.next, partition.counts.received), (2, 2));
}

#[tokio::test]
async fn what_was_compared_is_not_judged_again_after_a_restart() {
    let mut stage = Stage::set(2).await;
    stage.hub.world(|world| world.lose_messages(1));
    stage.tag("bodhi", "f42", &nvrs("new", 0..1)).await;
    stage.live(700, 10).await;
    assert_eq!(reconciled(stage.reconcile(None, false).await).missed.len(), 1);
    stage.restart();
    assert_eq!(stage.view().koji.unwrap().missed, 1);
    assert_eq!(reconciled(stage.reconcile(Some(stage.second(0)), false).await).missed, []);
    stage.live(200, 1).await;
    assert_eq!(stage.fate("new0-1-1.fc42"), ["held no_fresh_evidence", "submitted koji_says_fresh"]);
    stage.live(13 * 3_600, 600).await;
    assert_eq!(stage.admitted(), nvrs("new", 0..1));
}

#[tokio::test]
async fn a_lost_untag_lets_the_build_be_tagged_again() {
    let mut stage = Stage::set(1).await;
    stage.tag("ada", "f42", &nvrs("stale", 0..1)).await;
    stage.live(100, 1).await;
    stage.hub.world(|world| world.lose_messages(1));
    stage.untag("ada", "f42", "stale0-1-1.fc42").await;
    stage.live(700, 10).await;
    let found = reconciled(stage.reconcile(None, false).await).missed;
    assert_eq!(
        found.iter().map(|line| (&*line.what, &*line.nvr)).collect::<Vec<_>>(),
        [("untag", "stale0-1-1.fc42")]
    );
    stage.live(20, 1).await;
    stage.tag("ada", "f42", &nvrs("stale", 0..1)).await;
    stage.live(100, 1).await;
    assert_eq!(stage.fate("stale0-1-1.fc42"), ["held no_fresh_evidence", "held no_fresh_evidence"]);
}

/// The bus brings late what Koji's history has shown: it is the second message of a build in a tag.
#[tokio::test]
async fn a_message_that_comes_after_all_is_a_duplicate() {
    let mut stage = Stage::set(1).await;
    stage.hub.world(|world| world.lose_messages(1));
    stage.tag("bodhi", "f42", &nvrs("new", 0..1)).await;
    stage.live(700, 10).await;
    assert_eq!(reconciled(stage.reconcile(None, false).await).missed.len(), 1);
    stage.hub.world(|world| world.publish_phantom("f42", "new0-1-1.fc42"));
    stage.live(200, 1).await;
    let fate = stage.fate("new0-1-1.fc42");
    assert_eq!(stage.admitted(), nvrs("new", 0..1));
    assert!(fate.contains(&"duplicate build_in_tag".to_owned()), "{fate:?}");
}

#[tokio::test]
async fn a_hub_that_fails_is_told_and_asked_again() {
    let mut stage = Stage::set(1).await;
    stage.hub.world(|world| world.lose_messages(1));
    stage.tag("bodhi", "f42", &nvrs("new", 0..1)).await;
    stage.live(500, 10).await;
    stage.offline(true);
    let Answer::Refused(refusal) = stage.reconcile(None, false).await else {
        panic!("an offline hub answered")
    };
    assert_eq!(refusal.kind, RefusalKind::Failed);
    assert!(refusal.text.contains("offline"), "{}", refusal.text);
    assert!(stage.view().troubles.is_empty(), "whoever asked was told");
    stage.live(1_800, 10).await;
    assert_eq!(stage.view().troubles.len(), 1);
    stage.offline(false);
    stage.live(1_200, 10).await;
    assert!(stage.view().troubles.is_empty());
    assert_eq!(stage.admitted(), nvrs("new", 0..1));
}
