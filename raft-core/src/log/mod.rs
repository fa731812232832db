//! The log of one node: a fixed piece of memory, as large as its owner chose.
//!
//! ```text
//! | ring: encoded entries, none of them broken at the end | slots: (offset u32, term u32) each |
//! ```
//!
//! Entries stay as they came, so a batch goes out by one copy; the slots find an entry and its term
//! in constant time. The split suits entries of about 18 bytes: the memory is full in both halves
//! at once. Room for a few no-ops and configurations is kept back from clients, because a full log
//! must still be able to elect, commit and shrink.

pub(crate) mod entry;
#[cfg(test)]
mod histories;
mod ring;
#[cfg(test)]
mod tests;

pub use self::entry::{BODY_BYTES_MAX, Entries, Entry, Kind};
use self::ring::Reserve;
use crate::config::Config;
use crate::configuration::Configuration;
use crate::types::{Index, Position, Term};

const SLOT_BYTES: u32 = 8;
/// The entry size, slot included, at which ring and slots fill up together.
const BALANCED_ENTRY_BYTES: u32 = 26;
/// Entries that only the protocol may append, for which clients leave room.
const RESERVED_NOOPS: u32 = 8;
const RESERVED_CONFIGURATIONS: u32 = 2;
const NOOP_BYTES_MAX: u32 = 6;
/// The longest configuration with its head and its term.
const CONFIGURATION_BYTES_MAX: u32 = 64 + 2 + 5;
const _: () = assert!(Configuration::BYTES_MAX == 64);
const RESERVED_SLOTS: u32 = RESERVED_NOOPS + RESERVED_CONFIGURATIONS;
/// One more configuration than counted: what a wrap around the ring's end may waste.
const RESERVED_BYTES: u32 =
    RESERVED_NOOPS * NOOP_BYTES_MAX + (RESERVED_CONFIGURATIONS + 1) * CONFIGURATION_BYTES_MAX;

/// Entries above a base that was dropped, in memory that never grows.
///
/// `B` is the memory: `&'static mut [u8]` on a board, `Vec<u8>` on a host, `[u8; N]` in a test.
#[derive(Clone)]
pub struct Log<B> {
    memory: B,
    /// The ring's length; the slots follow it.
    ring_bytes: u32,
    slots: u32,
    /// The position before the first entry kept: everything up to there is in the machine.
    base: Position,
    /// The position of the last entry; `base` if there is none.
    last: Position,
    /// How many entries there are: as many as `last` is above `base`.
    count: u32,
    /// From here on every entry has the term of the last one; at most `last`.
    last_term_from: Index,
    /// The slot of the first entry, below `slots`.
    first_slot: u32,
    /// Where the first entry's bytes start; of no meaning if there is none.
    head: u32,
    /// Where the last entry's bytes end, at most `ring_bytes`.
    tail: u32,
}

/// Why an entry was not appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AppendError {
    /// No room: apply and drop a prefix first.
    Full,
    /// The entry is longer than a frame, or than this log, can ever hold.
    TooLarge,
}

/// The memory handed over can't hold a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UnfitMemory {
    /// The least that works.
    pub least_bytes: u32,
    /// The most that works.
    pub most_bytes: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Log<B> {
    /// The least memory: the reserve, and a little for clients.
    pub const MEMORY_BYTES_MIN: u32 = Config::LOG_BYTES_MIN;
    /// The most memory that offsets can name.
    pub const MEMORY_BYTES_MAX: u32 = 1 << 31;

    /// An empty log over `memory`, whose content does not matter.
    pub fn new(memory: B) -> Result<Self, UnfitMemory> {
        let unfit =
            UnfitMemory { least_bytes: Self::MEMORY_BYTES_MIN, most_bytes: Self::MEMORY_BYTES_MAX };
        let bytes = u32::try_from(memory.as_ref().len()).map_err(|_| unfit)?;
        if !(unfit.least_bytes..=unfit.most_bytes).contains(&bytes) {
            return Err(unfit);
        }
        let slots = bytes / BALANCED_ENTRY_BYTES;
        let ring_bytes = bytes - slots * SLOT_BYTES;
        let (base, last, last_term_from) = (Position::ZERO, Position::ZERO, Index::ZERO);
        let (count, first_slot, head, tail) = (0, 0, 0, 0);
        Ok(Self {
            memory,
            ring_bytes,
            slots,
            base,
            last,
            count,
            last_term_from,
            first_slot,
            head,
            tail,
        })
    }

    /// How many entries of clients, and how many bytes of them, this log can hold, and surely one
    /// of at least so much memory; zero for one that is no smaller than this.
    pub(crate) fn client_room(&self, least_bytes: u32) -> (u32, u32) {
        let (mut slots, mut ring) = (self.slots, self.ring_bytes);
        if least_bytes > 0 {
            // A little less than it is, by parts that need no division.
            slots = slots.min(least_bytes / 32);
            ring = ring.min(least_bytes / 2 + least_bytes / 8 + least_bytes / 16);
        }
        (slots - RESERVED_SLOTS, ring - RESERVED_BYTES)
    }

    /// Forgets every entry; the next one stands after `base`.
    pub fn restart_after(&mut self, base: Position) {
        self.base = base;
        self.last = base;
        self.last_term_from = base.index;
        self.count = 0;
        self.first_slot = 0;
        self.tail = 0;
    }

    /// Appends one entry that only the protocol may append; it may use the reserve.
    pub fn append(&mut self, term: Term, kind: Kind, body: &[u8]) -> Result<Position, AppendError> {
        let copy = |room: &mut [u8]| {
            room.get_mut(..body.len())?.copy_from_slice(body);
            Some(body.len())
        };
        self.append_with(term, kind, Reserve::Open, BODY_BYTES_MAX, copy)
    }

    /// Appends a client's entry, which `encode` writes straight into the ring.
    ///
    /// `encode` gives the length it wrote, or `None` if it needs more room; it may be asked twice.
    pub fn propose(
        &mut self,
        term: Term,
        kind: Kind,
        bytes_max: usize,
        encode: impl Fn(&mut [u8]) -> Option<usize>,
    ) -> Result<Position, AppendError> {
        self.append_with(term, kind, Reserve::Kept, bytes_max.min(self.client_bytes_max()), encode)
    }

    /// Appends entries that were in a log before, as far as there is room; gives how many.
    ///
    /// The caller has made sure that the first one belongs after the last one here.
    pub fn extend(&mut self, entries: Entries<'_>) -> Option<u32> {
        self.extend_with(&entries, Reserve::Open)
    }

    /// Appends what a leader sent, as far as there is room, and takes no command into the reserve:
    /// its leader's clients must not keep this node from leading.
    pub(crate) fn follow(&mut self, entries: &Entries<'_>) -> Option<u32> {
        self.extend_with(entries, Reserve::Kept)
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn extend_with(&mut self, entries: &Entries<'_>, reserve: Reserve) -> Option<u32> {
        let (count, bytes) = (entries.len(), entries.bytes());
        if count == 0 {
            // What is before it need not be the last one here.
            return Some(0);
        }
        let size = u32::try_from(bytes.len()).ok()?;
        let (start, end) = self.first_room();
        let (slots_kept, bytes_kept) = reserve.kept();
        let fits = size <= end - start && self.free_bytes() - size >= bytes_kept;
        if !fits || self.slots - self.count < slots_kept.checked_add(count)? {
            return self.extend_singly(entries, reserve);
        }
        self.ring_mut(start, size)?.copy_from_slice(bytes);
        self.count_in_run(entries, start)?;
        Some(count)
    }

    /// Near the end of the ring, or of the room, it is each entry's own size that decides.
    #[cold]
    fn extend_singly(&mut self, entries: &Entries<'_>, reserve: Reserve) -> Option<u32> {
        let before = self.count;
        let (mut bytes, mut rest) = (entries.bytes(), *entries);
        while let Some((entry, size, after)) = rest.split_first() {
            let reserve = if entry.kind == Kind::COMMAND { reserve } else { Reserve::Open };
            let Some(start) = self.place(size).filter(|&at| self.may_take(at, size, reserve))
            else {
                break;
            };
            let (encoded, behind) = bytes.split_at_checked(size as usize)?;
            self.ring_mut(start, size)?.copy_from_slice(encoded);
            self.count_in(entry.term, start, size)?;
            (bytes, rest) = (behind, after);
        }
        Some(self.count - before)
    }

    /// Drops every entry above `index`. `None` if that is not within the log.
    pub fn truncate(&mut self, index: Index) -> Option<()> {
        let term = self.term(index)?;
        if index == self.base.index {
            self.restart_after(self.base);
        } else {
            self.tail = self.end_of(self.slot_number(index)?)?;
            self.count = self.distance(index)?;
            self.last = Position { term, index };
            self.last_term_from = self.last_term_from.min(index);
        }
        Some(())
    }

    /// Drops every entry up to this one if the log holds it, else all there are: the next one then
    /// stands after it.
    pub fn rebase(&mut self, base: Position) {
        if self.term(base.index) != Some(base.term) || self.drop_prefix(base.index).is_none() {
            self.restart_after(base);
        }
    }

    /// Drops every entry up to `index`. `None` if that is not within the log.
    pub fn drop_prefix(&mut self, index: Index) -> Option<()> {
        let base = Position { term: self.term(index)?, index };
        if index == self.last.index {
            self.restart_after(base);
        } else {
            self.first_slot = self.slot_number(index.next())?;
            self.head = self.slot(self.first_slot)?.offset;
            self.count -= self.distance(index)?;
            self.base = base;
        }
        Some(())
    }

    /// Where the last entry stands; the base if there is none.
    pub const fn last(&self) -> Position {
        self.last
    }

    /// The position before the first entry.
    pub const fn base(&self) -> Position {
        self.base
    }

    /// How many entries there are.
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are no entries.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many entries there can be at most.
    pub const fn capacity(&self) -> u32 {
        self.slots
    }

    /// The term of the entry at `index`, or of the base. `None` outside the log.
    pub fn term(&self, index: Index) -> Option<Term> {
        if index < self.base.index || index > self.last.index {
            None
        } else if index >= self.last_term_from {
            Some(self.last.term)
        } else if index == self.base.index {
            Some(self.base.term)
        } else {
            self.slot(self.slot_number(index)?).map(|slot| slot.term)
        }
    }

    /// The entry at `index`. `None` outside the log.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn get(&self, index: Index) -> Option<Entry<'_>> {
        let slot = self.slot(self.slot_number(index)?)?;
        let bytes = self.ring().get(slot.offset as usize..)?;
        let (entry, _) = entry::read(Term::ZERO, bytes)?;
        Some(Entry { term: slot.term, ..entry })
    }

    /// Every entry, from the first to the last.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let first = self.base.index.0;
        (1..=u64::from(self.count)).filter_map(move |step| self.get(Index(first + step)))
    }

    /// The longest run of entries from `index` that lies in one piece and within both limits.
    pub fn run(&self, index: Index, entries_max: u32, bytes_max: usize) -> Option<Entries<'_>> {
        let (bytes, count) = self.piece(index, entries_max, bytes_max)?;
        let (before, last) = (index.previous(), Index(index.previous().0 + u64::from(count)));
        Some(Entries::trusted(self.term(before)?, self.term(last)?, bytes, count))
    }

    /// The bytes of such a run, and how many entries they are.
    #[inline]
    pub(crate) fn piece(
        &self,
        index: Index,
        entries_max: u32,
        bytes_max: usize,
    ) -> Option<(&[u8], u32)> {
        let skipped = self.distance(index)?.checked_sub(1)?;
        let (rest, number) = (self.count - skipped, self.wrap_slot(skipped));
        let start = self.slot(number)?.offset as usize;
        // Mostly there is no more than fits, and it lies in one piece.
        match self.memory.as_ref().get(start..self.tail as usize) {
            Some(bytes) if rest <= entries_max && (1..=bytes_max).contains(&bytes.len()) => {
                Some((bytes, rest))
            }
            _ => self.part(number, entries_max.min(rest), bytes_max),
        }
    }

    /// As many entries as both limits let in, from this slot on and in one piece.
    #[cold]
    fn part(&self, slot: u32, entries_max: u32, bytes_max: usize) -> Option<(&[u8], u32)> {
        let start = self.slot(slot)?.offset;
        let (mut number, mut end, mut count) = (slot, start, 0);
        while count < entries_max && self.slot(number)?.offset == end {
            let after = self.end_of(number)?;
            if (after - start) as usize > bytes_max {
                break;
            }
            (end, count, number) = (after, count + 1, self.next_slot(number));
        }
        Some((self.ring().get(start as usize..end as usize)?, count))
    }

    /// How many bytes of the ring the entries from `index` to the last one take up.
    pub(crate) fn bytes_from(&self, index: Index) -> Option<u32> {
        if index > self.last.index {
            return Some(0);
        }
        let start = self.slot(self.slot_number(index)?)?.offset;
        Some(if start < self.tail {
            self.tail - start
        } else {
            self.ring_bytes - start + self.tail
        })
    }

    /// The highest index up to `limit` whose term is at most `term`; the base if there is none.
    ///
    /// This is how two logs that differ find where they still agree: whole terms at a time.
    pub fn last_at_most(&self, term: Term, limit: Index) -> Option<Index> {
        let (mut low, mut high) = (self.base.index, limit.min(self.last.index));
        while low < high {
            let middle = Index(high.0 - (high.0 - low.0) / 2);
            if self.term(middle)? <= term { low = middle } else { high = middle.previous() }
        }
        Some(low)
    }

    /// Whether a new leader could append its first entry.
    pub fn has_room_for_noop(&self) -> bool {
        self.len() < self.slots && self.place(NOOP_BYTES_MAX).is_some()
    }

    /// The longest body that a client could ever append here.
    pub fn client_bytes_max(&self) -> usize {
        let kept = RESERVED_BYTES as usize + entry::OVERHEAD_BYTES_MAX;
        (self.ring_bytes as usize).saturating_sub(kept).min(BODY_BYTES_MAX)
    }

    /// Whether clients use this much of what they may, in hundredths.
    pub fn is_filled(&self, percent: u32) -> bool {
        let part = |used: u32, most: u32| {
            let most = u64::from(most) * u64::from(percent);
            u64::from(used) * 100 >= most
        };
        let used = self.ring_bytes - self.free_bytes();
        part(self.count, self.slots - RESERVED_SLOTS)
            || part(used, self.ring_bytes - RESERVED_BYTES)
    }

    /// How many bytes of the ring are free, in one piece or two.
    pub fn free_bytes(&self) -> u32 {
        if self.count == 0 {
            self.ring_bytes
        } else if self.head < self.tail {
            self.ring_bytes - self.tail + self.head
        } else {
            self.head - self.tail
        }
    }
}
