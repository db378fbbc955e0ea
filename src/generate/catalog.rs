//! The scenarios: what happens in each, in the order of the story.

use super::faults;
use super::flow::{self, Tempo};
use super::plan::{DAY, HOUR, MINUTE, Millis, Plan, SECOND, T0};

/// A scenario that can be generated.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub summary: &'static str,
    pub(super) story: Story,
    /// Old builds are tagged again in it.
    pub(super) retags: bool,
}

/// How its lines come to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Story {
    /// Planned whole, sorted, then written.
    Planned(fn(&mut Plan)),
    /// Written as it goes.
    Mix,
}

const fn planned(name: &'static str, summary: &'static str, retags: bool, story: fn(&mut Plan)) -> Scenario {
    Scenario { name, summary, story: Story::Planned(story), retags }
}

pub(super) const SCENARIOS: [Scenario; 13] = [
    planned("quiet-week", "seven days of ordinary updates and small side tags", false, quiet_week),
    planned("side-tag-merge", "a side tag of 250 new builds is merged", false, side_tag_merge),
    planned(
        "mass-rebuild-blocks",
        "20,000 builds rebuilt by name over two days, merged in blocks of 1,000",
        false,
        mass_rebuild_blocks,
    ),
    planned("branching", "24,000 old builds cloned into the trigger tag by one call", true, branching),
    planned(
        "branching-slow-drip",
        "5,000 old builds tagged again, one every two to five seconds",
        true,
        slow_drip,
    ),
    planned("re-sign-churn", "200 old builds signed again, one by one", true, re_sign_churn),
    planned(
        "bridge-outage",
        "the bridge is down for ten hours with a branching and a side-tag merge, then the backlog comes",
        true,
        bridge_outage,
    ),
    planned(
        "hub-clock-fast",
        "the hub's clock is ten minutes ahead for two hours, and right again amid a burst of re-tags",
        true,
        hub_clock_fast,
    ),
    planned(
        "phantom-then-real",
        "calls are rolled back after their messages left; the real ones come minutes later",
        true,
        phantom_then_real,
    ),
    planned(
        "untag-retag",
        "new builds are taken out of the trigger tag and tagged again",
        false,
        untag_retag,
    ),
    planned("malformed", "3,000 lines that cannot be read among ordinary updates", false, malformed),
    planned(
        "lagging-partition",
        "two partitions, one of them ten minutes late, amid a burst of re-tags",
        true,
        lagging,
    ),
    Scenario {
        name: "mix",
        summary: "any number of lines for measuring, 1,000,000 unless told otherwise",
        story: Story::Mix,
        retags: false,
    },
];

/// What every story ends with.
fn everyday(plan: &mut Plan, end: Millis, updates_a_day: u32) {
    flow::background(plan, end, updates_a_day);
    faults::jitter(plan);
    faults::redeliver(plan);
}

fn merge(plan: &mut Plan, count: u32, at: Millis) {
    let count = plan.scaled(count);
    let packages = plan.distinct_packages(count);
    flow::side_tag(plan, &packages, at, (100, 3_000));
}

fn quiet_week(plan: &mut Plan) {
    everyday(plan, T0 + 7 * DAY, 300);
}

fn side_tag_merge(plan: &mut Plan) {
    merge(plan, 250, T0 + 8 * HOUR);
    everyday(plan, T0 + 20 * HOUR, 250);
}

fn mass_rebuild_blocks(plan: &mut Plan) {
    let count = plan.scaled(20_000);
    let packages = plan.distinct_packages(count);
    let tempo = Tempo { gap: (4, 20), block: 1_000, pause: (MINUTE, 5 * MINUTE) };
    flow::mass_rebuild(plan, &packages, T0 + 53 * HOUR, tempo);
    everyday(plan, T0 + 60 * HOUR, 120);
}

fn branching(plan: &mut Plan) {
    let count = plan.scaled(24_000);
    let old = flow::old_builds(plan, count);
    flow::clone_tag(plan, &old, T0 + 3 * HOUR);
    everyday(plan, T0 + 12 * HOUR, 250);
}

fn slow_drip(plan: &mut Plan) {
    let count = plan.scaled(5_000);
    let old = flow::old_builds(plan, count);
    let end = flow::retag(plan, &old, T0 + HOUR, Tempo::steady((2 * SECOND, 5 * SECOND)));
    everyday(plan, end + HOUR, 250);
}

fn re_sign_churn(plan: &mut Plan) {
    let count = plan.scaled(200);
    let old = flow::old_builds(plan, count);
    let end = flow::sign_again(plan, &old, T0 + HOUR, (MINUTE, 20 * MINUTE));
    everyday(plan, end + HOUR, 250);
}

fn bridge_outage(plan: &mut Plan) {
    let count = plan.scaled(24_000);
    let old = flow::old_builds(plan, count);
    flow::clone_tag(plan, &old, T0 + 6 * HOUR);
    merge(plan, 250, T0 + 9 * HOUR);
    everyday(plan, T0 + 20 * HOUR, 250);
    faults::outage(plan, &(T0 + 3 * HOUR..T0 + 13 * HOUR));
}

fn hub_clock_fast(plan: &mut Plan) {
    let count = plan.scaled(3_000);
    let old = flow::old_builds(plan, count);
    let start = T0 + 4 * HOUR;
    let end = flow::retag(plan, &old, start, Tempo::steady((20, 100)));
    everyday(plan, T0 + 10 * HOUR, 300);
    let amid = start + (end - start) / 2;
    faults::clock_ahead(plan, &(amid - 2 * HOUR..amid), 10 * MINUTE);
}

fn phantom_then_real(plan: &mut Plan) {
    let count = plan.scaled(1_500);
    let old = flow::old_builds(plan, count);
    let start = T0 + 4 * HOUR;
    let end = flow::retag(plan, &old, start, Tempo::steady((5, 30)));
    flow::background(plan, T0 + 20 * HOUR, 250);
    faults::phantoms(plan, 400, &(start..end + 1));
    faults::jitter(plan);
    faults::redeliver(plan);
    // The real call ends minutes after the phantom did.
    let real_end = end + 8 * MINUTE;
    plan.left_at = real_end;
    if let Some(burst) = plan.bursts.first_mut() {
        burst.end = real_end;
    }
}

fn untag_retag(plan: &mut Plan) {
    flow::background(plan, T0 + 2 * DAY, 250);
    faults::bounce(plan, 400);
    faults::jitter(plan);
    faults::redeliver(plan);
}

fn malformed(plan: &mut Plan) {
    let end = T0 + DAY;
    let count = plan.scaled(3_000);
    flow::background(plan, end, 250);
    faults::jitter(plan);
    faults::redeliver(plan);
    faults::rubbish(plan, count, end);
}

fn lagging(plan: &mut Plan) {
    let count = plan.scaled(8_000);
    let old = flow::old_builds(plan, count);
    flow::retag(plan, &old, T0 + 3 * HOUR, Tempo::steady((5, 40)));
    merge(plan, 150, T0 + 6 * HOUR);
    everyday(plan, T0 + 10 * HOUR, 250);
    faults::lag(plan, 10 * MINUTE);
}
