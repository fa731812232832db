//! Lies that a client tells of what it saw, so that it is known that the checker finds them in
//! what a whole trial brings.

use super::Ask;
use crate::history::{Answer, Request};
use std::collections::BTreeMap;
use std::time::Instant;

/// What is to look as if the store had done it, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// A read finds what was there before a change that its reader was told of.
    StaleRead,
    /// A change is acknowledged, and was never made.
    LostWrite,
    /// A change is made twice.
    AppliedTwice,
}

impl Lie {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 3] = [
        ("stale-read", Self::StaleRead),
        ("lost-write", Self::LostWrite),
        ("applied-twice", Self::AppliedTwice),
    ];
}

/// How often a lie is told. One alone may look like the truth beside a command whose outcome nobody
/// knows, because its node was killed.
const LIES: u32 = 8;

/// Who tells the lie, when there is an occasion.
pub(super) struct Liar {
    /// What is still to be told, from `since` on, and how often it was.
    lie: Option<Lie>,
    told: u32,
    since: Instant,
    /// What a key held before this client put something there for the last time, and when it was
    /// told so.
    before: BTreeMap<u32, Answer>,
}

impl Liar {
    pub(super) const fn new(lie: Option<Lie>, since: Instant) -> Self {
        Self { lie, told: 0, since, before: BTreeMap::new() }
    }

    /// What is really asked, where a client says that it asked this.
    pub(super) fn asks(&self, ask: Ask) -> Vec<Ask> {
        match (self.due(), ask.request) {
            (Some(Lie::LostWrite), Request::Put(_)) => vec![Ask { request: Request::Get, ..ask }],
            // It tells of the second one only.
            (Some(Lie::AppliedTwice), Request::Add(_)) => vec![ask, ask],
            _ => vec![ask],
        }
    }

    /// What a client says that it was told, where it was told this of what was really asked.
    pub(super) fn tells(&mut self, ask: Ask, really: &[Ask], invoked: u32, told: Answer) -> Answer {
        if *really != [ask] {
            self.has_lied();
            return told;
        }
        match ask.request {
            Request::Put(_) => {
                self.before.insert(ask.key, told);
            }
            Request::Get if self.due() == Some(Lie::StaleRead) => {
                // Values are never written twice, but nothing is what all begin with.
                let before = self.before.get(&ask.key).filter(|before| before.found != 0);
                if let Some(before) = before.filter(|before| before.tick < invoked) {
                    let found = before.found;
                    self.has_lied();
                    return Answer { found, ..told };
                }
            }
            _ => {}
        }
        told
    }

    fn has_lied(&mut self) {
        self.told += 1;
        if self.told == LIES {
            self.lie = None;
        }
    }

    fn due(&self) -> Option<Lie> {
        self.lie.filter(|_| Instant::now() >= self.since)
    }
}
