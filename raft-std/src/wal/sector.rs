//! The first sector of every file, in a form that no version changes:
//!
//! ```text
//! magic      8 bytes   which kind of file it is
//! version    u16       of what follows: 1
//! content              as postcard has it
//! zeros
//! checksum   u32       CRC-32 of the 508 bytes before it
//! ```
//!
//! Numbers are little-endian where nothing else is said. A sector is 512 bytes; none that was
//! flushed is written again in a log, so that no power cut can harm it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a disk writes at once, or less.
pub(crate) const SECTOR_BYTES: usize = 512;
/// The version that is written, and the only one that is read.
const VERSION: u16 = 1;
const CONTENT_AT: usize = 10;
const CHECKSUM_AT: usize = SECTOR_BYTES - 4;

pub(crate) const LOG: [u8; 8] = *b"raft-log";
pub(crate) const SNAPSHOT: [u8; 8] = *b"raftsnap";
pub(crate) const BALLOT: [u8; 8] = *b"raftvote";
pub(crate) const BACKUP: [u8; 8] = *b"raftback";

/// Why a sector is no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unfit {
    /// It does not match its checksum, or was never written.
    Damaged,
    /// It is sound, and of a version that is not known here.
    Version(u16),
}

pub(crate) fn write(magic: [u8; 8], content: &impl Serialize) -> Option<[u8; SECTOR_BYTES]> {
    let mut sector = [0; SECTOR_BYTES];
    sector[..8].copy_from_slice(&magic);
    sector[8..CONTENT_AT].copy_from_slice(&VERSION.to_le_bytes());
    postcard::to_slice(content, &mut sector[CONTENT_AT..CHECKSUM_AT]).ok()?;
    let checksum = crc32fast::hash(&sector[..CHECKSUM_AT]);
    sector[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    Some(sector)
}

/// Reads the sector that the bytes begin with.
pub(crate) fn read<T: DeserializeOwned>(magic: [u8; 8], bytes: &[u8]) -> Result<T, Unfit> {
    let sector = bytes.first_chunk::<SECTOR_BYTES>().ok_or(Unfit::Damaged)?;
    let (body, checksum) = sector.split_last_chunk::<4>().ok_or(Unfit::Damaged)?;
    let sound = crc32fast::hash(body) == u32::from_le_bytes(*checksum);
    if !sound || body[..8] != magic {
        return Err(Unfit::Damaged);
    }
    match u16::from_le_bytes([body[8], body[9]]) {
        VERSION => postcard::from_bytes(&body[CONTENT_AT..]).map_err(|_| Unfit::Damaged),
        version => Err(Unfit::Version(version)),
    }
}

/// How many bytes whole sectors for so many take.
pub(crate) const fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(SECTOR_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_is_these_bytes() {
        let sector = write(LOG, &(300_u32, 1_u64)).expect("a short content");
        assert_eq!(sector[..13], *b"raft-log\x01\0\xAC\x02\x01");
        assert!(sector[13..508].iter().all(|byte| *byte == 0));
        assert_eq!(sector[508..], [0x8B, 0x8B, 0xC0, 0x52]);
        assert_eq!(read(LOG, &sector), Ok((300_u32, 1_u64)));
        assert_eq!(read::<(u32, u64)>(BALLOT, &sector), Err(Unfit::Damaged));
    }
}
