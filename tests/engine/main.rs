//! The engine at its edges: at, one before and one after every limit that the design names, told as stories.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a test that cannot go on has failed, and a story is read best as it is told"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/story.rs"]
mod story;

mod clock;
mod commands;
mod cutover;
mod dedupe;
mod evidence;
mod hold_back;
mod holds;
mod kinds;
mod known;
mod packages;
mod quiet;
mod windows;
mod witness;

use tidegate::settings::{Rule, Settings};
use tidegate::time::Seconds;

/// A burst rule.
fn rule(count: u32, within: i64) -> Rule {
    Rule { count, within: Seconds(within) }
}

/// Small numbers, so that a story is short: the rule 3 in 9 s for all tags, 10 s of hold-back, 20 s of quiet.
fn small() -> Settings {
    let mut settings = common::settings();
    let burst = &mut settings.burst;
    burst.rules = vec![rule(3, 9)];
    burst.other_rules = vec![rule(3, 9)];
    burst.hold_back = Seconds(10);
    burst.quiet = Seconds(20);
    burst.quiet_large = Seconds(100);
    settings
}
