//! Room for two snapshots, of which one counts while the other comes together. Each sector of one:
//!
//! ```text
//! number u32, term u32, index u64, bytes u32, checksum u32     of the stage, and its snapshot
//! before    u32   the checksum of what stands in the sectors before this one
//! reached   u32   the segment of the ring, and u32 where it ended, when the stage was begun
//! own       u32   the checksum of this header, beginning with the sector's place in the slot
//! then, in words of its own: the next bytes of the snapshot
//! ```
//!
//! A sector is begun when the one before it is full, so that where a header reads well and what
//! stands before it adds up, all that was programmed to its end. After a power cut the stage goes
//! on at the beginning of its last sector. The last bytes are kept back until they fill a block.

use super::FlashError;
use super::medium::{BLANK, Medium, PIECE_BYTES, Result, in_words, padded, put, put_words};
use super::medium::{sum, word};
use crate::checksum::crc32;
use crate::types::{Index, Position, Snapshot, Term};
use embedded_storage::nor_flash::NorFlash;

const HEADER_BYTES: usize = 40;
const SUM_AT: usize = HEADER_BYTES - 4;
/// What is programmed at once, if a word is no longer.
const LEAST_BLOCK_BYTES: usize = 64;

/// A snapshot, and where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Placed {
    pub(super) snapshot: Snapshot,
    /// Which slot.
    pub(super) slot: bool,
    /// Which stage of this storage it came together on; they are counted.
    pub(super) number: u32,
}

/// The stage.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub(super) placed: Placed,
    /// Which segment of the ring was open when it was begun, and where its records ended.
    pub(super) reached: (u32, usize),
    /// How many bytes are programmed.
    written: usize,
    /// The checksum of these.
    before: u32,
    /// How many more are in memory.
    kept_back: usize,
    /// How many of its sectors are known to be erased, or in use by it.
    erased: usize,
    /// How many of its sectors have a header.
    begun: usize,
}

/// What a slot holds.
pub(super) struct Look {
    /// As far as it goes, to go on with.
    pub(super) stage: Stage,
    /// Whether it is the snapshot, all of it.
    pub(super) whole: bool,
}

/// Where the slots are.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    start: usize,
    pub(super) sectors: usize,
}

/// How much is programmed at once in words of this length.
pub(super) const fn block_bytes(word: usize) -> usize {
    if word > LEAST_BLOCK_BYTES { word } else { LEAST_BLOCK_BYTES }
}

/// How much of a sector is the snapshot's.
const fn content_bytes(erase: usize, word: usize) -> usize {
    erase.saturating_sub(in_words(HEADER_BYTES, word))
}

/// How many sectors a snapshot of this length takes up.
pub(super) const fn sectors_for(bytes: usize, erase: usize, word: usize) -> usize {
    let content = content_bytes(erase, word);
    if content == 0 { usize::MAX / 4 } else { bytes.div_ceil(content) }
}

impl Stage {
    /// A stage with nothing on it; so many of its sectors were erased ahead.
    pub(super) const fn new(placed: Placed, reached: (u32, usize), erased: usize) -> Self {
        Self { placed, reached, written: 0, before: 0, kept_back: 0, erased, begun: 0 }
    }

    /// How much of it there is.
    pub(super) const fn held(&self) -> usize {
        self.written + self.kept_back
    }
}

impl Slots {
    pub(super) const fn new(start: usize, sectors: usize) -> Self {
        Self { start, sectors }
    }

    pub(super) const fn bytes_max<F: NorFlash>(&self) -> usize {
        self.sectors * content_bytes(F::ERASE_SIZE, F::WRITE_SIZE)
    }

    fn sector_at<F: NorFlash>(&self, slot: bool, sector: usize) -> usize {
        let before = if slot { self.sectors } else { 0 };
        self.start + (before + sector) * F::ERASE_SIZE
    }

    pub(super) fn erase<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        slot: bool,
        sector: usize,
    ) -> Result<(), F> {
        medium.erase(self.sector_at::<F>(slot, sector))
    }

    /// Adds bytes to the stage, over what was kept back in memory.
    pub(super) fn add<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        stage: &mut Stage,
        back: &mut [u8],
        buffer: &mut [u8],
        mut bytes: &[u8],
    ) -> Result<(), F> {
        if bytes.len() > (stage.placed.snapshot.bytes as usize).saturating_sub(stage.held()) {
            return Err(FlashError::BadRecord);
        }
        while !bytes.is_empty() {
            let content = content_bytes(F::ERASE_SIZE, F::WRITE_SIZE);
            let block = back.len().min(content - stage.written % content);
            let taken = bytes.len().min(block - stage.kept_back);
            let (piece, rest) = bytes.split_at_checked(taken).ok_or(FlashError::BadRecord)?;
            put(back, stage.kept_back, piece).ok_or(FlashError::BadRecord)?;
            (stage.kept_back, bytes) = (stage.kept_back + taken, rest);
            if stage.kept_back == block {
                self.pass(medium, stage, back, buffer)?;
            }
        }
        Ok(())
    }

    /// Programs what was kept back.
    pub(super) fn pass<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        stage: &mut Stage,
        back: &mut [u8],
        buffer: &mut [u8],
    ) -> Result<(), F> {
        if stage.kept_back == 0 {
            return Ok(());
        }
        self.begin_sector(medium, stage, buffer)?;
        let at = self.byte_at::<F>(stage.placed.slot, stage.written);
        let bytes = back.get(..stage.kept_back).ok_or(FlashError::BadRecord)?;
        stage.before = crc32(stage.before, bytes);
        let block = back.get_mut(..padded::<F>(stage.kept_back)).ok_or(FlashError::BadRecord)?;
        block.get_mut(stage.kept_back..).ok_or(FlashError::BadRecord)?.fill(BLANK);
        medium.program(at, block)?;
        stage.written += stage.kept_back;
        stage.kept_back = 0;
        Ok(())
    }

    /// Begins the sector that the next bytes stand in, if they are its first.
    pub(super) fn begin_sector<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        stage: &mut Stage,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        let content = content_bytes(F::ERASE_SIZE, F::WRITE_SIZE);
        let sector = stage.written / content;
        if !stage.written.is_multiple_of(content) || sector < stage.begun {
            return Ok(());
        }
        if sector >= stage.erased {
            self.erase(medium, stage.placed.slot, sector)?;
        }
        let header = buffer.get_mut(..padded::<F>(HEADER_BYTES)).ok_or(FlashError::BadRecord)?;
        header.fill(BLANK);
        write_header(stage, sector, header).ok_or(FlashError::BadRecord)?;
        medium.program(self.sector_at::<F>(stage.placed.slot, sector), header)?;
        (stage.erased, stage.begun) = (stage.erased.max(sector + 1), sector + 1);
        Ok(())
    }

    /// Looks what a slot holds, reading each byte once.
    pub(super) fn look<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        slot: bool,
    ) -> Result<Option<Look>, F> {
        let content = content_bytes(F::ERASE_SIZE, F::WRITE_SIZE);
        let (mut found, mut before, mut whole) = (None::<Stage>, 0, false);
        for sector in 0..self.sectors {
            let base = self.sector_at::<F>(slot, sector);
            let mut header = [0; HEADER_BYTES];
            medium.read(base, &mut header)?;
            let Some(mut stage) = read_header(slot, sector, &header) else { break };
            let placed = stage.placed;
            let fits = found.as_ref().is_none_or(|found| found.placed == placed)
                && placed.snapshot.bytes as usize <= self.bytes_max::<F>()
                && stage.before == before;
            if !fits {
                break;
            }
            let written = sector * content;
            (stage.written, stage.begun) = (written, sector);
            found = Some(stage);
            let end = (placed.snapshot.bytes as usize).min(written + content);
            let mut at = base + padded::<F>(HEADER_BYTES);
            let mut left = end.saturating_sub(written);
            while left > 0 {
                let mut buffer = [0; PIECE_BYTES];
                let length = left.min(PIECE_BYTES);
                let piece = buffer.get_mut(..length).ok_or(FlashError::BadRecord)?;
                medium.read(at, piece)?;
                before = crc32(before, piece);
                (at, left) = (at + length, left - length);
            }
            if end == placed.snapshot.bytes as usize {
                whole = before == placed.snapshot.checksum;
                break;
            }
        }
        Ok(found.map(|stage| Look { stage, whole }))
    }

    /// Fills the buffer with what stands there, in flash or, behind what is programmed, in memory.
    pub(super) fn read<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        slot: bool,
        (written, back): (usize, &[u8]),
        mut offset: usize,
        mut buffer: &mut [u8],
    ) -> Result<(), F> {
        let content = content_bytes(F::ERASE_SIZE, F::WRITE_SIZE);
        while !buffer.is_empty() {
            let in_memory = offset >= written;
            let most = if in_memory {
                buffer.len()
            } else {
                (content - offset % content).min(written - offset)
            };
            let length = buffer.len().min(most);
            let (piece, rest) = buffer.split_at_mut_checked(length).ok_or(FlashError::BadRecord)?;
            if in_memory {
                let bytes = back.get(offset - written..).and_then(|it| it.get(..length));
                let bytes = bytes.ok_or(FlashError::BadRecord)?;
                put(piece, 0, bytes).ok_or(FlashError::BadRecord)?;
            } else {
                medium.read(self.byte_at::<F>(slot, offset), piece)?;
            }
            (offset, buffer) = (offset + length, rest);
        }
        Ok(())
    }

    /// How much of a stage is programmed.
    pub(super) const fn written(stage: &Stage) -> usize {
        stage.written
    }

    fn byte_at<F: NorFlash>(&self, slot: bool, offset: usize) -> usize {
        let content = content_bytes(F::ERASE_SIZE, F::WRITE_SIZE);
        let base = self.sector_at::<F>(slot, offset / content);
        base + padded::<F>(HEADER_BYTES) + offset % content
    }
}

fn write_header(stage: &Stage, sector: usize, header: &mut [u8]) -> Option<()> {
    let Snapshot { last, bytes, checksum } = stage.placed.snapshot;
    let end = u32::try_from(stage.reached.1).ok()?;
    put_words(header, 0, &[stage.placed.number, last.term.0])?;
    put(header, 8, &last.index.0.to_le_bytes())?;
    put_words(header, 16, &[bytes, checksum, stage.before, stage.reached.0, end])?;
    let own = sum([u32::try_from(sector).ok()?; 2], header.get(..SUM_AT)?);
    put_words(header, SUM_AT, &[own])
}

/// A sector's part of a stage, with the checksum of what stands before it.
fn read_header(slot: bool, sector: usize, header: &[u8]) -> Option<Stage> {
    let own = sum([u32::try_from(sector).ok()?; 2], header.get(..SUM_AT)?);
    if word(header, SUM_AT) != Some(own) {
        return None;
    }
    let index = u64::from(word(header, 8)?) | u64::from(word(header, 12)?) << 32;
    let last = Position { term: Term(word(header, 4)?), index: Index(index) };
    let (bytes, checksum) = (word(header, 16)?, word(header, 20)?);
    let snapshot = Snapshot { last, bytes, checksum };
    let placed = Placed { snapshot, slot, number: word(header, 0)? };
    let reached = (word(header, 28)?, word(header, 32)? as usize);
    Some(Stage { before: word(header, 24)?, ..Stage::new(placed, reached, sector) })
}
