//! A small seeded source of numbers: the same seed gives the same stream on every machine and in every release.

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Streams of different names are independent, also with the same seed.
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: even enough for ends far below 2^64, and quicker than a division.
        u64::try_from((u128::from(self.next()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// From `from` up to, but not including, `to`.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        from.saturating_add(i64::try_from(self.below(width)).unwrap_or(0))
    }

    /// True in `of_thousand` of 1,000 cases.
    pub(crate) fn chance(&mut self, of_thousand: u64) -> bool {
        self.below(1_000) < of_thousand
    }

    /// At least 0 and below 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Letters and digits.
    pub(crate) fn word(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let letters = LETTERS.len() as u64;
        let letter =
            |number: u64| usize::try_from(number % letters).ok().and_then(|place| LETTERS.get(place));
        (0..length).filter_map(|_| letter(self.next())).map(|letter| char::from(*letter)).collect()
    }

    /// A random UUID (version 4).
    pub(crate) fn uuid(&mut self) -> u128 {
        let random = u128::from(self.next()) << 64 | u128::from(self.next());
        random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_first_numbers_of_the_generator() {
        let mut rng = Rng(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| rng.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut rng = Rng::new("range", 1);
        for _ in 0..1_000 {
            assert!((-3..4).contains(&rng.between(-3, 4)));
            assert_eq!(rng.below(0), 0);
            assert!((0.0..1.0).contains(&rng.share()));
            assert_eq!(rng.word(22).len(), 22);
            let uuid = rng.uuid();
            assert_eq!((uuid >> 76 & 0xf, uuid >> 62 & 0x3), (4, 2));
        }
    }
}
