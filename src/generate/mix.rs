//! A stream for measuring: any number of lines in constant memory, with the shares of a busy bus.
//!
//! Of 20 lines 4 are tags into the trigger tag, 9 other tags, 3 build states and 4 other topics. Time goes on by two
//! seconds a line, so that a new build lands every ten seconds; none of them is a burst.

use super::cast::{Build, Packages, Tag, User};
use super::message::{Event, Origin};
use super::plan::{Line, Millis, NEW, Payload, SECOND, T0};
use super::rng::Rng;
use crate::score::truth::Label;

/// Lines where nothing else is asked for.
pub(super) const LINES: u32 = 1_000_000;
/// Builds on their way at a time.
const GROUP: usize = 4;

/// The lines of the stream, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Mix {
    rng: Rng,
    packages: u32,
    left: u64,
    slot: u8,
    at: Millis,
    next_build: u64,
    serials: u32,
    /// Builds on their way, and those before them, which land now.
    going: [Build; GROUP],
    landing: [Build; GROUP],
}

impl Mix {
    pub(super) fn new(seed: u64, lines: u64) -> Self {
        // What lands first was never seen on its way, so it is of a package that nobody rebuilds.
        let nobodys = |id| Build { id, package: 1, serial: 0, release: NEW };
        let group = [nobodys(2_599_990), nobodys(2_599_991), nobodys(2_599_992), nobodys(2_599_993)];
        Self {
            rng: Rng::new("mix", seed),
            packages: Packages::MOST,
            left: lines,
            slot: 0,
            at: T0,
            next_build: 2_600_000,
            serials: 0,
            going: group,
            landing: group,
        }
    }

    fn start_group(&mut self) {
        self.landing = self.going;
        for build in &mut self.going {
            self.next_build += 1 + self.rng.below(3);
            self.serials = self.serials.wrapping_add(1);
            let package = u32::try_from(self.rng.below(u64::from(self.packages))).unwrap_or(0);
            *build = Build { id: self.next_build, package, serial: self.serials, release: NEW };
        }
    }

    fn event(&mut self) -> Event {
        let [first, second, third, fourth] = self.going;
        let [landing1, landing2, landing3, landing4] = self.landing;
        let number = self.serials;
        let candidate = |build: Build| Event::Tag { build, tag: Tag::Candidate(NEW), user: build.owner() };
        let signing = |build| Event::Tag { build, tag: Tag::Signing(NEW), user: User::Bodhi };
        let land = |build| Event::Tag { build, tag: Tag::Release(NEW), user: User::Bodhi };
        match self.slot {
            0 => Event::State { build: first, new: 1 },
            1 => candidate(first),
            2 => land(landing1),
            3 => candidate(second),
            4 => Event::RepoDone { tag: Tag::Build(NEW), number },
            5 => signing(first),
            6 => Event::State { build: second, new: 1 },
            7 => land(landing2),
            8 => signing(second),
            9 => Event::Signed { build: first },
            10 => candidate(third),
            11 => Event::State { build: third, new: 1 },
            12 => land(landing3),
            13 => signing(third),
            14 => Event::PackageAdded { package: third.package, tag: Tag::Build(NEW) },
            15 => candidate(fourth),
            16 => Event::Untag { build: landing4, tag: Tag::Candidate(NEW), user: User::Bodhi },
            17 => land(landing4),
            18 => signing(fourth),
            _ => Event::Scratch { package: second.package, number },
        }
    }
}

impl Iterator for Mix {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.left = self.left.checked_sub(1)?;
        if self.slot == 0 {
            self.start_group();
        }
        let event = self.event();
        self.slot = (self.slot + 1) % 20;
        self.at += self.rng.between(SECOND, 3 * SECOND);
        let label = match event {
            Event::Tag { build, tag: Tag::Release(_), .. } if Packages::is_eligible(build.package) => {
                Label::Fresh
            }
            Event::Tag { tag: Tag::Release(_), .. } => Label::Ineligible,
            Event::Tag { .. } | Event::Untag { .. } => Label::OtherTag,
            Event::State { .. }
            | Event::Image { .. }
            | Event::PackageAdded { .. }
            | Event::Signed { .. }
            | Event::RepoDone { .. }
            | Event::Scratch { .. } => Label::OtherTopic,
        };
        Some(Line {
            at: self.at,
            clock_ahead: 0,
            arrives: self.at + 150,
            partition: 0,
            id: self.rng.uuid(),
            payload: Payload::Event(event, Origin::Fedora),
            label,
            base: label,
            burst: None,
            variant: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_as_promised_and_the_count_is_exact() {
        let lines: Vec<Line> = Mix::new(1, 10_000).collect();
        assert_eq!(lines.len(), 10_000);
        let count = |is: &dyn Fn(&Line) -> bool| lines.iter().filter(|line| is(line)).count();
        assert_eq!(count(&|line| line.is_trigger()), 2_000);
        assert_eq!(count(&|line| line.label == Label::OtherTag), 4_500);
        let state = |line: &Line| matches!(line.payload, Payload::Event(Event::State { .. }, _));
        assert_eq!(count(&state), 1_500);
        assert_eq!(count(&|line| line.label == Label::OtherTopic && !state(line)), 2_000);
        let seconds = (lines[9_999].at - lines[0].at) / SECOND;
        assert!((19_000..21_000).contains(&seconds), "{seconds}");
    }
}
