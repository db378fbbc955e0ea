//! Which state file a consumer group belongs to: its commits carry the identity and the serial of the state.
//!
//! The state is the one truth about offsets; what Kafka holds only tells an old copy, or a file of another pipeline, from
//! the one that wrote it last (design section 11).

use std::fmt;
use std::str::FromStr;

/// What each commit to Kafka carries as its metadata: `tidegate 1 STATE SERIAL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Identity of the state.
    pub state: String,
    /// Batches that it had written.
    pub serial: u64,
}

/// The version of the mark's notation.
const NOTATION: &str = "tidegate 1 ";

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NOTATION}{} {}", self.state, self.serial)
    }
}

/// A text that is no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMark;

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let (state, serial) =
            text.strip_prefix(NOTATION).and_then(|rest| rest.split_once(' ')).ok_or(NoMark)?;
        let serial = serial.parse().map_err(|_| NoMark)?;
        let good =
            !state.is_empty() && state.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if good { Ok(Self { state: state.to_owned(), serial }) } else { Err(NoMark) }
    }
}

/// What the commits of a group say about a state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It wrote the last of them, or there is none: it goes on from its own offsets.
    Ours,
    /// It wrote an earlier one: the file is an old copy. It may judge, and must submit nothing until it was adopted.
    OldCopy {
        /// The serial that was committed.
        committed: u64,
        /// The serial of the file.
        ours: u64,
    },
    /// Another state wrote them: this one must not go on.
    Foreign {
        /// The identity of that state; `None` where the commits are no state's at all.
        state: Option<String>,
    },
}

/// Judges a state by the metadata of its group's commits, one for each partition that has any. A commit of a foreign
/// state is told before everything else, the highest serial decides on the rest.
pub fn judge<'a>(ours: &Mark, committed: impl IntoIterator<Item = &'a str>) -> Standing {
    let mut newest = 0;
    for text in committed {
        match text.parse::<Mark>() {
            Ok(mark) if mark.state == ours.state => newest = newest.max(mark.serial),
            Ok(mark) => return Standing::Foreign { state: Some(mark.state) },
            Err(NoMark) => return Standing::Foreign { state: None },
        }
    }
    if newest > ours.serial {
        Standing::OldCopy { committed: newest, ours: ours.serial }
    } else {
        Standing::Ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(state: &str, serial: u64) -> Mark {
        Mark { state: state.to_owned(), serial }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for mark in [mark("0b5c-9", 0), mark("a", u64::MAX)] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for text in [
            "",
            "tidegate 1 a",
            "tidegate 1  7",
            "tidegate 2 a 7",
            "tidegate 1 a -7",
            "tidegate 1 a\u{1b} 7",
            "a 7",
        ] {
            assert_eq!(text.parse::<Mark>(), Err(NoMark), "{text}");
        }
    }

    #[test]
    fn the_standing_of_a_state() {
        let ours = mark("ours", 10);
        let say = |texts: &[&str]| judge(&ours, texts.iter().copied());
        assert_eq!(say(&[]), Standing::Ours);
        assert_eq!(say(&["tidegate 1 ours 10", "tidegate 1 ours 3"]), Standing::Ours);
        assert_eq!(
            say(&["tidegate 1 ours 3", "tidegate 1 ours 11"]),
            Standing::OldCopy { committed: 11, ours: 10 }
        );
        let foreign = |state: Option<&str>| Standing::Foreign { state: state.map(str::to_owned) };
        assert_eq!(say(&["tidegate 1 ours 11", "tidegate 1 theirs 1"]), foreign(Some("theirs")));
        assert_eq!(say(&["tidegate 1 ours 1", "rpk"]), foreign(None));
    }
}
