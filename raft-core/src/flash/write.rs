//! Records on their way into the flash, each to its place.
//!
//! Each is programmed when its writing returns, so that a flush has nothing left to do.

use super::anchors::{Anchors, Kept};
use super::medium::{Result, put};
use super::mount::halves;
use super::record::{
    BASE, ENTRIES, ENTRIES_AFTER, ENTRIES_ON, HEAD_BYTES, OPENING_COPY_AT, SNAPSHOT, TAIL_COPY_AT,
    distance, payload, write_placed, write_position,
};
use super::slots::{Placed, Stage};
use super::{FlashError, FlashStorage};
use crate::bytes::shift;
use crate::log::Entries;
use crate::number::Writer;
use crate::storage::{Identity, Storage};
use crate::types::{Index, Position, Snapshot};
use embedded_storage::nor_flash::NorFlash;

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    pub(super) fn identify(&mut self, identity: Identity) -> Result<(), F> {
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let medium = &mut self.medium;
        let kept = match self.kept {
            Some(kept) => Kept { identity, ..kept },
            None => {
                // As long as one of these is blank nothing was ever promised.
                medium.erase(0)?;
                medium.erase(F::ERASE_SIZE)?;
                self.ring.wipe(medium)?;
                for sector in 0..self.slots.sectors {
                    self.slots.erase(medium, false, sector)?;
                    self.slots.erase(medium, true, sector)?;
                }
                self.anchors = Anchors::default();
                self.erased_ahead = Some(self.slots.sectors);
                let first = self.ring.first;
                Kept { identity, ballot: None, first, generation: 0, is_void: false }
            }
        };
        if self.kept.is_some() {
            self.anchors.begin_again(medium, &kept, buffer)?;
        } else {
            self.anchors.begin_both(medium, 0, &kept, buffer)?;
        }
        self.kept = Some(kept);
        Ok(())
    }

    pub(super) fn begin_stage(&mut self, snapshot: Snapshot) -> Result<(), F> {
        if snapshot.bytes > self.snapshot_bytes_max() {
            return Err(FlashError::SnapshotTooLong);
        }
        let erased = self.erased_ahead.take().unwrap_or_default();
        let number = self.numbers.checked_add(1).ok_or(FlashError::BadRecord)?;
        let placed = Placed { snapshot, slot: !self.snapshot.slot, number };
        let mut stage = Stage::new(placed, (self.ring.head, self.ring.end), erased);
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        self.slots.begin_sector(&mut self.medium, &mut stage, buffer)?;
        (self.numbers, self.stage) = (number, Some(stage));
        Ok(())
    }

    pub(super) fn add_chunk(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F> {
        let stage = self.stage.as_mut().filter(|stage| stage.held() == offset as usize);
        let stage = stage.ok_or(FlashError::BadRecord)?;
        let (back, buffer) = halves::<F>(self.buffer.as_mut());
        self.slots.add(&mut self.medium, stage, back, buffer, bytes)
    }

    pub(super) fn switch(&mut self, snapshot: Snapshot) -> Result<(), F> {
        let stage = self.stage.as_mut().filter(|stage| {
            stage.placed.snapshot == snapshot && stage.held() == snapshot.bytes as usize
        });
        let stage = stage.ok_or(FlashError::BadRecord)?;
        let (back, buffer) = halves::<F>(self.buffer.as_mut());
        self.slots.pass(&mut self.medium, stage, back, buffer)?;
        let placed = stage.placed;
        self.plain(SNAPSHOT, |writer| write_placed(writer, &placed))?;
        (self.snapshot, self.stage, self.erased_ahead) = (placed, None, Some(0));
        self.snapshot_lost = false;
        Ok(())
    }

    /// Writes a base.
    pub(super) fn base(&mut self, base: Position) -> Result<(), F> {
        self.plain(BASE, |writer| write_position(writer, base))
    }

    /// Writes a record other than entries.
    fn plain(
        &mut self,
        kind: u8,
        write: impl FnOnce(&mut Writer<'_>) -> Option<()>,
    ) -> Result<(), F> {
        if self.ring.room::<F>() < self.geometry.plain_bytes_max() {
            self.open()?;
        }
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let length = payload(buffer, write).ok_or(FlashError::BadRecord)?;
        self.ring.write(&mut self.medium, kind, length, buffer)
    }

    /// Goes on in the next segment, and takes what was found last at the start along.
    fn open(&mut self) -> Result<(), F> {
        self.last = None;
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let copy_bytes = self.anchors.tail_bytes.saturating_sub(TAIL_COPY_AT);
        if copy_bytes > 0 {
            self.anchors.read_tail(&mut self.medium, 0, buffer)?;
            let moved = shift(buffer, TAIL_COPY_AT, OPENING_COPY_AT, copy_bytes);
            moved.ok_or(FlashError::BadRecord)?;
        }
        self.ring.open(&mut self.medium, copy_bytes, buffer)?;
        // From here on it stands in the ring.
        self.anchors.tail_bytes = 0;
        Ok(())
    }

    /// Writes a run of entries, cut where a record can't be longer. Gives the position of the last.
    pub(super) fn entries(
        &mut self,
        after: Position,
        committed: Index,
        bytes: &[u8],
    ) -> Result<Position, F> {
        let mut rest = Entries::parse(after.term, bytes).ok_or(FlashError::BadRecord)?;
        let (mut before, mut is_fresh) = (after, false);
        loop {
            let distance = distance(before.index, committed);
            let kind = match self.last == Some(before) {
                true if self.distance == distance => ENTRIES_ON,
                true => ENTRIES,
                false => ENTRIES_AFTER,
            };
            let (_, buffer) = halves::<F>(self.buffer.as_mut());
            let numbers = |writer: &mut Writer<'_>| match kind {
                ENTRIES_ON => Some(()),
                ENTRIES => writer.number(distance),
                _ => write_position(writer, before).and_then(|()| writer.number(distance)),
            };
            let length = payload(buffer, numbers).ok_or(FlashError::BadRecord)?;
            let room = self.ring.room::<F>().min(self.geometry.record_bytes_max());
            let (taken, last, left) = fitting(before, rest, room.checked_sub(HEAD_BYTES + length));
            if let Some(taken) = taken {
                let run = rest.bytes().get(..taken).ok_or(FlashError::BadRecord)?;
                put(buffer, HEAD_BYTES + length, run).ok_or(FlashError::BadRecord)?;
                self.ring.write(&mut self.medium, kind, length + taken, buffer)?;
                (self.last, self.distance) = (Some(last), distance);
                (before, rest, is_fresh) = (last, left, false);
                if rest.is_empty() {
                    return Ok(before);
                }
            } else if is_fresh {
                return Err(FlashError::EntryTooLong);
            } else {
                self.open()?;
                is_fresh = true;
            }
        }
    }

    /// Writes the whole log in a generation of its own, which counts when both ballot sectors say
    /// so.
    pub(super) fn renewal(
        &mut self,
        base: Position,
        committed: Index,
        parts: [&[u8]; 2],
    ) -> Result<(), F> {
        let mut kept = self.kept.ok_or(FlashError::BadRecord)?;
        // No other attempt has this number: each start and each attempt raise it.
        kept.generation = self.anchors.counter;
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        self.ring.generation = kept.generation;
        self.ring.open(&mut self.medium, 0, buffer)?;
        kept.first = self.ring.head;
        self.last = None;
        // What was found last at the start belongs to what this takes the place of.
        let tail_bytes = core::mem::take(&mut self.anchors.tail_bytes);
        self.base(base)?;
        let mut after = base;
        for part in parts {
            if !part.is_empty() {
                after = self.entries(after, committed, part)?;
            }
        }
        let placed = self.snapshot;
        // Of one that is lost the number stays, so that what is older is not taken for a stage.
        if placed.number > 0 {
            self.plain(SNAPSHOT, |writer| write_placed(writer, &placed))?;
        }
        self.anchors.tail_bytes = tail_bytes;
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        self.anchors.write(&mut self.medium, &kept, buffer)?;
        self.anchors.tail_bytes = 0;
        (self.kept, self.ring.first) = (Some(kept), kept.first);
        (self.rotten, self.snapshot_lost) = (false, false);
        Ok(())
    }
}

/// How many bytes of these entries fit into so much room, the position of the last of them, and the
/// entries behind it. `None` if there is room for nothing.
fn fitting(
    before: Position,
    entries: Entries<'_>,
    room: Option<usize>,
) -> (Option<usize>, Position, Entries<'_>) {
    let (mut taken, mut last, mut left) = (0, before, entries);
    while let Some((entry, length, following)) = left.split_first()
        && room.is_some_and(|room| taken + length as usize <= room)
    {
        taken += length as usize;
        last = Position { term: entry.term, index: last.index.next() };
        left = following;
    }
    // A run of none says where the log ends.
    let fits = room.is_some() && (taken > 0 || entries.is_empty());
    (fits.then_some(taken), last, left)
}
