//! The governor at its edges: one story each.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::Governor;
use super::clock::Millis;
use super::gate::{LoadSample, Strain};
use super::hub::Jitter;
use super::lanes::{Lane, Place};
use super::load::Load;
use super::queue::{Admitted, Enqueued, QueueFull};
use super::rate::Rate;
use super::refusal::{NotUntil, Why};
use super::settings::{Limit, LoadSettings, ProbeSettings, Settings, SettingsError};
use crate::engine::decision::BuildKey;
use crate::engine::names::Name;
use crate::event::Position;
use crate::time::Second;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// Build `number` of a package of its own, tagged at second 1,000, read in the order of the numbers, admitted at 0.
pub(super) fn admitted(number: u64) -> Admitted {
    Admitted {
        build: key(number),
        package: Arc::from(format!("package-{number}")),
        lane: Lane::Fresh,
        place: Place::InOrder,
        group: None,
        tagged_at: Second(1_000),
        position: Position { partition: 0, offset: number },
        admitted_at: Millis(0),
    }
}

fn key(number: u64) -> BuildKey {
    BuildKey { instance: Name(1), id: number }
}

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// 60 builds an hour, so one a minute.
fn settings(capacity: u32, in_flight: u32) -> Settings {
    Settings::new(Rate::per_hour(60), count(capacity), count(in_flight))
}

/// A governor that has been idle for a day: its bucket is full. Its clock shows 0.
fn full(settings: Settings) -> Governor {
    let mut governor = Governor::new(settings, Millis(-24 * HOUR), None).unwrap();
    assert_eq!(
        governor.status(Millis(0)).tokens_millionths,
        u64::from(governor.settings.capacity.get()) * 1_000_000
    );
    governor
}

fn enqueue(governor: &mut Governor, now: i64, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        assert_eq!(governor.enqueue(Millis(now), admitted(number)), Ok(Enqueued::Waiting), "build {number}");
    }
}

/// The numbers of the builds that go, or the refusal.
fn poll(governor: &mut Governor, now: i64, max: u32) -> Result<Vec<u64>, NotUntil> {
    let permits = governor.poll(Millis(now), count(max))?;
    Ok(permits.into_iter().map(|permit| permit.admitted.build.id).collect())
}

fn tokens(at: i64, rate: u32) -> NotUntil {
    NotUntil { at: Some(Millis(at)), why: Why::Tokens { rate: Rate::per_hour(rate) } }
}

#[test]
fn a_first_start_has_no_token() {
    let mut governor = Governor::new(settings(4, 40), Millis(0), None).unwrap();
    enqueue(&mut governor, 0, 1..=9);
    assert_eq!(poll(&mut governor, 0, 9), Err(tokens(MINUTE, 60)));
    assert_eq!(poll(&mut governor, MINUTE - 1, 9), Err(tokens(MINUTE, 60)));
    assert_eq!(poll(&mut governor, MINUTE, 9), Ok(vec![1]));
    assert_eq!(poll(&mut governor, MINUTE, 9), Err(tokens(2 * MINUTE, 60)));
}

#[test]
fn each_name_costs_a_token() {
    let mut governor = full(settings(4, 40));
    enqueue(&mut governor, 0, 1..=9);
    assert_eq!(poll(&mut governor, 0, 3), Ok(vec![1, 2, 3]));
    assert_eq!(poll(&mut governor, 0, 3), Ok(vec![4]));
    assert_eq!(poll(&mut governor, 0, 3), Err(tokens(MINUTE, 60)));
}

#[test]
fn a_retry_costs_a_token() {
    let mut governor = full(settings(2, 40));
    enqueue(&mut governor, 0, [1]);
    for _ in 0..2 {
        assert_eq!(poll(&mut governor, 0, 1), Ok(vec![1]));
        assert_eq!(governor.enqueue(Millis(0), admitted(1)), Ok(Enqueued::UnderWay));
        assert!(governor.finished(key(1)));
        enqueue(&mut governor, 0, [1]);
    }
    assert_eq!(poll(&mut governor, 0, 1), Err(tokens(MINUTE, 60)));
}

#[test]
fn no_more_are_under_way_than_may_be() {
    let mut governor = full(settings(4, 2));
    governor.resume(Millis(0), admitted(100));
    assert_eq!(governor.status(Millis(0)).tokens_millionths, 4_000_000, "its token was spent before");
    enqueue(&mut governor, 0, 1..=9);
    assert_eq!(poll(&mut governor, 0, 9), Ok(vec![1]));
    let refusal = NotUntil { at: None, why: Why::InFlight { in_flight: 2, max: 2 } };
    assert_eq!(poll(&mut governor, 0, 9), Err(refusal));
    assert_eq!(governor.status(Millis(0)).tokens_millionths, 3_000_000, "a refusal costs nothing");
    assert!(governor.finished(key(100)));
    assert!(!governor.finished(key(100)), "it is over already");
    assert_eq!(poll(&mut governor, 0, 9), Ok(vec![2]));
}

#[test]
fn a_change_of_rate_keeps_the_tokens() {
    let mut governor = Governor::new(settings(4, 40), Millis(0), None).unwrap();
    enqueue(&mut governor, 0, 1..=9);
    governor.set_rate(Millis(MINUTE / 2), Rate::per_hour(3_600));
    assert_eq!(poll(&mut governor, MINUTE / 2, 1), Err(tokens(MINUTE / 2 + 500, 3_600)));
    governor.set_rate(Millis(MINUTE / 2), Rate::STOPPED);
    let refusal = NotUntil { at: None, why: Why::Tokens { rate: Rate::STOPPED } };
    assert_eq!(poll(&mut governor, HOUR, 1), Err(refusal));
    assert_eq!(governor.status(Millis(HOUR)).tokens_millionths, 500_000);
    assert_eq!(governor.status(Millis(HOUR)).drained_at, None);
    governor.set_rate(Millis(HOUR), Rate::per_hour(60));
    assert_eq!(poll(&mut governor, HOUR + MINUTE / 2, 1), Ok(vec![1]));
}

#[test]
fn a_restart_continues_at_the_saved_level() {
    let mut before = full(settings(4, 40));
    enqueue(&mut before, 0, 1..=9);
    assert_eq!(poll(&mut before, 0, 4), Ok(vec![1, 2, 3, 4]));
    let saved = before.save();
    let bytes = postcard::to_allocvec(&saved).unwrap();
    assert_eq!(postcard::from_bytes::<super::Saved>(&bytes).unwrap(), saved);
    // (when it starts, capacity then, rate then, millionths of tokens then)
    for (now, capacity, rate, level) in [
        (0, 4, 60, 0),
        (MINUTE / 2, 4, 60, 500_000),
        (MINUTE / 2, 4, 3_600, 500_000),
        (3 * MINUTE, 2, 60, 2_000_000),
        (HOUR, 4, 60, 4_000_000),
        (HOUR, 8, 60, 8_000_000),
        (-HOUR, 4, 60, 0),
    ] {
        let settings = Settings::new(Rate::per_hour(rate), count(capacity), count(40));
        let mut after = Governor::new(settings, Millis(now), Some(saved.clone())).unwrap();
        assert_eq!(after.status(Millis(now)).tokens_millionths, level, "at {now}, of {capacity}, {rate}/h");
    }
}

#[test]
fn the_shares_of_the_lanes_go_on_over_a_restart() {
    let mut governor = full(settings(40, 40));
    let fill = |governor: &mut Governor, numbers: std::ops::Range<u64>| {
        for number in numbers {
            let lane = if number < 100 { Lane::Fresh } else { Lane::Drained };
            governor.enqueue(Millis(0), Admitted { lane, ..admitted(number) }).unwrap();
        }
    };
    fill(&mut governor, 1..9);
    fill(&mut governor, 101..109);
    assert_eq!(poll(&mut governor, 0, 3), Ok(vec![1, 2, 3]));
    let mut restarted = Governor::new(settings(40, 40), Millis(0), Some(governor.save())).unwrap();
    fill(&mut restarted, 4..9);
    fill(&mut restarted, 101..109);
    assert_eq!(poll(&mut restarted, 0, 8), Ok(vec![101, 4, 5, 102, 6, 7, 103, 8]));
}

#[test]
fn a_clock_that_steps_back_stops_nothing() {
    let mut governor = Governor::new(settings(4, 40), Millis(24 * HOUR), None).unwrap();
    enqueue(&mut governor, 24 * HOUR, 1..=9);
    assert_eq!(poll(&mut governor, 24 * HOUR + MINUTE / 2, 1), Err(tokens(24 * HOUR + MINUTE, 60)));
    assert_eq!(poll(&mut governor, 0, 1), Err(tokens(MINUTE / 2, 60)));
    assert_eq!(poll(&mut governor, MINUTE / 2, 1), Ok(vec![1]));
    assert_eq!(
        poll(&mut governor, 99_999 * HOUR, 9),
        Ok(vec![2, 3, 4, 5]),
        "a step ahead fills the bucket once"
    );
}

#[test]
fn a_newer_build_of_a_package_replaces_a_waiting_older_one() {
    // (second, offset, lane) of the newcomer beside a waiting fresh build 5 of (1,000, 5): what becomes of it, who goes.
    let replaced = |build| Ok(Enqueued::Replaced(Box::new(build)));
    let older = Admitted { package: Arc::from("zlib"), ..admitted(5) };
    let superseded = || Ok(Enqueued::Superseded(key(5)));
    for (second, offset, lane, outcome, order) in [
        (1_001, 9, Lane::Fresh, replaced(older.clone()), [9, 6]),
        (1_001, 1, Lane::Fresh, replaced(older.clone()), [9, 6]),
        (1_000, 6, Lane::Fresh, replaced(older.clone()), [9, 6]),
        (1_001, 9, Lane::Drained, replaced(older.clone()), [6, 9]),
        (1_000, 4, Lane::Fresh, superseded(), [5, 6]),
        (999, 9, Lane::Fresh, superseded(), [5, 6]),
    ] {
        let mut governor = full(settings(4, 40));
        assert_eq!(governor.enqueue(Millis(0), older.clone()), Ok(Enqueued::Waiting));
        enqueue(&mut governor, 0, [6]);
        let position = Position { partition: 0, offset };
        let newcomer = Admitted { build: key(9), tagged_at: Second(second), position, lane, ..older.clone() };
        assert_eq!(governor.enqueue(Millis(0), newcomer), outcome, "{second} {offset}");
        assert_eq!(poll(&mut governor, 0, 4), Ok(order.to_vec()), "{second} {offset}");
    }
}

#[test]
fn an_older_build_of_a_package_under_way_is_superseded() {
    let of = |number, second| Admitted {
        package: Arc::from("zlib"),
        tagged_at: Second(second),
        ..admitted(number)
    };
    let mut governor = full(settings(4, 40));
    assert_eq!(governor.enqueue(Millis(0), of(2, 20)), Ok(Enqueued::Waiting));
    assert_eq!(poll(&mut governor, 0, 4), Ok(vec![2]));
    assert_eq!(governor.enqueue(Millis(0), of(1, 10)), Ok(Enqueued::Superseded(key(2))));
    assert_eq!(governor.enqueue(Millis(0), of(3, 30)), Ok(Enqueued::Waiting));
    assert_eq!(governor.put_back(Millis(0), key(2)), Some(Enqueued::Superseded(key(3))));
    assert_eq!(governor.put_back(Millis(0), key(2)), None);
    let elsewhere = BuildKey { instance: Name(2), id: 7 };
    assert_eq!(governor.enqueue(Millis(0), Admitted { build: elsewhere, ..of(7, 5) }), Ok(Enqueued::Waiting));
    assert_eq!(poll(&mut governor, 0, 4), Ok(vec![3, 7]));
}

#[test]
fn a_build_waits_for_a_held_partner_two_hours_at_most() {
    let partner = |number, admitted_at| Admitted {
        group: Some(Arc::from("side-tag-77")),
        admitted_at: Millis(admitted_at),
        ..admitted(number)
    };
    let aside = |at, builds| Err(NotUntil { at: Some(Millis(at)), why: Why::PartnerHeld { builds } });
    let mut governor = full(settings(8, 40));
    assert_eq!(governor.enqueue(Millis(0), partner(1, 0)), Ok(Enqueued::Waiting));
    assert_eq!(governor.hold_group(Millis(0), "side-tag-77"), Ok(()));
    assert_eq!(governor.enqueue(Millis(HOUR), partner(2, HOUR)), Ok(Enqueued::Waiting));
    assert_eq!(governor.enqueue(Millis(HOUR), partner(3, HOUR)), Ok(Enqueued::Waiting));
    enqueue(&mut governor, HOUR, [4]);
    assert_eq!(poll(&mut governor, HOUR, 9), Ok(vec![4]), "others overtake");
    assert_eq!(poll(&mut governor, 2 * HOUR - 1, 9), aside(2 * HOUR, 3));
    assert_eq!(poll(&mut governor, 2 * HOUR, 9), Ok(vec![1]));
    assert_eq!(governor.put_back(Millis(2 * HOUR), key(1)), Some(Enqueued::Waiting));
    assert_eq!(poll(&mut governor, 2 * HOUR, 9), Ok(vec![1]), "it has waited already");
    assert_eq!(poll(&mut governor, 2 * HOUR, 9), aside(3 * HOUR, 2));
    assert_eq!(governor.withdraw(key(3)).map(|build| build.build), Some(key(3)));
    governor.release_group(Millis(2 * HOUR), "side-tag-77");
    assert_eq!(poll(&mut governor, 2 * HOUR, 9), Ok(vec![2]));
}

#[test]
fn a_partner_that_waited_before_a_restart_waits_the_rest() {
    let mut governor = full(settings(4, 40));
    assert_eq!(governor.hold_group(Millis(0), "merge"), Ok(()));
    let partner = Admitted { group: Some(Arc::from("merge")), admitted_at: Millis(-HOUR), ..admitted(1) };
    assert_eq!(governor.enqueue(Millis(0), partner), Ok(Enqueued::Waiting));
    assert!(poll(&mut governor, HOUR - 1, 1).is_err());
    assert_eq!(poll(&mut governor, HOUR, 1), Ok(vec![1]));
}

#[test]
fn a_hub_that_is_offline_costs_no_token_while_it_is() {
    let mut governor = full(settings(2, 40));
    enqueue(&mut governor, 0, 1..=3);
    assert_eq!(poll(&mut governor, 0, 1), Ok(vec![1]));
    governor.hub_offline(Millis(0), Jitter(0));
    assert_eq!(governor.put_back(Millis(0), key(1)), Some(Enqueued::Waiting));
    let offline =
        |at, probes| NotUntil { at: Some(Millis(at)), why: Why::HubOffline { since: Millis(0), probes } };
    for now in [0, 9_999] {
        assert_eq!(poll(&mut governor, now, 9), Err(offline(10_000, 0)));
        assert!(!governor.probe_due(Millis(now)));
    }
    assert!(governor.probe_due(Millis(10_000)));
    governor.hub_offline(Millis(10_000), Jitter(u32::MAX));
    assert_eq!(poll(&mut governor, 10_000, 9), Err(offline(50_000, 1)));
    let restarted = Governor::new(settings(2, 40), Millis(20_000), Some(governor.save()));
    assert_eq!(restarted.unwrap().status(Millis(20_000)).next_probe, Some(Millis(50_000)));
    governor.hub_online(Millis(2 * MINUTE));
    assert!(!governor.probe_due(Millis(2 * MINUTE)));
    assert_eq!(
        poll(&mut governor, 2 * MINUTE, 9),
        Ok(vec![1, 2]),
        "in the old order, no more than the bucket holds"
    );
}

#[test]
fn at_the_bound_no_more_are_taken_in() {
    let mut governor = full(Settings { waiting_max: count(2), ..settings(1, 40) });
    enqueue(&mut governor, 0, 1..=2);
    assert_eq!(governor.enqueue(Millis(0), admitted(3)), Err(QueueFull::Builds(2)));
    assert_eq!(governor.enqueue(Millis(0), admitted(2)), Ok(Enqueued::AlreadyWaiting));
    let newer = Admitted { package: Arc::from("package-1"), ..admitted(4) };
    assert_eq!(governor.enqueue(Millis(0), newer), Ok(Enqueued::Replaced(Box::new(admitted(1)))));
    assert_eq!(poll(&mut governor, 0, 9), Ok(vec![4]));
    enqueue(&mut governor, 0, [3]);
    for group in ["a", "b", "a"] {
        assert_eq!(governor.hold_group(Millis(0), group), Ok(()));
    }
    assert_eq!(governor.hold_group(Millis(0), "c"), Err(QueueFull::Groups(2)));
    let full = QueueFull::Builds(2).to_string();
    assert_eq!(full, "2 builds wait for the sink, more may not; reading pauses until some are submitted");
}

#[test]
fn the_status_tells_when_the_queue_is_empty() {
    let mut governor = Governor::new(settings(4, 40), Millis(0), None).unwrap();
    assert_eq!(governor.status(Millis(0)).drained_at, Some(Millis(0)));
    enqueue(&mut governor, 0, 1..=6);
    let status = governor.status(Millis(MINUTE / 2));
    assert_eq!((status.fresh, status.drained, status.drained_at), (6, 0, Some(Millis(6 * MINUTE))));
    assert_eq!(status.refusal, Some(tokens(MINUTE, 60)));
    assert_eq!(governor.status(Millis(MINUTE)).refusal, None);
}

#[test]
fn contradictions_in_the_settings_are_refused() {
    let probes =
        |first, max| ProbeSettings { first: Duration::from_secs(first), max: Duration::from_secs(max) };
    for (settings, error) in [
        (settings(1_000_001, 40), SettingsError::Capacity(1_000_001)),
        (Settings { probes: probes(0, 9), ..settings(4, 40) }, SettingsError::Probes),
        (Settings { probes: probes(10, 9), ..settings(4, 40) }, SettingsError::Probes),
    ] {
        assert_eq!(Governor::new(settings, Millis(0), None).err(), Some(error));
    }
    assert_eq!(Limit::new(5, 5), Err(SettingsError::Limit { upper: 5, lower: 5 }));
    assert!(LoadSettings::new(Load::IDLE).is_err(), "nothing is below idle");
    assert!(Governor::new(settings(1_000_000, 40), Millis(0), None).is_ok());
}

#[test]
fn a_refusal_says_what_a_person_needs() {
    for (why, at, text) in [
        (Why::QueueEmpty, None, "no build waits"),
        (
            Why::Tokens { rate: Rate::per_hour(40) },
            Some(1_738_648_800_000),
            "the rate of 40/h is used up (until 2025-02-04T06:00:00Z)",
        ),
        (Why::Tokens { rate: Rate::STOPPED }, None, "the rate is 0/h; set another to let builds go"),
        (Why::InFlight { in_flight: 40, max: 40 }, None, "40 builds are under way, more than 40 may not be"),
        (
            Why::HubOffline { since: Millis(1_738_648_800_000), probes: 3 },
            Some(1_738_648_860_000),
            "Koji says that it is offline, since 2025-02-04T06:00:00Z; probes so far: 3 (until 2025-02-04T06:01:00Z)",
        ),
        (
            Why::LoadGate(Strain::HostLoad {
                arch: "s390x".into(),
                load: Load::from_share(0.81),
                open_at: Load::from_share(0.65),
            }),
            None,
            "the load of Koji's s390x builders is 0.81; submitting goes on at 0.65 or below",
        ),
    ] {
        assert_eq!(NotUntil { at: at.map(Millis), why }.to_string(), text);
    }
}

#[test]
fn a_closed_gate_is_asked_before_the_bucket() {
    let load = LoadSettings::new(Load::from_share(0.75)).unwrap();
    let mut governor = full(Settings { load: Some(load), ..settings(4, 40) });
    assert_eq!(poll(&mut governor, 0, 1).unwrap_err().why, Why::QueueEmpty);
    enqueue(&mut governor, 0, 1..=2);
    assert_eq!(poll(&mut governor, 0, 1).unwrap_err().why, Why::LoadGate(Strain::NoSample));
    governor.sample(Millis(0), &LoadSample::default());
    assert_eq!(poll(&mut governor, 0, 1), Ok(vec![1]));
    let busy =
        LoadSample { arches: [("s390x".into(), Load::from_share(0.8))].into(), ..LoadSample::default() };
    governor.sample(Millis(0), &busy);
    assert!(matches!(poll(&mut governor, 0, 1).unwrap_err().why, Why::LoadGate(Strain::HostLoad { .. })));
    assert_eq!(governor.status(Millis(0)).tokens_millionths, 3_000_000);
    governor.sample(Millis(MINUTE), &LoadSample::default());
    let dwell = NotUntil { at: Some(Millis(5 * MINUTE)), why: Why::LoadGate(Strain::Dwell) };
    assert_eq!(poll(&mut governor, MINUTE, 1), Err(dwell));
    assert_eq!(poll(&mut governor, 5 * MINUTE, 1), Ok(vec![2]));
}
