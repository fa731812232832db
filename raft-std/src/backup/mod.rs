//! A cluster's state in one file, from which another cluster can begin.
//!
//! ```text
//! head       512 bytes   "raftback", laid out as the head of any file of a `Wal`
//!   cluster  varint      which one it was
//!   id       u8          the node that took it
//!   shape    varint      what the machine needs to be equal everywhere, sessions and all
//!   taken    varint      when: seconds since 1970, in UTC
//!   term     varint      the last entry whose effect is in it
//!   index    varint
//!   bytes    varint      how long the content is
//!   checksum varint      the CRC-32 of the content
//! content                a snapshot as nodes keep it, from byte 512 to the end of the file:
//!   version  u8          of this layout: 0
//!   length   u8          of the configuration
//!   configuration        the members then, for people: another cluster has its own
//!   format   u16         the machine's own, little-endian
//!   ...                  what the machine saved
//! ```
//!
//! So everything is under a checksum, the head under its own.

mod check;
mod file;
mod keep;
mod take;

use self::check::Checker;
pub use self::check::{BackupHead, BadBackup};
pub use self::file::BackupFile;
pub use self::keep::{save_backup, save_backup_in};
pub(crate) use self::take::Opened;
pub use self::take::{Backup, BackupError};

/// In such pieces a backup goes through memory.
const PIECE_BYTES: usize = 64 * 1024;
