//! Names of tags, instances and actors as small numbers.
//!
//! A stream repeats few names millions of times; the engine compares and stores numbers. The table is bounded: past
//! the bound every new name is [`Name::OTHER`], which proves nothing and triggers nothing, so that a flood of
//! invented tags can strand a build for a person but cannot let one through.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// A name's number in the table of its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(pub u32);

impl Name {
    /// Stands for every name beyond the table's bound, and for a name that was not given.
    pub const OTHER: Self = Self(0);
}

/// The table of names of one engine, in order of first sight.
#[derive(Debug, Clone)]
pub struct Names {
    numbers: HashMap<Box<str>, Name, foldhash::fast::FixedState>,
    texts: Vec<Box<str>>,
    max: usize,
}

impl Names {
    /// A table of at most `max` names.
    pub fn new(max: u32) -> Self {
        Self { numbers: HashMap::default(), texts: vec!["(other)".into()], max: max as usize }
    }

    /// The number of a name, given on first sight.
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(&name) = self.numbers.get(text) {
            return name;
        }
        if self.texts.len() > self.max {
            return Name::OTHER;
        }
        let Ok(number) = u32::try_from(self.texts.len()) else { return Name::OTHER };
        self.texts.push(text.into());
        self.numbers.insert(text.into(), Name(number));
        Name(number)
    }

    /// The number of a name that was seen before.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.numbers.get(text).copied()
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.texts.get(name.0 as usize).map_or("(other)", |text| text)
    }

    /// The texts in order of their numbers, from 1 on: what [`Names::intern`] rebuilds the table from.
    pub fn texts_from(&self, first: usize) -> &[Box<str>] {
        self.texts.get(first.max(1)..).unwrap_or_default()
    }

    /// How many names the table holds, the first (for all others) included.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether the table holds no name but the one for all others.
    pub fn is_empty(&self) -> bool {
        self.texts.len() <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_every_new_name_is_the_other_one() {
        let mut names = Names::new(2);
        let (a, b) = (names.intern("f41"), names.intern("f42"));
        assert_ne!(a, b);
        assert_eq!(names.intern("f43"), Name::OTHER);
        assert_eq!(names.intern("f42"), b);
        assert_eq!((names.text(a), names.text(Name::OTHER)), ("f41", "(other)"));
    }
}
