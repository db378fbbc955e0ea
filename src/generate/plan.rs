//! What a scenario consists of: lines with their truth, what was known before, and the tools to add more.

use std::collections::BTreeSet;

use super::cast::{Build, Packages, Tag};
use super::message::{Event, Origin};
use super::rng::Rng;
use crate::score::truth::Label;

/// Milliseconds since 1970.
pub(super) type Millis = i64;

pub(super) const SECOND: Millis = 1_000;
pub(super) const MINUTE: Millis = 60 * SECOND;
pub(super) const HOUR: Millis = 60 * MINUTE;
pub(super) const DAY: Millis = 24 * HOUR;

/// 2025-02-04T06:00:00Z, when the stream begins.
pub(super) const T0: Millis = 1_738_648_800_000;
/// How long before the stream the warm-up begins: as long as a build's trail counts.
pub(super) const WARMUP: Millis = 14 * DAY;
/// The release whose tag is the trigger tag, and the one before.
pub(super) const NEW: u8 = 42;
pub(super) const OLD: u8 = 41;

/// What a line carries.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    Event(Event, Origin),
    /// Bytes that are no message.
    Raw(Vec<u8>),
}

/// One line and its truth.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// When the hub published it.
    pub(super) at: Millis,
    /// How far the clock in its header is ahead, in seconds.
    pub(super) clock_ahead: i64,
    /// When it reached Kafka.
    pub(super) arrives: Millis,
    pub(super) partition: u32,
    pub(super) id: u128,
    pub(super) payload: Payload,
    pub(super) label: Label,
    pub(super) base: Label,
    pub(super) burst: Option<usize>,
    pub(super) variant: Option<&'static str>,
}

impl Line {
    pub(super) fn build(&self) -> Option<Build> {
        match self.payload {
            Payload::Event(
                Event::Tag { build, .. }
                | Event::Untag { build, .. }
                | Event::State { build, .. }
                | Event::Signed { build },
                _,
            ) => Some(build),
            Payload::Event(_, _) | Payload::Raw(_) => None,
        }
    }

    pub(super) fn is_trigger(&self) -> bool {
        matches!(self.payload, Payload::Event(Event::Tag { tag: Tag::Release(NEW), .. }, Origin::Fedora))
    }
}

/// A burst of the trigger tag.
#[derive(Debug, Clone)]
pub(super) struct BurstSpan {
    pub(super) kind: &'static str,
    pub(super) start: Millis,
    pub(super) end: Millis,
}

/// A build that was in the old tag when the stream began.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownBuild {
    pub(super) build: Build,
    pub(super) tagged_at: Millis,
}

/// A scenario in the making.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) rng: Rng,
    pub(super) packages: Packages,
    pub(super) lines: Vec<Line>,
    pub(super) warmup: Vec<Line>,
    pub(super) known: Vec<KnownBuild>,
    pub(super) bursts: Vec<BurstSpan>,
    /// When the old tag was left.
    pub(super) left_at: Millis,
    /// Share of the full size.
    pub(super) scale: f64,
    next_build: u64,
    next_side_tag: u32,
    serials: u32,
}

impl Plan {
    pub(super) fn new(rng: Rng, scale: f64) -> Self {
        Self {
            rng,
            packages: Packages::new(Packages::MOST),
            lines: Vec::new(),
            warmup: Vec::new(),
            known: Vec::new(),
            bursts: Vec::new(),
            left_at: T0,
            scale,
            next_build: 2_500_000,
            next_side_tag: 100_000,
            serials: 0,
        }
    }

    /// So many at full size, in proportion here; at least one.
    pub(super) fn scaled(&self, full: u32) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the scale is checked to lie between 0 and 1, so the product fits"
        )]
        let count = (f64::from(full) * self.scale).round() as u32;
        count.max(1)
    }

    /// A new build of a package.
    pub(super) fn build(&mut self, package: u32, release: u8) -> Build {
        self.next_build += 1 + self.rng.below(3);
        self.serials += 1;
        Build { id: self.next_build, package, serial: self.serials, release }
    }

    pub(super) fn side_tag(&mut self) -> u32 {
        self.next_side_tag += 3;
        self.next_side_tag
    }

    /// Some package: one in three is eligible, so that there is something to submit.
    pub(super) fn any_package(&mut self) -> u32 {
        if self.rng.chance(333) { self.eligible_package() } else { self.package() }
    }

    pub(super) fn eligible_package(&mut self) -> u32 {
        let number = self.rng.below(u64::from(self.packages.eligible_count()));
        Packages::eligible(u32::try_from(number).unwrap_or(0))
    }

    fn package(&mut self) -> u32 {
        let number = self.rng.below(u64::from(self.packages.len()));
        u32::try_from(number).unwrap_or(0)
    }

    /// Packages without repetition, by name, of which a tenth is eligible.
    pub(super) fn distinct_packages(&mut self, count: u32) -> Vec<u32> {
        let total = self.packages.len();
        let count = count.min(total);
        // Whole groups of ten neighbours, so that the share of eligible ones is exact.
        let groups = count.div_ceil(10);
        let first = u32::try_from(self.rng.below(u64::from(total / 10))).unwrap_or(0);
        let mut of: Vec<u32> = (0..groups)
            .flat_map(|group| (0..10).map(move |member| ((first + group) * 10 + member) % total))
            .take(count as usize)
            .collect();
        of.sort_by(|a, b| self.packages.name(*a).cmp(self.packages.name(*b)));
        of
    }

    /// Adds what the hub publishes; what is before the stream goes into the warm-up, what is before that is forgotten.
    pub(super) fn say(&mut self, at: Millis, event: Event) {
        self.say_as(at, event, Origin::Fedora, None);
    }

    pub(super) fn say_as(&mut self, at: Millis, event: Event, origin: Origin, variant: Option<&'static str>) {
        let label = match (origin, event) {
            (Origin::Fedora, Event::Tag { build, tag: Tag::Release(NEW), .. }) => {
                if !Packages::is_eligible(build.package) {
                    Label::Ineligible
                } else if build.release == OLD {
                    Label::Retag
                } else {
                    Label::Fresh
                }
            }
            (Origin::Fedora, Event::Tag { .. } | Event::Untag { .. }) => Label::OtherTag,
            (Origin::Fedora | Origin::CentOs | Origin::Secondary, _) => Label::OtherTopic,
        };
        let line = Line {
            at,
            clock_ahead: 0,
            arrives: at,
            partition: 0,
            id: self.rng.uuid(),
            payload: Payload::Event(event, origin),
            label,
            base: label,
            burst: None,
            variant,
        };
        if at >= T0 {
            self.lines.push(line);
        } else if at >= T0 - WARMUP {
            self.warmup.push(line);
        }
    }

    /// Says that the trigger tag saw a burst in this time.
    pub(super) fn burst(&mut self, kind: &'static str, start: Millis, end: Millis) {
        self.bursts.push(BurstSpan { kind, start, end });
    }

    /// Brings the lines into their order and gives each its last truth: the burst it stands in, and that the second line
    /// of a build in the trigger tag is a redelivery.
    pub(super) fn settle(&mut self) {
        self.warmup.sort_by_key(|line| line.at);
        self.known.sort_by_key(|known| (known.tagged_at, known.build.id));
        self.lines.sort_by_key(|line| (line.arrives, line.at));
        let mut seen = BTreeSet::new();
        for line in &mut self.lines {
            if !line.is_trigger() {
                continue;
            }
            line.burst = self.bursts.iter().position(|burst| (burst.start..=burst.end).contains(&line.at));
            let Some(build) = line.build() else { continue };
            if !seen.insert(build.id) {
                line.label = Label::Redelivery;
            }
        }
    }
}
