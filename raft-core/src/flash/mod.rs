//! Storage in NOR flash: what survives a power cut on a board.
//!
//! Two slots hold the snapshot and the stage, and all other sectors but two are a ring of segments
//! for records. A record is one program operation, done when `write` returns, so that a flush has
//! nothing left to do; each ballot is written once more, into the two sectors that are left. No
//! word is programmed twice between erases, whatever it reads, and nothing is read where entries
//! are written. The node writes its whole log anew at each start, when free segments become few,
//! and when some of it rotted.
#![doc = include_str!("cost.md")]

mod geometry;
mod lane;
mod medium;
mod mount;
mod pause;
mod record;
mod shared;
mod slots;
#[cfg(test)]
mod tests;
mod walk;
mod write;

pub use self::geometry::{Geometry, UnfitFlash};
use self::lane::Lane;
use self::medium::{Failed, Medium};
pub use self::medium::{FlashError, FlashUse};
pub use self::pause::Pause;
use self::record::{Kept, ballot_words, identity_words};
pub use self::shared::{Share, ShareError, SharedFlash};
use self::slots::{Slots, block_bytes};
use crate::storage::{Part, Record, Storage};
use crate::types::{Index, Position, Term};
use embedded_storage::nor_flash::{ErrorType, NorFlash};

/// A [`Storage`] in NOR flash, all of which is its own: see [`SharedFlash`] for a part of one.
///
/// The buffer is for records while they are written, or read: [`Geometry::buffer_bytes`] says how
/// long it must be. Each start erases one of the two sectors for states, the segment behind the
/// last one, and as many as the log takes up, if they were not erased ahead.
#[derive(Clone)]
pub struct FlashStorage<F: ErrorType, B> {
    medium: Medium<F>,
    buffer: B,
    geometry: Geometry,
    pause_micros: u32,
    ring: Lane,
    mirror: Lane,
    slots: Slots,
    kept: Kept,
    /// Whether there is an identity.
    is_formatted: bool,
    /// Whether nothing was ever written, as far as a start could see.
    is_blank: bool,
    /// Whether the log was written anew since the start.
    is_firm: bool,
    /// The entry written last, if in the head segment, and how far what was known to be committed
    /// was behind the entry before that record.
    last: [u32; 3],
    behind: [u32; 2],
}

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    /// Storage in all of this flash, for a node whose log has `log_bytes` of memory, with room for
    /// snapshots of `snapshot_bytes`. With zero of these the log is never compacted.
    pub fn new(
        flash: F,
        buffer: B,
        log_bytes: usize,
        snapshot_bytes: usize,
    ) -> Result<Self, UnfitFlash> {
        if F::READ_SIZE != 1 {
            return Err(UnfitFlash::ReadSize);
        }
        let (erase, word, length) = (F::ERASE_SIZE, F::WRITE_SIZE, buffer.as_ref().len());
        let geometry = Geometry::new(erase, word, length, log_bytes, snapshot_bytes)?;
        let sectors = flash.capacity() / erase;
        if sectors < geometry.least_sectors() {
            return Err(UnfitFlash::Capacity { least_sectors: geometry.least_sectors() });
        }
        let other_sectors = geometry.other_sectors();
        let segments = u32::try_from(sectors - other_sectors).unwrap_or(u32::MAX);
        let buffer_bytes = u32::try_from(length).unwrap_or(u32::MAX);
        let slot_sectors = u32::try_from(geometry.slot_sectors).unwrap_or(u32::MAX);
        Ok(Self {
            medium: Medium::new(flash),
            buffer,
            geometry,
            pause_micros: 0,
            ring: Lane::new(other_sectors * erase, segments, buffer_bytes),
            mirror: Lane::new(0, 2, buffer_bytes),
            slots: Slots::new(2 * erase, slot_sectors),
            kept: Kept::default(),
            is_formatted: false,
            is_blank: false,
            is_firm: false,
            // Opening a segment comes before any entry, and resets it.
            last: [0; 3],
            behind: [0; 2],
        })
    }

    /// The same with everything read back that is programmed: what the flash did not keep is an
    /// error at once.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.medium.verifies = true;
        self
    }

    /// The same on a chip with such pauses: no node is made whose election timeout is not longer,
    /// and a watchdog that would bite meanwhile is an error here.
    pub fn pausing(mut self, pause: Pause) -> Result<Self, UnfitFlash> {
        let micros = pause.micros();
        if pause.watchdog_micros > 0 && pause.watchdog_micros <= micros {
            return Err(UnfitFlash::Watchdog { least_micros: micros.saturating_add(1) });
        }
        self.pause_micros = micros;
        Ok(self)
    }

    /// The longest entry that can be written, encoded.
    pub const fn entry_bytes_max(&self) -> usize {
        self.geometry.entry_bytes_max()
    }

    /// How the flash is divided.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What the flash was used for.
    pub const fn used(&self) -> FlashUse {
        self.medium.used
    }

    /// How many segments the ring has.
    pub const fn segments(&self) -> u32 {
        self.ring.sectors
    }

    /// How often the sector of a segment was erased since it was first used for one, over all
    /// starts: it stands in the sector. `None` where it does not, for it was never used.
    pub fn segment_erases(
        &mut self,
        segment: u32,
    ) -> Result<Option<u32>, FlashError<<F as ErrorType>::Error>> {
        if segment >= self.ring.sectors {
            return Ok(None);
        }
        let mut header = [0; lane::HEADER_BYTES];
        let read = self.medium.read(self.ring.sector::<F>(segment), &mut header);
        self.medium.told(read)?;
        Ok(lane::read_header(&header).map(|header| header.erases))
    }

    /// The flash, to look at.
    pub const fn flash(&self) -> &F {
        &self.medium.flash
    }

    /// The flash itself: whoever changes what it holds changes what the next start finds.
    pub const fn flash_mut(&mut self) -> &mut F {
        &mut self.medium.flash
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.medium.flash
    }
}

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    fn take(&mut self, record: Record<'_>) -> Result<(), Failed> {
        match record {
            Record::Identity(identity) => {
                if !self.is_formatted && !self.is_blank {
                    return Err(Failed::BadRecord);
                }
                if let Some(words) = self.kept.last_chunk_mut() {
                    *words = identity_words(&identity);
                }
                self.is_formatted = true;
                if core::mem::take(&mut self.is_blank) {
                    return self.renewal(Position::ZERO, Index::ZERO, &[]);
                }
                if self.is_firm { self.keep(true) } else { Ok(()) }
            }
            Record::Ballot(ballot) => {
                let [_, _, term, rest, ..] = &mut self.kept;
                [*term, *rest] = ballot_words(ballot);
                if self.is_firm { self.keep(false) } else { Ok(()) }
            }
            // All of the log is handed over soon.
            Record::Base(_) | Record::Entries { .. } if !self.is_firm && self.is_formatted => {
                Ok(())
            }
            _ if !self.is_firm => Err(Failed::NotRenewed),
            Record::Base(base) => self.base(base),
            Record::Stage { snapshot, .. } => self.begin_stage(snapshot),
            Record::Chunk { offset, bytes } => self.add_chunk(offset, bytes),
            Record::Snapshot(snapshot) => self.switch(snapshot),
            Record::Entries { mut after, committed, bytes } => {
                self.entries(&mut after, committed, bytes)
            }
            Record::Lost(_) => Err(Failed::BadRecord),
        }
    }

    fn fill(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Failed> {
        let back = back::<F>(self.buffer.as_mut());
        let is_stage = part == Part::Stage;
        self.slots.read(&mut self.medium, (is_stage, back), offset as usize, buffer)
    }

    /// Whether the other sector for states is to be erased: not before half of this one is full,
    /// for a start erases it in any case.
    fn wants_mirror(&self) -> bool {
        self.mirror.room::<F>() < F::ERASE_SIZE / 2 && self.mirror.wants_erase()
    }

    fn erase_ahead(&mut self) -> Result<(), Failed> {
        let wants_mirror = self.wants_mirror();
        let buffer = records::<F>(self.buffer.as_mut());
        if wants_mirror {
            return self.mirror.erase_ahead(&mut self.medium, buffer);
        }
        if self.ring.wants_erase() {
            return self.ring.erase_ahead(&mut self.medium, buffer);
        }
        if self.slots.wants_erase() {
            self.slots.erase(&mut self.medium)?;
            if !self.slots.wants_erase() {
                return self.note_stage();
            }
        }
        Ok(())
    }
}

// Never inlined: what the node's own long functions take in makes them larger than itself.
impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> Storage for FlashStorage<F, B> {
    type Error = FlashError<<F as ErrorType>::Error>;

    #[inline(never)]
    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error> {
        let mounted = self.mount(each);
        self.medium.told(mounted)
    }

    #[inline(never)]
    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
        let taken = self.take(record);
        self.medium.told(taken)
    }

    #[inline(never)]
    fn wants_renewal(&self, bytes: usize) -> bool {
        let few = self.ring.free() as usize <= self.geometry.needed(bytes);
        self.is_formatted && (!self.is_firm || few)
    }

    #[inline(never)]
    fn renew(
        &mut self,
        base: Position,
        committed: Index,
        parts: [&[u8]; 2],
    ) -> Result<(), Self::Error> {
        if !self.is_formatted {
            return Err(FlashError::NotRenewed);
        }
        let renewed = self.renewal(base, committed, &parts);
        self.medium.told(renewed)
    }

    #[inline(never)]
    fn upkeep(&self) -> u32 {
        let wants = self.wants_mirror() || self.ring.wants_erase() || self.slots.wants_erase();
        u32::from(wants && self.is_firm)
    }

    #[inline(never)]
    fn maintain(&mut self) -> Result<(), Self::Error> {
        if self.upkeep() == 0 {
            return Ok(());
        }
        let erased = self.erase_ahead();
        self.medium.told(erased)
    }

    #[inline(never)]
    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Self::Error> {
        let filled = self.fill(part, offset, buffer);
        self.medium.told(filled)
    }

    fn pause_micros(&self) -> u32 {
        self.pause_micros
    }

    fn entry_bytes_max(&self) -> usize {
        self.geometry.entry_bytes_max()
    }

    fn snapshot_bytes_max(&self) -> u32 {
        u32::try_from(self.slots.sectors as usize * F::ERASE_SIZE).unwrap_or(u32::MAX)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        if self.is_firm { Ok(()) } else { Err(FlashError::NotRenewed) }
    }
}

/// Where no entry is.
const NOWHERE: Position = Position { term: Term(u32::MAX), index: Index(u64::MAX) };

/// The same in words.
const NOWHERE_WORDS: [u32; 3] = [u32::MAX; 3];

/// The part of the buffer for records.
#[inline(never)]
fn records<F: NorFlash>(buffer: &mut [u8]) -> &mut [u8] {
    buffer.get_mut(block_bytes(F::WRITE_SIZE)..).unwrap_or_default()
}

/// The part for what is kept back of a stage.
#[inline(never)]
fn back<F: NorFlash>(buffer: &mut [u8]) -> &mut [u8] {
    buffer.get_mut(..block_bytes(F::WRITE_SIZE)).unwrap_or_default()
}
