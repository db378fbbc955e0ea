//! A flood of late events costs no more for each event the larger it is: otherwise whoever sends one stops the service.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::borrow::Cow;

use tidegate::engine::Engine;
use tidegate::event::{Body, Decoded, MessageId, Position, SentAt, Tagging};
use tidegate::settings::Settings;
use tidegate::time::Second;

const T: i64 = 1_738_648_800;
const SMALL: u64 = 2_000;
const TIMES: u64 = 10;

fn tag(tag: &'static str, build_id: u64, sent: Second) -> Decoded<'static> {
    let text = Cow::Borrowed;
    Decoded {
        id: MessageId::Uuid(u128::from(build_id)),
        topic: text("org.fedoraproject.prod.buildsys.tag"),
        sent_at: SentAt::At(sent),
        body: Body::Tag(Tagging {
            instance: None,
            tag: text(tag),
            build_id,
            name: text("bash"),
            version: text("1"),
            release: text("1.fc42"),
            owner: None,
            user: None,
        }),
    }
}

/// CPU seconds for `count` builds that were all tagged in one second or, where `spread`, in ten minutes, and come half an
/// hour late.
fn cost(name: &'static str, count: u64, spread: bool) -> f64 {
    let mut engine = Engine::new(Settings::defaults("f42"), [0]).unwrap();
    let mut feed = |offset: u64, decoded| {
        engine.record(Position { partition: 0, offset }, None, Ok(decoded));
        engine.take_output().decisions.len()
    };
    let mut decided = feed(1, tag("f40", 1, Second(T)));
    decided += feed(2, tag("f40", 2, Second(T + 1_800)));
    let before = cpu();
    for number in 0..count {
        let sent = if spread { T + i64::try_from(number % 600).unwrap() } else { T };
        decided += feed(3 + number, tag(name, 10 + number, Second(sent)));
    }
    // They take their turns now.
    decided += feed(3 + count, tag("f40", 3, Second(T + 1_801)));
    let cost = cpu() - before;
    engine.end();
    decided += engine.take_output().decisions.len();
    assert!(decided as u64 >= count, "{decided} decisions for {count} records");
    assert!(engine.account().is_balanced());
    cost
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a test are far below 2^52")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

#[test]
fn ten_times_the_events_cost_about_ten_times_as_much() {
    for name in ["f42", "f42-updates-candidate", "f42-build-side-7", "f40"] {
        for spread in [false, true] {
            let least = |count| (0..3).map(|_| cost(name, count, spread)).fold(f64::MAX, f64::min);
            let (small, large) = (least(SMALL), least(SMALL * TIMES));
            let growth = large / small;
            println!("{name}, spread {spread}: {:.2} us and {:.2} us each", small / 2e-3, large / 2e-2);
            // Ten where it is linear, a hundred where each event looks at all before it.
            assert!(growth < 40.0, "{name}, spread {spread}: {small} s and {large} s");
        }
    }
}
