//! What a node may take: no fault that the plan did not plant, no step without a bound.

use super::{Book, Step, Verdict};
use crate::world::SNAPSHOT_BYTES;
use raft_core::{Fault, Index};

/// No node stops but one whose storage was made to fail.
pub(super) fn no_fault_latched(_: &mut Book, step: &Step<'_>) -> Verdict {
    let status = step.status;
    match (status.fault, status.apply_fault) {
        (None, None) => Ok(()),
        (Some(Fault::Storage), None) if step.before.may_stop => Ok(()),
        (fault, apply) => Err(format!("{} stopped: {fault:?} {apply:?}", step.id)),
    }
}

/// A few bytes of a snapshot go into the smallest frame.
const CHUNKS_MOST: u32 = 2 * SNAPSHOT_BYTES as u32 / 10;

/// One turn of a node's loop, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// Whose.
    pub node: u8,
    /// How many other nodes there are.
    pub peers: u32,
    /// Datagrams written, pieces of snapshots not counted.
    pub packets: u32,
    /// Pieces of snapshots.
    pub chunks: u32,
    /// Entries that may be on their way to one follower.
    pub window: u32,
    /// Records written to storage.
    pub writes: u32,
    /// Runs of entries among them.
    pub runs: u32,
    /// Events told.
    pub events: u32,
    /// Entries applied.
    pub applied: u64,
    /// The last entry of the log.
    pub last: Index,
}

/// What a turn takes is bounded by what the node was made with.
///
/// Without any input between them, a node writes each peer at most a window of entries, each in a
/// datagram of its own, and before and after the flush one sign of life, one answer and one
/// "I would", and to whoever leads a command of its own; and of one snapshot each byte at most
/// twice, a few of them in each piece. A flush writes a ballot, with a word on where the log ends
/// if it is about a loss, and entries in two runs at most: the ring has one end. Of events there
/// are four kinds, and each is told once.
pub(super) fn no_step_over_its_bound(turn: &Turn) -> Verdict {
    let entries = turn.window.min(u32::try_from(turn.last.0).unwrap_or(u32::MAX));
    let packets = turn.peers * (entries + 6);
    let over = turn.packets > packets
        || turn.chunks > CHUNKS_MOST
        || turn.writes > 4
        || turn.events > 4
        || turn.applied > turn.last.0;
    if over { Err(format!("at most {packets} datagrams, and not {turn:?}")) } else { Ok(()) }
}
