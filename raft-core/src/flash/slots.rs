//! Room for two snapshots, of which one counts while the other comes together, each one piece of
//! whole sectors. What is there is said by records elsewhere.
//!
//! The last bytes are kept back in memory until they fill a block. After a start the stage goes on
//! behind its last full sector, for nobody knows what was touched of the next one.

use super::medium::{Done, Failed, Medium, padded};
use super::record::{Placed, blank, is_there};
use crate::checksum::crc32;
use embedded_storage::nor_flash::NorFlash;

/// What is programmed at once, if a word is no longer.
const LEAST_BLOCK_BYTES: usize = 64;

/// Where the slots are, and what is in them.
#[derive(Clone, Copy, Default)]
pub(super) struct Slots {
    start: usize,
    /// How many sectors each has.
    pub(super) sectors: u32,
    /// The snapshot that counts, and which slot that is in; the other one is the stage's.
    pub(super) snapshot: Placed,
    /// What comes together, if anything does.
    pub(super) stage: Placed,
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
    pub(super) fn new(start: usize, sectors: u32) -> Self {
        Self { start, sectors, ..Self::default() }
    }

    /// Another stage begins, or none.
    pub(super) fn begin(&mut self, stage: Placed) {
        // What was erased ahead is so as long as nothing came.
        if is_there(&self.stage) {
            self.erased = 0;
        }
        (self.stage, self.written, self.kept_back) = (stage, 0, 0);
    }

    /// What a start found: a snapshot, and a stage, of which so many sectors are full, or, if it is
    /// none, erased.
    #[inline(never)]
    pub(super) fn find<F: NorFlash>(&mut self, snapshot: &Placed, stage: &Placed) {
        (self.snapshot, self.stage) = (*snapshot, *stage);
        let [.., sectors] = &mut self.stage;
        self.erased = core::mem::take(sectors).min(self.sectors);
        (self.written, self.kept_back) = (0, 0);
        if is_there(stage) {
            self.written = self.erased as usize * F::ERASE_SIZE;
        }
    }

    /// The stage is whole, and counts.
    pub(super) fn switch(&mut self) {
        let [.., second] = self.snapshot;
        self.snapshot = self.stage;
        let [.., slot] = &mut self.snapshot;
        *slot = 1 - second.min(1);
        self.begin([0; 6]);
    }

    /// The stage as it is written down: see [`STAGE`](super::record::STAGE).
    pub(super) fn sure<F: NorFlash>(&self) -> Placed {
        let mut stage = self.stage;
        let [.., sure] = &mut stage;
        *sure = self.erased;
        if is_there(&self.stage) {
            *sure = u32::try_from(self.written / F::ERASE_SIZE).unwrap_or_default();
        }
        stage
    }

    /// How much of the stage there is.
    pub(super) const fn held(&self) -> usize {
        self.written + self.kept_back
    }

    /// Where the snapshot's slot begins, or that of the stage.
    pub(super) fn address<F: NorFlash>(&self, is_stage: bool) -> usize {
        let [.., second] = self.snapshot;
        let before = if (second != 0) != is_stage { self.sectors } else { 0 };
        self.start + before as usize * F::ERASE_SIZE
    }

    /// Whether a sector for the next stage is not erased.
    pub(super) fn wants_erase(&self) -> bool {
        !is_there(&self.stage) && self.erased < self.sectors
    }

    /// Erases the next sector of the stage's slot.
    pub(super) fn erase<F: NorFlash>(&mut self, medium: &mut Medium<F>) -> Done {
        let sector = self.erased as usize * F::ERASE_SIZE;
        medium.erase(self.address::<F>(true) + sector)?;
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
        (back, buffer): (&mut [u8], &mut [u8]),
    ) -> Done<bool> {
        let at = self.address::<F>(true) + self.written;
        if self.written >= self.erased as usize * F::ERASE_SIZE {
            self.erase(medium)?;
        } else if self.written.is_multiple_of(F::ERASE_SIZE) && !medium.is_blank(at, buffer)? {
            // It rotted since.
            medium.erase(at)?;
        }
        let block = back.get_mut(..padded::<F>(self.kept_back)).ok_or(Failed::BadRecord)?;
        blank(block.get_mut(self.kept_back..).ok_or(Failed::BadRecord)?);
        medium.program(at, block)?;
        self.written += self.kept_back;
        self.kept_back = 0;
        Ok(self.written.is_multiple_of(F::ERASE_SIZE))
    }

    /// Fills the buffer with what stands there: in flash or, behind what is programmed of a stage,
    /// in memory.
    pub(super) fn read<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        (is_stage, back): (bool, &[u8]),
        offset: usize,
        buffer: &mut [u8],
    ) -> Done {
        if is_stage && offset.saturating_add(buffer.len()) > self.held() {
            return Err(Failed::BadRecord);
        }
        medium.read(self.address::<F>(is_stage) + offset, buffer)?;
        if is_stage {
            let kept_back = back.get(..self.kept_back).unwrap_or_default();
            for (at, byte) in (offset..).zip(buffer) {
                let kept = at.checked_sub(self.written).and_then(|at| kept_back.get(at));
                *byte = *kept.unwrap_or(byte);
            }
        }
        Ok(())
    }

    /// Whether the snapshot is what it should be.
    pub(super) fn is_sound<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        buffer: &mut [u8],
    ) -> Done<bool> {
        let [_, _, _, bytes, checksum, _] = self.snapshot;
        let (mut at, mut left, mut sum) = (self.address::<F>(false), bytes as usize, 0);
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
        Ok(sum == checksum)
    }
}
