//! What a start finds: the newest state first, of all that can be read, and then what its
//! generation holds, in order, and what is lost at its place.
//!
//! What was written last may have been cut short and read well by chance, now and never again.
//! So nothing goes on from here but a new generation, which holds everything anew.

use super::medium::{Done, Failed};
use super::record::{
    BASE, ENTRIES, ENTRIES_ON, IDENTITY, IDENTITY_BYTES, Kept, OPENING, Placed, SNAPSHOT, STAGE,
    STATE, STATE_BYTES, ballot_of, identity_of, is_there, position_of, snapshot_of, words,
};
use super::walk::{Sight, look};
use super::{FlashStorage, NOWHERE, records};
use crate::log::Entries;
use crate::number::Reader;
use crate::storage::{Loss, Record, Storage};
use crate::types::{Index, Position, Term};
use core::mem::take;
use embedded_storage::nor_flash::NorFlash;

/// What all sectors together say.
#[derive(Default)]
struct Survey {
    /// The newest state and the newest identity.
    kept: Kept,
    /// In which segment and sector of its lane that state was found, and the counter that the
    /// identity came with.
    found: (u32, u32),
    identified: u32,
    /// Whether something behind it can't be read.
    is_doubtful: bool,
    /// Whether the first state of a segment says nothing yet, and is the next one.
    is_mirror: bool,
    is_first: bool,
    /// The snapshot that was noted last, and in which segment.
    snapshot: Placed,
    noted: u32,
    /// How many segments the ring has.
    segments: u32,
    /// How long the buffer was.
    buffer_bytes: u32,
    /// The segment with the highest number, and its sector.
    last: (u32, u32),
    /// One of the generation that counts, and its sector.
    known: (u32, u32),
    /// The last one that is known to be of that.
    end: u32,
}

impl Survey {
    fn take(&mut self, place: u32, [segment, generation]: [u32; 2], sight: Sight<'_>) {
        let [newest, counts, ..] = self.kept;
        let Sight::Record(kind, payload) = sight else {
            self.is_doubtful |= self.found == (segment, place);
            return;
        };
        match kind {
            OPENING => {
                let [_, _, buffer_bytes] = words(payload).unwrap_or_default();
                self.buffer_bytes = self.buffer_bytes.max(buffer_bytes);
                self.is_first = self.is_mirror;
                self.last = self.last.max((segment, place));
                if generation == counts {
                    (self.end, self.known) = (self.end.max(segment), (segment, place));
                }
            }
            STATE | IDENTITY if take(&mut self.is_first) => {}
            STATE | IDENTITY => {
                let Some(state) = words::<{ STATE_BYTES / 4 }>(payload) else { return };
                let [counter, generation, ..] = state;
                if newest <= counter
                    && let Some(kept) = self.kept.first_chunk_mut()
                {
                    if generation != counts {
                        self.end = segment;
                    }
                    (self.found, self.is_doubtful) = ((segment, place), false);
                    (self.known, *kept) = (self.found, state);
                }
                if self.identified < counter
                    && let Some(found) = payload.get(STATE_BYTES..).and_then(words)
                    && let Some(identity) = self.kept.last_chunk_mut::<{ IDENTITY_BYTES / 4 }>()
                {
                    (self.identified, *identity) = (counter, found);
                }
            }
            // Not one of an earlier generation, nor of another storage that was here once.
            SNAPSHOT if segment >= self.noted && segment.wrapping_sub(counts) < self.segments => {
                (self.snapshot, self.noted) = (words(payload).unwrap_or_default(), segment);
            }
            _ => {}
        }
    }
}

/// What is handed out, record by record.
struct HandOut<'e> {
    each: &'e mut dyn FnMut(Record<'_>),
    /// Where the last entries ended, and how far what was committed was behind their beginning.
    last: Position,
    behind: u64,
    snapshot_lost: bool,
    snapshot: Placed,
    stage: Placed,
    /// Whether anything can be read in this segment.
    is_there: bool,
    /// Whether something can't be read behind the last record.
    gap: bool,
    /// Where the newest state is, and whether something can't be read behind it.
    found: u32,
    is_doubtful: bool,
}

impl HandOut<'_> {
    fn take(&mut self, segment: u32, sight: Sight<'_>) {
        let Sight::Record(kind, payload) = sight else {
            self.gap = true;
            self.is_doubtful |= segment > self.found;
            return;
        };
        self.is_there = true;
        if take(&mut self.gap) {
            self.lose();
        }
        if self.record(kind, payload).is_none() {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.last = NOWHERE;
        (self.each)(Record::Lost(Loss::Entries));
    }

    /// `None` if it makes no sense, or tells of what is lost.
    fn record(&mut self, kind: u8, payload: &[u8]) -> Option<()> {
        match kind {
            BASE => (self.each)(Record::Base(position_of(words(payload)?))),
            SNAPSHOT => {
                (self.snapshot, self.stage) = (words(payload)?, [0; 6]);
                if is_there(&self.snapshot) {
                    if self.snapshot_lost {
                        return None;
                    }
                    (self.each)(Record::Snapshot(snapshot_of(&self.snapshot)));
                }
            }
            STAGE => self.stage = words(payload)?,
            ENTRIES | ENTRIES_ON => {
                let mut reader = Reader(payload);
                if kind == ENTRIES {
                    let term = Term(reader.word()?);
                    let index = Index(reader.number()?);
                    self.last = Position { term, index };
                    self.behind = index.0.wrapping_sub(reader.number()?);
                }
                let (after, bytes) = (self.last, reader.0);
                if after == NOWHERE {
                    return None;
                }
                let entries = Entries::parse(after.term, bytes)?;
                let committed = Index(after.index.0.wrapping_sub(self.behind));
                (self.each)(Record::Entries { after, committed, bytes });
                let index = Index(after.index.0.wrapping_add(entries.len().into()));
                self.last = Position { term: entries.last_term(), index };
            }
            _ => {}
        }
        Some(())
    }
}

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    /// Makes itself what the flash says, and hands everything to `each`.
    pub(super) fn mount(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Done {
        (self.is_formatted, self.is_firm, self.is_blank) = (false, false, false);
        let mut survey =
            Survey { is_mirror: true, segments: self.ring.sectors, ..Survey::default() };
        self.look_around(&mut survey)?;
        let (mirrored, place) = survey.found;
        self.mirror.find(mirrored, (mirrored, place));
        self.mirror.go_on(mirrored, mirrored);
        let [mirrored_counter, end, ..] = survey.kept;
        let mut is_doubtful = survey.is_doubtful || end == 0;
        (survey.end, survey.is_doubtful) = (end, false);
        (survey.last, survey.known, survey.found) = Default::default();
        survey.is_mirror = false;
        self.look_around(&mut survey)?;
        if survey.buffer_bytes > self.ring.buffer_bytes {
            return Err(Failed::BufferTooShort);
        }
        let (touched, _) = survey.last;
        let known = if survey.known.0 > 0 { survey.known } else { survey.last };
        self.kept = survey.kept;
        let [counter, first, term, rest, identity @ ..] = &mut self.kept;
        let first = (*first).max(1);
        self.ring.find(first, known);
        if survey.identified == 0 {
            self.ring.go_on(0, touched);
            return self.mount_nothing(each);
        }
        self.is_formatted = true;
        // It comes second, so that one which is behind is sure of nothing.
        is_doubtful |= mirrored_counter < *counter;
        // What can't be seen now may be seen later, and must not count then.
        *counter = counter.saturating_add(1);
        each(Record::Identity(identity_of(*identity)));
        if let Some(ballot) = ballot_of(*term, *rest) {
            each(Record::Ballot(ballot));
        }
        self.slots.snapshot = survey.snapshot;
        let buffer = records::<F>(self.buffer.as_mut());
        let sound = self.slots.is_sound(&mut self.medium, buffer)?;
        let (found, _) = survey.found;
        let mut hand_out = HandOut {
            each,
            last: NOWHERE,
            behind: 0,
            snapshot_lost: !sound,
            snapshot: [0; 6],
            stage: [0; 6],
            is_there: false,
            gap: false,
            found,
            is_doubtful: survey.is_doubtful || found == 0,
        };
        let head = self.hand_out(survey.end, &mut hand_out)?;
        self.ring.go_on(head, touched);
        let HandOut { each, mut snapshot, mut stage, .. } = hand_out;
        is_doubtful &= hand_out.is_doubtful;
        if is_doubtful {
            each(Record::Lost(Loss::Ballot));
        }
        if !sound {
            let [_, low, high, ..] = &mut snapshot;
            (*low, *high) = (0, 0);
        }
        let [_, _, _, bytes, ..] = stage;
        if bytes > self.snapshot_bytes_max() {
            stage = [0; 6];
        }
        self.slots.find::<F>(snapshot, stage);
        if is_there(&stage) {
            let snapshot = snapshot_of(&stage);
            let held = u32::try_from(self.slots.held()).unwrap_or(u32::MAX).min(snapshot.bytes);
            each(Record::Stage { snapshot, held });
        }
        Ok(())
    }

    /// Looks through all sectors of a lane.
    fn look_around(&mut self, survey: &mut Survey) -> Done {
        let lane = if survey.is_mirror { &self.mirror } else { &self.ring };
        let buffer = records::<F>(self.buffer.as_mut());
        for place in 0..lane.sectors {
            let sights = &mut |names, sight: Sight<'_>| survey.take(place, names, sight);
            look(&mut self.medium, buffer, lane.sector::<F>(place), None, sights)?;
        }
        Ok(())
    }

    /// Hands out all segments up to this one, and those behind it that can be read. Says which was
    /// the last.
    fn hand_out(&mut self, end: u32, hand_out: &mut HandOut<'_>) -> Done<u32> {
        let first = self.ring.first;
        let (mut head, mut segment) = (first, first);
        let buffer = records::<F>(self.buffer.as_mut());
        while segment.wrapping_sub(first) < self.ring.sectors {
            let before = (hand_out.gap, hand_out.is_doubtful);
            (hand_out.is_there, hand_out.last) = (false, NOWHERE);
            let sights = &mut |_, sight: Sight<'_>| hand_out.take(segment, sight);
            let sector = self.ring.address::<F>(segment);
            look(&mut self.medium, buffer, sector, Some([segment, first]), sights)?;
            if hand_out.is_there {
                head = segment;
            } else if segment < end || segment == first {
                hand_out.lose();
            } else {
                (hand_out.gap, hand_out.is_doubtful) = before;
                break;
            }
            segment = segment.wrapping_add(1);
        }
        Ok(head)
    }

    /// Whether nothing was ever promised here.
    #[cold]
    fn mount_nothing(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Done {
        for place in 0..self.mirror.sectors {
            let buffer = records::<F>(self.buffer.as_mut());
            if !self.medium.is_blank(self.mirror.sector::<F>(place), buffer)? {
                each(Record::Lost(Loss::Ballot));
                return Ok(());
            }
        }
        self.is_blank = true;
        Ok(())
    }
}
