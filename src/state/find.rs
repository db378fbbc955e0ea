//! Finds the decisions about a build, a package or a message among millions, without an index that would slow writing down.
//!
//! Each batch appends one row of `finder`: for each of its decisions, in order, four fingerprints of 32 bits. A reader looks
//! through all of them, 16 bytes a decision, and checks what it finds against the rows themselves.

/// Bytes of one decision's fingerprints.
const ENTRY_BYTES: usize = 16;

/// What a decision is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// The hub's number of the build.
    Build(u64),
    /// Name, version and release.
    Nvr(&'a str),
    /// The package's upstream name.
    Package(&'a str),
    /// The identity of the message.
    Message(&'a str),
}

impl Key<'_> {
    fn print(self) -> u32 {
        match self {
            Self::Build(id) => fold(mix(0, id)),
            Self::Nvr(text) | Self::Package(text) | Self::Message(text) => fingerprint(text.as_bytes()),
        }
    }

    /// Its place among the four.
    fn place(self) -> usize {
        match self {
            Self::Build(_) => 0,
            Self::Nvr(_) => 1,
            Self::Package(_) => 2,
            Self::Message(_) => 3,
        }
    }
}

/// The fingerprints of the decisions of a batch.
#[derive(Debug, Default)]
pub(super) struct Prints(Vec<u8>);

impl Prints {
    /// Adds one decision; what it has not stands as 0.
    pub(super) fn push(&mut self, build: Option<u64>, names: Option<(&str, &str)>, message: Option<&str>) {
        let (nvr, package) = names.unzip();
        let keys =
            [build.map(Key::Build), nvr.map(Key::Nvr), package.map(Key::Package), message.map(Key::Message)];
        for key in keys {
            self.0.extend_from_slice(&key.map_or(0, Key::print).to_le_bytes());
        }
    }

    /// How many decisions.
    pub(super) fn len(&self) -> usize {
        self.0.len() / ENTRY_BYTES
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes as they are stored.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The places in stored fingerprints where `key` may stand.
pub(super) fn places<'a>(stored: &'a [u8], key: Key<'_>) -> impl Iterator<Item = usize> + use<'a> {
    let (wanted, start) = (key.print().to_le_bytes(), key.place() * 4);
    let entries = stored.chunks_exact(ENTRY_BYTES).enumerate();
    entries.filter(move |(_, entry)| entry.get(start..start + 4) == Some(&wanted)).map(|(place, _)| place)
}

/// 64 bits of a text, eight bytes a step: it spreads well, and protects nothing. It must stay as it is: it is stored.
fn fingerprint(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    fold(mix(sum, u64::from_le_bytes(last)))
}

fn mix(sum: u64, word: u64) -> u64 {
    let mixed = (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Never 0, which stands for nothing.
fn fold(sum: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half of 64 bits is what is wanted")]
    let low = (sum ^ (sum >> 32)) as u32;
    low.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_was_pushed_is_found_in_its_place_and_nowhere_else() {
        let mut prints = Prints::default();
        prints.push(Some(7), Some(("bash-5-1.fc42", "bash")), Some("m-7"));
        prints.push(Some(8), Some(("zsh-5-1.fc42", "zsh")), None);
        prints.push(None, None, Some("m-9"));
        for (key, found) in [
            (Key::Build(7), vec![0]),
            (Key::Build(9), vec![]),
            (Key::Nvr("zsh-5-1.fc42"), vec![1]),
            (Key::Package("zsh"), vec![1]),
            (Key::Nvr("zsh"), vec![]),
            (Key::Message("m-9"), vec![2]),
            (Key::Message("zsh"), vec![]),
        ] {
            assert_eq!(places(prints.bytes(), key).collect::<Vec<_>>(), found, "{key:?}");
        }
    }

    #[test]
    fn fingerprints_hardly_collide() {
        let texts = (0..200_000).map(|n| format!("package-{n}-{}.{n}-1.fc42", n % 7));
        let prints: BTreeSet<u32> = texts.map(|text| fingerprint(text.as_bytes())).collect();
        // Of so many in 32 bits about five collide by chance.
        assert!(prints.len() > 199_950, "{} collide", 200_000 - prints.len());
        let builds: BTreeSet<u32> = (0..200_000).map(|id| Key::Build(2_600_000 + id).print()).collect();
        assert!(builds.len() > 199_950, "{} collide", 200_000 - builds.len());
    }

    /// Files that were written must be read by later versions.
    #[test]
    fn fingerprints_never_change() {
        assert_eq!(fingerprint(b"bash-5.2.37-1.fc42"), 289_884_748);
        assert_eq!(Key::Build(2_655_123).print(), 3_417_235_475);
    }
}
