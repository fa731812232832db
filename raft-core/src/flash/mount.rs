//! What a start finds: the newest state first, of all that can be read, and then what its
//! generation holds, in order, and what is lost at its place.
//!
//! What was written last may have been cut short and read well by chance, now and never again.
//! So nothing goes on from here but a new generation, which holds everything anew.

use super::lane::Lane;
use super::medium::Done;
use super::record::{
    BASE, ENTRIES, ENTRIES_ON, IDENTITY, OPENING, SNAPSHOT, STAGE, STATE, State, position_of,
    read_identity, read_placed, words,
};
use super::walk::{Sight, look};
use super::{FlashStorage, halves};
use crate::log::Entries;
use crate::number::Reader;
use crate::storage::{Identity, Loss, Record};
use crate::types::{Index, Position, Snapshot, Term};
use embedded_storage::nor_flash::NorFlash;

/// What all sectors together say.
#[derive(Default)]
struct Survey {
    /// The newest state, and in which segment and sector of its lane it was found.
    state: Option<State>,
    found: (u32, u32),
    /// Whether something behind it can't be read.
    is_doubtful: bool,
    /// The newest identity, and the counter that it came with.
    identity: Option<Identity>,
    identified: u32,
    /// The snapshot that was noted last, with its slot, and in which segment.
    snapshot: Option<(Snapshot, u32)>,
    noted: u32,
    /// The segment with the highest number, and its sector.
    last: (u32, u32),
    /// One of the generation that counts, and its sector.
    known: (u32, u32),
    /// The last one that is known to be of the generation that counts.
    end: u32,
}

impl Survey {
    fn take(&mut self, [segment, generation]: [u32; 2], place: u32, sight: Sight<'_>) {
        match sight {
            Sight::Unreadable => self.is_doubtful |= self.found == (segment, place),
            Sight::Record(OPENING, _) => {
                self.last = self.last.max((segment, place));
                if self.state.is_some_and(|state| state.generation == generation) {
                    (self.end, self.known) = (self.end.max(segment), (segment, place));
                }
            }
            Sight::Record(STATE | IDENTITY, payload) => {
                let Some(state) = State::read(payload) else { return };
                let before = self.state.unwrap_or(state);
                if before.counter <= state.counter {
                    if before.generation != state.generation {
                        self.end = segment;
                    }
                    (self.found, self.is_doubtful) = ((segment, place), false);
                    (self.known, self.state) = (self.found, Some(state));
                }
                let identity = read_identity(payload);
                if identity.is_some() && self.identified < state.counter {
                    (self.identity, self.identified) = (identity, state.counter);
                }
            }
            Sight::Record(SNAPSHOT, payload) if segment >= self.noted => {
                (self.snapshot, self.noted) = (read_placed(payload), segment);
            }
            Sight::Record(..) => {}
        }
    }
}

/// What is handed out, record by record.
struct HandOut<'e> {
    each: &'e mut dyn FnMut(Record<'_>),
    /// Where the last entries ended, and how far what was committed was behind their beginning.
    last: Option<(Position, u64)>,
    snapshot_lost: bool,
    snapshot: (Snapshot, u32),
    stage: (Snapshot, u32),
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
        if core::mem::take(&mut self.gap) {
            self.lose();
        }
        if self.record(kind, payload).is_none() {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.last = None;
        (self.each)(Record::Lost(Loss::Entries));
    }

    /// `None` if it makes no sense, or tells of what is lost.
    fn record(&mut self, kind: u8, payload: &[u8]) -> Option<()> {
        match kind {
            BASE => (self.each)(Record::Base(position_of(words(payload)?))),
            SNAPSHOT => {
                (self.snapshot, self.stage) = (read_placed(payload)?, (Snapshot::NONE, 0));
                if self.snapshot.0 != Snapshot::NONE {
                    if self.snapshot_lost {
                        return None;
                    }
                    (self.each)(Record::Snapshot(self.snapshot.0));
                }
            }
            STAGE => self.stage = read_placed(payload)?,
            ENTRIES | ENTRIES_ON => {
                let mut reader = Reader(payload);
                let (after, behind) = if kind == ENTRIES {
                    let term = Term(reader.word()?);
                    let index = Index(reader.number()?);
                    (Position { term, index }, index.0.wrapping_sub(reader.number()?))
                } else {
                    self.last?
                };
                let committed = Index(after.index.0.wrapping_sub(behind));
                let entries = Entries::parse(after.term, reader.0)?;
                (self.each)(Record::Entries { after, committed, bytes: reader.0 });
                let index = Index(after.index.0.wrapping_add(entries.len().into()));
                self.last = Some((Position { term: entries.last_term(), index }, behind));
            }
            _ => {}
        }
        Some(())
    }
}

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    /// Makes itself what the flash says, and hands everything to `each`.
    pub(super) fn mount(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Done {
        (self.identity, self.is_firm, self.last) = (None, false, None);
        (self.state, self.is_blank) = (State::default(), false);
        self.slots.forget();
        let mut survey = Survey::default();
        self.look_around(self.mirror, &mut survey)?;
        let (mirrored, place) = survey.found;
        let is_doubtful = survey.is_doubtful || survey.state.is_none();
        self.mirror.find((mirrored, mirrored), (mirrored, place), mirrored);
        survey.end = survey.state.map_or(0, |state| state.generation);
        (survey.last, survey.known, survey.found) = Default::default();
        survey.is_doubtful = false;
        self.look_around(self.ring, &mut survey)?;
        let (Some(state), Some(identity)) = (survey.state, survey.identity) else {
            self.ring.find((1, 0), survey.last, survey.last.0);
            return self.mount_nothing(each);
        };
        // What can't be seen now may be seen later, and must not count then.
        let counter = state.counter.saturating_add(1);
        (self.state, self.identity) = (State { counter, ..state }, Some(identity));
        each(Record::Identity(identity));
        if let Some(ballot) = state.ballot {
            each(Record::Ballot(ballot));
        }
        let (snapshot, slot) = survey.snapshot.unwrap_or((Snapshot::NONE, 0));
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let sound = self.slots.is_sound(&mut self.medium, buffer, &snapshot, slot != 0)?;
        let (first, (touched, _)) = (state.generation, survey.last);
        let known = if survey.known.0 > 0 { survey.known } else { survey.last };
        self.ring.find((first, first), known, touched);
        let mut hand_out = HandOut {
            each,
            last: None,
            snapshot_lost: !sound,
            snapshot: (Snapshot::NONE, 0),
            stage: (Snapshot::NONE, 0),
            is_there: false,
            gap: false,
            found: survey.found.0,
            is_doubtful: survey.is_doubtful || survey.found.0 == 0,
        };
        let head = self.hand_out(survey.end.max(first), &mut hand_out)?;
        let HandOut { each, snapshot, stage, .. } = hand_out;
        if is_doubtful && hand_out.is_doubtful {
            each(Record::Lost(Loss::Ballot));
        }
        self.ring.find((first, head), known, touched);
        (self.slots.snapshot, self.slots.second) = (snapshot.0, snapshot.1 != 0);
        if !sound {
            self.slots.snapshot = Snapshot::NONE;
        }
        let (snapshot, sectors) = stage;
        self.slots.find::<F>(snapshot, sectors);
        if snapshot != Snapshot::NONE {
            let held = u32::try_from(self.slots.held()).unwrap_or(u32::MAX).min(snapshot.bytes);
            each(Record::Stage { snapshot, held });
        }
        Ok(())
    }

    /// Looks through all sectors of a lane.
    fn look_around(&mut self, lane: Lane, survey: &mut Survey) -> Done {
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        for place in 0..lane.sectors {
            let sights = &mut |names, sight: Sight<'_>| survey.take(names, place, sight);
            look(&mut self.medium, buffer, lane.sector::<F>(place), None, sights)?;
        }
        Ok(())
    }

    /// Hands out all segments up to this one, and those behind it that can be read. Says which was
    /// the last.
    fn hand_out(&mut self, end: u32, hand_out: &mut HandOut<'_>) -> Done<u32> {
        let first = self.ring.first;
        let (mut head, mut segment) = (first, first);
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        while segment.wrapping_sub(first) < self.ring.sectors {
            let before = (hand_out.gap, hand_out.is_doubtful);
            (hand_out.is_there, hand_out.last) = (false, None);
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
            segment = segment.saturating_add(1);
        }
        Ok(head)
    }

    /// Whether nothing was ever promised here.
    #[cold]
    fn mount_nothing(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Done {
        for place in 0..self.mirror.sectors {
            if !self.medium.is_blank(self.mirror.sector::<F>(place))? {
                each(Record::Lost(Loss::Ballot));
                return Ok(());
            }
        }
        self.is_blank = true;
        Ok(())
    }
}
