//! What happens to messages between the hub and Kafka, and what else is on a bus: copies, delays, wrong clocks, rubbish.

use std::ops::Range;

use super::cast::{Tag, User};
use super::message::{self, Event, Message, Origin};
use super::plan::{HOUR, Line, MINUTE, Millis, NEW, Payload, Plan, SECOND, T0};
use crate::score::truth::Label;

/// Messages that a bridge hands over late in one go: 2,000 a second.
const BACKLOG_PER_SECOND: Millis = 2_000;
/// A package that nobody rebuilds.
const NOBODYS: u32 = 1;

/// A fifth of all messages arrives up to ten seconds late.
pub(super) fn jitter(plan: &mut Plan) {
    for line in &mut plan.lines {
        let late =
            if plan.rng.chance(200) { plan.rng.between(0, 10 * SECOND) } else { plan.rng.between(20, 400) };
        line.arrives = line.at + late;
    }
}

/// One message in a hundred comes a second time, seconds to hours later.
pub(super) fn redeliver(plan: &mut Plan) {
    let mut copies = Vec::new();
    for line in &plan.lines {
        if !plan.rng.chance(10) {
            continue;
        }
        let longest = if plan.rng.chance(300) { 6 * HOUR } else { 5 * MINUTE };
        let later = plan.rng.between(15 * SECOND, longest);
        copies.push(Line { arrives: line.arrives + later, label: Label::Redelivery, ..line.clone() });
    }
    plan.lines.append(&mut copies);
}

/// Two partitions by package, of which the second lags. Its lines arrive that much later.
pub(super) fn lag(plan: &mut Plan, lag: Millis) {
    for line in &mut plan.lines {
        let package = match &line.payload {
            Payload::Event(Event::PackageAdded { package, .. } | Event::Scratch { package, .. }, _) => {
                Some(*package)
            }
            Payload::Event(_, _) | Payload::Raw(_) => line.build().map(|build| build.package),
        };
        line.partition = package.map_or(0, |package| package % 7 % 2);
        if line.partition == 1 {
            line.arrives += lag;
        }
    }
}

/// The bridge is down for this time; then what had piled up arrives as fast as it can, and what comes meanwhile waits
/// behind it.
pub(super) fn outage(plan: &mut Plan, down: &Range<Millis>) {
    plan.lines.sort_by_key(|line| (line.arrives, line.at));
    let mut sent = 0;
    for line in &mut plan.lines {
        let turn = down.end + sent * SECOND / BACKLOG_PER_SECOND;
        if line.arrives >= down.start && line.arrives < turn {
            line.arrives = turn;
            sent += 1;
        }
    }
}

/// The hub's clock is ahead for this time.
pub(super) fn clock_ahead(plan: &mut Plan, wrong: &Range<Millis>, by: Millis) {
    for line in &mut plan.lines {
        if wrong.contains(&line.at) {
            line.clock_ahead = by / SECOND;
            line.variant = line.variant.or(Some("clock:ahead"));
        }
    }
}

/// A call was rolled back after its messages had left; the real one comes minutes later, with other identities.
pub(super) fn phantoms(plan: &mut Plan, of_thousand: u64, calls: &Range<Millis>) {
    let mut phantoms = Vec::new();
    for line in &mut plan.lines {
        if !line.is_trigger() {
            continue;
        }
        let in_call = calls.contains(&line.at);
        let back = if in_call { 8 * MINUTE } else { plan.rng.between(MINUTE, 15 * MINUTE) };
        // The life of an update is told up to its tag: the phantom stands where the real one would, and that moves on.
        if in_call || plan.rng.chance(of_thousand) {
            let id = plan.rng.uuid();
            phantoms.push(Line { id, variant: Some("phantom"), ..line.clone() });
            line.at += back;
            line.arrives += back;
        }
    }
    plan.lines.append(&mut phantoms);
}

/// Builds are taken out of the trigger tag and tagged into it again, seconds to hours later.
pub(super) fn bounce(plan: &mut Plan, of_thousand: u64) {
    let tagged: Vec<_> =
        plan.lines.iter().filter(|line| line.is_trigger()).map(|line| (line.at, line.build())).collect();
    for (at, build) in tagged {
        let Some(build) = build.filter(|_| plan.rng.chance(of_thousand)) else { continue };
        let longest = if plan.rng.chance(500) { 2 * MINUTE } else { 4 * HOUR };
        let out = at + plan.rng.between(5 * SECOND, longest);
        let again = out + plan.rng.between(5 * SECOND, longest);
        let user = build.owner();
        plan.say(out, Event::Untag { build, tag: Tag::Release(NEW), user });
        let event = Event::Tag { build, tag: Tag::Release(NEW), user };
        plan.say_as(again, event, Origin::Fedora, Some("again"));
    }
}

/// Rubbish of all kinds between `T0` and `end`. What a lenient reader could read is about packages that nobody rebuilds.
pub(super) fn rubbish(plan: &mut Plan, count: u32, end: Millis) {
    for number in 0..count {
        let at = plan.rng.between(T0, end);
        let (variant, bytes) = rubbish_line(plan, number, at);
        plan.lines.push(Line {
            at,
            clock_ahead: 0,
            arrives: at,
            partition: 0,
            id: 0,
            payload: Payload::Raw(bytes),
            label: Label::Malformed,
            base: Label::Malformed,
            burst: None,
            variant: Some(variant),
        });
    }
}

fn rubbish_line(plan: &mut Plan, number: u32, at: Millis) -> (&'static str, Vec<u8>) {
    let build = plan.build(NOBODYS, NEW);
    let event = Event::Tag { build, tag: Tag::Release(NEW), user: User::Bodhi };
    let message =
        Message { event, origin: Origin::Fedora, id: plan.rng.uuid(), sent_at: at.div_euclid(SECOND) };
    let good = message::text(&plan.packages, &message).unwrap_or_default();
    let without = |what: &str| {
        let id = build.id;
        good.replace(&format!(r#""build_id": {id}, "#), &what.replace("ID", &id.to_string()))
    };
    match number % 10 {
        0 => ("bad:empty", Vec::new()),
        1 => ("bad:cut", good.get(..good.len() / 2).unwrap_or_default().as_bytes().to_vec()),
        2 => ("bad:no_utf8", [good.as_bytes(), b"\xff\xfe"].concat()),
        3 => ("bad:array", b"[1, 2, 3]".to_vec()),
        4 => ("bad:text", b"connection reset by peer".to_vec()),
        5 => ("bad:no_build", without("").into_bytes()),
        6 => ("bad:build_is_text", without(r#""build_id": "many", "#).into_bytes()),
        7 => ("bad:build_below_zero", without(r#""build_id": -ID, "#).into_bytes()),
        8 => ("bad:twice", [good.as_bytes(), good.as_bytes()].concat()),
        _ => ("bad:no_name", good.replace(r#""name": "#, r#""surname": "#).into_bytes()),
    }
}
