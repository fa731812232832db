//! The log against a plain vector, over histories that nobody thought of.
//!
//! The model knows what stands where, and from where bytes lie it tells what there must be room
//! for: neither may the log refuse what fits, nor take what the reserve forbids.

use super::*;
use crate::random::Random;
use crate::types::NodeId;
use std::{vec, vec::Vec};

/// An entry as the model has it.
#[derive(Clone, PartialEq, Debug)]
struct Kept {
    term: Term,
    kind: Kind,
    body: Vec<u8>,
}

/// A log, and what it must hold.
struct History {
    log: Log<Vec<u8>>,
    base: Position,
    kept: Vec<Kept>,
    random: Random,
}

impl History {
    fn new(bytes: usize, seed: u32) -> Self {
        let log = Log::new(vec![0xA5; bytes]).unwrap();
        Self { log, base: Position::ZERO, kept: Vec::new(), random: Random::new(seed, NodeId(0)) }
    }

    /// Does one thing that a node might do.
    fn step(&mut self) {
        match self.random.below(16) {
            0..4 => self.propose(),
            4..6 => self.append_noop(),
            6..11 => self.take_run(),
            11..13 => self.truncate(),
            13..15 => self.drop_prefix(),
            _ if self.random.below(20) == 0 => self.start_anew(),
            _ => self.recover(),
        }
    }

    fn propose(&mut self) {
        let (term, body) = (self.later_term(), self.body());
        let fits = body.len() <= self.log.client_bytes_max()
            && self.fits(self.size_of(term, &body), body.len(), Reserve::Kept);
        let taken = self.log.propose(term, Kind::COMMAND, BODY_BYTES_MAX, |room| {
            room.get_mut(..body.len())?.copy_from_slice(&body);
            Some(body.len())
        });
        assert_eq!(taken.is_ok(), fits, "{taken:?} to {} bytes", body.len());
        if fits {
            self.kept.push(Kept { term, kind: Kind::COMMAND, body });
        }
    }

    fn append_noop(&mut self) {
        let term = self.later_term();
        assert!(!self.log.has_room_for_noop() || self.fits(NOOP_BYTES_MAX, 0, Reserve::Open));
        let fits = self.fits(self.size_of(term, &[]), 0, Reserve::Open);
        let taken = self.log.append(term, Kind::NOOP, &[]);
        assert_eq!(taken.is_ok(), fits, "{taken:?}");
        if fits {
            self.kept.push(Kept { term, kind: Kind::NOOP, body: Vec::new() });
        }
    }

    /// A run as from a leader, or as from storage: what is taken is what would be taken singly.
    fn take_run(&mut self) {
        let mut sent = Log::new(vec![0; 8192]).unwrap();
        sent.restart_after(self.log.last());
        let mut entries = Vec::new();
        for _ in 0..self.random.below(8) {
            let kind = if self.random.below(5) == 0 { Kind::NOOP } else { Kind::COMMAND };
            let mut body = self.body();
            body.truncate(600);
            let step = if self.random.below(4) == 0 { self.random.below(300) } else { 0 };
            let term = Term(sent.last().term.0.max(1) + step);
            sent.append(term, kind, &body).unwrap();
            entries.push(Kept { term, kind, body });
        }
        let Some(run) = sent.run(self.log.last().index.next(), u32::MAX, usize::MAX) else {
            assert_eq!(self.log.follow(&Entries::NONE), Some(0));
            return;
        };
        let follows = self.random.below(2) == 0;
        let start = self.log.clone();
        let taken = if follows { self.log.follow(&run) } else { self.log.extend(run) };
        let (most, after) = (taken.unwrap() as usize, core::mem::replace(&mut self.log, start));
        for (place, entry) in entries.into_iter().enumerate() {
            let one = sent.run(self.log.last().index.next(), 1, usize::MAX).unwrap();
            let kept = follows && entry.kind == Kind::COMMAND;
            let reserve = if kept { Reserve::Kept } else { Reserve::Open };
            let fits = self.fits(u32::try_from(one.bytes().len()).unwrap(), 0, reserve);
            assert_eq!(place < most, fits, "the entry {place} of {most} taken");
            if !fits {
                break;
            }
            assert_eq!(self.log.extend(one), Some(1));
            self.kept.push(entry);
        }
        assert!(self.log == after, "a run is what its entries are");
        self.log = after;
    }

    fn truncate(&mut self) {
        let index = self.any_index();
        let inside = self.log.truncate(index).is_some();
        assert_eq!(inside, self.term(index).is_some());
        if inside {
            self.kept.truncate(usize::try_from(index.above(self.base.index)).unwrap());
        }
    }

    fn drop_prefix(&mut self) {
        let index = self.any_index();
        let term = self.term(index);
        assert_eq!(self.log.drop_prefix(index).is_some(), term.is_some());
        if let Some(term) = term {
            self.kept.drain(..usize::try_from(index.above(self.base.index)).unwrap());
            self.base = Position { term, index };
        }
    }

    fn start_anew(&mut self) {
        self.base = Position { term: self.later_term(), index: self.any_index() };
        self.kept.clear();
        self.log.restart_after(self.base);
    }

    /// The same memory, filled from storage, holds the same entries.
    fn recover(&mut self) {
        let mut found = Log::new(vec![0x5A; self.log.memory.len()]).unwrap();
        found.restart_after(self.base);
        while found.last().index < self.log.last().index {
            let next = found.last().index.next();
            let run = self.log.run(next, u32::MAX, usize::MAX).unwrap();
            let checked = Entries::parse(found.last().term, run.bytes()).unwrap();
            assert_eq!((checked, found.extend(checked)), (run, Some(run.len())));
        }
        assert_eq!(found.last(), self.log.last());
        self.log = found;
    }

    /// What the log says, looked up in the vector.
    fn look(&mut self) {
        let last = Index(self.base.index.0 + self.kept.len() as u64);
        assert_eq!((self.log.base(), self.log.last().index), (self.base, last));
        assert_eq!(self.log.len() as usize, self.kept.len());
        assert!(self.log.holds_together());
        for index in self.base.index.0.saturating_sub(2)..=last.0 + 2 {
            let index = Index(index);
            assert_eq!(self.log.term(index), self.term(index), "the term at {index:?}");
            let kept = self.at(index);
            let entry =
                kept.map(|Kept { term, kind, body }| Entry { term: *term, kind: *kind, body });
            assert_eq!(self.log.get(index), entry, "at {index:?}");
        }
        let limit = self.any_index();
        let term = Term(self.term(limit).unwrap_or_default().0 + self.random.below(3));
        let mut below = (self.base.index.0..=limit.0.min(last.0)).map(Index).rev();
        let found = below.find(|&index| self.term(index).unwrap() <= term);
        assert_eq!(self.log.last_at_most(term, limit), Some(found.unwrap_or(self.base.index)));
        self.look_at_a_piece();
    }

    fn look_at_a_piece(&mut self) {
        let (index, entries_max) = (self.any_index(), self.random.below(9));
        let bytes_max = self.random.below(200) as usize;
        if self.at(index).is_none() {
            assert_eq!(self.log.piece(index, entries_max, bytes_max), None);
            let behind = (index > self.log.last().index).then_some(0);
            assert_eq!(self.log.bytes_from(index), behind);
            return;
        }
        let mut places = self.places();
        places.drain(..usize::try_from(index.above(self.base.index.next())).unwrap());
        let (start, tail) = (places[0].0, places[places.len() - 1].1);
        let rest = if tail > start { 0 } else { self.log.ring_bytes } + tail - start;
        assert_eq!(self.log.bytes_from(index), Some(rest));
        let (mut end, mut count) = (start, 0);
        for &(from, to) in places.iter().take(entries_max as usize) {
            if from != end || (to - start) as usize > bytes_max {
                break;
            }
            (end, count) = (to, count + 1);
        }
        let bytes = &self.log.ring()[start as usize..end as usize];
        assert_eq!(self.log.piece(index, entries_max, bytes_max), Some((bytes, count)));
        let run = self.log.run(index, entries_max, bytes_max).unwrap();
        assert_eq!(Entries::parse(self.term(index.previous()).unwrap(), bytes), Some(run));
    }

    /// Where the entries lie, from their slots: in order, and none in the place of another.
    fn places(&self) -> Vec<(u32, u32)> {
        let first = self.base.index.0 + 1;
        let mut used = vec![false; self.log.ring_bytes as usize];
        let mut places = Vec::new();
        let mut previous = self.base.term;
        for (index, kept) in (first..).map(Index).zip(&self.kept) {
            let start = self.log.slot(self.log.slot_number(index).unwrap()).unwrap().offset;
            let head = &mut [0; entry::OVERHEAD_BYTES_MAX];
            let length = u32::try_from(kept.body.len()).unwrap();
            let head = entry::write_head(previous, kept.term, kept.kind, length, head).unwrap();
            let end = start + u32::try_from(head).unwrap() + length;
            let bytes = &mut used[start as usize..end as usize];
            assert!(!bytes.contains(&true), "two entries in one place");
            bytes.fill(true);
            places.push((start, end));
            previous = kept.term;
        }
        places
    }

    /// Whether an entry of that size must be taken. A body that is encoded into the ring needs two
    /// bytes before it, even if its head takes one.
    fn fits(&self, size: u32, encoded: usize, reserve: Reserve) -> bool {
        let places = self.places();
        let (first, second) = match (places.first(), places.last()) {
            (Some(&(head, _)), Some(&(_, tail))) => {
                let above = places.iter().map(|place| place.0).filter(|&start| start >= tail).min();
                let behind = if above.is_some() { 0 } else { head };
                (above.unwrap_or(self.log.ring_bytes) - tail, behind)
            }
            _ => (self.log.ring_bytes, 0),
        };
        let (slots, bytes) = reserve.kept();
        let needs = if encoded > 0 { size.max(2 + encoded as u32) } else { size };
        // What is left at the ring's end is lost to an entry that goes to its start.
        let leaves = |piece: u32, other: u32| piece >= needs && piece - size + other >= bytes;
        let count = u32::try_from(places.len()).unwrap();
        count + 1 + slots <= self.log.capacity() && (leaves(first, second) || leaves(second, 0))
    }

    fn size_of(&self, term: Term, body: &[u8]) -> u32 {
        let (head, length) = (&mut [0; entry::OVERHEAD_BYTES_MAX], body.len() as u32);
        let last = self.log.last().term;
        let head = entry::write_head(last, term, Kind::COMMAND, length, head).unwrap();
        u32::try_from(head).unwrap() + length
    }

    fn at(&self, index: Index) -> Option<&Kept> {
        let place = index.0.checked_sub(self.base.index.0)?.checked_sub(1)?;
        self.kept.get(usize::try_from(place).unwrap())
    }

    fn term(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.at(index).map(|kept| kept.term)
    }

    /// One within the log, or a little beside it.
    fn any_index(&mut self) -> Index {
        let steps = self.random.below(self.log.len() + 5);
        Index((self.base.index.0 + u64::from(steps)).saturating_sub(2))
    }

    /// Mostly the term that there is; seldom one that takes five bytes to tell.
    fn later_term(&mut self) -> Term {
        let last = self.log.last().term.0.max(1);
        let step = match self.random.below(8) {
            0 => self.random.below(3),
            1 => self.random.below(200),
            2 if last < 1 << 29 => self.random.below(1 << 29),
            _ => 0,
        };
        Term(last + step)
    }

    /// Mostly a few bytes; seldom none, or as many as a client may send.
    fn body(&mut self) -> Vec<u8> {
        let most = u32::try_from(self.log.client_bytes_max()).unwrap();
        let length = match self.random.below(12) {
            0 => 0,
            1 => self.random.below(most + 2),
            2 => most,
            3..8 => self.random.below(10),
            _ => self.random.below(40),
        };
        let byte = self.random.below(256).to_le_bytes()[0];
        vec![byte; length as usize]
    }
}

#[test]
fn a_log_is_a_vector_whatever_happens_to_it() {
    let (mut wraps, mut fulls) = (0, 0);
    for seed in 0..400 {
        let mut history = History::new(512 + 7 * seed as usize % 400, seed);
        for _ in 0..500 {
            let before = history.log.tail;
            history.step();
            history.look();
            let log = &history.log;
            wraps += usize::from(log.tail < before && log.head >= log.tail && !log.is_empty());
            fulls += usize::from(!log.has_room_for_noop());
        }
    }
    assert!(wraps > 1000 && fulls > 1000, "{wraps} wraps, {fulls} times full");
}
