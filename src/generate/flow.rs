//! The ways that builds take, honest and not: ordinary updates, side tags, mass rebuilds, re-tags.

use super::cast::{Build, Part, Tag, User};
use super::message::{Event, Origin};
use super::plan::{DAY, HOUR, KnownBuild, MINUTE, Millis, NEW, OLD, Plan, SECOND, T0, WARMUP};

/// New builds that land while old ones are tagged again.
const HONEST_AMID: u32 = 12;

/// How builds are tagged in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tempo {
    /// Shortest and longest gap between two, in milliseconds.
    pub(super) gap: (Millis, Millis),
    /// After so many comes a pause.
    pub(super) block: usize,
    /// Shortest and longest pause, in milliseconds.
    pub(super) pause: (Millis, Millis),
}

impl Tempo {
    pub(super) const fn steady(gap: (Millis, Millis)) -> Self {
        Self { gap, block: usize::MAX, pause: (0, 1) }
    }

    /// The time of the one behind the `done`th.
    fn after(self, at: Millis, done: usize, plan: &mut Plan) -> Millis {
        let pause = if done.is_multiple_of(self.block) { self.pause } else { self.gap };
        at + plan.rng.between(pause.0, pause.1)
    }
}

/// The life of an ordinary update up to its tag, told backwards from the tag event at `tagged_at`.
pub(super) fn ordinary(plan: &mut Plan, package: u32, release: u8, tagged_at: Millis) -> Build {
    let build = plan.build(package, release);
    // Some wait for their tests: two hours to five days.
    let gating = if plan.rng.chance(60) {
        plan.rng.between(2 * HOUR, 5 * DAY)
    } else {
        plan.rng.between(2 * MINUTE, 90 * MINUTE)
    };
    let signed = tagged_at - gating;
    let asked = signed - plan.rng.between(20 * SECOND, 3 * MINUTE);
    let candidate = asked - plan.rng.between(2 * SECOND, 40 * SECOND);
    let complete = candidate - plan.rng.between(SECOND, 20 * SECOND);
    let began = complete - plan.rng.between(3 * MINUTE, 2 * HOUR);
    let (owner, bodhi, robot) = (build.owner(), User::Bodhi, User::Autosign);
    plan.say(began, Event::State { build, new: 0 });
    plan.say(complete, Event::State { build, new: 1 });
    plan.say(candidate, Event::Tag { build, tag: Tag::Candidate(release), user: owner });
    plan.say(asked, Event::Tag { build, tag: Tag::Signing(release), user: bodhi });
    plan.say(signed - 800, Event::Signed { build });
    plan.say(signed, Event::Untag { build, tag: Tag::Signing(release), user: robot });
    plan.say(signed + 200, Event::Tag { build, tag: Tag::Testing(release), user: robot });
    plan.say(tagged_at - 500, Event::Untag { build, tag: Tag::Testing(release), user: bodhi });
    plan.say(tagged_at - 400, Event::Untag { build, tag: Tag::Candidate(release), user: bodhi });
    plan.say(tagged_at, Event::Tag { build, tag: Tag::Release(release), user: bodhi });
    build
}

/// The merge of a side tag: its builds were made over hours, and land one after the other, each with its untags before.
pub(super) fn side_tag(plan: &mut Plan, packages: &[u32], merge_at: Millis, gap: (Millis, Millis)) {
    let number = plan.side_tag();
    let side = |part| Tag::Side(NEW, number, part);
    let (mut asked, mut signed, mut landed) = (merge_at - 30 * MINUTE, merge_at - 20 * MINUTE, merge_at);
    for package in packages {
        let build = plan.build(*package, NEW);
        let complete = merge_at - plan.rng.between(40 * MINUTE, 5 * HOUR);
        let began = complete - plan.rng.between(3 * MINUTE, HOUR);
        plan.say(began, Event::State { build, new: 0 });
        plan.say(complete, Event::State { build, new: 1 });
        plan.say(complete + SECOND, Event::Tag { build, tag: side(Part::Whole), user: build.owner() });
        plan.say(asked, Event::Tag { build, tag: side(Part::Signing), user: User::Bodhi });
        plan.say(signed - 300, Event::Untag { build, tag: side(Part::Signing), user: User::Autosign });
        plan.say(signed, Event::Tag { build, tag: side(Part::Testing), user: User::Autosign });
        plan.say(landed - 6_100, Event::Untag { build, tag: side(Part::Testing), user: User::Bodhi });
        plan.say(landed - 6_000, Event::Untag { build, tag: side(Part::Whole), user: User::Bodhi });
        plan.say(landed, Event::Tag { build, tag: Tag::Release(NEW), user: User::Bodhi });
        asked += plan.rng.between(50, 300);
        signed += plan.rng.between(50, 300);
        landed += plan.rng.between(gap.0, gap.1);
    }
    plan.burst("side_tag", merge_at, landed);
}

/// A mass rebuild: built by name over two days, then merged by one person. Gives when the merge ended.
pub(super) fn mass_rebuild(plan: &mut Plan, packages: &[u32], merge_at: Millis, tempo: Tempo) -> Millis {
    let count = Millis::try_from(packages.len()).unwrap_or(Millis::MAX);
    let mut landed = merge_at;
    for (index, package) in (0..).zip(packages) {
        let build = plan.build(*package, NEW);
        let complete = merge_at - 50 * HOUR + 48 * HOUR * index / count + plan.rng.between(0, 20 * MINUTE);
        let began = complete - plan.rng.between(3 * MINUTE, HOUR);
        plan.say(began, Event::State { build, new: 0 });
        plan.say(complete, Event::State { build, new: 1 });
        plan.say(complete + SECOND, Event::Tag { build, tag: Tag::Rebuild(NEW), user: User::Releng });
        let event = Event::Tag { build, tag: Tag::Release(NEW), user: User::Releng };
        plan.say_as(landed, event, Origin::Fedora, Some("mass_rebuild"));
        let done = usize::try_from(index).unwrap_or(usize::MAX) + 1;
        if done < packages.len() {
            landed = tempo.after(landed, done, plan);
        }
    }
    plan.burst("mass_rebuild", merge_at, landed);
    landed
}

/// Old builds in the old tag, oldest first, as the ledger has them. One in fifty is of the last two weeks; one in two
/// hundred lands there only in the first minutes of the stream, so that nobody knows it who does not look at the old tag.
pub(super) fn old_builds(plan: &mut Plan, count: u32) -> Vec<Build> {
    let packages = plan.distinct_packages(count);
    let mut builds = Vec::with_capacity(packages.len());
    for package in packages {
        let tagged_at = T0
            + match plan.rng.below(200) {
                0 => plan.rng.between(0, 50 * MINUTE),
                1..5 => -plan.rng.between(HOUR, WARMUP),
                _ => -plan.rng.between(WARMUP + DAY, 300 * DAY),
            };
        let build = if tagged_at > T0 - WARMUP {
            ordinary(plan, package, OLD, tagged_at)
        } else {
            plan.build(package, OLD)
        };
        if tagged_at < T0 {
            plan.known.push(KnownBuild { build, tagged_at });
        }
        builds.push((tagged_at, build));
    }
    builds.sort_by_key(|(tagged_at, build)| (*tagged_at, build.id));
    builds.into_iter().map(|(_, build)| build).collect()
}

/// A mass-tag of old builds into the trigger tag. Gives when it ended.
pub(super) fn retag(plan: &mut Plan, builds: &[Build], start: Millis, tempo: Tempo) -> Millis {
    let mut at = start;
    for (index, build) in builds.iter().enumerate() {
        plan.say(at, Event::Tag { build: *build, tag: Tag::Release(NEW), user: User::Releng });
        if index + 1 < builds.len() {
            at = tempo.after(at, index + 1, plan);
        }
    }
    plan.burst("retag", start, at);
    plan.left_at = plan.left_at.max(at);
    for _ in 0..HONEST_AMID {
        let (package, landed) = (plan.eligible_package(), plan.rng.between(start, at + 1));
        ordinary(plan, package, NEW, landed);
    }
    at
}

/// `koji clone-tag`: one call, published at its end; first every package, then every build, oldest first.
pub(super) fn clone_tag(plan: &mut Plan, builds: &[Build], start: Millis) -> Millis {
    let mut at = start;
    for build in builds {
        plan.say(at, Event::PackageAdded { package: build.package, tag: Tag::Release(NEW) });
        at += plan.rng.between(2, 20);
    }
    retag(plan, builds, at, Tempo::steady((2, 20)))
}

/// The same old builds signed again, one by one: each is in the signing tag for a moment and comes back.
pub(super) fn sign_again(plan: &mut Plan, builds: &[Build], start: Millis, gap: (Millis, Millis)) -> Millis {
    let mut at = start;
    for build in builds {
        let (build, asked) = (*build, at - plan.rng.between(20 * SECOND, 2 * MINUTE));
        plan.say(asked, Event::Tag { build, tag: Tag::Signing(NEW), user: User::Releng });
        plan.say(at - 300, Event::Untag { build, tag: Tag::Signing(NEW), user: User::Autosign });
        plan.say(at, Event::Tag { build, tag: Tag::Release(NEW), user: User::Autosign });
        plan.left_at = plan.left_at.max(at);
        at += plan.rng.between(gap.0, gap.1);
    }
    at
}

/// What goes on every day between `T0` and `end`: ordinary updates, side tags of a few, other distributions, images, repos.
pub(super) fn background(plan: &mut Plan, end: Millis, updates_a_day: u32) {
    let length = end - T0;
    let of_time = |plan: &Plan, a_day: u32| {
        let count = f64::from(plan.scaled(a_day.saturating_mul(100))) / 100.0;
        let days = f64::from(i32::try_from(length / MINUTE).unwrap_or(i32::MAX)) / 1_440.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand, and never below zero"
        )]
        let count = (count * days).ceil() as u32;
        count
    };
    for _ in 0..of_time(plan, updates_a_day) {
        let (package, at) = (plan.any_package(), plan.rng.between(T0, end));
        ordinary(plan, package, NEW, at);
    }
    for _ in 0..of_time(plan, 6) {
        let count = plan.rng.between(2, 12);
        let packages: Vec<u32> = (0..count).map(|_| plan.any_package()).collect();
        let at = plan.rng.between(T0, end);
        let bursts = plan.bursts.len();
        side_tag(plan, &packages, at, (300, 4_000));
        // A handful of builds is no burst.
        plan.bursts.truncate(bursts);
    }
    for number in 0..of_time(plan, updates_a_day) {
        let at = plan.rng.between(T0, end);
        elsewhere(plan, at, number);
    }
}

/// One thing that concerns nobody here.
fn elsewhere(plan: &mut Plan, at: Millis, number: u32) {
    let package = plan.any_package();
    match plan.rng.below(8) {
        0 => plan.say(at, Event::Image { number }),
        1 => plan.say(at, Event::RepoDone { tag: Tag::Build(NEW), number }),
        2 => plan.say(at, Event::Scratch { package, number }),
        3 | 4 => {
            // The same numbers and the same tag, but of another Koji.
            let build = plan.build(package, NEW);
            let origin = if plan.rng.chance(500) { Origin::CentOs } else { Origin::Secondary };
            let event = Event::Tag { build, tag: Tag::Release(NEW), user: User::Bodhi };
            plan.say_as(at, event, origin, Some("decoy"));
        }
        5 => {
            let build = plan.build(package, OLD);
            let tag = Tag::Eln;
            plan.say(at, Event::Tag { build, tag, user: User::Releng });
        }
        _ => {
            let build = plan.build(package, 40);
            plan.say(at - 2 * SECOND, Event::State { build, new: 1 });
            plan.say(at, Event::Tag { build, tag: Tag::Epel, user: build.owner() });
        }
    }
}
