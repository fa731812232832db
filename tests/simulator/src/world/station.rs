//! What surrounds one node: its clock, its sleep, the letters that wait for it, its repairs.

use crate::cluster::Letter;
use raft_core::{NodeId, Nonce};

/// What is on its way for a node that does not run, or runs no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repair {
    /// Nothing: it runs.
    None,
    /// The power comes back at this tick.
    Start(u32),
    /// Somebody puts a blank disk in at this tick.
    Replace(u32),
    /// It stopped at a storage error that passes, and is made anew at this tick.
    Remake(u32),
}

/// The surroundings of a node.
#[derive(Clone, Debug)]
pub struct Station {
    /// Which node.
    pub id: u8,
    /// Thousandths of a tick that its clock is ahead of its last one.
    pub phase: u32,
    /// Ticks that it has not been told of yet, because it sleeps or stands still.
    pub slept: u32,
    /// After so many of these it wakes by itself; zero if it is awake.
    pub due: u32,
    /// It stands still before this tick.
    pub busy_until: u32,
    /// When the flush under way ends.
    pub flush_ends: Option<u32>,
    /// The next flush takes this long, and whether its loop waits for it.
    pub stall: Option<(u32, bool)>,
    /// Letters that came while it stood still.
    pub inbox: Vec<Letter>,
    /// What will be done about it.
    pub repair: Repair,
    /// How much longer than others it waits before it stands.
    pub extra_wait: u32,
    /// When it will fail because it has come to lead.
    pub ambush: Option<u32>,
    /// Whether faults spare it: it is one of the quorum at the end.
    pub spared: bool,
    /// Whether its disk is spoilt, and will be replaced or refilled.
    pub lost: bool,
    /// Whether it lost entries and is to be refilled.
    pub refilling: bool,
    /// What its disk was formatted with.
    pub nonce: Nonce,
    /// Datagrams that it has put on their way.
    pub sent: u64,
    /// Whether it leads and says little.
    pub quiet: bool,
    /// Since when it wants to stand still, leading.
    pub asked: Option<u32>,
    /// When it sent each other node something last.
    pub spoke: [u32; NodeId::LIMIT as usize],
}

/// How many letters a node's link holds while nobody looks at them.
pub const INBOX_MOST: usize = 64;

impl Station {
    /// A node that has just been founded.
    pub fn new(id: u8, nonce: Nonce) -> Self {
        Self {
            id,
            phase: 0,
            slept: 0,
            due: 0,
            busy_until: 0,
            flush_ends: None,
            stall: None,
            inbox: Vec::new(),
            repair: Repair::None,
            extra_wait: 0,
            ambush: None,
            spared: false,
            lost: false,
            refilling: false,
            nonce,
            sent: 0,
            quiet: false,
            asked: None,
            spoke: [0; NodeId::LIMIT as usize],
        }
    }

    /// Whether its loop runs at this tick.
    pub fn is_awake(&self, tick: u32) -> bool {
        tick >= self.busy_until
    }

    /// The power is gone: what only memory held is gone, too.
    pub fn forget(&mut self) {
        (self.slept, self.due, self.busy_until) = (0, 0, 0);
        (self.flush_ends, self.stall) = (None, None);
        self.inbox.clear();
    }
}
