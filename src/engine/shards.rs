//! A map in many small parts.
//!
//! A hash table that grows stands in memory twice for a moment. Of this one only a small part does, so that the memory
//! for a million builds has no peak, and no record waits until all of it was copied.

use std::hash::Hash;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Parts of a map.
const PARTS: usize = 64;

type Part<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A key that says which part it belongs to.
pub trait Spread {
    /// A number that is spread evenly in its lowest bits.
    fn spread(&self) -> u64;
}

/// The map.
#[derive(Debug, Clone)]
pub struct Shards<K, V>(Box<[Part<K, V>; PARTS]>);

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Part::default())))
    }
}

impl<K: Spread + Eq + Hash, V> Shards<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(place(key))?.get(key)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(place(key))?.get_mut(key)
    }

    /// The place of a key, filled or not.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V, foldhash::fast::RandomState> {
        #[expect(clippy::indexing_slicing, reason = "a place is below the number of parts")]
        self.0[place(&key)].entry(key)
    }

    /// Puts a value in place of the one before.
    pub fn insert(&mut self, key: K, value: V) {
        if let Some(part) = self.0.get_mut(place(&key)) {
            part.insert(key, value);
        }
    }

    /// All keys with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().flatten()
    }

    /// Keeps only what `keep` says, and gives back the room of what goes where it is more than half.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for part in &mut *self.0 {
            part.retain(&mut keep);
            if part.len() * 4 < part.capacity() {
                part.shrink_to(part.len() * 2);
            }
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(HashMap::is_empty)
    }
}

fn place(key: &impl Spread) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is small")]
    let place = (key.spread() % PARTS as u64) as usize;
    place
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Spread for u64 {
        fn spread(&self) -> u64 {
            *self
        }
    }

    proptest! {
        #[test]
        fn is_a_map(steps in prop::collection::vec((0u64..300, 0u8..10), 0..400)) {
            let mut shards: Shards<u64, u8> = Shards::default();
            let mut map = BTreeMap::new();
            for (key, value) in steps {
                match value {
                    0 => {
                        shards.retain(|key, _| key % 3 != 0);
                        map.retain(|key, _| key % 3 != 0);
                    }
                    1..5 => {
                        shards.insert(key, value);
                        map.insert(key, value);
                    }
                    _ => {
                        *shards.entry(key).or_default() += value;
                        *map.entry(key).or_default() += value;
                    }
                }
                prop_assert_eq!(shards.get(&key), map.get(&key));
                prop_assert_eq!(shards.get_mut(&key), map.get_mut(&key));
            }
            prop_assert_eq!((shards.len(), shards.is_empty()), (map.len(), map.is_empty()));
            prop_assert_eq!(shards.iter().collect::<BTreeMap<_, _>>(), map.iter().collect::<BTreeMap<_, _>>());
        }
    }
}
