//! Whether a flash will do, and how it is divided: two sectors for ballots, two slots for
//! snapshots, the rest for the ring, in which a log must fit twice.

use super::lane::HEADER_BYTES;
use super::medium::{WORD_BYTES_MAX, in_words};
use super::record::{
    ENTRIES_OVERHEAD_MAX, HEAD_BYTES, IDENTITY_BYTES, OPENING_BYTES, PAYLOAD_BYTES_MAX,
    PLACED_BYTES, STATE_BYTES,
};
use super::slots::block_bytes;

/// Less holds no record beside what else stands in a segment.
const SECTOR_BYTES_MIN: usize = 512;
/// Sectors for states.
const MIRRORS: usize = 2;
/// What an entry takes up in the log's memory beside itself.
const SLOT_BYTES: usize = 8;
/// The longest record that is of no entries: an identity.
const PLAIN_BYTES_MAX: usize = HEAD_BYTES + STATE_BYTES + IDENTITY_BYTES;

/// Why a flash can't be the storage of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum UnfitFlash {
    /// It is not read byte by byte.
    ReadSize,
    /// Words are longer than 256 bytes, or their length is no power of two.
    WriteSize,
    /// Sectors are too short, or no multiple of a word and of 64 bytes.
    EraseSize {
        /// What would do.
        least_bytes: usize,
    },
    /// The buffer is too short.
    Buffer {
        /// What would do.
        least_bytes: usize,
    },
    /// While a sector is erased the watchdog would end it all.
    Watchdog {
        /// The shortest period that would do.
        least_micros: u32,
    },
    /// It has too few sectors for a log and snapshots of these lengths.
    Capacity {
        /// How many would do.
        least_sectors: usize,
    },
}

/// How a flash with sectors and words of these lengths is divided, and what that comes to.
///
/// For a log of 2,048 bytes, snapshots of 512, and frames of 128, with a 16-byte command in each
/// entry: the fewest sectors, and with so many how many thousand commits until a sector was erased
/// 10,000 times, in the ring alone and with a snapshot for each half of the log. Starts come on
/// top: each erases one of the two sectors for states, and in the ring one segment and as many as
/// the log takes up.
///
/// | chip | sector | word | least | sectors | thousand commits | with snapshots |
/// |---|---|---|---|---|---|---|
/// | nRF51 | 1024 | 4 | 18 | 64 | 21866 | 780 |
/// | nRF52 | 4096 | 4 | 12 | 32 | 41641 | 780 |
/// | RP2040 | 4096 | 256 | 16 | 64 | 7636 | 780 |
/// | STM32G4, L4 | 2048 | 8 | 14 | 32 | 19366 | 780 |
/// | STM32F4 | 16384 | 4 | 12 | 12 | 21792 | 780 |
/// | STM32H7 | 131072 | 32 | 12 | 12 | 131008 | 780 |
/// | W25Q, SPI | 4096 | 1 | 12 | 256 | 420748 | 780 |
///
/// A test computes it: `cargo test -p raft-core flash`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Geometry {
    erase: usize,
    word: usize,
    record_bytes_max: usize,
    /// How many segments all of the log takes up, at the most, with one for whatever else is
    /// written before.
    reserve: usize,
    log_bytes: usize,
    pub(super) slot_sectors: usize,
}

impl Geometry {
    /// The shortest buffer with which entries of so many bytes can be written, encoded. No entry is
    /// longer than the cluster's [`frame_bytes`](crate::Config::frame_bytes).
    pub const fn buffer_bytes(word: usize, entry_bytes: usize) -> usize {
        let entry = entry_bytes.saturating_add(HEAD_BYTES + ENTRIES_OVERHEAD_MAX);
        let record = if PLAIN_BYTES_MAX > entry { PLAIN_BYTES_MAX } else { entry };
        block_bytes(word).saturating_add(in_words(record, word))
    }

    /// What can be had with sectors and words of these lengths and a buffer of this one, for a log
    /// that has so much memory and snapshots no longer than that.
    pub const fn new(
        erase: usize,
        word: usize,
        buffer_bytes: usize,
        log_bytes: usize,
        snapshot_bytes: usize,
    ) -> Result<Self, UnfitFlash> {
        if word > WORD_BYTES_MAX || !word.is_power_of_two() {
            return Err(UnfitFlash::WriteSize);
        }
        let least_bytes = if SECTOR_BYTES_MIN > 8 * word { SECTOR_BYTES_MIN } else { 8 * word };
        if erase < least_bytes || erase & (block_bytes(word) - 1) > 0 {
            return Err(UnfitFlash::EraseSize { least_bytes });
        }
        let least_bytes = Self::buffer_bytes(word, 0);
        if buffer_bytes < least_bytes {
            return Err(UnfitFlash::Buffer { least_bytes });
        }
        let most = least(buffer_bytes - block_bytes(word), erase / 2);
        let most = least(most, HEAD_BYTES + PAYLOAD_BYTES_MAX);
        let mut geometry =
            Self { erase, word, record_bytes_max: most, reserve: 0, log_bytes, slot_sectors: 0 };
        geometry.record_bytes_max = most & !(word - 1);
        geometry.reserve = geometry.segments_for(log_bytes).saturating_add(1);
        geometry.slot_sectors = snapshot_bytes.div_ceil(erase);
        Ok(geometry)
    }

    /// The longest record, with its head.
    pub(super) const fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    /// The longest entry that can be written, encoded.
    pub const fn entry_bytes_max(&self) -> usize {
        self.record_bytes_max - HEAD_BYTES - ENTRIES_OVERHEAD_MAX
    }

    /// How many sectors will do.
    pub const fn least_sectors(&self) -> usize {
        self.other_sectors().saturating_add(self.least_segments())
    }

    /// How many entries of so many bytes, encoded, can be committed, one by one, until a sector was
    /// erased so often, if the flash has so many sectors: those that the log written anew takes up
    /// are counted in, and a snapshot for each half of the log's memory.
    pub const fn commits(&self, entry_bytes: usize, sectors: usize, erases: u32) -> u64 {
        let record = in_words(entry_bytes.saturating_add(HEAD_BYTES), self.word);
        let segments = sectors.saturating_sub(self.other_sectors());
        let written = segments.saturating_sub(self.reserve);
        let new = written.saturating_sub(self.reserve);
        let in_segment = parts(self.segment_bytes(), record) as u64;
        let entries = new as u64 * in_segment * erases as u64;
        let in_ring = if written == 0 { 0 } else { entries / written as u64 * segments as u64 };
        if self.slot_sectors == 0 {
            return in_ring;
        }
        let entry = entry_bytes.saturating_add(SLOT_BYTES);
        let between = parts(self.log_bytes, entry) as u64 / 2;
        // Of two slots each takes every other snapshot.
        let in_slots = 2 * between * erases as u64;
        if in_ring < in_slots { in_ring } else { in_slots }
    }

    /// How many sectors are of no segment.
    pub(super) const fn other_sectors(&self) -> usize {
        self.slot_sectors.saturating_mul(2).saturating_add(MIRRORS)
    }

    /// The log as it stands, the log anew, and two for what comes in between.
    pub(super) const fn least_segments(&self) -> usize {
        self.reserve.saturating_mul(2).saturating_add(2)
    }

    /// How few free segments are too few to write entries of so many bytes before the log anew: of
    /// few bytes no more than two segments are touched.
    pub(super) const fn needed(&self, bytes: usize) -> usize {
        let few = bytes <= self.erase / 8;
        self.reserve + if few { 2 } else { self.reserve }
    }

    /// How many segments entries of so many bytes take up at the most, with what is written about
    /// them. Of two records in a row as little as one may be full, and of two segments.
    const fn segments_for(&self, bytes: usize) -> usize {
        let records = quotient(bytes, self.entry_bytes_max()).saturating_mul(2).saturating_add(2);
        let overhead = HEAD_BYTES + ENTRIES_OVERHEAD_MAX + self.word - 1;
        // Base, snapshot, stage and state.
        let further = 3 * in_words(HEAD_BYTES + PLACED_BYTES, self.word)
            + in_words(PLAIN_BYTES_MAX, self.word);
        let all = bytes.saturating_add(records.saturating_mul(overhead)).saturating_add(further);
        let used = self.segment_bytes() - least(self.record_bytes_max, self.segment_bytes() / 2);
        quotient(all, used).saturating_add(1)
    }

    /// How many bytes of records fit into a segment.
    const fn segment_bytes(&self) -> usize {
        let opening = in_words(HEAD_BYTES + OPENING_BYTES, self.word);
        self.erase - in_words(HEADER_BYTES, self.word) - opening
    }
}

const fn least(one: usize, other: usize) -> usize {
    if one < other { one } else { other }
}

/// How often a part goes into a whole, with one more for what is left. The smallest chips have no
/// instruction for a division, and this goes round seldom.
const fn quotient(whole: usize, part: usize) -> usize {
    let (mut left, mut quotient) = (whole, 0);
    while left > 0 && part > 0 {
        (left, quotient) = (left.saturating_sub(part), quotient + 1);
    }
    quotient
}

/// How many whole parts of this length there are. Nothing, where a part has none.
const fn parts(whole: usize, part: usize) -> usize {
    match whole.checked_div(part) {
        Some(parts) => parts,
        None => 0,
    }
}
