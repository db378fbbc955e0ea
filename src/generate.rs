//! Generates streams of bus messages with their truth, to try a pipeline on and to measure it with.
//!
//! The same name, seed, scale and options give the same bytes on every machine. What a stream looks like follows what
//! Koji, Bodhi and the signing robot publish; names, counts and rates are invented. [`crate::score`] judges what a
//! pipeline decides about one.

mod cast;
mod catalog;
mod faults;
mod flow;
mod message;
mod mix;
mod plan;
pub(crate) mod rng;
mod samples;
mod world;

#[cfg(test)]
mod tests;

pub use self::catalog::Scenario;
pub use self::samples::Sample;
pub use self::world::World;

use self::catalog::{SCENARIOS, Story};
use self::mix::Mix;
use self::plan::Plan;
use self::rng::Rng;

/// Why a stream cannot be generated.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum GenerateError {
    /// There is no such scenario.
    #[error("there is no scenario {name:?}{}? There are {}", did_you_mean(*meant), names())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The name that is closest to it, where one is close.
        meant: Option<&'static str>,
    },
    /// The scale is no share.
    #[error("a scale of {0} makes no stream: give a number above 0, at most 1 (1 is full size)")]
    Scale(f64),
    /// A number of lines was given to a scenario that has its own.
    #[error("scenario {0} has as many lines as its story takes: use a scale; a number of lines is for mix")]
    Lines(&'static str),
}

/// What a stream is made from beside its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Another seed gives another stream of the same kind.
    pub seed: u64,
    /// The share of the full size, above 0 and at most 1.
    pub scale: f64,
    /// Exactly so many lines; for `mix` only.
    pub lines: Option<u64>,
    /// No known builds; where old builds are tagged again no warm-up either.
    pub cold: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, scale: 1.0, lines: None, cold: false }
    }
}

/// All scenarios.
pub fn scenarios() -> &'static [Scenario] {
    &SCENARIOS
}

/// Generates a scenario.
///
/// # Errors
/// Where there is no such scenario, or the scale is not above 0 and at most 1.
pub fn generate(name: &str, seed: u64, scale: f64) -> Result<World, GenerateError> {
    generate_with(name, Options { seed, scale, ..Options::default() })
}

/// Generates a scenario with all options.
///
/// # Errors
/// As [`generate`]; also where a number of lines is given to another scenario than `mix`.
pub fn generate_with(name: &str, options: Options) -> Result<World, GenerateError> {
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        return Err(GenerateError::Unknown { name: name.to_owned(), meant: nearest(name) });
    };
    let Options { seed, scale, lines, cold } = options;
    if !(scale > 0.0 && scale <= 1.0) {
        return Err(GenerateError::Scale(scale));
    }
    let mut plan = Plan::new(Rng::new(name, seed), scale);
    let mix = match scenario.story {
        Story::Planned(_) if lines.is_some() => return Err(GenerateError::Lines(scenario.name)),
        Story::Planned(story) => {
            story(&mut plan);
            plan.settle();
            None
        }
        Story::Mix => Some(Mix::new(seed, lines.unwrap_or_else(|| u64::from(plan.scaled(mix::LINES))))),
    };
    if cold {
        plan.known.clear();
        if scenario.retags {
            plan.warmup.clear();
        }
    }
    Ok(World { scenario: scenario.name, seed, plan, mix })
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or(String::new(), |meant| format!(", did you mean {meant}"))
}

fn names() -> String {
    SCENARIOS.map(|scenario| scenario.name).join(", ")
}

/// The name closest to what was typed, where one is close enough to be meant.
fn nearest(typed: &str) -> Option<&'static str> {
    /// The distance costs the product of the lengths.
    const LENGTH_MAX: usize = 64;
    if typed.len() > LENGTH_MAX {
        return None;
    }
    let typed = typed.to_lowercase().replace('_', "-");
    let closest =
        SCENARIOS.iter().map(|scenario| (strsim::osa_distance(&typed, scenario.name), scenario.name)).min();
    closest.filter(|(distance, name)| *distance <= name.len() / 3).map(|(_, name)| name)
}
