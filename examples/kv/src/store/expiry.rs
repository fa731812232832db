//! Time, as the cluster has it: what the leader's ticks say, and nothing else.
//!
//! "In ten seconds" begins with the first tick behind it in the log, so that no other clock than
//! the leader's has a say, not even that of the node which took the command. So a key lives a
//! little longer than stated, by what lies between two ticks, and never shorter. Time never goes
//! back: under a leader whose clock is behind that of the one before, it stands still until then.

use super::{Entry, Expiry, Key, Store};
use crate::bytes::Bytes;

/// How many entries that are over one tick clears away. The others are over, too, and are found
/// by whoever asks for them, or by the next tick.
const CLEARED_MAX: usize = 1000;

impl Store {
    pub(super) fn tick(&mut self, time: u64) {
        self.time = self.time.max(time);
        for key in std::mem::take(&mut self.unbegun) {
            // Taken up again since, it may be kept for good now, or have begun already.
            if let Some(Entry { value, expiry: Expiry::In(milliseconds) }) = self.entries.get(&key)
            {
                let expiry = Expiry::At(self.time.saturating_add(*milliseconds));
                let entry = Entry { value: value.clone(), expiry };
                self.entries.insert(key, entry);
            }
        }
        self.entries.clear(self.time, CLEARED_MAX);
    }

    /// Keeps a value, in the place of whatever there was.
    pub(super) fn keep(&mut self, key: Key, value: Bytes, expiry: Expiry) {
        if let Expiry::In(_) = expiry {
            self.unbegun.push(key.clone());
        }
        self.entries.insert(key, Entry { value, expiry });
    }

    /// Takes an entry away; gives it, unless it was over.
    pub(super) fn take(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        (!self.is_over(&entry)).then_some(entry)
    }

    /// How many milliseconds a key has left: -1 if it is kept for good, -2 if there is none.
    pub(super) fn left(&self, key: &Key) -> i64 {
        let left = match self.entry(key).map(|entry| entry.expiry) {
            None => return -2,
            Some(Expiry::Never) => return -1,
            Some(Expiry::In(milliseconds)) => milliseconds,
            Some(Expiry::At(at)) => at - self.time,
        };
        i64::try_from(left).unwrap_or(i64::MAX)
    }

    pub(super) fn is_over(&self, entry: &Entry) -> bool {
        matches!(entry.expiry, Expiry::At(at) if at <= self.time)
    }

    /// Whether anything will be over some day, so that time must go on.
    pub(super) fn is_expiring(&self) -> bool {
        self.entries.is_expiring() || !self.unbegun.is_empty()
    }
}
