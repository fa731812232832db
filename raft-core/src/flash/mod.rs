//! Storage in NOR flash: what survives a power cut on a board.
//!
//! Two sectors hold the identity and the ballot, two slots hold the snapshot and the stage, and all
//! other sectors are a ring of segments for entries and for what must be in order with them. A
//! record is one program operation, done when `write` returns, so that a flush has nothing left to
//! do. No word is programmed twice between erases, whatever it reads, and nothing is read where
//! entries are written. The node writes its whole log anew when free segments become few, or when
//! some of it rotted.

mod anchors;
mod geometry;
mod medium;
mod mount;
mod pause;
mod record;
mod ring;
mod scan;
mod shared;
mod slots;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use self::anchors::{Anchors, Kept};
pub use self::geometry::{Geometry, UnfitFlash};
pub use self::medium::{FlashError, FlashUse};
use self::medium::{Medium, Result};
use self::mount::halves;
pub use self::pause::{Pause, Unsuited};
use self::ring::Ring;
pub use self::shared::{Share, ShareError, SharedFlash};
use self::slots::{Placed, Slots, Stage};
use crate::config::Config;
use crate::storage::{Part, Record, Storage};
use crate::types::{Index, Position};
use embedded_storage::nor_flash::{ErrorType, NorFlash};

/// The format of what is written; the only one that is read.
const VERSION: u8 = 0;

/// A [`Storage`] in NOR flash, all of which is its own: see [`SharedFlash`] for a part of one.
///
/// The buffer is for records while they are written, or read: [`Geometry::buffer_bytes`] says how
/// long it must be. Each start erases the two ballot sectors once.
pub struct FlashStorage<F, B> {
    medium: Medium<F>,
    buffer: B,
    geometry: Geometry,
    anchors: Anchors,
    kept: Option<Kept>,
    ring: Ring,
    slots: Slots,
    snapshot: Placed,
    stage: Option<Stage>,
    /// The highest number that a stage had.
    numbers: u32,
    /// How many sectors were erased ahead for the next stage. `None` if nobody should.
    erased_ahead: Option<usize>,
    /// The entry written last, if in the head segment.
    last: Option<Position>,
    /// How far what was known to be committed was from the entries before it.
    distance: u64,
    /// Whether some of what the ring holds can't be read.
    rotten: bool,
    /// Whether the snapshot can't.
    snapshot_lost: bool,
    /// Whether the slot for the next stage holds an earlier snapshot, and nothing else.
    spare_is_sure: bool,
}

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    /// Storage in all of this flash, for a node whose log has `log_bytes` of memory, with room for
    /// snapshots of `snapshot_bytes`. With zero of these the log is never compacted.
    pub fn new(
        flash: F,
        buffer: B,
        log_bytes: usize,
        snapshot_bytes: usize,
    ) -> core::result::Result<Self, UnfitFlash> {
        if F::READ_SIZE != 1 {
            return Err(UnfitFlash::ReadSize);
        }
        let (erase, word, length) = (F::ERASE_SIZE, F::WRITE_SIZE, buffer.as_ref().len());
        let geometry = Geometry::new(erase, word, length, log_bytes, snapshot_bytes)?;
        let sectors = flash.capacity() / erase;
        if sectors < geometry.least_sectors() {
            return Err(UnfitFlash::Capacity { least_sectors: geometry.least_sectors() });
        }
        let segments = u32::try_from(sectors - geometry.other_sectors()).unwrap_or(u32::MAX);
        let medium = Medium { flash, used: FlashUse::default(), verifies: false };
        let ring = Ring::new(geometry.other_sectors() * erase, segments);
        Ok(Self {
            medium,
            buffer,
            geometry,
            anchors: Anchors::default(),
            kept: None,
            ring,
            slots: Slots::new(2 * erase, geometry.slot_sectors),
            snapshot: Placed::default(),
            stage: None,
            numbers: 0,
            erased_ahead: None,
            last: None,
            distance: 0,
            rotten: false,
            snapshot_lost: false,
            spare_is_sure: false,
        })
    }

    /// The same with everything read back that is programmed: what the flash did not keep is an
    /// error at once.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.medium.verifies = true;
        self
    }

    /// Says what of this configuration does not go together with this storage on a chip with such
    /// pauses, if anything: to be asked once, before a node is made.
    pub fn check(&self, config: &Config, pause: &Pause) -> core::result::Result<(), Unsuited> {
        let most_bytes = self.entry_bytes_max();
        if config.frame_bytes as usize > most_bytes {
            return Err(Unsuited::Frame { most_bytes });
        }
        pause.check(config)
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
        self.ring.segments
    }

    /// How often the sector of a segment was erased since it was first used for one, over all
    /// starts: it stands in the sector. `None` where it does not, for it was never used.
    pub fn segment_erases(&mut self, segment: u32) -> Result<Option<u32>, F> {
        if segment >= self.ring.segments {
            return Ok(None);
        }
        self.ring.erases(&mut self.medium, segment + 1)
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

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> Storage for FlashStorage<F, B> {
    type Error = FlashError<<F as ErrorType>::Error>;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), F> {
        self.mount(each)
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), F> {
        if let Record::Identity(identity) = record {
            return self.identify(identity);
        }
        let kept = self.kept.as_mut().ok_or(FlashError::BadRecord)?;
        match record {
            Record::Ballot(ballot) => {
                kept.ballot = Some(ballot);
                let (_, buffer) = halves::<F>(self.buffer.as_mut());
                self.anchors.write(&mut self.medium, kept, buffer)
            }
            Record::Base(base) => self.base(base),
            Record::Stage { snapshot, .. } => self.begin_stage(snapshot),
            Record::Chunk { offset, bytes } => self.add_chunk(offset, bytes),
            Record::Snapshot(snapshot) => self.switch(snapshot),
            Record::Entries { after, committed, bytes } => {
                self.entries(after, committed, bytes).map(drop)
            }
            Record::Identity(_) | Record::Lost(_) => Err(FlashError::BadRecord),
        }
    }

    fn wants_renewal(&self, bytes: usize) -> bool {
        let needed = self.geometry.segments_for(bytes).saturating_add(self.geometry.reserve());
        self.rotten || self.snapshot_lost || (self.ring.free() as usize) <= needed
    }

    fn renew(&mut self, base: Position, committed: Index, parts: [&[u8]; 2]) -> Result<(), F> {
        self.renewal(base, committed, parts)
    }

    fn maintain(&mut self) -> Result<bool, F> {
        let Some(kept) = &self.kept else { return Ok(false) };
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let medium = &mut self.medium;
        if self.anchors.maintain(medium, kept, buffer)? || self.ring.maintain(medium)? {
            return Ok(true);
        }
        match &mut self.erased_ahead {
            Some(sector) if *sector < self.slots.sectors => {
                self.slots.erase(medium, !self.snapshot.slot, *sector)?;
                *sector += 1;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), F> {
        let (slot, written) = match (part, &self.stage) {
            (Part::Snapshot, _) => (self.snapshot.slot, usize::MAX),
            (Part::Stage, Some(stage)) => (stage.placed.slot, Slots::written(stage)),
            (Part::Stage, None) => return Err(FlashError::BadRecord),
        };
        let (back, _) = halves::<F>(self.buffer.as_mut());
        self.slots.read(&mut self.medium, slot, (written, back), offset as usize, buffer)
    }

    fn snapshot_bytes_max(&self) -> u32 {
        u32::try_from(self.slots.bytes_max::<F>()).unwrap_or(u32::MAX)
    }

    fn flush(&mut self) -> Result<(), F> {
        Ok(())
    }
}
