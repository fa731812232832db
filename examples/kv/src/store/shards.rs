//! What is kept, in a thousand shards that a copy has in common with what it is a copy of.
//!
//! A snapshot is saved from a copy while commands go on. To copy a store is to count up a thousand
//! references; what a command changes after that, it copies a shard at a time. Shards lie in the
//! order of the keys' hashes, as keys do in them.

use super::{Entry, Expiry};
use crate::bytes::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many bits of a key's hash say which shard it is in.
const SHARD_BITS: u32 = 10;
const SHARDS: usize = 1 << SHARD_BITS;

/// All entries.
#[derive(Clone)]
pub(super) struct Shards {
    shards: Box<[Arc<Shard>]>,
    /// How many entries there are, and how many of them have a deadline.
    count: usize,
    expiring: usize,
}

#[derive(Clone, Default)]
struct Shard {
    entries: BTreeMap<Key, Entry>,
    /// What ends when: exactly the entries with an [`Expiry::At`].
    deadlines: BTreeSet<(u64, Key)>,
}

impl Default for Shards {
    fn default() -> Self {
        let shards = vec![Arc::default(); SHARDS].into_boxed_slice();
        Self { shards, count: 0, expiring: 0 }
    }
}

impl Shards {
    /// Puts an entry in the place of whatever there was.
    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        let shard = Arc::make_mut(&mut self.shards[place(&key)]);
        let expiry = entry.expiry;
        match shard.entries.insert(key.clone(), entry).map(|before| before.expiry) {
            Some(Expiry::At(at)) => {
                shard.deadlines.remove(&(at, key.clone()));
                self.expiring -= 1;
            }
            Some(_) => {}
            None => self.count += 1,
        }
        if let Expiry::At(at) = expiry {
            shard.deadlines.insert((at, key));
            self.expiring += 1;
        }
    }

    /// Takes an entry away.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        // Nothing is copied for a key that is not there.
        self.get(key)?;
        let shard = Arc::make_mut(&mut self.shards[place(key)]);
        let entry = shard.entries.remove(key)?;
        if let Expiry::At(at) = entry.expiry {
            shard.deadlines.remove(&(at, key.clone()));
            self.expiring -= 1;
        }
        self.count -= 1;
        Some(entry)
    }

    /// Takes away entries that are over at a time, at most so many. Where it begins depends on the
    /// time, so that no shard is always the last; everywhere it is the same one.
    pub(super) fn clear(&mut self, time: u64, most: usize) {
        let (mut left, first) = (most.min(self.expiring), time as usize % SHARDS);
        for step in 0..SHARDS {
            if left == 0 {
                return;
            }
            let place = (first + step) % SHARDS;
            let over = |(at, key): &(u64, Key)| (*at <= time).then(|| key.clone());
            let over = self.shards[place].deadlines.iter().map_while(over).take(left);
            let over: Vec<_> = over.collect();
            left -= over.len();
            over.iter().for_each(|key| drop(self.remove(key)));
        }
    }

    /// What stands under a key.
    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.shards[place(key)].entries.get(key)
    }

    /// All entries from this key on, in the order of keys.
    pub(super) fn from(&self, first: &Key) -> impl Iterator<Item = (&Key, &Entry)> {
        let (here, later) = self.shards[place(first)..].split_at(1);
        let here = here.iter().flat_map(move |shard| shard.entries.range(first..));
        here.chain(later.iter().flat_map(|shard| &shard.entries))
    }

    /// All entries, in the order of keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.shards.iter().flat_map(|shard| &shard.entries)
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Whether any entry has a deadline.
    pub(super) const fn is_expiring(&self) -> bool {
        self.expiring > 0
    }
}

fn place(key: &Key) -> usize {
    // Whoever scans may say that it has got anywhere.
    (SHARDS - 1).min((key.hash() >> (Key::HASH_BITS - SHARD_BITS)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;

    fn key(number: u32) -> Key {
        Bytes::from(format!("{number}").as_str()).into()
    }

    fn entry(expiry: Expiry) -> Entry {
        Entry { value: Bytes::default(), expiry }
    }

    /// The counts are those of what is there, and each deadline is that of an entry.
    fn check(shards: &Shards) {
        assert_eq!(shards.iter().count(), shards.count());
        let at = |(key, entry): (&Key, &Entry)| match entry.expiry {
            Expiry::At(at) => Some((at, key.clone())),
            _ => None,
        };
        let expected: BTreeSet<_> = shards.iter().filter_map(at).collect();
        let deadlines = shards.shards.iter().flat_map(|shard| shard.deadlines.iter().cloned());
        assert_eq!(deadlines.collect::<BTreeSet<_>>(), expected);
        assert_eq!(shards.expiring, expected.len());
    }

    #[test]
    fn a_copy_stays_as_it_was_and_shares_what_does_not_change() {
        let mut shards = Shards::default();
        (0..5000).for_each(|number| shards.insert(key(number), entry(Expiry::Never)));
        let copy = shards.clone();
        assert!(shards.remove(&key(5000)).is_none());
        let shared = |shards: &Shards| {
            let pairs = shards.shards.iter().zip(&copy.shards);
            pairs.filter(|(it, of)| Arc::ptr_eq(it, of)).count()
        };
        assert_eq!(shared(&shards), SHARDS, "nothing was there to be taken away");
        shards.insert(key(7), entry(Expiry::At(9)));
        assert!(shards.remove(&key(7)).is_some());
        assert_eq!(shared(&shards), SHARDS - 1);
        assert!(copy.get(&key(7)).is_some() && shards.get(&key(7)).is_none());
        assert_eq!((copy.count(), shards.count()), (5000, 4999));
        check(&shards);
        check(&copy);
    }

    #[test]
    fn what_follows_a_key_is_everything_behind_it_in_order() {
        let mut shards = Shards::default();
        (0..3000).for_each(|number| shards.insert(key(number), entry(Expiry::Never)));
        let all: Vec<_> = shards.iter().map(|(key, _)| key.clone()).collect();
        assert!(all.is_sorted() && all.len() == 3000);
        for first in [0, 1, 1500, 2999] {
            let rest = shards.from(&all[first]).map(|(key, _)| key.clone());
            assert_eq!(rest.collect::<Vec<_>>(), all[first..]);
        }
        assert_eq!(shards.from(&Key::first_with(0)).count(), 3000);
        for beyond in [(1 << Key::HASH_BITS) - 1, 1 << Key::HASH_BITS, u64::MAX] {
            assert_eq!(shards.from(&Key::first_with(beyond)).count(), 0);
        }
    }

    #[test]
    fn no_shard_waits_for_ever_and_no_more_is_cleared_than_may_be() {
        let mut shards = Shards::default();
        (0..4000).for_each(|number| shards.insert(key(number), entry(Expiry::At(5))));
        shards.insert(key(9000), entry(Expiry::At(u64::MAX)));
        for (time, left) in [(4, 4001), (5, 3001), (700, 2001), (701, 1001), (u64::MAX - 1, 1)] {
            shards.clear(time, 1000);
            check(&shards);
            assert_eq!(shards.count(), left, "at {time}");
        }
        assert!(shards.is_expiring());
        shards.clear(u64::MAX, 1000);
        assert!(!shards.is_expiring() && shards.count() == 0);
    }
}
