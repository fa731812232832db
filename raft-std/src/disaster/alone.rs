//! A survivor that goes on alone, under another name, when most of the others are lost for good.
//!
//! This breaks the promise that everything else here is there to keep. So it is told, loudly, what
//! may be lost by it: as exactly as one disk can know.

use raft_core::{
    Alone, AloneError, ClusterId, Config, Configuration, Entries, Identity, Index, Kind, Loss,
    NodeId, Part, Position, Record, RecoverError, Saved, Snapshot, Storage, recover_alone,
};
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// Memory for the survivor's log: from so much on, until it fits, up to so much.
const LOG_BYTES: usize = 4 << 20;
const LOG_BYTES_MAX: usize = 1 << 30;

/// A node's storage, as whoever has to choose among survivors wants to know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survivor {
    /// Which node it is.
    pub id: NodeId,
    /// Of which cluster.
    pub cluster: ClusterId,
    /// The other members that it knows.
    pub others: Vec<NodeId>,
    /// The last entry that it has.
    pub last: Position,
    /// The last entry of which it knows that it is committed.
    pub committed: Index,
    /// Whether some of what it had has rotted.
    pub rotten: bool,
}

/// A survivor that leads a cluster of its own as soon as it is started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forced {
    /// The new cluster.
    pub cluster: ClusterId,
    /// What the survivor was before. None of the others may ever run again as it was; all entries
    /// up to the last one come to be.
    pub before: Survivor,
}

/// Why a survivor does not go on alone. Nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ForceError {
    /// The storage is blank: there is nothing to go on with.
    Blank,
    /// The storage is that of this cluster already: the new one needs another name.
    SameCluster(ClusterId),
    /// The storage lost the node's ballot, and with it perhaps more: restore a backup.
    BallotLost,
    /// The log is larger than any.
    LogFull,
    /// Terms have come to their end.
    NoTermLeft,
    /// The storage failed, or holds nothing that a node goes on from, in its own words.
    Storage(String),
}

/// Makes the storage of a survivor that of a **new** cluster, whose only voter it is: for when so
/// many of the others are lost that no quorum will ever be there again. All that it has stays,
/// committed or not. **What only others had is lost**, and commands that clients were told of may
/// be among it. Of several survivors choose the one with the highest [`last`](Survivor::last),
/// and wipe the others.
///
/// Start a server on it then, and add others by [`Server::add`](crate::Server::add). Without a
/// `cluster` its name is drawn. Storage that keeps or drops a flush as a whole, as
/// [`Wal`](crate::Wal) does, is what it was or all of this, whenever the power fails.
pub fn force_new_cluster<S: Storage>(
    storage: &mut S,
    cluster: Option<ClusterId>,
    confirmed: Alone,
) -> Result<Forced, ForceError> {
    let before = survivor(storage)?;
    let (id, cluster) = (before.id, cluster.unwrap_or_else(draw));
    if cluster == before.cluster {
        // It may have taken others in meanwhile, who would go on without it.
        return Err(ForceError::SameCluster(cluster));
    }
    let mut log_bytes = LOG_BYTES;
    loop {
        let memory = vec![0; log_bytes];
        let outcome = recover_alone(&Config::new(id, 0), memory, storage, cluster, confirmed);
        match outcome {
            Ok(()) => break,
            Err(AloneError::LogFull | AloneError::Recover(RecoverError::LogTooSmall))
                if log_bytes < LOG_BYTES_MAX =>
            {
                log_bytes *= 2;
            }
            Err(error) => return Err(refused(error, cluster)),
        }
    }
    let forced = Forced { cluster, before };
    log::warn!("{forced}");
    Ok(forced)
}

/// Looks at the storage of a node that may be the only one left. Nothing is changed.
pub fn survivor<S: Storage>(storage: &mut S) -> Result<Survivor, ForceError> {
    let found = Found::look(storage)?;
    let Identity { id, cluster, .. } = found.identity.ok_or(ForceError::Blank)?;
    let members = found.configuration.membership.members();
    Ok(Survivor {
        id,
        cluster,
        others: members.iter().filter(|member| *member != id).collect(),
        last: found.last,
        committed: found.committed,
        rotten: found.rotten,
    })
}

fn refused<E: fmt::Debug>(error: AloneError<E>, cluster: ClusterId) -> ForceError {
    match error {
        AloneError::SameCluster => ForceError::SameCluster(cluster),
        AloneError::LogFull | AloneError::Recover(RecoverError::LogTooSmall) => ForceError::LogFull,
        AloneError::NoTermLeft => ForceError::NoTermLeft,
        AloneError::Recover(RecoverError::Blank) => ForceError::Blank,
        AloneError::Recover(RecoverError::BallotLost) => ForceError::BallotLost,
        AloneError::Recover(error) => ForceError::Storage(format!("{error:?}")),
    }
}

/// What a survivor's storage holds.
#[derive(Default)]
struct Found {
    identity: Option<Identity>,
    snapshot: Snapshot,
    last: Position,
    committed: Index,
    /// The latest one; that of the founders, or of the snapshot, until an entry says more.
    configuration: Configuration,
    configured_at: Index,
    rotten: bool,
    ballot_lost: bool,
}

impl Found {
    fn look<S: Storage>(storage: &mut S) -> Result<Self, ForceError> {
        let failed = |error| ForceError::Storage(format!("{error:?}"));
        let mut found = Self::default();
        storage.recover(&mut |record| found.take(record)).map_err(failed)?;
        if found.ballot_lost {
            return Err(ForceError::BallotLost);
        }
        if found.configured_at == Index::ZERO && found.snapshot != Snapshot::NONE {
            let source =
                |offset, buffer: &mut [u8]| storage.read(Part::Snapshot, offset, buffer).ok();
            // One that can't be read is told of by whoever goes on with it.
            if let Ok((configuration, _)) = Saved::new(found.snapshot, source).head() {
                found.configuration = configuration;
            }
        }
        Ok(found)
    }

    fn take(&mut self, record: Record<'_>) {
        match record {
            Record::Identity(identity) => {
                self.identity = Some(identity);
                self.configuration.membership = identity.membership;
            }
            Record::Snapshot(snapshot) => {
                self.snapshot = snapshot;
                self.committed = self.committed.max(snapshot.last.index);
                self.last = self.last.max(snapshot.last);
            }
            Record::Entries { after, committed, bytes } => {
                self.committed = self.committed.max(committed);
                self.last = after;
                for entry in Entries::parse(after.term, bytes).into_iter().flat_map(Entries::iter) {
                    let index = self.last.index.next();
                    self.last = Position { term: entry.term, index };
                    if entry.kind == Kind::CONFIGURATION
                        && let Some(configuration) = Configuration::read(entry.body)
                    {
                        (self.configuration, self.configured_at) = (configuration, index);
                    }
                }
            }
            Record::Lost(Loss::Entries) => self.rotten = true,
            Record::Lost(Loss::Ballot) => self.ballot_lost = true,
            Record::Ballot(_) | Record::Base(_) | Record::Stage { .. } | Record::Chunk { .. } => {}
        }
    }
}

/// A number that nobody can foresee, short enough to be typed.
fn draw() -> ClusterId {
    ClusterId((RandomState::new().hash_one(std::process::id()) >> 16).max(1))
}

impl fmt::Display for Forced {
    /// What has been done, and exactly what may be lost by it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Survivor { id, cluster, others, last, committed, rotten } = &self.before;
        let others: Vec<_> = others.iter().map(|other| other.0.to_string()).collect();
        let (id, term, last, committed) = (id.0, last.term.0, last.index.0, committed.0);
        let (now, before) = (self.cluster.0, cluster.0);
        writeln!(f, "node {id} goes on ALONE, as cluster {now} instead of {before}.")?;
        writeln!(f, "It keeps its entries up to {last}, in term {term}.")?;
        if last > committed {
            writeln!(
                f,
                "Of those above {committed} it did not know whether they were committed: they come \
                 to be now,\nthough clients may have been told that nobody knows."
            )?;
        }
        if *rotten {
            writeln!(f, "Some of what its disk had held has ROTTED, and is LOST.")?;
        }
        match &others[..] {
            [] => write!(f, "It knows of no other member that could have had more."),
            [..] => write!(
                f,
                "Whatever only others had (nodes {0}), behind entry {last} or in its place, is \
                 LOST,\nand commands that clients were told of may be among it. Nodes {0} must \
                 NEVER be started\nagain with their old disks: they would not be heard here, but \
                 might serve clients by themselves.",
                others.join(", ")
            ),
        }
    }
}

impl fmt::Display for ForceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => write!(f, "the storage is blank: there is nothing to go on with"),
            Self::SameCluster(cluster) => {
                write!(f, "the storage is of cluster {} already: nothing was done", cluster.0)
            }
            Self::BallotLost => {
                write!(f, "the storage lost its ballot, and perhaps more: restore a backup")
            }
            Self::LogFull => write!(f, "the log is longer than any can be"),
            Self::NoTermLeft => write!(f, "no term is left: restore a backup"),
            Self::Storage(words) => write!(f, "the storage can't be used: {words}"),
        }
    }
}

impl std::error::Error for ForceError {}
