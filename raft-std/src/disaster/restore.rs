//! Founders of a new cluster that begins with a backup.
//!
//! All of them have to agree on everything that a cluster begins with, and nothing else would make
//! them: so the new cluster's identity is made of it. Founders that were given another file, other
//! founders or other settings are of another cluster, and not heard.

use crate::HostMachine;
use crate::backup::{BackupFile, BackupHead, BadBackup};
use crate::host::Stack;
use crate::settings::{BadSetting, Settings};
use raft_core::{
    ClusterId, FormatError, FoundError, Identity, Machine, Membership, NodeId, NodeSet, Nonce,
    Snapshot, Storage,
};
use std::fmt;
use std::time::Duration;

/// What is to be made of a backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restore {
    /// Which founder of the new cluster this storage is for.
    pub id: NodeId,
    /// All founders, this one among them; the same list for each.
    pub founders: Vec<NodeId>,
    /// What the new cluster is to have in common, the same for each; nothing, if that is to stay
    /// as it was in the old one.
    pub settings: Option<Settings>,
    /// Which time this backup is restored for these founders, the same number for each: another
    /// one makes another cluster. If nodes of an earlier time may still be there, say one that was
    /// not used before.
    pub attempt: u32,
}

/// A founder that was made from a backup.
#[derive(Debug)]
pub struct Restored<M> {
    /// The new cluster.
    pub cluster: ClusterId,
    /// What it begins with.
    pub snapshot: Snapshot,
    /// The machine as it is in there.
    pub machine: M,
}

/// Why storage was not made that of a founder. Unless the storage itself failed it is what it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RestoreError {
    /// The backup can't be used.
    Backup(BadBackup),
    /// There is something on the storage already.
    NotBlank,
    /// The founders can't be those: this node is to be among them, ids are 0 to 31, and nine are
    /// the most.
    Founders,
    /// A setting can't work.
    Setting(BadSetting),
    /// The storage has no room for so long a snapshot.
    TooLarge {
        /// How long it is.
        bytes: u32,
        /// The longest that would do.
        most_bytes: u32,
    },
    /// The storage failed, in its own words. Wipe it before the next attempt.
    Storage(String),
}

/// Makes blank storage that of a founder of a **new** cluster, which begins with what is in a
/// backup. Do the same with the storage of each founder, with the same file and the same list,
/// **once**; then start servers on them, without founding anything. A founder whose storage is lost
/// later joins as any new node: what it promised meanwhile is in no backup.
///
/// `machine` is one in its first state: it is restored here, to see that it can be.
pub fn restore<S: Storage, M: HostMachine>(
    storage: &mut S,
    backup: &BackupFile,
    machine: M,
    restore: &Restore,
) -> Result<Restored<M>, RestoreError> {
    let machine = backup.machine(machine).map_err(RestoreError::Backup)?;
    let (before, _) = backup.configuration().map_err(RestoreError::Backup)?;
    let settings = match &restore.settings {
        None => before.settings,
        Some(settings) => {
            let (shape, no_sync) = (<Stack<M> as Machine>::SHAPE, Duration::ZERO);
            let config = settings.config(restore.id, 0, shape, no_sync, None);
            config.map_err(RestoreError::Setting)?.shared_digest()
        }
    };
    if !restore.founders.iter().all(|id| id.is_valid()) {
        return Err(RestoreError::Founders);
    }
    let founders = NodeSet::of(&restore.founders);
    let cluster = identity(backup.head(), founders, settings, restore.attempt);
    let membership = Membership::of_voters(founders);
    let founder = Identity { cluster, id: restore.id, nonce: Nonce::FOUNDER, membership, settings };
    let found = backup.with_content(|mut saved| saved.found(storage, founder));
    let snapshot = found.map_err(|error| match error {
        FoundError::Format(FormatError::NotBlank) => RestoreError::NotBlank,
        FoundError::Format(FormatError::BadMembership) => RestoreError::Founders,
        FoundError::Format(FormatError::Storage(error)) => {
            RestoreError::Storage(format!("{error:?}"))
        }
        FoundError::Snapshot(error) => RestoreError::Backup(BadBackup::of(error)),
        FoundError::TooLarge { bytes, most_bytes } => RestoreError::TooLarge { bytes, most_bytes },
    })?;
    Ok(Restored { cluster, snapshot, machine })
}

/// Makes an identity of everything that a cluster begins with: FNV-1a over the backup's head, which
/// has a checksum of the rest, and of the founders, the settings and the attempt as little-endian
/// words, folded to 48 bits so that it can be typed.
fn identity(head: &BackupHead, founders: NodeSet, settings: u32, attempt: u32) -> ClusterId {
    let members = founders.iter().fold(0_u32, |members, id| members | 1 << id.0);
    let words = [members, settings, attempt].map(u32::to_le_bytes);
    let bytes = head.written().into_iter().chain(words.into_iter().flatten());
    let hash = bytes.fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    ClusterId(((hash ^ hash >> 48) & 0xFFFF_FFFF_FFFF).max(1))
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(bad) => write!(f, "{bad}"),
            Self::NotBlank => {
                write!(f, "the storage is not blank: restore to an empty one, or wipe it first")
            }
            Self::Founders => {
                write!(f, "founders are to be at most nine, 0 to 31, and this node among them")
            }
            Self::Setting(setting) => write!(f, "{setting}"),
            Self::TooLarge { bytes, most_bytes } => {
                write!(f, "the snapshot has {bytes} bytes; the storage takes {most_bytes}")
            }
            Self::Storage(words) => {
                write!(f, "the storage failed: {words}; wipe it before the next attempt")
            }
        }
    }
}

impl std::error::Error for RestoreError {}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::{Index, Position, Term};

    #[test]
    fn a_clusters_identity_is_made_of_all_that_its_founders_agree_on() {
        let last = Position { term: Term(2), index: Index(300) };
        let snapshot = Snapshot { last, bytes: 7, checksum: crc32fast::hash(b"content") };
        let (cluster, id) = (ClusterId(300), NodeId(3));
        let head = BackupHead { cluster, id, shape: 128, taken: 1000, snapshot };
        let founders = [3, 4, 5].map(NodeId);
        let made = identity(&head, NodeSet::of(&founders), 5, 1);
        assert_eq!(made, ClusterId(215_551_488_932_341));
        let others = [
            identity(&BackupHead { taken: 1001, ..head }, NodeSet::of(&founders), 5, 1),
            identity(&head, NodeSet::of(&founders[1..]), 5, 1),
            identity(&head, NodeSet::of(&founders), 6, 1),
            identity(&head, NodeSet::of(&founders), 5, 2),
        ];
        assert!(others.iter().all(|other| *other != made), "{others:?}");
        assert_eq!(identity(&head, founders.into_iter().rev().collect(), 5, 1), made);
    }
}
