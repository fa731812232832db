//! Where entries lie: placing them in the ring, and finding them through their slots.
//!
//! An entry is never broken at the ring's end, so it can be borrowed as one slice. The ring is not
//! wrapped while the tail is above the head; a tail at the head means full, as an empty log has no
//! head. What does not hold together here comes back as `None`, and the caller stops the node.

use super::{
    AppendError, BODY_BYTES_MAX, Entries, Kind, Log, NOOP_BYTES_MAX, RESERVED_BYTES,
    RESERVED_NOOPS, RESERVED_SLOTS, SLOT_BYTES, entry,
};
use crate::bytes;
use crate::types::{Index, Position, Term};

/// Whether an entry may use the room that is kept for the protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserve {
    Open,
    /// All but that of new leaders' first entries.
    Noops,
    Kept,
}

impl Reserve {
    /// How many slots and bytes must stay free.
    pub(super) const fn kept(self) -> (u32, u32) {
        match self {
            Self::Open => (0, 0),
            Self::Noops => (RESERVED_NOOPS, RESERVED_NOOPS * NOOP_BYTES_MAX),
            Self::Kept => (RESERVED_SLOTS, RESERVED_BYTES),
        }
    }
}

/// Where an entry starts, and its term.
pub(super) struct Slot {
    pub(super) offset: u32,
    pub(super) term: Term,
}

/// Bodies of 8 to 1023 bytes, the usual ones, have a head of two bytes.
const HEAD_BYTES_GUESS: u32 = 2;

impl<B: AsRef<[u8]> + AsMut<[u8]>> Log<B> {
    /// All entries, in the two pieces that a ring has at most.
    pub(crate) fn pieces(&self) -> Option<[&[u8]; 2]> {
        let (mut index, mut pieces): (_, [&[u8]; 2]) = (self.base().index, [&[]; 2]);
        for piece in &mut pieces {
            if index < self.last().index {
                let (bytes, count) = self.piece(index.next(), u32::MAX, usize::MAX)?;
                (*piece, index) = (bytes, Index(index.0 + u64::from(count)));
            }
        }
        (index == self.last().index).then_some(pieces)
    }

    /// Appends an entry that changes the members, and leaves the room of new leaders' first ones.
    pub(crate) fn configure(&mut self, term: Term, body: &[u8]) -> Result<Position, AppendError> {
        let copy = |room: &mut [u8]| {
            room.get_mut(..body.len())?.copy_from_slice(body);
            Some(body.len())
        };
        self.append_with(term, Kind::CONFIGURATION, Reserve::Noops, BODY_BYTES_MAX, copy)
    }

    /// How much memory it has.
    pub(crate) fn bytes(&self) -> u32 {
        self.ring_bytes + self.slots * SLOT_BYTES
    }

    /// Lets `encode` write a body into free room, puts the head before it and counts it in.
    pub(super) fn append_with(
        &mut self,
        term: Term,
        kind: Kind,
        reserve: Reserve,
        bytes_max: usize,
        encode: impl Fn(&mut [u8]) -> Option<usize>,
    ) -> Result<Position, AppendError> {
        for (start, end) in self.rooms() {
            let body = start.saturating_add(HEAD_BYTES_GUESS).min(end);
            let Some(room) = self.ring_mut(body, end - body) else { continue };
            let room_bytes = room.len();
            let Some(room) = room.get_mut(..room_bytes.min(bytes_max)) else { continue };
            match encode(room) {
                Some(length) => {
                    if let Some(position) = self.admit(term, kind, reserve, start, end, length) {
                        return Ok(position);
                    }
                }
                None if room_bytes >= bytes_max => return Err(AppendError::TooLarge),
                None => {}
            }
        }
        Err(AppendError::Full)
    }

    /// Counts in a body that lies two bytes behind `start`. `None` if it may not stay.
    fn admit(
        &mut self,
        term: Term,
        kind: Kind,
        reserve: Reserve,
        start: u32,
        end: u32,
        length: usize,
    ) -> Option<Position> {
        let length = u32::try_from(length).ok()?;
        let mut head = [0; entry::OVERHEAD_BYTES_MAX];
        let used = entry::write_head(self.last.term, term, kind, length, &mut head)?;
        let head = head.get(..used)?;
        let head_bytes = u32::try_from(used).ok()?;
        let size = head_bytes.checked_add(length)?;
        if size > end - start || !self.may_take(start, size, reserve) {
            return None;
        }
        if head_bytes != HEAD_BYTES_GUESS {
            let room = self.ring_mut(start, end - start)?;
            bytes::shift(room, HEAD_BYTES_GUESS as usize, used, length as usize)?;
        }
        self.ring_mut(start, head_bytes)?.copy_from_slice(head);
        self.count_in(term, start, size)?;
        Some(self.last)
    }

    /// Whether an entry of `size` bytes at `start` leaves what must be left.
    pub(super) fn may_take(&self, start: u32, size: u32, reserve: Reserve) -> bool {
        let skipped = if start < self.tail { self.ring_bytes - self.tail } else { 0 };
        let (slots, bytes) = reserve.kept();
        self.count + slots < self.slots && self.free_bytes() >= size + skipped + bytes
    }

    /// How much clients use of what they may, in hundredths: of the bytes, or of the places for
    /// entries, whichever is fuller.
    pub fn fill_percent(&self) -> u32 {
        let part = |used: u32, most: u32| {
            let percent = u64::from(used) * 100 / u64::from(most.max(1));
            u32::try_from(percent.min(100)).unwrap_or(100)
        };
        let used = self.ring_bytes - self.free_bytes();
        part(self.count, self.slots.saturating_sub(RESERVED_SLOTS))
            .max(part(used, self.ring_bytes.saturating_sub(RESERVED_BYTES)))
    }

    /// Where an entry of `size` bytes would start. `None` if there is no room for it.
    pub(super) fn place(&self, size: u32) -> Option<u32> {
        let fits = |&(start, end): &(u32, u32)| end - start >= size;
        self.rooms().into_iter().find(fits).map(|(start, _)| start)
    }

    /// The free pieces of the ring, start and end, in the order in which they are filled.
    pub(super) fn rooms(&self) -> [(u32, u32); 2] {
        let behind_the_end = if self.is_wrapped() { 0 } else { self.head };
        [self.first_room(), (0, if self.count == 0 { 0 } else { behind_the_end })]
    }

    /// The free piece behind the last entry, or all there is.
    pub(super) fn first_room(&self) -> (u32, u32) {
        let end = if self.is_wrapped() { self.head } else { self.ring_bytes };
        (if self.count == 0 { 0 } else { self.tail }, end)
    }

    /// Whether the last entry lies before the first one.
    const fn is_wrapped(&self) -> bool {
        self.count > 0 && self.head >= self.tail
    }

    /// Takes the bytes at `offset` in as the next entry.
    pub(super) fn count_in(&mut self, term: Term, offset: u32, size: u32) -> Option<()> {
        self.write_slot(self.wrap_slot(self.count), Slot { offset, term })?;
        let index = self.last.index.next();
        if term != self.last.term {
            self.last_term_from = index;
        }
        self.end_with(Position { term, index }, 1, offset, offset + size)
    }

    /// Takes the bytes at `start` in as the next entries, of which there is one at least.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn count_in_run(&mut self, entries: &Entries<'_>, start: u32) -> Option<()> {
        let (mut number, mut index) = (self.wrap_slot(self.count), self.last.index);
        let (mut term, mut rest) = (entries.previous_term(), entries.bytes());
        let mut offset = start;
        while !rest.is_empty() {
            let (entry, after) = entry::read(term, rest)?;
            self.write_slot(number, Slot { offset, term: entry.term })?;
            index = index.next();
            if entry.term != term {
                self.last_term_from = index;
            }
            offset += u32::try_from(rest.len() - after.len()).ok()?;
            (number, term, rest) = (self.next_slot(number), entry.term, after);
        }
        self.end_with(Position { term, index }, entries.len(), start, offset)
    }

    /// So many more entries end here. `None` if that is not possible.
    fn end_with(&mut self, last: Position, more: u32, start: u32, end: u32) -> Option<()> {
        let count = self.count.checked_add(more).filter(|&count| count <= self.slots)?;
        if last.index >= Index::LIMIT || end > self.ring_bytes {
            return None;
        }
        if self.count == 0 {
            self.head = start;
        }
        (self.count, self.last, self.tail) = (count, last, end);
        Some(())
    }

    /// Whether what is remembered of the first and last entries is what their slots say.
    #[cfg(debug_assertions)]
    pub(crate) fn holds_together(&self) -> bool {
        let term = |index| self.slot_number(index).and_then(|it| self.slot(it)).map(|it| it.term);
        let first = self.slot(self.first_slot).map(|slot| slot.offset);
        self.is_empty()
            || first == Some(self.head)
                && self.last.index.above(self.base.index) == u64::from(self.count)
                && [self.last.index, self.last_term_from.max(self.base.index.next())]
                    .into_iter()
                    .all(|index| term(index) == Some(self.last.term))
    }

    /// How many entries there are up to `index`. `None` outside the log.
    pub(super) fn distance(&self, index: Index) -> Option<u32> {
        let distance = index.0.checked_sub(self.base.index.0)?;
        u32::try_from(distance).ok().filter(|&distance| distance <= self.count)
    }

    /// The slot of the entry at `index`. `None` outside the log.
    pub(super) fn slot_number(&self, index: Index) -> Option<u32> {
        let distance = self.distance(index)?;
        Some(self.wrap_slot(distance.checked_sub(1)?))
    }

    fn write_slot(&mut self, number: u32, slot: Slot) -> Option<()> {
        let start = (self.ring_bytes + number * SLOT_BYTES) as usize;
        let slot = u64::from(slot.term.0) << 32 | u64::from(slot.offset);
        *self.memory.as_mut().get_mut(start..)?.first_chunk_mut()? = slot.to_le_bytes();
        Some(())
    }

    pub(super) fn slot(&self, number: u32) -> Option<Slot> {
        let start = (self.ring_bytes + number * SLOT_BYTES) as usize;
        let [a, b, c, d, e, f, g, h] = *self.memory.as_ref().get(start..)?.first_chunk()?;
        let term = Term(u32::from_le_bytes([e, f, g, h]));
        Some(Slot { offset: u32::from_le_bytes([a, b, c, d]), term })
    }

    /// Where the bytes of the entry with this slot end.
    pub(super) fn end_of(&self, number: u32) -> Option<u32> {
        let start = self.slot(number)?.offset;
        let next = match number == self.wrap_slot(self.count.checked_sub(1)?) {
            true => self.tail,
            false => self.slot(self.next_slot(number))?.offset,
        };
        if next > start {
            return Some(next);
        }
        // The next entry went to the start of the ring: only this one's head tells its length.
        let bytes = self.ring().get(start as usize..)?;
        let (_, rest) = entry::read(Term::ZERO, bytes)?;
        u32::try_from(bytes.len() - rest.len()).ok()?.checked_add(start)
    }

    pub(super) fn ring(&self) -> &[u8] {
        // As long as it was when the log was made.
        self.memory.as_ref().get(..self.ring_bytes as usize).unwrap_or_default()
    }

    pub(super) fn ring_mut(&mut self, offset: u32, size: u32) -> Option<&mut [u8]> {
        let end = offset.checked_add(size).filter(|&end| end <= self.ring_bytes)?;
        self.memory.as_mut().get_mut(offset as usize..end as usize)
    }

    /// The slot behind this one.
    pub(super) const fn next_slot(&self, number: u32) -> u32 {
        if number + 1 == self.slots { 0 } else { number + 1 }
    }

    /// The slot that lies `steps` behind the first one.
    pub(super) const fn wrap_slot(&self, steps: u32) -> u32 {
        let number = self.first_slot + steps;
        if number >= self.slots { number - self.slots } else { number }
    }
}

impl<B> core::fmt::Debug for Log<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (base, last) = (self.base, self.last);
        f.debug_struct("Log").field("base", &base).field("last", &last).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<B> defmt::Format for Log<B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Log {{ base: {}, last: {}, .. }}", self.base, self.last);
    }
}

/// Equal logs hold equal entries at equal places: what is left behind in free memory is no matter.
impl<B: AsRef<[u8]> + AsMut<[u8]>> PartialEq for Log<B> {
    fn eq(&self, other: &Self) -> bool {
        let layout = |log: &Self| (log.ring_bytes, log.slots, log.first_slot, log.tail);
        layout(self) == layout(other)
            && (self.base, self.last) == (other.base, other.last)
            && self.entries().eq(other.entries())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Eq for Log<B> {}

impl<B: AsRef<[u8]> + AsMut<[u8]>> core::hash::Hash for Log<B> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.base, self.last, self.first_slot, self.tail).hash(state);
        self.entries().for_each(|entry| (entry.term, entry.kind, entry.body).hash(state));
    }
}
