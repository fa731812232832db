//! Whether bytes are a backup, seen while they pass by.

use crate::wal::sector::{self, SECTOR_BYTES, Unfit};
use raft_core::{ClusterId, LoadError, NodeId, Snapshot};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a backup says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackupHead {
    /// The cluster that it was taken in.
    pub cluster: ClusterId,
    /// The node that took it.
    pub id: NodeId,
    /// What the machine, sessions and all, needs to be equal everywhere.
    pub shape: u32,
    /// When it was taken: seconds since 1970, in UTC.
    pub taken: u64,
    /// The last entry whose effect is in it, and what its content is.
    pub snapshot: Snapshot,
}

/// Why bytes are no backup that can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadBackup {
    /// They are something else.
    NoBackup,
    /// They are a backup in a format of another version.
    UnknownFormat(u16),
    /// They end too early.
    Truncated {
        /// How many there are.
        bytes: u64,
        /// How many there should be, if that can be told.
        expected: Option<u64>,
    },
    /// Something follows where they should end.
    TooLong {
        /// How many there should be.
        expected: u64,
    },
    /// They are not what they were.
    Damaged,
    /// They can't be read, in the system's words.
    Unreadable(String),
    /// They are the state of another machine, or of one with other tables of sessions.
    OtherMachine,
    /// They are written in this format of the machine, which this version does not know.
    MachineFormat(u16),
}

impl BadBackup {
    /// What the core says to content whose checksum is right.
    pub(crate) fn of(error: LoadError) -> Self {
        match error {
            LoadError::Format(format) => Self::MachineFormat(format),
            LoadError::Content => Self::OtherMachine,
            LoadError::Unreadable => Self::Unreadable("not all of it was given".to_owned()),
        }
    }
}

impl BackupHead {
    /// How long a backup with this head is.
    pub fn file_bytes(&self) -> u64 {
        SECTOR_BYTES as u64 + u64::from(self.snapshot.bytes)
    }

    /// As it is written.
    pub(crate) fn written(&self) -> [u8; SECTOR_BYTES] {
        // A few numbers always fit into a sector.
        sector::write(sector::BACKUP, self).unwrap_or([0; SECTOR_BYTES])
    }

    /// Reads the head that a file begins with.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BadBackup> {
        if !bytes.starts_with(&sector::BACKUP) {
            return Err(BadBackup::NoBackup);
        }
        if bytes.len() < SECTOR_BYTES {
            return Err(BadBackup::Truncated { bytes: bytes.len() as u64, expected: None });
        }
        sector::read(sector::BACKUP, bytes).map_err(|unfit| match unfit {
            Unfit::Damaged => BadBackup::Damaged,
            Unfit::Version(version) => BadBackup::UnknownFormat(version),
        })
    }
}

/// Looks at a backup as it passes by, from its first byte to its last.
#[derive(Default)]
pub(super) struct Checker {
    /// What there is of the head.
    start: Vec<u8>,
    head: Option<BackupHead>,
    passed: u64,
    checksum: crc32fast::Hasher,
}

impl Checker {
    /// The next bytes. What is wrong is told as early as it can be.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), BadBackup> {
        self.passed += bytes.len() as u64;
        let missing = SECTOR_BYTES - self.start.len();
        if missing > 0 {
            let (start, rest) = bytes.split_at(missing.min(bytes.len()));
            self.start.extend_from_slice(start);
            bytes = rest;
            if self.start.len() == SECTOR_BYTES {
                self.head = Some(BackupHead::read(&self.start)?);
            }
        }
        self.checksum.update(bytes);
        match self.head.map(|head| head.file_bytes()) {
            Some(expected) if self.passed > expected => Err(BadBackup::TooLong { expected }),
            _ => Ok(()),
        }
    }

    /// There are no more.
    pub(super) fn finish(self) -> Result<BackupHead, BadBackup> {
        let head = self.head.map_or_else(|| BackupHead::read(&self.start), Ok)?;
        let expected = head.file_bytes();
        if self.passed < expected {
            return Err(BadBackup::Truncated { bytes: self.passed, expected: Some(expected) });
        }
        let sound = self.checksum.finalize() == head.snapshot.checksum;
        if sound { Ok(head) } else { Err(BadBackup::Damaged) }
    }
}

impl fmt::Display for BadBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBackup => write!(f, "this is no backup"),
            Self::UnknownFormat(version) => {
                write!(f, "it is a backup of format {version}, which this version does not know")
            }
            Self::Truncated { bytes, expected: Some(expected) } => {
                write!(f, "it is cut short: {bytes} of {expected} bytes are there")
            }
            Self::Truncated { bytes, expected: None } => {
                write!(f, "it is cut short: {bytes} bytes are there")
            }
            Self::TooLong { expected } => {
                write!(f, "something follows behind its {expected} bytes")
            }
            Self::Damaged => write!(f, "it is damaged: a checksum does not match"),
            Self::Unreadable(words) => write!(f, "it can't be read: {words}"),
            Self::OtherMachine => write!(f, "it is a backup of something else"),
            Self::MachineFormat(format) => {
                write!(f, "its content has format {format}, which this version does not know")
            }
        }
    }
}

impl std::error::Error for BadBackup {}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::{Index, Position, Term};

    fn backup() -> (BackupHead, Vec<u8>) {
        let last = Position { term: Term(2), index: Index(300) };
        let content = b"content";
        let checksum = crc32fast::hash(content);
        let snapshot = Snapshot { last, bytes: 7, checksum };
        let (cluster, id) = (ClusterId(300), NodeId(3));
        let head = BackupHead { cluster, id, shape: 128, taken: 1000, snapshot };
        (head, [&head.written()[..], content].concat())
    }

    fn check(bytes: &[u8], piece: usize) -> Result<BackupHead, BadBackup> {
        let mut checker = Checker::default();
        bytes.chunks(piece).try_for_each(|piece| checker.take(piece))?;
        checker.finish()
    }

    #[test]
    fn a_backup_is_these_bytes() {
        let (_, bytes) = backup();
        assert_eq!(bytes[..10], *b"raftback\x01\0");
        let head = [0xAC, 2, 3, 0x80, 1, 0xE8, 7, 2, 0xAC, 2, 7, 0xA9, 0xE1, 0x94, 0xF6, 0x0F];
        assert_eq!(bytes[10..26], head);
        assert!(bytes[26..508].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[508..512], [0x0F, 0xFD, 0xBD, 0xDD]);
        assert_eq!(bytes[512..], *b"content");
    }

    #[test]
    fn whatever_is_wrong_is_told_apart() {
        let (head, bytes) = backup();
        for piece in [1, 7, 512, 1000] {
            assert_eq!(check(&bytes, piece), Ok(head));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                let expected = if at < 8 { BadBackup::NoBackup } else { BadBackup::Damaged };
                assert_eq!(check(&damaged, piece), Err(expected), "byte {at}");
                let expected = (at >= 512).then_some(519);
                let truncated = BadBackup::Truncated { bytes: at as u64, expected };
                let expected = if at < 8 { BadBackup::NoBackup } else { truncated };
                assert_eq!(check(&bytes[..at], piece), Err(expected), "{at} bytes");
            }
            let longer = [&bytes[..], b"!"].concat();
            assert_eq!(check(&longer, piece), Err(BadBackup::TooLong { expected: 519 }));
            let mut later = bytes.clone();
            later[8] = 2;
            let sum = crc32fast::hash(&later[..508]).to_le_bytes();
            later[508..512].copy_from_slice(&sum);
            assert_eq!(check(&later, piece), Err(BadBackup::UnknownFormat(2)));
        }
    }
}
