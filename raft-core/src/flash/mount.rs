//! What a start finds: the ballot first, then what the ring holds, in order, and what is lost at
//! its place.
//!
//! The ring is looked through twice: once for where it ends and what of it can be read, and once to
//! hand it out. Whatever was found last may have been cut short and read well by chance, and
//! counts from now on: it is written into both ballot sectors before anybody hears of it.

use super::anchors::Found;
use super::medium::{Result, padded, put, put_words, word};
use super::record::{
    self, BASE, ENTRIES, ENTRIES_AFTER, ENTRIES_ON, ENTRIES_OVERHEAD_MAX, HEAD_BYTES, Head, LOST,
    SNAPSHOT, TAIL, TAIL_COPY_AT, at_distance, read_placed, read_position, write_position,
};
use super::ring::{Ring, number};
use super::slots::{Placed, block_bytes};
use super::walk::{End, Last, Part, Seen, Sight, Survey};
use super::{FlashError, FlashStorage};
use crate::bytes::shift;
use crate::log::Entries;
use crate::number::{Reader, Writer};
use crate::storage::{Loss, Record};
use crate::types::{Index, Position, Snapshot};
use embedded_storage::nor_flash::NorFlash;

/// What the sums of a tail begin with: it stands in no segment.
fn tail_seed(ring: &Ring) -> u32 {
    record::seed(ring.generation, u32::MAX)
}

/// What is handed out, record by record.
struct HandOut<'e> {
    each: &'e mut dyn FnMut(Record<'_>),
    /// Where the next entries belong that do not say so, and where the last ones did.
    last: Option<Position>,
    before: Option<Position>,
    /// How far what was known to be committed was from there.
    distance: u64,
    snapshot_lost: bool,
    /// Whether anything is lost.
    told: bool,
}

impl HandOut<'_> {
    fn take(&mut self, sight: Sight<'_>) {
        self.before = self.last;
        let taken = match sight {
            Sight::Record(kind, payload) => self.record(kind, payload),
            // The first entries of a segment say where they belong.
            Sight::Opening { .. } => {
                self.last = None;
                Some(())
            }
            Sight::Rotten => None,
        };
        if taken.is_none() {
            (self.last, self.told) = (None, true);
            (self.each)(Record::Lost(Loss::Entries));
        }
    }

    /// `None` if it makes no sense.
    fn record(&mut self, kind: u8, payload: &[u8]) -> Option<()> {
        let mut reader = Reader(payload);
        match kind {
            BASE => (self.each)(Record::Base(read_position(&mut reader)?)),
            SNAPSHOT => {
                let snapshot = read_placed(payload)?.snapshot;
                let lost = Record::Lost(Loss::Entries);
                if snapshot != Snapshot::NONE {
                    (self.each)(if self.snapshot_lost { lost } else { Record::Snapshot(snapshot) });
                }
            }
            ENTRIES | ENTRIES_AFTER | ENTRIES_ON => {
                let after = match kind {
                    ENTRIES_AFTER => read_position(&mut reader)?,
                    _ => self.last?,
                };
                if kind != ENTRIES_ON {
                    self.distance = reader.number()?;
                }
                let committed = at_distance(after.index, self.distance)?;
                let entries = Entries::parse(after.term, reader.0)?;
                (self.each)(Record::Entries { after, committed, bytes: reader.0 });
                let index = Index(after.index.0 + u64::from(entries.len()));
                self.last = Some(Position { term: entries.last_term(), index });
            }
            _ => return None,
        }
        Some(())
    }
}

/// What the tail in a ballot sector says.
struct Tail {
    end: End,
    /// The record behind that.
    copy: Option<Last>,
}

impl<F: NorFlash, B: AsRef<[u8]> + AsMut<[u8]>> FlashStorage<F, B> {
    /// Makes itself what the flash says, and hands everything to `each`.
    pub(super) fn mount(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), F> {
        self.forget();
        let (mut kept, first, tail_bytes) = match self.anchors.look(&mut self.medium)? {
            Found::Blank => return Ok(()),
            Found::Lost => {
                each(Record::Lost(Loss::Ballot));
                return Ok(());
            }
            Found::Kept { kept, first, tail_bytes } => (kept, first, tail_bytes),
        };
        self.anchors.tail_bytes = tail_bytes;
        (self.ring.first, self.ring.generation) = (kept.first, kept.generation);
        self.ring.is_void = kept.is_void;
        let mut survey = Survey::default();
        let (seen, tail) = self.survey(1 - first, &mut survey)?;
        self.rotten = survey.rotten;
        self.find_slots(survey.snapshot)?;
        // A stage was begun when the ring had come so far: what is missing there rotted.
        let reached = self.stage.map_or((0, 0), |stage| stage.reached);
        let missing = reached.0 >= kept.first && reached > survey.reach;
        if missing {
            (self.rotten, self.stage) = (true, None);
        }
        each(Record::Identity(kept.identity));
        if let Some(ballot) = kept.ballot {
            each(Record::Ballot(ballot));
        }
        let changed = self.hand_out((1 - first, missing), &seen, tail, each)?;
        if self.rotten {
            // Be it that the whole of it is missing.
            each(Record::Lost(Loss::Entries));
        }
        // What is left behind the end may read well at the next start: it is erased, and does not
        // count meanwhile, for an erasing that is cut short may leave any of it.
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        kept.is_void = true;
        self.anchors.begin_both(&mut self.medium, first, &kept, buffer)?;
        self.ring.maintain(&mut self.medium)?;
        (kept.is_void, self.ring.is_void) = (false, false);
        self.anchors.write(&mut self.medium, &kept, buffer)?;
        self.kept = Some(kept);
        if let Some(end) = changed {
            let snapshot = self.snapshot_before(end, tail)?;
            self.find_slots(snapshot)?;
        }
        self.settle_stage()?;
        if let Some(stage) = &self.stage {
            let held = u32::try_from(stage.held()).unwrap_or(u32::MAX);
            each(Record::Stage { snapshot: stage.placed.snapshot, held });
        }
        Ok(())
    }

    /// Looks through all of the ring. Gives what it saw, and what the tail in this ballot sector
    /// says.
    fn survey(&mut self, sector: usize, survey: &mut Survey) -> Result<(Seen, Option<End>), F> {
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let (medium, ring) = (&mut self.medium, &self.ring);
        self.anchors.read_tail(medium, sector, buffer)?;
        let tail = read_tail(ring, self.anchors.tail_bytes, buffer);
        let copied = tail.as_ref().and_then(|tail| tail.copy.clone());
        let has_copy = copied.is_some();
        let copied = copied.filter(|(kind, _)| *kind == SNAPSHOT);
        let copied = copied.and_then(|(_, payload)| read_placed(buffer.get(payload)?));
        let tail = tail.map(|tail| tail.end);
        let mut seen = Seen::default();
        for segment in ring.first..ring.first.saturating_add(ring.segments) {
            let whole = Part { segment, limit: F::ERASE_SIZE, before: None };
            ring.look(medium, buffer, whole, tail, &mut seen, &mut |sight| survey.take(sight))?;
        }
        if let Some(tail) = tail.filter(|tail| tail.segment >= seen.segment) {
            survey.rotten |= tail.segment > seen.segment && tail.segment >= ring.first;
            survey.snapshot = copied.unwrap_or(survey.snapshot);
            // Behind that was what is copied.
            survey.reach = (tail.segment, if has_copy { F::ERASE_SIZE } else { tail.at });
        } else {
            survey.reach = (seen.segment, seen.end);
        }
        Ok((seen, tail))
    }

    /// Hands out what the ring holds; in the buffer stays the tail that is to be kept from now on.
    /// Gives where the ring ends if that is another place than before: what read well once and not
    /// again was never promised.
    fn hand_out(
        &mut self,
        (sector, missing): (usize, bool),
        seen: &Seen,
        tail: Option<End>,
        each: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<(u32, usize)>, F> {
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let (medium, ring) = (&mut self.medium, &mut self.ring);
        let snapshot_lost = self.snapshot_lost;
        let mut out =
            HandOut { each, last: None, before: None, distance: 0, snapshot_lost, told: false };
        let (mut again, mut last, mut before) = (Seen::default(), None, None);
        for segment in ring.first..=seen.segment {
            // What was cut short and counts no more may read well.
            let (end, known) = ring.end_of(medium, segment, seen)?;
            let part = Part { segment, limit: end.min(F::ERASE_SIZE), before };
            before = known;
            let sights = &mut |sight: Sight<'_>| out.take(sight);
            let found = ring.look(medium, buffer, part, tail, &mut again, sights)?;
            last = found.filter(|_| segment == seen.segment);
        }
        // Decided by what was read now: an opening with a copy of it may have read well before.
        let kept = tail.filter(|tail| tail.segment >= again.segment);
        let changed = (again.segment, again.end) != (seen.segment, seen.end) && kept.is_none();
        let end = match kept {
            Some(end) => {
                if end.segment > seen.segment && end.segment >= ring.first {
                    out.take(Sight::Rotten);
                }
                self.anchors.read_tail(medium, sector, buffer)?;
                let tail = read_tail(ring, self.anchors.tail_bytes, buffer);
                if let Some((kind, payload)) = tail.and_then(|tail| tail.copy) {
                    let payload = buffer.get(payload).unwrap_or_default();
                    out.take(Sight::Record(kind, payload));
                }
                end
            }
            None => {
                let end = seen.without_last(ring.first);
                let last = last.filter(|_| !changed);
                let (seed, belongs) = (tail_seed(ring), out.before.zip(Some(out.distance)));
                let length = frame_tail::<F>(seed, end, (last, belongs), buffer);
                self.anchors.tail_bytes = length.ok_or(FlashError::BadRecord)?;
                end
            }
        };
        self.rotten |= out.told;
        let mut end = end;
        if missing {
            // It is told at each start until the log was written anew.
            let head = again.segment.max(ring.first.saturating_sub(1));
            end = kept.unwrap_or(End { segment: head, at: again.end });
            let length = frame_tail::<F>(tail_seed(ring), end, (Some((LOST, 0..0)), None), buffer);
            self.anchors.tail_bytes = length.ok_or(FlashError::BadRecord)?;
        }
        (ring.head, ring.end, ring.is_open) = (end.segment, end.at, false);
        (ring.ready, ring.is_doubtful) = (seen.ready_behind(end.segment), true);
        ring.last_seen = (seen.segment, seen.erases);
        Ok(changed.then_some((again.segment, again.end)))
    }

    /// Finds the snapshot that counts, and what stands on the stage.
    fn find_slots(&mut self, counts: Placed) -> Result<(), F> {
        let looks =
            [self.slots.look(&mut self.medium, false)?, self.slots.look(&mut self.medium, true)?];
        (self.snapshot, self.stage) = (counts, None);
        self.snapshot_lost = counts.snapshot != Snapshot::NONE;
        self.numbers = counts.number;
        let mut older = None;
        for look in looks.into_iter().flatten() {
            let placed = look.stage.placed;
            self.numbers = self.numbers.max(placed.number);
            if placed.number == counts.number && placed.snapshot == counts.snapshot {
                self.snapshot.slot = placed.slot;
                self.snapshot_lost = !look.whole;
            } else if placed.number > counts.number
                && self.stage.is_none_or(|stage| stage.placed.number < placed.number)
            {
                self.stage = Some(look.stage);
            } else {
                // An earlier snapshot, which was whole before this one counted.
                older = Some(placed.slot).filter(|_| placed.number < counts.number);
            }
        }
        self.spare_is_sure = older == Some(!self.snapshot.slot) && !self.snapshot_lost;
        if self.snapshot_lost {
            self.snapshot.snapshot = Snapshot::NONE;
        }
        if let Some(stage) = self.stage
            && self.snapshot.snapshot == Snapshot::NONE
        {
            self.snapshot.slot = !stage.placed.slot;
        }
        self.erased_ahead = self.stage.is_none().then_some(0);
        Ok(())
    }

    /// The last snapshot that the ring tells of up to there.
    #[cold]
    fn snapshot_before(&mut self, end: (u32, usize), tail: Option<End>) -> Result<Placed, F> {
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        let (mut survey, mut seen) = (Survey::default(), Seen::default());
        for segment in self.ring.first..=end.0 {
            let limit = if segment == end.0 { end.1 } else { F::ERASE_SIZE };
            let part = Part { segment, limit, before: None };
            let sights = &mut |sight: Sight<'_>| survey.take(sight);
            self.ring.look(&mut self.medium, buffer, part, tail, &mut seen, sights)?;
        }
        Ok(survey.snapshot)
    }

    /// What was being written of a stage when the power failed may read well now and not later, or
    /// later and not now: its last sector is begun again, and what is no stage is erased.
    fn settle_stage(&mut self) -> Result<(), F> {
        let (_, buffer) = halves::<F>(self.buffer.as_mut());
        match &mut self.stage {
            Some(stage) => self.slots.begin_sector(&mut self.medium, stage, buffer),
            None if self.spare_is_sure || self.slots.sectors == 0 => Ok(()),
            None => {
                self.erased_ahead = Some(1);
                self.slots.erase(&mut self.medium, !self.snapshot.slot, 0)
            }
        }
    }

    /// Nothing is known.
    fn forget(&mut self) {
        self.kept = None;
        self.ring.forget();
        (self.snapshot, self.snapshot_lost, self.stage) = (Placed::default(), false, None);
        (self.last, self.rotten, self.erased_ahead) = (None, false, None);
    }
}

/// The part of the buffer for what is kept back of a stage, and the one for records.
pub(super) fn halves<F: NorFlash>(buffer: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    buffer.split_at_mut_checked(block_bytes(F::WRITE_SIZE)).unwrap_or_default()
}

/// Reads the tail that stands in the buffer.
fn read_tail(ring: &Ring, length: usize, buffer: &[u8]) -> Option<Tail> {
    let record = buffer.get(..length)?;
    let head = Head::read(tail_seed(ring), record).filter(|head| head.kind == TAIL)?;
    let payload = record.get(HEAD_BYTES..HEAD_BYTES + head.length)?;
    let segment = word(payload, 0).filter(|_| head.fits(payload))?;
    let at = word(payload, 4)? as usize;
    let kind = payload.get(TAIL_COPY_AT - HEAD_BYTES).copied();
    let copy = kind.map(|kind| (kind, TAIL_COPY_AT + 1..HEAD_BYTES + head.length));
    // One from before the log was written anew says nothing.
    let known = ring.first.saturating_sub(1)..ring.first.saturating_add(ring.segments);
    known.contains(&segment).then_some(Tail { end: End { segment, at }, copy })
}

/// Makes a tail of the record that stands in the buffer; gives its length with its head. Entries
/// are told where they belong.
fn frame_tail<F: NorFlash>(
    seed: u32,
    end: End,
    (last, belongs): (Option<Last>, Option<(Position, u64)>),
    buffer: &mut [u8],
) -> Option<usize> {
    let mut length = TAIL_COPY_AT;
    if let Some((kind, payload)) = last {
        let mut numbers = [0; ENTRIES_OVERHEAD_MAX];
        let mut writer = Writer::new(&mut numbers);
        let kind = match (kind, belongs) {
            (ENTRIES | ENTRIES_ON, Some((before, distance))) => {
                write_position(&mut writer, before)?;
                if kind == ENTRIES_ON {
                    writer.number(distance)?;
                }
                ENTRIES_AFTER
            }
            // What they follow is lost, and so are they.
            (ENTRIES | ENTRIES_ON, None) => LOST,
            _ => kind,
        };
        let used = writer.used();
        let to = TAIL_COPY_AT + 1 + used;
        shift(buffer, payload.start, to, payload.len())?;
        put(buffer, TAIL_COPY_AT, &[kind])?;
        put(buffer, TAIL_COPY_AT + 1, numbers.get(..used)?)?;
        length = to + payload.len();
    }
    let segment = end.segment;
    put_words(buffer, HEAD_BYTES, &[segment, number::<()>(end.at).ok()?])?;
    let record = buffer.get_mut(..padded::<F>(length))?;
    record::finish(seed, TAIL, length - HEAD_BYTES, record)?;
    Some(length)
}
