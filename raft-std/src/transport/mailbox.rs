//! Where other threads leave datagrams for a consensus thread.

use crate::waker::Waker;
use raft_core::NodeId;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many datagrams wait for one node before others are dropped, like in a socket's buffer.
const WAITING_MAX: usize = 4096;

/// Closed until there is somebody to wake.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<Mail>);

#[derive(Default)]
struct Mail {
    datagrams: VecDeque<(NodeId, Vec<u8>)>,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn open(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    pub(super) fn close(&self) {
        *self.lock() = Mail::default();
    }

    /// Leaves a datagram there, unless it is closed or full. Says whether it was left.
    pub(super) fn put(&self, from: NodeId, datagram: &[u8]) -> bool {
        let mut mail = self.lock();
        let Some(waker) = mail.waker.clone().filter(|_| mail.datagrams.len() < WAITING_MAX) else {
            return false;
        };
        mail.datagrams.push_back((from, datagram.to_vec()));
        drop(mail);
        waker.wake();
        true
    }

    pub(super) fn take(&self) -> VecDeque<(NodeId, Vec<u8>)> {
        std::mem::take(&mut self.lock().datagrams)
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
