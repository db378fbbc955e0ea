//! Laws of the engine, over random input.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use tidegate::engine::Engine;
use tidegate::engine::command::{Action, HoldCommand};
use tidegate::engine::decision::{Decision, Outcome, Reason};
use tidegate::engine::hold::Selection;
use tidegate::event::{Body, MessageId, PackageListChange, Position, SentAt, Unreadable};
use tidegate::settings::{HoldAction, HoldRule, Rule, Settings};
use tidegate::time::{Second, Seconds};

use common::{Feed, Message, T, at, complete, message, settings, tagging};

const PARTITIONS: u32 = 3;
/// Imported into `f41` before all events: never to be submitted.
const KNOWN: std::ops::RangeInclusive<u64> = 1..=5;

/// Rules that a stream of a few dozen events makes hold.
fn small() -> Settings {
    let mut settings = settings();
    let burst = &mut settings.burst;
    burst.rules = vec![Rule { count: 3, within: Seconds(4) }, Rule { count: 4, within: Seconds(9) }];
    burst.other_rules = burst.rules.clone();
    burst.hold_back = Seconds(10);
    burst.quiet = Seconds(15);
    burst.large = 6;
    burst.quiet_large = Seconds(40);
    burst.suspect_max = Seconds(120);
    burst.actor_size = 8;
    burst.hold_size = 20;
    settings.route.instances.push("koji2".to_owned());
    settings
}

fn body() -> impl Strategy<Value = Body<'static>> {
    let tag = prop_oneof![
        6 => Just("f42"),
        1 => Just("f41"),
        1 => Just("f42-updates-candidate"),
        1 => Just("f42-build-side-77"),
        1 => Just("f42-rebuild"),
        1 => Just("eln"),
    ];
    let instance = prop_oneof![8 => Just(None), 1 => Just(Some("koji2")), 1 => Just(Some("koji3"))];
    let actor = prop_oneof![Just("bodhi"), Just("releng"), Just("kevin")];
    let tagged = (tag, 1u64..30, actor, instance).prop_map(|(tag, build, actor, instance)| {
        let mut tagging = tagging(tag, build, actor);
        tagging.instance = instance.map(Into::into);
        tagging
    });
    prop_oneof![
        12 => tagged.clone().prop_map(Body::Tag),
        2 => tagged.prop_map(Body::Untag),
        4 => (1u64..30).prop_map(complete),
        1 => Just(Body::PackageList(PackageListChange {
            instance: None,
            tag: "f42".into(),
            package: "p1".into(),
        })),
        1 => Just(Body::Unused),
        1 => Just(Body::OtherTopic),
    ]
}

/// A stream as it comes: times that go on with some disorder, late ones, dateless ones, messages read twice.
fn stream() -> impl Strategy<Value = Vec<Message>> {
    let step = prop_oneof![4 => 0i64..3, 2 => 3i64..12, 1 => 12i64..200];
    let behind = prop_oneof![8 => 0i64..6, 1 => 6i64..90];
    let one = (step, behind, 0..PARTITIONS, body(), 0u32..40, any::<prop::sample::Index>());
    prop::collection::vec(one, 1..90).prop_map(|steps| {
        let (mut now, mut stream) = (0, Vec::<Message>::new());
        for (number, (step, behind, partition, body, special, index)) in steps.into_iter().enumerate() {
            now += step;
            let id = Some(format!("m{number}"));
            let mut next = Message { partition, id, ..message(now - behind, body) };
            match special {
                0 => next.sent = SentAt::Missing,
                1 => (next.sent, next.kafka) = (SentAt::Unreadable, Some(now)),
                2 | 3 if !stream.is_empty() => {
                    next = Message { partition, ..stream[index.index(stream.len())].clone() };
                }
                _ => {}
            }
            stream.push(next);
        }
        stream
    })
}

fn engine(settings: &Settings) -> Engine {
    let mut engine = Engine::new(settings.clone(), 0..PARTITIONS).unwrap();
    KNOWN.for_each(|build| engine.know(None, build, "f41", at(-10_000)));
    engine
}

fn judged(settings: &Settings, stream: &[Message]) -> (Engine, Feed) {
    let (mut engine, mut feed) = (engine(settings), Feed::default());
    for message in stream {
        feed.read(&mut engine, message);
    }
    feed.end(&mut engine);
    (engine, feed)
}

/// What has to be the same: for each record its decisions, and the members of each hold.
type Judgement =
    (BTreeMap<Position, Vec<(Reason, Option<Second>, bool)>>, BTreeSet<BTreeSet<Position>>, usize);

fn judgement(feed: &Feed) -> Judgement {
    let mut records: BTreeMap<Position, Vec<_>> = BTreeMap::new();
    let mut holds: BTreeMap<_, BTreeSet<Position>> = BTreeMap::new();
    for decision in &feed.decisions {
        let told = (decision.reason, decision.decided_at, decision.burst.is_some());
        records.entry(decision.position).or_default().push(told);
        if let Some(hold) = decision.detail.as_ref().and_then(|detail| detail.hold) {
            holds.entry(hold).or_default().insert(decision.position);
        }
    }
    (records, holds.into_values().collect(), feed.runs.len())
}

fn is_trigger(decision: &Decision) -> bool {
    decision.detail.is_some()
}

/// Moves records of one partition before those of another, as far as the choices say; each partition keeps its order.
fn interleaved(stream: &[Message], choices: &[u32]) -> Vec<Message> {
    let mut queues: Vec<VecDeque<&Message>> = vec![VecDeque::new(); PARTITIONS as usize];
    for message in stream {
        queues[message.partition as usize].push_back(message);
    }
    let mut order = Vec::new();
    for &choice in choices {
        let queue = &mut queues[(choice % PARTITIONS) as usize];
        let count = if choice > 50 { queue.len() } else { 1.min(queue.len()) };
        order.extend(queue.drain(..count).cloned());
    }
    order.extend(queues.into_iter().flatten().cloned());
    order
}

/// Times that nobody should send.
fn absurd_time() -> impl Strategy<Value = SentAt> {
    prop_oneof![
        2 => (0i64..100).prop_map(|second| SentAt::At(at(second))),
        1 => Just(SentAt::Missing),
        1 => Just(SentAt::Unreadable),
        1 => prop::sample::select(vec![
            i64::MIN, -1_000_000_000_000, -62_135_596_800, -1, 0, 1_262_303_999, 1_262_304_000,
            4_070_908_800, 253_402_300_799, 999_999_999_999, i64::MAX / 4, i64::MAX,
        ]).prop_map(|second| SentAt::At(Second(second))),
        1 => any::<i64>().prop_map(|second| SentAt::At(Second(second))),
    ]
}

/// What failed once is tried first ever after.
fn config() -> ProptestConfig {
    let file = FileFailurePersistence::Direct("tests/engine_laws.proptest-regressions");
    ProptestConfig { failure_persistence: Some(Box::new(file)), ..ProptestConfig::with_cases(1_000) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_record_is_decided_once_and_accounted_for(stream in stream()) {
        // The accounts are checked after every record by the feed.
        let (engine, feed) = judged(&small(), &stream);
        let records: BTreeSet<_> = feed.decisions.iter().map(|decision| decision.position).collect();
        prop_assert_eq!(records.len(), stream.len());
        prop_assert_eq!(feed.decisions.len(), stream.len());
        let held = feed.decisions.iter().filter(|decision| decision.outcome() == Outcome::Held).count();
        prop_assert_eq!(engine.holds().held(), held);
        let total = engine.account().total();
        prop_assert_eq!(total.received, stream.len() as u64);
        for outcome in Outcome::ALL {
            let count = feed.decisions.iter().filter(|decision| decision.outcome() == outcome).count();
            prop_assert_eq!(total.outcome(outcome), count as u64, "{:?}", outcome);
        }
    }

    #[test]
    fn decisions_do_not_depend_on_the_order_in_which_partitions_are_read(
        stream in stream(), choices in prop::collection::vec(0u32..60, 0..90),
    ) {
        let (_, feed) = judged(&small(), &stream);
        let (_, again) = judged(&small(), &interleaved(&stream, &choices));
        prop_assert_eq!(judgement(&feed), judgement(&again));
    }

    #[test]
    fn decisions_do_not_depend_on_batches(stream in stream(), size in 1usize..40) {
        let (_, feed) = judged(&small(), &stream);
        let (mut engine, mut batched) = (engine(&small()), Feed::default());
        let mut positions = BTreeMap::new();
        for batch in stream.chunks(size) {
            for message in batch {
                let offset: &mut u64 = positions.entry(message.partition).or_default();
                *offset += 1;
                let position = Position { partition: message.partition, offset: *offset };
                let (kafka, decoded) = message.decoded(*offset);
                engine.record(position, kafka, Ok(decoded));
            }
            batched.settle(&mut engine);
        }
        batched.end(&mut engine);
        prop_assert_eq!(judgement(&feed), judgement(&batched));
        let order = |feed: &Feed| -> Vec<_> { feed.decisions.iter().map(|d| (d.position, d.reason)).collect() };
        prop_assert_eq!(order(&feed), order(&batched));
    }

    #[test]
    fn nothing_is_decided_before_its_hold_back_ends(stream in stream()) {
        let settings = small();
        let (_, feed) = judged(&settings, &stream);
        for decision in feed.decisions.iter().filter(|decision| is_trigger(decision)) {
            let detail = decision.detail.as_ref().unwrap();
            let waited = decision.decided_at.unwrap() - detail.event.effective;
            match decision.outcome() {
                Outcome::Ignored | Outcome::Duplicate => prop_assert!(waited >= Seconds(0)),
                Outcome::Dropped | Outcome::Submitted | Outcome::Held | Outcome::DeadLetter => {
                    prop_assert!(waited >= settings.burst.hold_back, "{:?} after {}", decision.reason, waited);
                }
            }
            prop_assert!(detail.event.effective >= detail.event.happened);
        }
    }

    #[test]
    fn no_build_is_submitted_twice_and_no_known_one_at_all(stream in stream(), release in any::<bool>()) {
        let (mut engine, mut feed) = judged(&small(), &stream);
        let holds: Vec<_> = engine.holds().iter().map(|hold| hold.id).collect();
        for hold in holds {
            let (action, reason) = (if release { Action::Release } else { Action::Drop }, "tested".to_owned());
            let (selection, who) = (Selection::All, "ada".to_owned());
            let command = HoldCommand { hold, version: None, selection, action, reason, who };
            let previewed = engine.preview(&command);
            prop_assert_eq!(engine.command(&command), previewed);
            feed.settle(&mut engine);
        }
        prop_assert_eq!(engine.holds().iter().count(), 0);
        let submitted = feed.decisions.iter().filter(|decision| decision.outcome() == Outcome::Submitted);
        let builds: Vec<_> = submitted.map(|decision| decision.detail.as_ref().unwrap().event.build).collect();
        let distinct: BTreeSet<_> = builds.iter().copied().collect();
        prop_assert_eq!(builds.len(), distinct.len());
        let first = |build: &tidegate::engine::decision::BuildKey| engine.name(build.instance) == "primary";
        prop_assert!(!builds.iter().any(|build| first(build) && KNOWN.contains(&build.id)), "{:?}", builds);
    }

    #[test]
    fn what_is_submitted_of_itself_has_fresh_evidence(stream in stream()) {
        let settings = small();
        let (_, feed) = judged(&settings, &stream);
        for decision in feed.decisions.iter().filter(|decision| decision.outcome() == Outcome::Submitted) {
            let evidence = &decision.detail.as_ref().unwrap().evidence;
            prop_assert!(evidence.known.is_none() && evidence.rebuild.is_none());
            let by_completion = decision.reason == Reason::Completed && evidence.completed.is_some();
            let by_trail = decision.reason == Reason::Trail && evidence.trail.is_some();
            prop_assert!(by_completion || by_trail, "{:?}", decision);
        }
    }

    #[test]
    fn a_stream_that_is_read_again_whole_submits_nothing(stream in stream()) {
        let (mut engine, mut feed) = (engine(&small()), Feed::default());
        for message in &stream {
            feed.read(&mut engine, message);
        }
        feed.end(&mut engine);
        let before = feed.decisions.len();
        for message in &stream {
            feed.read(&mut engine, message);
        }
        feed.end(&mut engine);
        let again: Vec<_> = feed.decisions[before..].iter().filter(|decision| is_trigger(decision)).collect();
        prop_assert!(again.iter().all(|decision| decision.outcome() == Outcome::Duplicate), "{:?}", again);
    }

    #[test]
    fn the_watermark_never_goes_back(
        stream in stream(), proofs in prop::collection::vec((0..PARTITIONS + 2, 0i64..900), 0..90),
    ) {
        let (mut engine, mut feed) = (engine(&small()), Feed::default());
        // Proofs of partitions that were not there from the start, too. The feed checks every record.
        let mut proofs = proofs.into_iter();
        for message in &stream {
            feed.read(&mut engine, message);
            if let Some((partition, second)) = proofs.next() {
                let before = engine.watermark();
                engine.caught_up(partition, at(second));
                prop_assert!(engine.watermark() >= before);
                feed.settle(&mut engine);
            }
        }
        feed.end(&mut engine);
        prop_assert_eq!(feed.decisions.len(), stream.len());
    }

    #[test]
    fn absurd_input_neither_panics_nor_loops(
        steps in prop::collection::vec(
            (absurd_time(), prop::option::of(prop_oneof![0i64..100, Just(-T), Just(1 << 40)]), 0..PARTITIONS + 1, body()),
            1..60,
        ),
        taught in prop::collection::vec((absurd_time(), body()), 0..10),
        rule in prop::option::of(prop::sample::select(vec![HoldAction::Drop, HoldAction::Drain])),
    ) {
        let mut settings = small();
        settings.burst.hold_rule = rule.map(|then| HoldRule { after: Seconds(600), then });
        let (mut engine, mut feed) = (engine(&settings), Feed::default());
        for (sent_at, body) in taught {
            let decoded = tidegate::event::Decoded { id: MessageId::None, topic: "".into(), sent_at, body };
            engine.teach(Ok(decoded));
            feed.settle(&mut engine);
        }
        prop_assert!(feed.decisions.is_empty(), "the warm-up only teaches");
        let records = steps.len();
        for (sent, kafka, partition, body) in steps {
            feed.read(&mut engine, &Message { partition, sent, kafka, id: None, body });
        }
        feed.end(&mut engine);
        let decided: BTreeSet<_> = feed.decisions.iter().map(|decision| decision.position).collect();
        prop_assert_eq!(decided.len(), records);
    }

    #[test]
    fn what_cannot_be_read_is_kept_and_counted(seconds in prop::collection::vec(absurd_time(), 1..20)) {
        let (mut engine, mut feed) = (engine(&small()), Feed::default());
        for (offset, &sent_at) in seconds.iter().enumerate() {
            let position = Position { partition: 0, offset: offset as u64 };
            let (code, explanation) = ("not_json", String::new());
            engine.record(position, None, Err(Unreadable { code, explanation, id: MessageId::None, sent_at }));
            feed.settle(&mut engine);
        }
        prop_assert_eq!(engine.watermark(), None);
        prop_assert_eq!(engine.account().total().outcome(Outcome::DeadLetter), seconds.len() as u64);
    }
}
