//! What others on a node want to know of its store, without asking the consensus thread.

use crate::command::Member;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where the store leaves word, and others wait for it.
#[derive(Default)]
pub struct Notices {
    noticed: Mutex<Noticed>,
    changed: Condvar,
}

/// What there is to know.
#[derive(Clone, Default)]
pub struct Noticed {
    /// Whether anything in the store will be over some day.
    pub expiring: bool,
    /// Where the nodes say that they are.
    pub members: BTreeMap<u8, Member>,
    /// Whether whoever waits is to go home.
    pub ended: bool,
    /// Counts what has changed.
    pub changes: u64,
}

impl Notices {
    /// Nobody is to wait any more.
    pub fn end(&self) {
        self.change(|noticed| noticed.ended = true);
    }

    /// What is known now.
    pub fn now(&self) -> Noticed {
        self.lock().clone()
    }

    /// Waits until more has changed than so much, or for so long.
    pub fn wait(&self, changes: u64, most: Option<Duration>) -> Noticed {
        let noticed = self.lock();
        let unchanged = |noticed: &mut Noticed| noticed.changes <= changes;
        let noticed = match most {
            None => {
                let waited = self.changed.wait_while(noticed, unchanged);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
            Some(most) => {
                let waited = self.changed.wait_timeout_while(noticed, most, unchanged);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        noticed.clone()
    }

    pub(super) fn tell_expiring(&self, expiring: bool) {
        if self.lock().expiring != expiring {
            self.change(|noticed| noticed.expiring = expiring);
        }
    }

    pub(super) fn tell_members(&self, members: &BTreeMap<u8, Member>) {
        self.change(|noticed| noticed.members = members.clone());
    }

    fn change(&self, change: impl FnOnce(&mut Noticed)) {
        let mut noticed = self.lock();
        change(&mut noticed);
        noticed.changes += 1;
        drop(noticed);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Noticed> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
