//! A record in the journal: a head of fixed size, and the bytes that it announces. Numbers that a
//! record has no use for are zero, so that there is one head for all.

use crate::storage::Record;
use crate::types::{Ballot, Index, NodeId, Position, Snapshot, Term};

/// What every record in the journal starts with, all numbers little-endian:
///
/// ```text
/// kind     u8
/// term     u32      the ballot's, or the position's
/// index    u64      the position's, or the chunk's offset; of a ballot, twice its losses, and one
///                   more if the node is admitted
/// number   u32      the ballot's vote, 255 for none; else how many bytes follow
/// commit   u64      what is committed, of entries
/// ```
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) position: Position,
    pub(super) number: u32,
    pub(super) committed: Index,
}

pub(super) const IDENTITY: u8 = 1;
pub(super) const BALLOT: u8 = 2;
pub(super) const BASE: u8 = 3;
pub(super) const ENTRIES: u8 = 4;
pub(super) const STAGE: u8 = 5;
pub(super) const CHUNK: u8 = 6;
pub(super) const SNAPSHOT: u8 = 7;

pub(super) const HEAD_BYTES: usize = 25;
/// Of a snapshot beside its position: length and checksum.
pub(super) const SNAPSHOT_BYTES: usize = 8;
/// Six varints of at most ten bytes, and a few of one.
pub(super) const IDENTITY_BYTES_MAX: usize = 64;
pub(super) const NO_VOTE: u32 = 255;

impl Head {
    pub(super) fn new(kind: u8, position: Position, number: u32) -> Self {
        Self { kind, position, number, committed: Index::ZERO }
    }

    /// Gives what is left of the room behind it.
    pub(super) fn write<'b>(&self, room: &'b mut [u8]) -> Option<&'b mut [u8]> {
        let (kind, room) = room.split_first_mut()?;
        let (term, room) = room.split_first_chunk_mut()?;
        let (index, room) = room.split_first_chunk_mut()?;
        let (number, room) = room.split_first_chunk_mut()?;
        let (committed, room) = room.split_first_chunk_mut()?;
        *kind = self.kind;
        *term = self.position.term.0.to_le_bytes();
        *index = self.position.index.0.to_le_bytes();
        *number = self.number.to_le_bytes();
        *committed = self.committed.0.to_le_bytes();
        Some(room)
    }

    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, bytes) = bytes.split_first()?;
        let (term, bytes) = bytes.split_first_chunk()?;
        let (index, bytes) = bytes.split_first_chunk()?;
        let (number, bytes) = bytes.split_first_chunk()?;
        let (committed, bytes) = bytes.split_first_chunk()?;
        let (term, index) = (Term(u32::from_le_bytes(*term)), Index(u64::from_le_bytes(*index)));
        let number = u32::from_le_bytes(*number);
        let committed = Index(u64::from_le_bytes(*committed));
        Some((Self { kind: *kind, position: Position { term, index }, number, committed }, bytes))
    }
}

/// The record at the start of the journal, and what follows it. `None` if it is torn.
pub(super) fn read(journal: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (Head { kind, position, number, committed }, rest) = Head::read(journal)?;
    let with_bytes = || rest.split_at_checked(number as usize);
    Some(match kind {
        IDENTITY => {
            let (bytes, rest) = with_bytes()?;
            (Record::Identity(postcard::from_bytes(bytes).ok()?), rest)
        }
        BALLOT => {
            let vote = u8::try_from(number).ok().map(NodeId).filter(|vote| vote.is_valid());
            let (Position { term, index: Index(standing) }, vote) = (position, vote);
            let (admitted, losses) = (standing & 1 == 1, u8::try_from(standing >> 1).ok()?);
            (Record::Ballot(Ballot { term, vote, admitted, losses }), rest)
        }
        BASE => (Record::Base(position), rest),
        STAGE | SNAPSHOT => {
            let (bytes, rest) = with_bytes()?;
            let (length, checksum) = bytes.split_first_chunk()?;
            let checksum = u32::from_le_bytes(*checksum.first_chunk()?);
            let bytes = u32::from_le_bytes(*length);
            let snapshot = Snapshot { last: position, bytes, checksum };
            let begun = Record::Stage { snapshot, held: 0 };
            (if kind == STAGE { begun } else { Record::Snapshot(snapshot) }, rest)
        }
        CHUNK => {
            let (bytes, rest) = with_bytes()?;
            (Record::Chunk { offset: u32::try_from(position.index.0).ok()?, bytes }, rest)
        }
        ENTRIES => {
            let (bytes, rest) = with_bytes()?;
            (Record::Entries { after: position, committed, bytes }, rest)
        }
        _ => return None,
    })
}

pub(super) fn count(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
