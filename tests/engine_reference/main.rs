//! The engine against a detector that is written down from the design's definitions alone.
//!
//! [`Reference`] keeps the whole history and asks it anew for everything: which events are duplicates, how many distinct
//! builds lie in a window, what is remembered of earlier groups. It goes through event time second by second. Streams
//! are random, of one tag, over two partitions, with jitter, duplicates, revocations and late events; rules are small,
//! so that most streams come to their edges.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test may panic"
)]

#[path = "../common/mod.rs"]
mod common;
mod reference;
mod streams;

use std::collections::{BTreeMap, BTreeSet};

use tidegate::engine::Engine;
use tidegate::engine::decision::{Decision, Reason};
use tidegate::event::{Body, Decoded, MessageId, Position, SentAt};
use tidegate::settings::Settings;

use common::{Feed, Message, T, complete, message, tagging};
use reference::{Fate, Reference};
use streams::{Event, FRESH_TO, KNOWN_TO, Random, random_settings, random_stream};

const STREAMS: u64 = 10_000;

/// What the engine makes of a stream.
fn judged(settings: &Settings, stream: &[Event]) -> Vec<Decision> {
    let mut engine = Engine::new(settings.clone(), [0, 1]).unwrap();
    let mut feed = Feed::default();
    for build in 1..=KNOWN_TO {
        engine.know(None, build, "f41", common::at(0));
    }
    for build in KNOWN_TO + 1..=FRESH_TO {
        // Before the first event, in a partition that shows no time of its own.
        engine.teach(Ok(Decoded {
            id: MessageId::None,
            topic: "".into(),
            sent_at: SentAt::At(common::at(1)),
            body: complete(build),
        }));
    }
    for partition in [0, 1] {
        feed.read(&mut engine, &Message { partition, ..message(20, Body::Unused) });
    }
    for event in stream {
        let tagging = tagging("f42", event.build, event.actor);
        let body = if event.untag { Body::Untag(tagging) } else { Body::Tag(tagging) };
        let id = Some(event.id.clone());
        feed.read(
            &mut engine,
            &Message { partition: event.position.partition, id, ..message(event.sent, body) },
        );
    }
    feed.end(&mut engine);
    feed.decisions
}

fn fate(decision: &Decision) -> Fate {
    let run = decision.detail.as_ref().and_then(|detail| detail.run.as_ref());
    let second = decision.decided_at.unwrap().0 - T;
    (decision.reason, second, run.map(|run| run.number), decision.burst.is_some())
}

/// No event of a window in which a rule holds falls due alone: the rule has claimed it before.
fn assert_nothing_leaked(reference: &Reference<'_>, fates: &BTreeMap<Position, Fate>, seed: u64) {
    let (Some(first), Some(last)) = (reference.events.first(), reference.events.last()) else { return };
    let counted: Vec<_> = reference.counted(reference.events.len() - 1).collect();
    for rule in &reference.burst.rules {
        assert!(rule.within.0 < reference.burst.hold_back.0, "seed {seed}: the theorem asks for a hold-back");
        for start in first.effective - rule.within.0..=last.effective {
            let window = start..start + rule.within.0;
            let inside = || counted.iter().filter(|event| window.contains(&event.effective));
            let builds: BTreeSet<_> = inside().map(|event| event.build).collect();
            if builds.len() < rule.count as usize {
                continue;
            }
            for event in inside() {
                let (reason, _, run, _) = fates[&event.position];
                // What is decided at its turn needs no claim.
                let at_once = reason == Reason::AlreadySubmitted;
                assert!(run.is_some() || at_once, "seed {seed}: {event:?} fell due alone as {reason:?}");
            }
        }
    }
}

#[test]
fn decides_as_the_definitions_say() {
    let (mut edges, mut bursts, mut resolved, mut late) = (0, 0, 0, 0);
    for seed in 0..STREAMS {
        let mut random = Random(seed);
        let settings = random_settings(&mut random);
        let stream = random_stream(&mut random);
        let mut turns = stream.clone();
        turns.sort_by_key(|event| (event.effective, event.position));
        let mut reference = Reference::new(&settings.burst, &turns);
        reference.run_through();
        let decisions = judged(&settings, &stream);
        let fates: BTreeMap<_, _> = decisions
            .iter()
            .filter(|decision| decision.reason != Reason::OtherTopic)
            .map(|decision| (decision.position, fate(decision)))
            .collect();
        for event in &turns {
            let (expected, got) = (&reference.fates[&event.position], fates.get(&event.position));
            assert_eq!(got, Some(expected), "seed {seed}: {event:?} with {:?}", settings.burst);
        }
        assert_eq!(fates.len(), turns.len(), "seed {seed}");
        assert_nothing_leaked(&reference, &fates, seed);
        edges += u64::from(reference.comes_to_an_edge());
        bursts += u64::from(fates.values().any(|fate| fate.3));
        resolved += u64::from(fates.values().any(|fate| fate.2.is_some() && !fate.3));
        late += u64::from(turns.iter().any(Event::late));
    }
    println!(
        "of {STREAMS} streams {edges} come to an edge, {bursts} burst, {resolved} are resolved, {late} run late"
    );
    assert!(edges * 10 >= STREAMS * 3, "only {edges} of {STREAMS} streams come to the edge of a rule");
    for (count, what) in [(bursts, "a burst"), (resolved, "a group that is none"), (late, "a late event")] {
        assert!(count * 10 >= STREAMS * 2, "only {count} of {STREAMS} streams hold {what}");
    }
}
