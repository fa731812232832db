//! A backup of a running server.
//!
//! Everything that was acknowledged before it was asked for is in it: the node first learns how
//! far the cluster is, as any read does, then takes a snapshot of its machine, whose bytes are read
//! here while the node goes on.

use super::check::{BackupHead, BadBackup};
use super::keep::{copy, save_backup};
use crate::HostMachine;
use crate::errors::{AdminError, ReadError};
use crate::host::Stack;
use crate::server::Server;
use raft_core::{Machine, Snapshot};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a machine may take to save itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether it has.
const AGAIN: Duration = Duration::from_millis(20);

/// A snapshot that was opened to be read.
pub(crate) struct Opened {
    pub(crate) snapshot: Snapshot,
    pub(crate) source: Box<dyn Read + Send>,
}

/// A backup that is being taken: its bytes are read out of it. It stays what it is, whatever the
/// server does meanwhile.
pub struct Backup {
    head: BackupHead,
    /// What of the head was not read yet.
    start: io::Cursor<Vec<u8>>,
    source: io::Take<Box<dyn Read + Send>>,
    checksum: crc32fast::Hasher,
}

/// Why no backup was taken.
#[derive(Debug)]
pub enum BackupError {
    /// How far the cluster is can't be learned.
    Behind(ReadError),
    /// The node could not save its machine.
    Snapshot(AdminError),
    /// What the node's storage holds can't be read, or not as it was written.
    Source(io::Error),
    /// What came was no backup.
    Bad(BadBackup),
    /// It could not be written.
    Write {
        /// To what.
        file: String,
        /// What the system says.
        error: io::Error,
    },
}

impl<M: HostMachine> Server<M> {
    /// Writes the state of the cluster, with everything that was acknowledged before: see
    /// [`restore`](crate::restore). This node takes a snapshot for it; a follower does as well as
    /// the leader.
    pub fn backup(&self, writer: &mut impl Write) -> Result<BackupHead, BackupError> {
        let mut backup = self.begin_backup()?;
        copy(&mut backup, &mut |bytes| writer.write_all(bytes), "the backup")
    }

    /// The same to a file, in the place of one that has this name: there is all of it, or nothing
    /// of it, and when this returns it survives a power cut.
    pub fn backup_to(&self, path: &Path) -> Result<BackupHead, BackupError> {
        save_backup(path, &mut self.begin_backup()?)
    }

    /// The same for whoever reads it piece by piece.
    pub fn begin_backup(&self) -> Result<Backup, BackupError> {
        self.read(|_| ()).map_err(BackupError::Behind)?;
        let stopped = |why| BackupError::Snapshot(AdminError::Stopped(why));
        let reached = self.status().map_err(stopped)?.node.applied;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.compact().and_then(|_| self.open_snapshot()) {
                Ok(opened) if opened.snapshot.last.index >= reached => {
                    return Ok(Backup::new(self, opened));
                }
                Ok(_) | Err(AdminError::Unfinished) if Instant::now() < until => {}
                Ok(_) => return Err(BackupError::Snapshot(AdminError::Unfinished)),
                Err(error) => return Err(BackupError::Snapshot(error)),
            }
            thread::sleep(AGAIN);
        }
    }
}

impl Backup {
    fn new<M: HostMachine>(server: &Server<M>, opened: Opened) -> Self {
        let Opened { snapshot, source } = opened;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (cluster, id) = (server.cluster(), server.id());
        let head = BackupHead {
            cluster,
            id,
            shape: <Stack<M> as Machine>::SHAPE,
            taken: since.as_secs(),
            snapshot,
        };
        Self {
            head,
            start: io::Cursor::new(head.written().to_vec()),
            source: source.take(u64::from(snapshot.bytes)),
            checksum: crc32fast::Hasher::new(),
        }
    }

    /// What it says of itself.
    pub const fn head(&self) -> &BackupHead {
        &self.head
    }
}

impl Read for Backup {
    /// An error at the end says that what was read is not what the node had saved.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.start.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let count = self.source.read(buffer)?;
        self.checksum.update(buffer.get(..count).unwrap_or_default());
        let is_whole = self.source.limit() == 0
            && self.checksum.clone().finalize() == self.head.snapshot.checksum;
        if count == 0 && !is_whole {
            let words = "it is not as it was written";
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(count)
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind(error) => write!(f, "how far the cluster is can't be learned: {error}"),
            Self::Snapshot(error) => write!(f, "the node took no snapshot: {error}"),
            Self::Source(error) => write!(f, "the node's snapshot can't be read: {error}"),
            Self::Bad(bad) => write!(f, "what came is no backup: {bad}"),
            Self::Write { file, error } => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    write!(f, "no room left for {file}: nothing of it was kept")
                }
                _ => write!(f, "can't write {file}: {error}"),
            },
        }
    }
}

impl std::error::Error for BackupError {}
