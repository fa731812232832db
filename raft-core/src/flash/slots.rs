//! Room for two snapshots, of which one counts while the other comes together, each one piece of
//! whole sectors. What is there is said by records elsewhere.
//!
//! The last bytes are kept back in memory until they fill a block. After a start the stage goes on
//! behind its last full sector, for nobody knows what was touched of the next one.

use super::medium::{BLANK, Done, Failed, Medium, padded};
use crate::checksum::crc32;
use crate::types::Snapshot;
use embedded_storage::nor_flash::NorFlash;

/// What is programmed at once, if a word is no longer.
const LEAST_BLOCK_BYTES: usize = 64;

/// Where the slots are, and what is in them.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    start: usize,
    /// How many sectors each has.
    pub(super) sectors: u32,
    /// The snapshot that counts.
    pub(super) snapshot: Snapshot,
    /// Which slot that is in; the other one is the stage's.
    pub(super) second: bool,
    /// What comes together, if anything does.
    pub(super) stage: Snapshot,
    /// How many bytes of that are programmed.
    written: usize,
    /// How many more are in memory.
    pub(super) kept_back: usize,
    /// How many sectors of its slot are erased, or in use by it.
    pub(super) erased: u32,
}

/// How much is programmed at once in words of this length.
pub(super) const fn block_bytes(word: usize) -> usize {
    if word > LEAST_BLOCK_BYTES { word } else { LEAST_BLOCK_BYTES }
}

impl Slots {
    pub(super) const fn new(start: usize, sectors: u32) -> Self {
        let none = Snapshot::NONE;
        Self {
            start,
            sectors,
            snapshot: none,
            second: false,
            stage: none,
            written: 0,
            kept_back: 0,
            erased: 0,
        }
    }

    /// Nothing is known.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.start, self.sectors);
    }

    /// The stage begins anew, or ends.
    pub(super) fn restart(&mut self, stage: Snapshot) {
        // What was erased ahead is so as long as nothing came.
        if self.stage != Snapshot::NONE {
            self.erased = 0;
        }
        (self.stage, self.written, self.kept_back) = (stage, 0, 0);
    }

    /// The stage, of which so many sectors are full, or, if it is none, erased.
    pub(super) fn find<F: NorFlash>(&mut self, stage: Snapshot, sectors: u32) {
        let is_there = stage != Snapshot::NONE;
        (self.stage, self.erased, self.kept_back) = (stage, sectors.min(self.sectors), 0);
        self.written = if is_there { self.erased as usize * F::ERASE_SIZE } else { 0 };
    }

    /// The stage is whole, and counts.
    pub(super) fn switch(&mut self) {
        (self.snapshot, self.second) = (self.stage, !self.second);
        self.restart(Snapshot::NONE);
    }

    /// How many sectors are sure: see [`STAGE`](super::record::STAGE).
    pub(super) fn sure<F: NorFlash>(&self) -> u32 {
        if self.stage == Snapshot::NONE {
            return self.erased;
        }
        u32::try_from(self.written / F::ERASE_SIZE).unwrap_or_default()
    }

    /// How much of the stage there is.
    pub(super) const fn held(&self) -> usize {
        self.written + self.kept_back
    }

    pub(super) fn address<F: NorFlash>(&self, second: bool) -> usize {
        let before = if second { self.sectors as usize * F::ERASE_SIZE } else { 0 };
        self.start + before
    }

    /// Whether a sector for the next stage is not erased.
    pub(super) fn wants_erase(&self) -> bool {
        self.stage == Snapshot::NONE && self.erased < self.sectors
    }

    /// Erases the next sector of the stage's slot.
    pub(super) fn erase<F: NorFlash>(&mut self, medium: &mut Medium<F>) -> Done {
        let sector = self.erased as usize * F::ERASE_SIZE;
        medium.erase(self.address::<F>(!self.second) + sector)?;
        self.erased += 1;
        Ok(())
    }

    /// Puts bytes behind what is kept back in memory. Gives those for which there was no room.
    pub(super) fn keep_back<'b>(&mut self, back: &mut [u8], bytes: &'b [u8]) -> Done<&'b [u8]> {
        let room = back.get_mut(self.kept_back..).ok_or(Failed::BadRecord)?;
        let taken = bytes.len().min(room.len());
        let (piece, rest) = bytes.split_at_checked(taken).ok_or(Failed::BadRecord)?;
        room.iter_mut().zip(piece).for_each(|(room, byte)| *room = *byte);
        self.kept_back += taken;
        Ok(rest)
    }

    /// Programs what was kept back. Says whether a sector is full by that.
    pub(super) fn pass<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        back: &mut [u8],
    ) -> Done<bool> {
        if self.written >= self.erased as usize * F::ERASE_SIZE {
            self.erase(medium)?;
        }
        let block = back.get_mut(..padded::<F>(self.kept_back)).ok_or(Failed::BadRecord)?;
        block.get_mut(self.kept_back..).ok_or(Failed::BadRecord)?.fill(BLANK);
        medium.program(self.address::<F>(!self.second) + self.written, block)?;
        self.written += self.kept_back;
        self.kept_back = 0;
        Ok(self.written.is_multiple_of(F::ERASE_SIZE))
    }

    /// Fills the buffer with what stands there in the stage: in flash or, behind what is
    /// programmed, in memory.
    pub(super) fn read_stage<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        back: &[u8],
        offset: usize,
        buffer: &mut [u8],
    ) -> Done {
        let programmed = self.written.saturating_sub(offset).min(buffer.len());
        let (one, other) = buffer.split_at_mut_checked(programmed).ok_or(Failed::BadRecord)?;
        if !one.is_empty() {
            medium.read(self.address::<F>(!self.second) + offset, one)?;
        }
        let from = (offset + programmed).saturating_sub(self.written);
        let bytes = back.get(from..self.kept_back).and_then(|it| it.get(..other.len()));
        other.copy_from_slice(bytes.ok_or(Failed::BadRecord)?);
        Ok(())
    }

    /// Whether the snapshot is what it should be.
    pub(super) fn is_sound<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        buffer: &mut [u8],
        snapshot: &Snapshot,
        second: bool,
    ) -> Done<bool> {
        let (mut at, mut left, mut sum) = (self.address::<F>(second), snapshot.bytes as usize, 0);
        if left > self.sectors as usize * F::ERASE_SIZE {
            return Ok(false);
        }
        while left > 0 {
            let length = buffer.len().min(left);
            let piece = buffer.get_mut(..length).ok_or(Failed::BadRecord)?;
            medium.read(at, piece)?;
            sum = crc32(sum, piece);
            (at, left) = (at + length, left - length);
        }
        Ok(sum == snapshot.checksum)
    }
}
