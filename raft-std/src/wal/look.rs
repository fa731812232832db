//! What is in a directory: every file is read, nothing is changed.

use super::ballot::{self, Slot, Slots};
use super::batch::{self, Batch};
use super::error::WalError;
use super::files::{Files, read_all, read_up_to};
use super::fold::Fold;
use super::item::{Gap, Held, Item, State};
use super::sector::{self, SECTOR_BYTES, Unfit};
use super::snapshot::{self, Content};
use raft_core::{Index, Loss, Position, Record, Snapshot};
use serde::{Deserialize, Serialize};

/// What the name of a file of the log begins with; the number of its first batch follows.
pub(super) const LOG: &str = "log-";

/// The first sector of a file of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct LogHead {
    /// What checksums in this directory begin with: drawn when it was made, so that nobody can
    /// make up bytes that pass for a batch.
    pub(super) salt: u32,
    /// The number of its first batch.
    pub(super) first: u64,
}

/// A file of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    /// The number of its first batch.
    pub(super) first: u64,
    /// How long the file is.
    pub(super) bytes: u64,
    /// The highest entry in it.
    pub(super) highest: Index,
}

/// The last batch that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LastBatch {
    pub(super) number: u64,
    pub(super) from: u64,
    pub(super) items: Vec<u8>,
    pub(super) is_seal: bool,
}

/// What a directory holds.
pub(super) struct Look {
    pub(super) names: Vec<String>,
    pub(super) slots: Slots,
    /// `None` if nothing says it; then nothing in the log can be told.
    pub(super) salt: Option<u32>,
    pub(super) segments: Vec<Segment>,
    /// Where the last batch of the last file ends.
    pub(super) end: usize,
    pub(super) last: Option<LastBatch>,
    pub(super) fold: Fold,
    /// What the log says that there is, whether it is there or not.
    told: State,
    pub(super) snapshot: Option<Content>,
    pub(super) stage: Option<(Content, Held)>,
    /// What the node has to be told.
    pub(super) loss: Option<Loss>,
}

impl Look {
    /// Reads everything.
    pub(super) fn at(files: &dyn Files) -> Result<Self, WalError> {
        let names = files.names().map_err(WalError::of("list", "the directory"))?;
        let slots = ballot::read(files, &names)?;
        let (segments, salt) = segments(files, &names)?;
        let mut look = Self {
            names,
            slots,
            salt: slots.newest().map(|slot| slot.salt).or(salt),
            segments,
            end: SECTOR_BYTES,
            last: None,
            fold: Fold::default(),
            told: State::default(),
            snapshot: None,
            stage: None,
            loss: None,
        };
        look.read_log(files)?;
        look.find_ballot();
        look.told = look.fold.state;
        if look.loss != Some(Loss::Ballot) {
            look.find_snapshot(files)?;
            look.settle();
            look.find_stage(files)?;
        }
        Ok(look)
    }

    /// Hands on what a node needs to know, in the order in which it can be taken in.
    pub(super) fn hand(&self, each: &mut dyn FnMut(Record<'_>)) {
        let state = &self.fold.state;
        if let Some(identity) = state.identity {
            each(Record::Identity(identity));
            each(Record::Ballot(state.ballot.into()));
        }
        self.loss.into_iter().for_each(|loss| each(Record::Lost(loss)));
        if self.loss == Some(Loss::Ballot) || state.identity.is_none() {
            return;
        }
        if let Some(of) = state.snapshot {
            each(Record::Snapshot(of.snapshot));
        }
        each(Record::Base(state.base));
        for run in self.fold.runs.iter() {
            let (after, committed) = (run.after, run.committed);
            each(Record::Entries { after, committed, bytes: &run.bytes });
        }
        if let Some((content, held)) = &self.stage {
            each(Record::Stage { snapshot: content.of.snapshot, held: held.bytes });
        }
    }

    fn read_log(&mut self, files: &dyn Files) -> Result<(), WalError> {
        self.fold = Fold::new(self.segments.first().map_or(1, |first| first.first));
        for place in 0..self.segments.len() {
            let limit = self.segments.get(place + 1).map_or(u64::MAX, |next| next.first);
            let segment = &mut self.segments[place];
            self.end = SECTOR_BYTES;
            let Some(salt) = self.salt else {
                self.fold.reach(segment.first);
                continue;
            };
            let file = files.open(&segment.name).map_err(WalError::of("open", &segment.name))?;
            let bytes = read_all(&*file).map_err(WalError::of("read", &segment.name))?;
            while let Some((at, batch)) = batch::find(&bytes, self.end, salt, self.fold.next) {
                if batch.number >= limit {
                    break;
                }
                segment.highest = segment.highest.max(self.fold.take(&batch));
                self.end = at + batch.bytes();
                self.last = Some(LastBatch::of(&batch));
            }
            if let Some(number) = batch::highest(&bytes, self.end, salt) {
                self.fold.reach(number.min(limit));
            }
            // The file was begun when what comes before it was durable, though its first batch may
            // be a copy of the last one there.
            self.fold.reach(segment.first);
        }
        if let Some(slot) = self.slots.newest() {
            // It was written when the log was durable so far.
            self.fold.reach(slot.number + 1);
        }
        Ok(())
    }

    /// Which ballot is the newest, and whether that is sure: it stands in the log, and twice beside
    /// it unless the power failed just then.
    fn find_ballot(&mut self) {
        let newest = self.slots.newest();
        let unsure = newest.is_none() && self.fold.may_lack_ballot();
        if let Some(Slot { number, identity, ballot, .. }) = newest {
            let state = &mut self.fold.state;
            if number > self.fold.ballot_at {
                (state.identity, state.ballot) = (identity, ballot);
            }
            state.identity = state.identity.or(identity);
        }
        let written = self.slots.exist || !self.fold.gaps.is_empty();
        if unsure || written && self.fold.state.identity.is_none() {
            self.loss = Some(Loss::Ballot);
        } else if self.fold.has_news() {
            self.loss = Some(Loss::Entries);
        }
    }

    /// Finds the file of the snapshot that counts, and reads all of it.
    fn find_snapshot(&mut self, files: &dyn Files) -> Result<(), WalError> {
        let state = &mut self.fold.state;
        let known = state.snapshot.map_or(0, |of| of.number);
        if self.loss.is_some() {
            // What has its final name was durable in its place, whatever the log still says.
            let numbers =
                self.names.iter().filter_map(|it| snapshot::number(snapshot::SNAPSHOT, it));
            if let Some(newest) = numbers.filter(|number| *number > known).max()
                && let Some(content) = Content::find(files, &self.names, newest)?
                && content.adds_up()?
            {
                state.snapshot = Some(content.of);
                if state.stage.is_some_and(|(of, _)| of.number <= newest) {
                    (state.stage, self.fold.marks) = (None, Vec::new());
                }
            }
        }
        let Some(of) = state.snapshot else { return Ok(()) };
        let content = Content::find(files, &self.names, of.number)?;
        let content = content.filter(|content| content.of == of);
        let sound = content.as_ref().map_or(Ok(false), Content::adds_up)?;
        self.snapshot = content.filter(|_| sound);
        if self.snapshot.is_none() {
            state.snapshot = None;
            self.loss = Some(Loss::Entries);
        }
        Ok(())
    }

    /// Keeps of the entries what stands on the base. Where anything is missing, the log begins
    /// anew behind the snapshot unless it holds the very entry that this ends with.
    fn settle(&mut self) {
        let Fold { state, runs, .. } = &mut self.fold;
        let whole = runs.settle(state.base);
        let last = state.snapshot.map_or(Snapshot::NONE, |of| of.snapshot).last;
        if !whole || runs.last(state.base).index < state.last || !runs.hold(state.base, last) {
            self.loss = Some(Loss::Entries);
        }
        if self.loss.is_some() && !runs.hold(state.base, last) {
            runs.clear();
            state.base = last;
        }
        state.last = runs.last(state.base).index;
    }

    /// How much of the stage is there as it was written.
    fn find_stage(&mut self, files: &dyn Files) -> Result<(), WalError> {
        let Some((of, _)) = self.fold.state.stage else { return Ok(()) };
        let content = Content::find(files, &self.names, of.number)?;
        self.fold.state.stage = None;
        if let Some(content) = content.filter(|content| content.of == of) {
            // Where anything is missing there may be marks of another stage.
            self.fold.marks.retain(|mark| mark.number == of.number);
            let held = content.longest(&self.fold.marks)?.unwrap_or(Held::nothing(of.number));
            self.fold.state.stage = Some((of, held));
            self.stage = Some((content, held));
        }
        Ok(())
    }

    /// What a file that begins here has to say of those before it. A loss stays one, at each start,
    /// until the node has said that it knows: what is left is not passed off as all there was.
    pub(super) fn before(&self) -> (State, Vec<Gap>) {
        let state = if self.loss.is_some() { self.told } else { self.fold.state };
        (state, self.fold.known.clone())
    }

    /// Where the log begins.
    pub(super) fn base(&self) -> Position {
        self.fold.state.base
    }
}

impl LastBatch {
    fn of(batch: &Batch<'_>) -> Self {
        let Batch { number, from, items } = *batch;
        Self { number, from, items: items.to_vec(), is_seal: batch.is_seal() }
    }

    /// Its items, without what its file had to begin with.
    pub(super) fn news(&self) -> Vec<(Item, &[u8])> {
        let mut items = super::item::split(&self.items).unwrap_or_default();
        items.retain(|(item, _)| !matches!(item, Item::State(_) | Item::Known(_)));
        items
    }
}

/// The files of the log in their order, and the salt that the first sound one among them names.
fn segments(files: &dyn Files, names: &[String]) -> Result<(Vec<Segment>, Option<u32>), WalError> {
    let (mut segments, mut salt) = (Vec::new(), None);
    for name in names {
        let Some(first) = snapshot::number(LOG, name) else { continue };
        let file = files.open(name).map_err(WalError::of("open", name))?;
        let bytes = file.bytes().map_err(WalError::of("measure", name))?;
        let head = read_up_to(&*file, 0, SECTOR_BYTES).map_err(WalError::of("read", name))?;
        match sector::read::<LogHead>(sector::LOG, &head) {
            Ok(head) => salt = salt.or(Some(head.salt)),
            Err(Unfit::Damaged) => {}
            Err(Unfit::Version(version)) => {
                return Err(WalError::UnknownFormat { file: name.clone(), version });
            }
        }
        segments.push(Segment { name: name.clone(), first, bytes, highest: Index::ZERO });
    }
    segments.sort_unstable_by_key(|segment: &Segment| segment.first);
    Ok((segments, salt))
}
