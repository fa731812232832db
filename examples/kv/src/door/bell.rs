//! What ends the sleep of the door's thread from other threads, and says for whom.

use crate::resp::Reply;
use mio::{Registry, Token, Waker};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rings at the door. Whoever rings while it is awake makes no call of the system.
pub struct Bell {
    waker: Waker,
    heard: Mutex<Heard>,
    name: Token,
}

/// What others had to say.
#[derive(Default)]
pub struct Heard {
    /// The connections with something to look at.
    pub rung: Vec<usize>,
    /// What operators' requests came to.
    pub answers: Vec<(usize, Reply)>,
    /// Whether the door is to be closed.
    pub closing: bool,
    /// Whether it sleeps, or is about to.
    asleep: bool,
}

impl Bell {
    /// A bell that wakes whoever polls there, under this name.
    pub fn new(registry: &Registry, name: Token) -> io::Result<Self> {
        Ok(Self { waker: Waker::new(registry, name)?, heard: Mutex::default(), name })
    }

    /// The name of its events.
    pub const fn name(&self) -> Token {
        self.name
    }

    /// A connection has something to look at.
    pub fn ring(&self, connection: usize) {
        self.tell(|heard| heard.rung.push(connection));
    }

    /// An operator's request came to this.
    pub fn answer(&self, connection: usize, reply: Reply) {
        self.tell(|heard| heard.answers.push((connection, reply)));
    }

    /// The door is to be closed.
    pub fn close(&self) {
        self.tell(|heard| {
            heard.closing = true;
            // No connection has this name; it keeps the door from sleeping over the news.
            heard.rung.push(self.name.0);
        });
    }

    /// What was said since it was asked last. From now on it is awake.
    pub fn hear(&self) -> Heard {
        let mut heard = self.lock();
        heard.asleep = false;
        let closing = heard.closing;
        std::mem::replace(&mut heard, Heard { closing, ..Heard::default() })
    }

    /// Whether there is nothing to hear, so that it may sleep until there is.
    pub fn may_sleep(&self) -> bool {
        let mut heard = self.lock();
        heard.asleep = heard.rung.is_empty() && heard.answers.is_empty();
        heard.asleep
    }

    fn tell(&self, tell: impl FnOnce(&mut Heard)) {
        let mut heard = self.lock();
        tell(&mut heard);
        let asleep = std::mem::take(&mut heard.asleep);
        drop(heard);
        if asleep {
            // It can only fail where it rings already.
            self.waker.wake().ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
