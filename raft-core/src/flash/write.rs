//! Records on their way into the flash, each to its place.
//!
//! Each is programmed when its writing returns, so that a flush has nothing left to do.

use super::medium::{Done, Failed, padded};
use super::record::{
    BASE, ENTRIES, ENTRIES_ON, HEAD_BYTES, IDENTITY, IDENTITY_BYTES_MAX, SNAPSHOT, STAGE, STATE,
    STATE_BYTES, placed_words, position_words, put_payload,
};
use super::{FlashStorage, halves};
use crate::log::Entries;
use crate::number::Writer;
use crate::types::{Index, Position, Snapshot};
use embedded_storage::nor_flash::NorFlash;

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    pub(super) fn begin_stage(&mut self, snapshot: Snapshot) -> Done {
        if snapshot.bytes as usize > self.slots.sectors as usize * F::ERASE_SIZE {
            return Err(Failed::SnapshotTooLong);
        }
        self.slots.restart(snapshot);
        // What was there of another one is not to be taken for this one's.
        self.note_stage()
    }

    pub(super) fn add_chunk(&mut self, offset: u32, bytes: &[u8]) -> Done {
        let held = self.slots.held();
        let left = (self.slots.stage.bytes as usize).saturating_sub(held);
        if held != offset as usize || bytes.len() > left {
            return Err(Failed::BadRecord);
        }
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let (back, _) = halves::<F>(self.buffer.as_mut());
            bytes = self.slots.keep_back(back, bytes)?;
            if self.slots.kept_back == back.len() {
                self.pass()?;
            }
        }
        Ok(())
    }

    /// Programs what was kept back of the stage.
    fn pass(&mut self) -> Done {
        let (back, _) = halves::<F>(self.buffer.as_mut());
        if self.slots.pass(&mut self.medium, back)? {
            self.note_stage()?;
        }
        Ok(())
    }

    /// Writes down how much of the stage is sure.
    pub(super) fn note_stage(&mut self) -> Done {
        let words = placed_words(&self.slots.stage, self.slots.sure::<F>());
        self.note(STAGE, &words)
    }

    pub(super) fn switch(&mut self, snapshot: Snapshot) -> Done {
        let Self { slots, .. } = self;
        if slots.stage != snapshot || slots.held() != snapshot.bytes as usize {
            return Err(Failed::BadRecord);
        }
        if slots.kept_back > 0 {
            self.pass()?;
        }
        self.slots.switch();
        self.note_snapshot()
    }

    /// Writes down which snapshot counts.
    fn note_snapshot(&mut self) -> Done {
        let words = placed_words(&self.slots.snapshot, u32::from(self.slots.second));
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
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        put_payload(buffer, words).ok_or(Failed::BadRecord)?;
        self.ring.append(&mut self.medium, (kind, length), buffer)
    }

    /// Goes on in the next segment.
    fn open(&mut self) -> Done {
        self.last = None;
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        self.ring.open(&mut self.medium, buffer)
    }

    /// Writes the state to both lanes, and the identity, where that is new. The ring comes first:
    /// a start finds it firm, or the other lane untouched.
    pub(super) fn keep(&mut self, all: bool) -> Done {
        self.state.counter = self.state.counter.saturating_add(1);
        let room = padded::<F>(HEAD_BYTES + STATE_BYTES + IDENTITY_BYTES_MAX);
        if self.ring.room::<F>() < room {
            self.open()?;
        }
        let (kind, length) = self.frame_state(all)?;
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        self.ring.append(&mut self.medium, (kind, length), buffer)?;
        self.ring.settle();
        let mut all = all;
        if self.mirror.room::<F>() < room {
            self.mirror.generation = self.mirror.head.saturating_add(1);
            self.mirror.open(&mut self.medium, buffer)?;
            all = true;
        }
        let (kind, length) = self.frame_state(all)?;
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        self.mirror.append(&mut self.medium, (kind, length), buffer)?;
        self.mirror.settle();
        Ok(())
    }

    /// Makes a record of the state in the buffer. Gives its kind and its length.
    fn frame_state(&mut self, all: bool) -> Done<(u8, usize)> {
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        put_payload(buffer, &self.state.words()).ok_or(Failed::BadRecord)?;
        if !all {
            return Ok((STATE, STATE_BYTES));
        }
        let room = buffer.get_mut(HEAD_BYTES + STATE_BYTES..).ok_or(Failed::BadRecord)?;
        let identity = self.identity.ok_or(Failed::NotRenewed)?;
        let used = postcard::to_slice(&identity, room).map_err(|_| Failed::BadRecord)?;
        Ok((IDENTITY, STATE_BYTES + used.len()))
    }

    /// Writes a run of entries, cut where a record can't be longer. Gives the position of the last.
    pub(super) fn entries(
        &mut self,
        after: Position,
        committed: Index,
        bytes: &[u8],
    ) -> Done<Position> {
        let mut rest = Entries::parse(after.term, bytes).ok_or(Failed::BadRecord)?;
        let (mut before, mut is_fresh) = (after, false);
        loop {
            let behind = before.index.0.wrapping_sub(committed.0);
            let (_, buffer) = halves::<F>(self.buffer.as_mut());
            let payload = buffer.get_mut(HEAD_BYTES..).ok_or(Failed::BadRecord)?;
            let (mut kind, mut length) = (ENTRIES_ON, 0);
            if self.last != Some((before, behind)) {
                let mut writer = Writer::new(payload);
                let numbers = [u64::from(before.term.0), before.index.0, committed.0];
                let written = numbers.into_iter().try_for_each(|number| writer.number(number));
                written.ok_or(Failed::BadRecord)?;
                (kind, length) = (ENTRIES, writer.used());
            }
            let room = self.ring.room::<F>().min(self.geometry.record_bytes_max());
            let room = room.checked_sub(HEAD_BYTES + length);
            let (taken, last, left) = fitting(before, rest, room);
            match taken {
                Some(taken) => {
                    let run = rest.bytes().get(..taken).ok_or(Failed::BadRecord)?;
                    let room = payload.get_mut(length..).and_then(|it| it.get_mut(..taken));
                    room.ok_or(Failed::BadRecord)?.copy_from_slice(run);
                    self.ring.append(&mut self.medium, (kind, length + taken), buffer)?;
                    self.last = Some((last, behind));
                    (before, rest, is_fresh) = (last, left, false);
                    if rest.is_empty() {
                        return Ok(before);
                    }
                }
                None if is_fresh => return Err(Failed::EntryTooLong),
                None => {
                    self.open()?;
                    is_fresh = true;
                }
            }
        }
    }

    /// Writes everything anew, in a generation of its own, which counts when its last record says
    /// so.
    pub(super) fn renewal(&mut self, base: Position, committed: Index, parts: [&[u8]; 2]) -> Done {
        if !self.is_firm {
            let (_, buffer) = halves::<F>(self.buffer.as_mut());
            self.ring.clean(&mut self.medium, buffer)?;
        }
        self.state.generation = self.ring.head.saturating_add(1);
        self.ring.generation = self.state.generation;
        self.open()?;
        self.note_snapshot()?;
        self.note_stage()?;
        self.base(base)?;
        let mut after = base;
        for part in parts {
            if !part.is_empty() {
                after = self.entries(after, committed, part)?;
            }
        }
        self.keep(true)?;
        self.is_firm = true;
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
