//! One input, from a blank chip to the last start.

use super::Lie;
use super::input::{Input, Move, honest};
use super::judge::Start;
use super::model::{Call, Model, all_entries, carry_out};
use crate::chip::{Chip, Failure, Operation};
use crate::cut::{ERASE_CUTS, PROGRAM_CUTS};
use crate::held::Held;
use crate::history::{Flash, Outcome, least_chip, storage};
use raft_core::flash::FlashError;
use raft_core::{Ballot, Loss, Part, Position, Snapshot, Storage};
use std::collections::{HashSet, VecDeque};

/// How many moves a story tells.
const STORY: usize = 40;
/// How many calls may follow an error.
const CALLS_AFTER: u8 = 3;

/// What inputs come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Inputs.
    pub inputs: u64,
    /// Calls.
    pub calls: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Power cuts within an operation.
    pub cuts: u64,
    /// Starts that came to their end.
    pub starts: u64,
    /// Those that told of something that is lost.
    pub told: u64,
    /// Operations of chips.
    pub operations: u64,
}

impl Counts {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.calls += other.calls;
        self.refused += other.refused;
        self.cuts += other.cuts;
        self.starts += other.starts;
        self.told += other.told;
        self.operations += other.operations;
    }
}

/// All that was ever handed over.
#[derive(Default)]
pub(super) struct Written {
    pub(super) entries: HashSet<(Position, Vec<u8>)>,
    /// Whether there were bytes that are none, since all was written anew.
    pub(super) others: bool,
    pub(super) stages: Vec<(Snapshot, Vec<u8>)>,
}

/// A storage, and what it must hold.
pub struct Game<'a, const WORD: usize, const SECTOR: usize> {
    input: Input<'a>,
    lie: Option<Lie>,
    chip: Option<Chip<WORD, SECTOR>>,
    flash: Option<Flash<WORD, SECTOR>>,
    pub(super) model: Model,
    /// What may be found at a start: what was flushed, and what came since.
    pub(super) allowed: Vec<Model>,
    /// What was flushed before that, since the log was written anew.
    pub(super) older: Vec<Model>,
    pub(super) written: Written,
    /// How many calls may follow, if an error was returned that ends it all.
    ends_in: Option<u8>,
    /// A cut of the next start.
    cut_start: Option<(usize, u8)>,
    pub(super) rotten: bool,
    /// Whether the log was written anew since the start.
    is_settled: bool,
    /// From which of what is allowed on it was, if since the last flush.
    anew: Option<usize>,
    story: VecDeque<String>,
    /// What it came to so far.
    pub counts: Counts,
}

pub(super) type Error = FlashError<Failure>;

impl<'a, const WORD: usize, const SECTOR: usize> Game<'a, WORD, SECTOR> {
    /// A blank chip.
    pub fn new(input: &'a [u8], lie: Option<Lie>) -> Self {
        let mut chip = least_chip(1);
        if let Some(Lie::Chip(mischief)) = lie {
            chip.mischief = Some(mischief);
        }
        Self {
            input: Input(input),
            lie,
            chip: Some(chip),
            flash: None,
            model: Model::default(),
            allowed: vec![Model::default()],
            older: Vec::new(),
            written: Written::default(),
            ends_in: None,
            cut_start: None,
            rotten: false,
            is_settled: true,
            anew: None,
            story: VecDeque::new(),
            counts: Counts { inputs: 1, ..Counts::default() },
        }
    }

    /// The last moves.
    pub fn story(&self) -> String {
        Vec::from(self.story.clone()).join("; ")
    }

    /// All of the input, and two starts, that must agree.
    pub fn play(&mut self) -> Outcome<()> {
        self.start()?;
        while !self.input.is_empty() {
            if self.ends_in == Some(0) {
                self.start()?;
            }
            self.ends_in = self.ends_in.map(|calls| calls.saturating_sub(1));
            let next = self.input.next(&self.model);
            match next {
                Move::Honest(_) if self.ends_in.is_some() => self.call(Call::Flush, true)?,
                Move::Honest(number) => self.live(number)?,
                Move::Maintain => self.maintain()?,
                // Nobody writes after an error.
                Move::Any(call) if self.ends_in.is_some() && call.is_write() => {}
                // A node is made of nothing blank, so that nobody has a log for it.
                Move::Any(Call::Renew(..)) if self.model.held.identity.is_none() => {}
                Move::Any(call) => self.call(call, false)?,
                Move::Cut(after, way) => self.plan(after, way),
                Move::CutStart(after, way) => self.cut_start = Some((after, way)),
                Move::Restart => self.start()?,
                Move::Rot(at, mask) => self.rot(at, mask)?,
                Move::Stick(number) => self.stick(number),
            }
        }
        self.start()?;
        self.start()
    }

    fn tell(&mut self, what: String) {
        if self.story.len() == STORY {
            self.story.pop_front();
        }
        self.story.push_back(what);
    }

    fn flash(&mut self) -> &mut Flash<WORD, SECTOR> {
        self.flash.as_mut().expect("it was started")
    }

    fn live(&mut self, number: u64) -> Outcome<()> {
        if self.model.snapshot_unknown {
            return self.start();
        }
        let is_blank = self.model.held.identity.is_none();
        if !is_blank && (!self.is_settled || !self.model.is_sound()) {
            return self.settle();
        }
        let flash = self.flash.as_ref().expect("it was started");
        let calls = honest(number, &self.model, SECTOR, |bytes| flash.wants_renewal(bytes));
        let starts = self.counts.starts;
        for call in calls {
            if self.counts.starts == starts {
                self.call(call, true)?;
            }
        }
        Ok(())
    }

    /// What a node does before anything else.
    fn settle(&mut self) -> Outcome<()> {
        if self.model.held.identity.is_none() {
            return Ok(());
        }
        let starts = self.counts.starts;
        let mut calls = vec![self.model.renewal(1), Call::Flush];
        if !self.model.held.lost.is_empty() {
            let ballot = self.model.held.ballot.unwrap_or_default();
            calls.insert(0, Call::Ballot(Ballot { losses: ballot.losses | 1, ..ballot }));
        }
        for call in calls {
            if self.counts.starts == starts {
                self.call(call, true)?;
            }
        }
        Ok(())
    }

    /// Until there is nothing left to do: each step does something.
    fn maintain(&mut self) -> Outcome<()> {
        let starts = self.counts.starts;
        let sectors = self.flash().flash().bytes().len() / SECTOR;
        for _ in 0..=sectors {
            let is_over = self.counts.starts != starts || self.ends_in.is_some();
            if is_over || self.flash().upkeep() == 0 {
                return Ok(());
            }
            self.call(Call::Maintain, true)?;
        }
        Err(format!("{} left to do after {sectors} steps", self.flash().upkeep()))
    }

    fn plan(&mut self, after: usize, way: u8) {
        let cut = PROGRAM_CUTS[usize::from(way) % PROGRAM_CUTS.len()];
        self.tell(format!("the power will fail after {after}: {cut:?}"));
        let chip = self.flash().flash_mut();
        let at = chip.journal.len() + after;
        chip.plan = Some((at, cut));
    }

    fn rot(&mut self, at: u32, mask: u8) -> Outcome<()> {
        // What a cut has touched as well is more than one loss.
        if mask == 0 || self.rotten || self.ends_in.is_some() || self.cut_start.is_some() {
            return Ok(());
        }
        let chip = self.flash().flash_mut();
        if chip.plan.is_some() || chip.is_off() {
            return Ok(());
        }
        // Where something was written, so that it matters.
        let used: Vec<usize> =
            chip.bytes().iter().enumerate().filter(|it| *it.1 != 0xFF).map(|it| it.0).collect();
        let Some(&at) = used.get(at as usize % used.len().max(1)) else { return Ok(()) };
        chip.rot(at, mask);
        self.tell(format!("byte {at} rots by {mask:#04x}"));
        self.rotten = true;
        self.start()
    }

    fn stick(&mut self, number: u32) {
        let chip = self.flash().flash_mut();
        let sector = number as usize % (chip.bytes().len() / SECTOR);
        chip.set_stuck(sector, true);
        self.tell(format!("sector {sector} sticks"));
    }

    /// One call. Whatever comes of it must follow from what is held.
    fn call(&mut self, call: Call, honest: bool) -> Outcome<()> {
        self.counts.calls += 1;
        self.tell(format!("{call:?}"));
        self.remember(&call);
        let before = self.flash().flash().journal.len();
        let is_maintained = self.is_settled && self.flash().upkeep() == 0;
        let outcome = match &call {
            Call::Read(part, offset, length) => self.read(*part, *offset, *length)?,
            Call::Recover => return self.recover_again(),
            call if call.is_write() && self.swallows() => Ok(()),
            call => carry_out(self.flash(), call),
        };
        let done = &self.flash().flash().journal[before..];
        let (operations, erases) = (done.len(), done.iter().any(Operation::is_erase));
        self.counts.operations += operations as u64;
        // Of a stage that takes the place of another one nothing is known before.
        let is_staging = matches!(call, Call::Chunk(..) | Call::Snapshot(_));
        if is_maintained && erases && !is_staging {
            return Err(format!("{call:?} erases, and nothing was left to do"));
        }
        let after = self.model.after(&call);
        match outcome {
            Ok(()) => self.took(&call, after),
            Err(error) => self.refused(&call, after, error, honest),
        }
    }

    fn took(&mut self, call: &Call, after: Option<Model>) -> Outcome<()> {
        if !self.is_settled && matches!(call, Call::Base(_) | Call::Entries(..)) {
            // All of the log is to be written anew, and these do not count.
            return Ok(());
        }
        let Some(after) = after else {
            return Err(format!("it takes {call:?} and holds {:?}", self.model.held));
        };
        self.allowed.extend(self.model.parts_of(call));
        self.allowed.push(after.clone());
        let is_first = self.model.held.identity.is_none();
        self.model = after;
        self.is_settled |=
            matches!(call, Call::Renew(..)) || is_first && matches!(call, Call::Identity(_));
        if matches!(call, Call::Renew(..)) {
            self.anew = Some(self.allowed.len() - 1);
        }
        if *call == Call::Flush && self.ends_in.is_none() {
            if let Some(since) = self.anew.take() {
                self.older.clear();
                self.allowed.drain(..since);
            }
            self.older.append(&mut self.allowed);
            self.allowed.push(self.model.clone());
            self.rotten = false;
            self.written.others &= self.model.log_unknown;
        }
        Ok(())
    }

    fn refused(
        &mut self,
        call: &Call,
        after: Option<Model>,
        error: Error,
        honest: bool,
    ) -> Outcome<()> {
        self.counts.refused += 1;
        self.tell(format!("-> {error:?}"));
        let of_the_chip = matches!(error, FlashError::Flash(_));
        if honest && !of_the_chip && self.ends_in.is_none() {
            return Err(format!("{call:?} of {:?}: {error:?}", self.model.held));
        }
        if of_the_chip || matches!(call, Call::Entries(..) | Call::Renew(..)) {
            // It may have been done, or in part, and nothing more is promised.
            self.allowed.extend(self.model.parts_of(call));
            self.allowed.extend(after);
            self.ends_in = Some(self.ends_in.unwrap_or(CALLS_AFTER));
        }
        if error == FlashError::Flash(Failure::Off) {
            self.counts.cuts += 1;
            return self.start();
        }
        Ok(())
    }

    fn swallows(&self) -> bool {
        self.lie == Some(Lie::SwallowsWrites) && self.counts.calls.is_multiple_of(20)
    }

    fn remember(&mut self, call: &Call) {
        let (base, entries) = match call {
            Call::Entries(after, _, bytes) => {
                (*after, all_entries(after.term, &[bytes.clone(), Vec::new()]))
            }
            Call::Renew(base, _, parts) => (*base, all_entries(base.term, parts)),
            Call::Stage(snapshot, _) => {
                self.written.stages.push((*snapshot, Vec::new()));
                return;
            }
            Call::Chunk(_, bytes) => {
                if let Some((snapshot, content)) = &self.model.held.stage {
                    let content = [&content[..], bytes].concat();
                    self.written.stages.push((*snapshot, content));
                }
                return;
            }
            _ => return,
        };
        let mut index = base.index;
        self.written.others |= entries.is_none();
        for (term, body) in entries.unwrap_or_default() {
            // Where no index follows, none can be handed out either.
            index.0 = index.0.saturating_add(1);
            self.written.entries.insert((Position { term, index }, body));
        }
    }

    fn read(&mut self, part: Part, offset: u32, length: usize) -> Outcome<Result<(), Error>> {
        // Nobody asks for what there is no room for.
        let end = self.flash().snapshot_bytes_max();
        let offset = offset.min(end);
        let length = length.min((end - offset) as usize);
        let mut bytes = vec![0; length];
        let outcome = self.flash().read(part, offset, &mut bytes);
        let content = self.model.content(part);
        let there = content.and_then(|it| it.get(offset as usize..)?.get(..length));
        if let (Some(there), None) = (there, self.ends_in) {
            match outcome {
                Ok(()) if bytes == there => {}
                Err(FlashError::Flash(Failure::Off)) => {}
                _ => return Err(format!("{length} at {offset} of {part:?} read: {outcome:?}")),
            }
        }
        Ok(outcome)
    }

    /// A start without a power cut, and everything that only looks.
    fn recover_again(&mut self) -> Outcome<()> {
        let flash = self.flash.take().expect("it was started");
        let _ = (flash.used(), flash.geometry(), flash.snapshot_bytes_max());
        let _ = [0, 1, 1 << 16].map(|bytes| flash.wants_renewal(bytes));
        let mut flash = flash;
        let _ = flash.segment_erases(0);
        let segments = flash.segments();
        if flash.segment_erases(segments).is_ok_and(|erases| erases.is_some()) {
            return Err("there is a segment too many".into());
        }
        let outcome = self.found(&mut flash);
        let chip = flash.flash_mut();
        let is_off = chip.is_off();
        self.flash = Some(flash);
        match outcome? {
            Ok(found) => self.begin_with(found),
            Err(FlashError::Flash(_)) if is_off => self.start(),
            Err(FlashError::Flash(_)) => {
                self.ends_in = Some(0);
                Ok(())
            }
            Err(error) => Err(format!("no start: {error:?}")),
        }
    }

    /// The power goes, if it is there, and comes.
    fn start(&mut self) -> Outcome<()> {
        let chip = self.flash.take().map(Flash::into_flash).or(self.chip.take());
        let mut chip = chip.expect("one of them");
        for _ in 0..20 {
            chip.power_up();
            if let Some((after, way)) = self.cut_start.take() {
                let cut = ERASE_CUTS[usize::from(way) % ERASE_CUTS.len()];
                self.tell(format!("the power will fail at the start after {after}: {cut:?}"));
                chip.plan = Some((after, cut));
            }
            let mut flash = storage(chip);
            let outcome = self.found(&mut flash)?;
            match outcome {
                Ok(found) => {
                    flash.flash_mut().plan = None;
                    self.flash = Some(flash);
                    return self.begin_with(found);
                }
                Err(FlashError::Flash(Failure::Off)) => self.counts.cuts += 1,
                Err(FlashError::Flash(Failure::Stuck)) => {
                    let chip = flash.flash_mut();
                    let sectors = chip.bytes().len() / SECTOR;
                    (0..sectors).for_each(|sector| chip.set_stuck(sector, false));
                }
                Err(error) => return Err(format!("no start: {error:?}")),
            }
            chip = flash.into_flash();
            self.tell(format!("no start after {} operations", chip.journal.len()));
        }
        Err("it does not come to the end of a start".into())
    }

    /// What a start finds; it reads no byte more than twice.
    fn found(&mut self, flash: &mut Flash<WORD, SECTOR>) -> Outcome<Result<Held, Error>> {
        let before = flash.flash().journal.len();
        let mut start = Start { flash, most_reads: (0, 0) };
        let outcome = Held::of(&mut start);
        let (most_reads, at) = start.most_reads;
        let journal = &flash.flash().journal;
        self.counts.operations += (journal.len() - before) as u64;
        if most_reads > 2 {
            return Err(format!("the byte at {at} is read {most_reads} times"));
        }
        Ok(outcome)
    }

    /// Whether this may be found, and life begins with it.
    fn begin_with(&mut self, found: Held) -> Outcome<()> {
        self.tell(format!("found {found:?}"));
        self.counts.starts += 1;
        self.judge(&found)?;
        if found.lost.contains(&Loss::Ballot) {
            // Such a storage is wiped, and begins as another one.
            self.chip = Some(least_chip(self.counts.starts));
            let mut flash = storage(self.chip.take().expect("just made"));
            let blank = Held::of(&mut flash).map_err(|error| format!("no start: {error:?}"))?;
            (self.flash, self.model) = (Some(flash), Model::found(blank));
            self.older.clear();
            self.allowed.clear();
            self.rotten = false;
        } else {
            self.model = Model::found(found);
        }
        // Nothing of it is promised until it was written anew: it may have been cut short, and
        // reads otherwise the next time.
        self.allowed.push(self.model.clone());
        (self.ends_in, self.is_settled, self.anew) = (None, false, None);
        Ok(())
    }
}
