//! Seconds in four bytes, for memories of millions of entries.

use serde::{Deserialize, Serialize};

use crate::time::Second;

/// A second from 2000 on in 32 bits: until 2136. What lies outside is taken for the nearest end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Short(u32);

impl Short {
    const ORIGIN: i64 = 946_684_800;

    /// The short form of a second.
    pub fn new(second: Second) -> Self {
        let since = second.0.saturating_sub(Self::ORIGIN).max(0);
        Self(u32::try_from(since).unwrap_or(u32::MAX))
    }

    /// Days since 2000, from 1 on.
    pub fn day(self) -> u16 {
        u16::try_from(self.0 / 86_400 + 1).unwrap_or(u16::MAX)
    }

    /// The second that it stands for.
    pub fn second(self) -> Second {
        Second(Self::ORIGIN + i64::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_for_its_second_and_at_the_ends_for_the_nearest() {
        const FIRST: i64 = 946_684_800;
        const LAST: i64 = FIRST + u32::MAX as i64;
        for (second, stands_for) in [
            (FIRST, FIRST),
            (FIRST - 1, FIRST),
            (i64::MIN, FIRST),
            (1_738_648_800, 1_738_648_800),
            (LAST, LAST),
            (LAST + 1, LAST),
            (i64::MAX, LAST),
        ] {
            assert_eq!(Short::new(Second(second)).second().0, stands_for, "{second}");
        }
        assert_eq!((Short::new(Second(FIRST)).day(), Short::new(Second(FIRST + 86_400)).day()), (1, 2));
    }
}
