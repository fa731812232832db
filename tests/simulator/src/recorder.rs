//! The hash of a history, and the history itself for whoever is going to read it.
//!
//! Every moment is folded into the hash as numbers; its words are made only where they are kept.

use crate::ledger::{fold, hash};
use crate::trace::{Moment, What};

/// Takes moments in.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// Depends on every moment and their order.
    pub hash: u64,
    /// Every moment, if somebody wants them.
    pub moments: Option<Vec<Moment>>,
}

/// Which kind of moment, as a number in the hash.
#[derive(Clone, Copy)]
enum Code {
    Sent = 1,
    Received,
    Lost,
    Became,
    Committed,
    Applied,
    Proposed,
    Truncated,
    Fault,
    Broken,
}

/// Where and when something happens: the first things in its hash.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The cluster's own clock.
    pub tick: u32,
    /// The node.
    pub node: u8,
}

impl Recorder {
    /// One that keeps every moment.
    pub fn keeping() -> Self {
        Self { hash: 0, moments: Some(Vec::new()) }
    }

    fn take(&mut self, place: Place, code: Code, numbers: [u64; 2], what: impl FnOnce() -> What) {
        let Place { tick, node } = place;
        let head = u64::from(tick) << 16 | u64::from(node) << 8 | code as u64;
        self.hash = fold(fold(fold(self.hash, head), numbers[0]), numbers[1]);
        if let Some(moments) = &mut self.moments {
            moments.push(Moment { tick, node, what: what() });
        }
    }

    /// A node put a datagram on its way.
    pub fn sent(&mut self, place: Place, letter: u32, to: u8, bytes: &[u8]) {
        let numbers = [u64::from(letter) << 8 | u64::from(to), hash(bytes)];
        self.take(place, Code::Sent, numbers, || What::Sent { letter, to, bytes: bytes.to_vec() });
    }

    /// A datagram came to a node.
    pub fn received(&mut self, place: Place, letter: u32, from: u8) {
        let numbers = [u64::from(letter), u64::from(from)];
        self.take(place, Code::Received, numbers, || What::Received { letter, from });
    }

    /// A datagram that the node sent will never arrive.
    pub fn lost(&mut self, place: Place, letter: u32, why: &'static str) {
        let numbers = [u64::from(letter), why.len() as u64];
        self.take(place, Code::Lost, numbers, || What::Lost { letter, why });
    }

    /// A node has another role or term.
    pub fn became(&mut self, place: Place, role: raft_core::RoleName, term: raft_core::Term) {
        let numbers = [role as u64, u64::from(term.0)];
        self.take(place, Code::Became, numbers, || What::Became { role, term });
    }

    /// A node knows of a commit.
    pub fn committed(&mut self, place: Place, index: raft_core::Index) {
        self.take(place, Code::Committed, [index.0, 0], || What::Committed { index });
    }

    /// A machine has seen a command; the digest is the machine's afterwards.
    pub fn applied(
        &mut self,
        place: Place,
        index: raft_core::Index,
        digest: u64,
        command: impl FnOnce() -> String,
    ) {
        let what = || What::Applied { index, command: command() };
        self.take(place, Code::Applied, [index.0, digest], what);
    }

    /// A client asked a node to propose.
    pub fn proposed(
        &mut self,
        place: Place,
        outcome: Option<raft_core::Index>,
        words: impl FnOnce() -> (String, Result<raft_core::Index, String>),
    ) {
        let what = || {
            let (command, outcome) = words();
            What::Proposed { command, outcome }
        };
        self.take(place, Code::Proposed, [outcome.map_or(0, |index| index.0), 0], what);
    }

    /// A node's log lost everything above an index.
    pub fn truncated(&mut self, place: Place, index: raft_core::Index) {
        self.take(place, Code::Truncated, [index.0, 0], || What::Truncated { index });
    }

    /// A fault begins or ends; `number` tells it from others of its kind.
    pub fn fault(&mut self, place: Place, number: u64, words: impl FnOnce() -> String) {
        self.take(place, Code::Fault, [number, 0], || What::Fault { words: words() });
    }

    /// A promise was broken.
    pub fn broken(&mut self, place: Place, words: String) {
        self.take(place, Code::Broken, [0, 0], || What::Broken { words });
    }
}
