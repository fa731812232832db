//! What a node keeps across power cuts, and what it expects of whoever keeps it.
//!
//! Storage is a list of records that only grows. The newest identity and the newest ballot count,
//! and a run of entries replaces everything that was stored at its first place and above. Beside
//! them it holds one snapshot, and the stage, on which the next one comes together.

mod memory;

pub use self::memory::{MemoryStorage, MemoryStorageError};
use crate::config::Config;
use crate::node_set::NodeSet;
use crate::quorum::{MEMBERS_MAX, Membership};
use crate::types::{Ballot, ClusterId, Index, NodeId, Nonce, Position, Snapshot};
use serde::{Deserialize, Serialize};

/// Keeps records across power cuts.
///
/// **When power fails**, at any instant, every record written before the last successful
/// [`flush`](Storage::flush) is there at the next [`recover`](Storage::recover), and of the later
/// ones a prefix of any length, zero and all included. A record that was half written is not
/// there, except that the first entries of a run may be without the others: a run may be longer
/// than what a medium takes at once. Nothing is ever there that was not written, and what one start
/// finds the next one finds as well, if storage wanted no renewal in between, or has had it. Only
/// the end of the stage may be missing, flushed or not, or all of it, until its snapshot was
/// flushed: a medium that is written in words keeps the last one back until it is full, and one
/// that is erased in sectors begins the last one anew. Nobody looks at the bytes of a stage before
/// it is whole; then the node does.
///
/// **What rots** is told: see [`Loss`]. Storage is sure of what it hands out, and of the ballot
/// that it is the newest one, which therefore lies in two places. What can't be read at the very
/// end is taken for what was written when the power failed.
///
/// **After an error** of any method nothing more is promised: the node stops for good, and only
/// making it anew, from what `recover` finds, may continue.
pub trait Storage {
    /// What went wrong, in words that a person can act on.
    type Error: core::fmt::Debug;

    /// Hands every record to `each`, in the order in which they were written. Records that later
    /// ones replaced may be left out; blank storage has none.
    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error>;

    /// Takes a record, in memory, on its way or for good: it may be lost until it is flushed.
    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error>;

    /// Whether it wants the whole log now, by [`renew`](Storage::renew), in place of entries of
    /// this many bytes: because there would be too little room afterwards to take it, because some
    /// of what it holds can't be read, or because it was just recovered, and does not trust what it
    /// found last to be there the next time. It is asked in each flush, and before a node that was
    /// made promises anything.
    fn wants_renewal(&self, bytes: usize) -> bool {
        let _ = bytes;
        false
    }

    /// Takes the whole log: its base, what is known to be committed, and all entries behind the
    /// base, in two parts. Every base and every run of entries before is replaced by that, and
    /// every loss of them, all at once or, if the power fails, not at all. Who never wants it is
    /// never called.
    fn renew(
        &mut self,
        base: Position,
        committed: Index,
        parts: [&[u8]; 2],
    ) -> Result<(), Self::Error> {
        let _ = (base, committed, parts);
        Ok(())
    }

    /// How many of the medium's longest pauses, as erasing a sector is one, the next step takes of
    /// what need not wait until it is in the way: zero if there is none to do.
    fn upkeep(&self) -> u32 {
        0
    }

    /// Does that step, between flushes. What nobody does ahead is done when it is in the way.
    fn maintain(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// How long the medium holds everything up at worst, with a margin: no node is made whose
    /// election timeout does not bear that.
    fn pause_micros(&self) -> u32 {
        0
    }

    /// The longest entry that there is room for, encoded: no node is made that lets longer ones in.
    fn entry_bytes_max(&self) -> usize {
        usize::MAX
    }

    /// Fills the buffer with what stands at `offset` of the snapshot or of the stage, whether it is
    /// flushed or not. Nobody asks for bytes that were not written.
    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// The longest stage that there is room for. With zero the log is never compacted.
    fn snapshot_bytes_max(&self) -> u32;

    /// Returns when every record written so far survives a power cut.
    fn flush(&mut self) -> Result<(), Self::Error>;

    /// Starts what `flush` does and returns at once. Whoever learns that it has finished calls
    /// [`Node::flushed`](crate::Node::flushed). Storage that can't finish later does nothing here,
    /// and is flushed by [`Node::flush`](crate::Node::flush).
    fn begin_flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// One thing to keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Record<'a> {
    /// Whose storage this is: the first record of all.
    Identity(Identity),
    /// The newest term and vote.
    Ballot(Ballot),
    /// The stage is cleared for this snapshot. When it is recovered, so many bytes of it are there;
    /// when it is written, none.
    Stage {
        /// What comes together there.
        snapshot: Snapshot,
        /// How much of it there is.
        held: u32,
    },
    /// The next bytes of the stage. Recovering may leave it out, and say how much there is.
    Chunk {
        /// How many bytes were there before.
        offset: u32,
        /// What follows them.
        bytes: &'a [u8],
    },
    /// The stage is whole: it takes the place of the snapshot before it, and is cleared. Unless an
    /// entry of its last term stands at its last index, all entries are gone, and the next one
    /// follows it.
    Snapshot(Snapshot),
    /// Nobody needs the entries up to this position any more. The snapshot reaches it.
    Base(Position),
    /// A run of entries, encoded as in the log.
    Entries {
        /// The position of the entry before the first.
        after: Position,
        /// What was known to be committed by then, these entries among it or not: a node that
        /// forgot that could fill its log with what it may not drop.
        committed: Index,
        /// The encoded entries. None, where a node that lost some says what it still has.
        bytes: &'a [u8],
    },
    /// Only recovered: something that was flushed can't be read any more.
    Lost(Loss),
}

/// What was flushed and can't be read any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Loss {
    /// The ballot, or which one is the newest: nobody knows whom this node has promised what. It
    /// can't be made from this storage, which is to be wiped and added as a new one.
    Ballot,
    /// Something else than ballots: entries, a base, the snapshot, which is then left out. What
    /// comes behind it is handed out, and whatever stands on what is missing is found out there.
    ///
    /// The node counts for nothing until a leader has refilled it, and says so by a ballot with odd
    /// [`losses`](Ballot::losses). In front of that it says what it could use: a base, and a run of
    /// no entries behind the last one. Storage tells of the loss at its place among the records, at
    /// each start, until such a ballot stands behind it; if it drops that ballot later, it drops
    /// what was lost as well. Whoever keeps ballots elsewhere hands the newest one out before all
    /// else, and tells of the loss until the log was renewed. A stage, or the end of one, is no
    /// loss.
    Entries,
}

/// What of a storage is read by its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Part {
    /// The snapshot that counts.
    Snapshot,
    /// The one that comes together.
    Stage,
}

/// Whose storage this is; written when it is formatted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Identity {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The node it belongs to.
    pub id: NodeId,
    /// Which formatting this is.
    pub nonce: Nonce,
    /// The members at the cluster's beginning; nobody, for a node that is added later.
    pub membership: Membership,
    /// What [`Config::shared_digest`] was then; zero, for a node that is added later.
    pub settings: u32,
}

impl Identity {
    /// One of the voters that found a cluster. Every founder is formatted with the same cluster
    /// and the same voters, **once**: a founder whose storage was wiped comes back as
    /// [`Identity::newcomer`], because it has forgotten what it promised.
    pub fn founder(cluster: ClusterId, config: &Config, voters: &[NodeId]) -> Self {
        let membership = Membership::of_voters(NodeSet::of(voters));
        let (id, nonce, settings) = (config.id, Nonce::FOUNDER, config.shared_digest());
        Self { cluster, id, nonce, membership, settings }
    }

    /// A node that knows nothing yet. It stores what a leader sends, and neither votes nor counts
    /// until a membership names its nonce, which is drawn at random and is not zero.
    pub fn newcomer(cluster: ClusterId, id: NodeId, nonce: Nonce) -> Self {
        Self { cluster, id, nonce, membership: Membership::default(), settings: 0 }
    }

    /// Whether the node's promises count from the beginning. Others are admitted later, and their
    /// ballot then says so.
    pub fn is_founder(&self) -> bool {
        self.nonce == Nonce::FOUNDER && self.membership.members().contains(self.id)
    }
}

/// Why storage was not formatted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FormatError<E> {
    /// The storage said so.
    Storage(E),
    /// There is something on it already; whoever is sure erases it first.
    NotBlank,
    /// A founder that is not among the voters, an id out of bounds, or more members than
    /// [`MEMBERS_MAX`].
    BadMembership,
}

/// Gives blank storage its identity: the one call that founds a cluster, or prepares to join one.
///
/// Making a node never does this by itself, whatever it finds.
pub fn format<S: Storage>(
    storage: &mut S,
    identity: Identity,
) -> Result<(), FormatError<S::Error>> {
    let members = identity.membership.members();
    let founder = identity.nonce == Nonce::FOUNDER;
    let too_many = members.len() as usize > MEMBERS_MAX;
    if !identity.id.is_valid() || too_many || founder != members.contains(identity.id) {
        return Err(FormatError::BadMembership);
    }
    let mut blank = true;
    storage.recover(&mut |_| blank = false).map_err(FormatError::Storage)?;
    if !blank {
        return Err(FormatError::NotBlank);
    }
    storage.write(Record::Identity(identity)).map_err(FormatError::Storage)?;
    storage.flush().map_err(FormatError::Storage)
}
