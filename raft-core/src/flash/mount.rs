//! What a start finds: the newest state first, of all that can be read, and then what its
//! generation holds, in order, and what is lost at its place.
//!
//! What was written last may have been cut short and read well by chance, now and never again.
//! So nothing goes on from here but a new generation, which holds everything anew.

use super::medium::{Done, Failed};
use super::record::{
    BASE, ENTRIES, ENTRIES_ON, IDENTITY, Kept, OPENING, Placed, SNAPSHOT, STAGE, STATE,
    STATE_BYTES, UNREADABLE, ballot_of, identity_of, is_there, position_of, snapshot_of,
    take_words, words,
};
use super::walk::look;
use super::{FlashStorage, NOWHERE, records};
use crate::log::Entries;
use crate::number::Reader;
use crate::storage::{Loss, Record, Storage};
use crate::types::{Index, Position, Term};
use core::mem::take;
use embedded_storage::nor_flash::NorFlash;

/// No flash lives to see more segments.
const SEGMENT_MAX: u32 = u32::MAX / 2;

/// What all sectors together say.
#[derive(Default)]
struct Survey {
    /// The sector that is looked at.
    place: u32,
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
    /// Whether first states are all that there is, of which the older one is sure: nobody begins
    /// another segment who has not seen the second.
    takes_firsts: bool,
    /// The snapshot that was noted last, and in which segment.
    snapshot: Placed,
    noted: u32,
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
    fn take(&mut self, [segment, generation]: [u32; 2], kind: u8, payload: &[u8]) {
        let place = self.place;
        let [newest, counts, ..] = self.kept;
        match kind {
            UNREADABLE => self.is_doubtful |= self.found == (segment, place),
            OPENING => {
                let [_, _, buffer_bytes] = words(payload).unwrap_or_default();
                self.buffer_bytes = self.buffer_bytes.max(buffer_bytes);
                self.is_first = self.is_mirror && !self.takes_firsts;
                self.last = self.last.max((segment, place));
                if generation == counts {
                    (self.end, self.known) = (self.end.max(segment), (segment, place));
                }
            }
            STATE | IDENTITY if take(&mut self.is_first) => {}
            STATE | IDENTITY => {
                let Some([counter, generation]) = words(payload) else { return };
                if generation > SEGMENT_MAX {
                    return;
                }
                let (state, identity) = self.kept.split_at_mut(STATE_BYTES / 4);
                let older = self.takes_firsts && newest > 0;
                let counts_more = if older { counter < newest } else { newest <= counter };
                if counts_more && take_words(payload, state).is_some() {
                    if generation != counts {
                        self.end = segment;
                        if self.noted < generation {
                            (self.snapshot, self.noted) = ([0; 6], 0);
                        }
                    }
                    (self.found, self.is_doubtful) = ((segment, place), false);
                    self.known = self.found;
                }
                let rest = payload.get(STATE_BYTES..).unwrap_or_default();
                if self.identified < counter && take_words(rest, identity).is_some() {
                    self.identified = counter;
                }
            }
            // Not one of an earlier generation.
            SNAPSHOT if segment >= self.noted.max(counts) => {
                take_words(payload, &mut self.snapshot).unwrap_or_default();
                self.noted = segment;
            }
            _ => {}
        }
    }
}

/// A start that looks through one segment after the other.
pub(super) struct Start<'e> {
    survey: Survey,
    /// Whether what counts is handed out, record by record.
    hands_out: bool,
    each: &'e mut dyn FnMut(Record<'_>),
    /// Where the last entries ended, and how far what was committed was behind their beginning.
    last: Position,
    behind: u64,
    snapshot_lost: bool,
    stage: Placed,
    /// Whether anything can be read in this segment.
    is_there: bool,
    /// Whether something can't be read behind the last record.
    gap: bool,
}

impl Start<'_> {
    /// Takes what stands in a segment of these names.
    pub(super) fn take(&mut self, names: [u32; 2], kind: u8, payload: &[u8]) {
        if !self.hands_out {
            return self.survey.take(names, kind, payload);
        }
        if kind == UNREADABLE {
            let ([segment, _], (found, _)) = (names, self.survey.found);
            self.gap = true;
            self.survey.is_doubtful |= segment > found;
            return;
        }
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
                take_words(payload, &mut self.survey.snapshot)?;
                self.stage = [0; 6];
                if is_there(&self.survey.snapshot) {
                    if self.snapshot_lost {
                        return None;
                    }
                    (self.each)(Record::Snapshot(snapshot_of(&self.survey.snapshot)));
                }
            }
            STAGE => take_words(payload, &mut self.stage)?,
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
        let mut start = Start {
            survey: Survey { is_mirror: true, ..Survey::default() },
            hands_out: false,
            each,
            last: NOWHERE,
            behind: 0,
            snapshot_lost: false,
            stage: [0; 6],
            is_there: false,
            gap: false,
        };
        self.look_around(&mut start)?;
        let (begun, _) = start.survey.last;
        if start.survey.found.0 == 0 && begun > 0 {
            start.survey.takes_firsts = true;
            self.look_around(&mut start)?;
            (start.survey.takes_firsts, start.survey.is_doubtful) = (false, false);
        }
        let survey = &mut start.survey;
        let (mirrored, place) = survey.found;
        self.mirror.find(mirrored, (mirrored, place));
        self.mirror.go_on(mirrored, mirrored);
        let [mirrored_counter, end, ..] = survey.kept;
        let mut is_doubtful = survey.is_doubtful || end == 0;
        (survey.end, survey.is_doubtful) = (end, false);
        (survey.last, survey.known, survey.found) = Default::default();
        survey.is_mirror = false;
        self.look_around(&mut start)?;
        let survey = &mut start.survey;
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
            return self.mount_nothing(begun > 0, start.each);
        }
        self.is_formatted = true;
        // It comes second, so that one which is behind is sure of nothing.
        is_doubtful |= mirrored_counter < *counter;
        // What can't be seen now may be seen later, and must not count then.
        *counter = counter.saturating_add(1);
        (start.each)(Record::Identity(identity_of(identity)));
        if let Some(ballot) = ballot_of(*term, *rest) {
            (start.each)(Record::Ballot(ballot));
        }
        self.slots.snapshot = survey.snapshot;
        let buffer = records::<F>(self.buffer.as_mut());
        start.snapshot_lost = !self.slots.is_sound(&mut self.medium, buffer)?;
        (start.hands_out, survey.snapshot) = (true, [0; 6]);
        survey.is_doubtful |= survey.found.0 == 0;
        let head = self.hand_out(&mut start)?;
        self.ring.go_on(head, touched);
        if is_doubtful && start.survey.is_doubtful {
            (start.each)(Record::Lost(Loss::Ballot));
        }
        self.find_slots(&mut start);
        Ok(())
    }

    /// Takes the snapshot and the stage that were handed out last.
    fn find_slots(&mut self, start: &mut Start<'_>) {
        if start.snapshot_lost {
            let [_, low, high, ..] = &mut start.survey.snapshot;
            (*low, *high) = (0, 0);
        }
        let [_, _, _, bytes, ..] = start.stage;
        if bytes > self.snapshot_bytes_max() {
            start.stage = [0; 6];
        }
        self.slots.find::<F>(&start.survey.snapshot, &start.stage);
        if is_there(&start.stage) {
            let snapshot = snapshot_of(&start.stage);
            let held = u32::try_from(self.slots.held()).unwrap_or(u32::MAX).min(snapshot.bytes);
            (start.each)(Record::Stage { snapshot, held });
        }
    }

    /// Looks through all sectors of a lane.
    fn look_around(&mut self, start: &mut Start<'_>) -> Done {
        let lane = if start.survey.is_mirror { &self.mirror } else { &self.ring };
        let buffer = records::<F>(self.buffer.as_mut());
        for place in 0..lane.sectors {
            start.survey.place = place;
            look(&mut self.medium, buffer, lane.sector::<F>(place), None, start)?;
        }
        Ok(())
    }

    /// Hands out all segments up to the last that is known, and those behind it that can be read.
    /// Says which was the last.
    fn hand_out(&mut self, start: &mut Start<'_>) -> Done<u32> {
        let first = self.ring.first;
        let (mut head, mut segment) = (first, first);
        let buffer = records::<F>(self.buffer.as_mut());
        while segment.wrapping_sub(first) < self.ring.sectors {
            let before = (start.gap, start.survey.is_doubtful);
            (start.is_there, start.last) = (false, NOWHERE);
            let sector = self.ring.address::<F>(segment);
            look(&mut self.medium, buffer, sector, Some([segment, first]), start)?;
            if start.is_there {
                head = segment;
            } else if segment < start.survey.end || segment == first {
                start.lose();
            } else {
                (start.gap, start.survey.is_doubtful) = before;
                break;
            }
            segment = segment.wrapping_add(1);
        }
        Ok(head)
    }

    /// Whether nothing was ever promised here.
    #[cold]
    fn mount_nothing(&mut self, is_begun: bool, each: &mut dyn FnMut(Record<'_>)) -> Done {
        for place in 0..self.mirror.sectors {
            let buffer = records::<F>(self.buffer.as_mut());
            if is_begun || !self.medium.is_blank(self.mirror.sector::<F>(place), buffer)? {
                each(Record::Lost(Loss::Ballot));
                return Ok(());
            }
        }
        self.is_blank = true;
        Ok(())
    }
}
