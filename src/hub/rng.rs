//! A small seeded source of numbers: the same seed gives the same world on every machine.

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    /// Streams of different names are independent, also with the same seed.
    pub(super) fn new(name: &str, seed: u64) -> Self {
        let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0 and below 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A random UUID (version 4) as text.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next() & !0xf000 | 0x4000, self.next() & !(0x3 << 62) | 0x2 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// Letters and digits.
    pub(super) fn word(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let letters = LETTERS.len() as u64;
        let letter =
            |number: u64| usize::try_from(number % letters).ok().and_then(|place| LETTERS.get(place));
        (0..length).filter_map(|_| letter(self.next())).map(|letter| char::from(*letter)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_shape() {
        let mut rng = Rng::new("shape", 1);
        for _ in 0..100 {
            assert!((0.0..1.0).contains(&rng.share()));
            let uuid = rng.uuid();
            let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.get(14..15) == Some("4") && "89ab".contains(uuid.get(19..20).unwrap()), "{uuid}");
            assert_eq!(rng.word(22).len(), 22);
        }
        assert_ne!(Rng::new("a", 1).next(), Rng::new("b", 1).next());
    }
}
