//! Records on their way into the flash, each to its place.
//!
//! Each is programmed when its writing returns, so that a flush has nothing left to do.

use super::lane::Lane;
use super::medium::{Done, Failed, Medium, padded};
use super::record::{
    BASE, ENTRIES, ENTRIES_ON, HEAD_BYTES, IDENTITY, KEPT_BYTES, Kept, SNAPSHOT, STAGE, STATE,
    STATE_BYTES, halves, placed_words, position_words, put_payload,
};
use super::slots::block_bytes;
use super::{FlashStorage, NOWHERE_WORDS, back, records};
use crate::log::entry::read;
use crate::number::Writer;
use crate::types::{Index, Position, Snapshot};
use embedded_storage::nor_flash::NorFlash;

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    pub(super) fn begin_stage(&mut self, snapshot: Snapshot) -> Done {
        if snapshot.bytes as usize > self.slots.sectors as usize * F::ERASE_SIZE {
            return Err(Failed::SnapshotTooLong);
        }
        self.slots.begin(placed_words(&snapshot, 0));
        // What was there of another one is not to be taken for this one's.
        self.note_stage()
    }

    pub(super) fn add_chunk(&mut self, offset: u32, bytes: &[u8]) -> Done {
        let held = self.slots.held();
        let [_, _, _, most, ..] = self.slots.stage;
        if held != offset as usize || bytes.len() > (most as usize).saturating_sub(held) {
            return Err(Failed::BadRecord);
        }
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let back = back::<F>(self.buffer.as_mut());
            bytes = self.slots.keep_back(back, bytes)?;
            if self.slots.kept_back == back.len() {
                self.pass()?;
            }
        }
        Ok(())
    }

    /// Programs what was kept back of the stage.
    fn pass(&mut self) -> Done {
        let buffer = self.buffer.as_mut();
        let parts = buffer.split_at_mut_checked(block_bytes(F::WRITE_SIZE)).unwrap_or_default();
        let is_full = self.slots.pass(&mut self.medium, parts)?;
        // A long one comes in one flush, and must leave the log its room.
        if is_full && self.ring.free() as usize > self.geometry.needed(0) {
            self.note_stage()?;
        }
        Ok(())
    }

    /// Writes down how much of the stage is sure.
    pub(super) fn note_stage(&mut self) -> Done {
        let words = self.slots.sure::<F>();
        self.note(STAGE, &words)
    }

    pub(super) fn switch(&mut self, snapshot: Snapshot) -> Done {
        let whole = self.slots.held() == snapshot.bytes as usize;
        if !whole || self.slots.stage != placed_words(&snapshot, 0) {
            return Err(Failed::BadRecord);
        }
        if self.slots.kept_back > 0 {
            self.pass()?;
        }
        self.slots.switch();
        self.note_snapshot()
    }

    /// Writes down which snapshot counts.
    fn note_snapshot(&mut self) -> Done {
        let words = self.slots.snapshot;
        self.note(SNAPSHOT, &words)
    }

    pub(super) fn base(&mut self, base: Position) -> Done {
        self.note(BASE, &position_words(base))
    }

    /// Writes a record of some numbers.
    pub(super) fn note(&mut self, kind: u8, words: &[u32]) -> Done {
        let length = size_of_val(words);
        if self.ring.room::<F>() < padded::<F>(HEAD_BYTES + length) {
            self.open()?;
        }
        let buffer = records::<F>(self.buffer.as_mut());
        put_payload(buffer, words).ok_or(Failed::BadRecord)?;
        self.ring.append(&mut self.medium, (kind, length), buffer)
    }

    /// Goes on in the next segment.
    fn open(&mut self) -> Done {
        self.last = NOWHERE_WORDS;
        let buffer = records::<F>(self.buffer.as_mut());
        self.ring.open(&mut self.medium, buffer)
    }

    /// Writes the state to both lanes, with the identity, where that is new. The ring comes first:
    /// a start finds it firm, or the other lane untouched.
    pub(super) fn keep(&mut self, all: bool) -> Done {
        let [counter, ..] = &mut self.kept;
        *counter = counter.saturating_add(1);
        if self.ring.room::<F>() < padded::<F>(HEAD_BYTES + KEPT_BYTES) {
            self.open()?;
        }
        let buffer = records::<F>(self.buffer.as_mut());
        keep_in(&mut self.ring, &mut self.medium, &self.kept, all, buffer)?;
        self.mirror_state(all)
    }

    /// Writes the state to the lane that is for nothing else, and, where a segment begins, twice:
    /// where a second one is, the first was programmed to its end.
    fn mirror_state(&mut self, all: bool) -> Done {
        let Self { mirror, medium, kept, .. } = self;
        let buffer = records::<F>(self.buffer.as_mut());
        let begins = mirror.room::<F>() < padded::<F>(HEAD_BYTES + KEPT_BYTES);
        if begins {
            mirror.generation = mirror.head.saturating_add(1);
            mirror.open(medium, buffer)?;
            keep_in(mirror, medium, kept, true, buffer)?;
        }
        keep_in(mirror, medium, kept, all || begins, buffer)
    }

    /// Writes a run of entries, cut where a record can't be longer. `before` is the position before
    /// the first, and then that of the last.
    pub(super) fn entries(
        &mut self,
        before: &mut Position,
        committed: Index,
        bytes: &[u8],
    ) -> Done {
        let (mut bytes, mut is_fresh) = (bytes, false);
        loop {
            let (place, behind) =
                (position_words(*before), halves(before.index.0.wrapping_sub(committed.0)));
            let buffer = records::<F>(self.buffer.as_mut());
            let payload = buffer.get_mut(HEAD_BYTES..).ok_or(Failed::BadRecord)?;
            let (mut kind, mut length) = (ENTRIES_ON, 0);
            if (self.last, self.behind) != (place, behind) {
                let mut writer = Writer::new(payload);
                let numbers = [u64::from(before.term.0), before.index.0, committed.0];
                let written = numbers.iter().try_for_each(|&number| writer.number(number));
                written.ok_or(Failed::BadRecord)?;
                (kind, length) = (ENTRIES, writer.used());
            }
            let room = self.ring.room::<F>().min(self.geometry.record_bytes_max());
            let (mut last, mut left) = (*before, bytes);
            while !left.is_empty() {
                let (entry, rest) = read(last.term, left).ok_or(Failed::BadRecord)?;
                if HEAD_BYTES + length + bytes.len() - rest.len() > room {
                    break;
                }
                last = Position { term: entry.term, index: last.index.next() };
                left = rest;
            }
            let run = bytes.get(..bytes.len() - left.len()).unwrap_or_default();
            let size = length + run.len();
            // A run of none says where the log ends.
            if HEAD_BYTES + size <= room && (!run.is_empty() || bytes.is_empty()) {
                let room = payload.get_mut(length..size).ok_or(Failed::BadRecord)?;
                room.copy_from_slice(run);
                self.ring.append(&mut self.medium, (kind, size), buffer)?;
                (self.last, self.behind) = (position_words(last), behind);
                (*before, bytes, is_fresh) = (last, left, false);
                if bytes.is_empty() {
                    return Ok(());
                }
            } else if is_fresh {
                return Err(Failed::EntryTooLong);
            } else {
                self.open()?;
                is_fresh = true;
            }
        }
    }

    /// Writes everything anew, in a generation of its own, which counts when its last record says
    /// so.
    pub(super) fn renewal(&mut self, base: Position, committed: Index, parts: &[&[u8]]) -> Done {
        if !self.is_firm {
            let [counter, ..] = &mut self.kept;
            if *counter > 0 {
                // What the start has found counts from here on, and not what may be seen later:
                // only then may anything of that be erased.
                *counter = counter.saturating_add(1);
                self.mirror_state(true)?;
            }
            let buffer = records::<F>(self.buffer.as_mut());
            self.ring.clean(&mut self.medium, buffer)?;
        }
        let next = self.ring.head.saturating_add(1);
        let [_, generation, ..] = &mut self.kept;
        (*generation, self.ring.generation) = (next, next);
        self.open()?;
        self.note_snapshot()?;
        self.note_stage()?;
        self.base(base)?;
        let mut before = base;
        for part in parts {
            if !part.is_empty() {
                self.entries(&mut before, committed, part)?;
            }
        }
        self.keep(true)?;
        self.is_firm = true;
        Ok(())
    }
}

/// Writes the state, with the identity or without, and settles that its generation counts.
fn keep_in<F: NorFlash>(
    lane: &mut Lane,
    medium: &mut Medium<F>,
    kept: &Kept,
    all: bool,
    buffer: &mut [u8],
) -> Done {
    put_payload(buffer, kept).ok_or(Failed::BadRecord)?;
    let framed = if all { (IDENTITY, KEPT_BYTES) } else { (STATE, STATE_BYTES) };
    lane.append(medium, framed, buffer)?;
    lane.settle();
    Ok(())
}
