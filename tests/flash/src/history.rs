//! One life of a storage, from the power's coming to its going: what was asked of it, what it did
//! to its chip for that, and what it must hold wherever the power fails.

use crate::chip::{Chip, Failure, Mischief, Operation};
use crate::held::Held;
use crate::steps::{LOG_BYTES, Step, carry_out, next, renew, snapshot_bytes};
use raft_core::Storage;
use raft_core::flash::{FlashError, FlashStorage, Geometry, UnfitFlash};
use raft_simulator::random::Random;

/// Runs of entries that are longer are cut.
const ENTRY_BYTES: usize = 96;

/// The storage that all this is about.
pub type Flash<const WORD: usize, const SECTOR: usize> = FlashStorage<Chip<WORD, SECTOR>, Vec<u8>>;

/// What went wrong, in words.
pub type Outcome<T> = Result<T, String>;

/// A storage in this chip.
pub fn storage<const WORD: usize, const SECTOR: usize>(
    chip: Chip<WORD, SECTOR>,
) -> Flash<WORD, SECTOR> {
    fit(chip).expect("a fit flash")
}

fn fit<const WORD: usize, const SECTOR: usize>(
    chip: Chip<WORD, SECTOR>,
) -> Result<Flash<WORD, SECTOR>, UnfitFlash> {
    let buffer = vec![0; Geometry::buffer_bytes(WORD, ENTRY_BYTES)];
    FlashStorage::new(chip, buffer, LOG_BYTES, snapshot_bytes(SECTOR))
}

/// A chip with as few sectors as will do.
pub fn least_chip<const WORD: usize, const SECTOR: usize>(seed: u64) -> Chip<WORD, SECTOR> {
    let none = Chip::<WORD, SECTOR>::new(0, seed);
    let refused = fit(none).err();
    let Some(UnfitFlash::Capacity { least_sectors }) = refused else { panic!("{refused:?}") };
    Chip::new(least_sectors, seed)
}

/// The power comes: what the storage then says that it holds, and has written anew, if nothing of
/// it is lost.
pub fn start<const WORD: usize, const SECTOR: usize>(
    mut chip: Chip<WORD, SECTOR>,
) -> Result<(Flash<WORD, SECTOR>, Held), FlashError<Failure>> {
    chip.power_up();
    let mut storage = storage(chip);
    let held = Held::of(&mut storage)?;
    if storage.wants_renewal(0) && held.lost.is_empty() && !held.is_torn {
        renew(&mut storage, &held)?;
        storage.flush()?;
    }
    Ok((storage, held))
}

/// What was done, step by step.
pub struct History<const WORD: usize, const SECTOR: usize> {
    /// The chip before the first step.
    pub start: Chip<WORD, SECTOR>,
    /// The chip after the last.
    pub end: Chip<WORD, SECTOR>,
    /// What was asked for.
    pub steps: Vec<Step>,
    /// What was done to the chip, and for which step.
    pub journal: Vec<(usize, Operation)>,
    /// What is held before each step, and after the last.
    pub states: Vec<Held>,
    /// For each step, whether it had all of the log written anew.
    renewed: Vec<bool>,
    /// For each step, and after the last, which state was flushed before it.
    flushed: Vec<usize>,
}

impl<const WORD: usize, const SECTOR: usize> History<WORD, SECTOR> {
    /// So many steps from the very beginning, with a driver that does its work or does not.
    pub fn of_blank(seed: u64, steps: usize, mischief: Option<Mischief>) -> Outcome<Self> {
        let mut chip = least_chip::<WORD, SECTOR>(seed);
        chip.mischief = mischief;
        let (storage, held) = start(chip).map_err(|error| format!("a blank chip: {error:?}"))?;
        if held != Held::default() {
            return Err(format!("a blank chip holds {held:?}"));
        }
        Self::from(storage, held, &mut Random::new(seed, 3), steps)
    }

    /// So many steps, and a flush, from what was found at a start.
    pub fn from(
        mut storage: Flash<WORD, SECTOR>,
        mut held: Held,
        random: &mut Random,
        steps: usize,
    ) -> Outcome<Self> {
        storage.flash_mut().journal.clear();
        let start = storage.flash_mut().clone();
        held.seen.clear();
        let mut history = Self {
            start: start.clone(),
            end: start,
            steps: Vec::new(),
            journal: Vec::new(),
            states: vec![held.clone()],
            renewed: Vec::new(),
            flushed: vec![0],
        };
        for number in 0..=steps {
            let step = if number == steps { Step::Flush } else { next(random, &held, SECTOR) };
            let renewed = carry_out(&mut storage, &held, &step)
                .map_err(|error| format!("step {number}, {step:?}: {error:?}"))?;
            held.take(&step);
            let done = storage.flash_mut().journal.drain(..);
            history.journal.extend(done.map(|operation| (number, operation)));
            let flushed = match step {
                Step::Flush | Step::Format(_) => number + 1,
                _ => *history.flushed.last().expect("one for each step"),
            };
            history.flushed.push(flushed);
            history.renewed.push(renewed);
            history.steps.push(step);
            history.states.push(held.clone());
        }
        history.end = storage.into_flash();
        Ok(history)
    }

    /// Whether this may be found if the power failed in that step, or, with the number of steps,
    /// after all of them.
    pub fn allows(&self, step: usize, found: &Held) -> Outcome<()> {
        let flushed = self.flushed[step];
        let last = (step + 1).min(self.steps.len());
        if self.states[flushed..=last].iter().any(|held| held.may_be(found)) {
            return Ok(());
        }
        // A run of entries may be there in part, unless it came with all of the log.
        for cut in (flushed..last).filter(|&cut| !self.renewed[cut]) {
            let firsts = if matches!(self.steps[cut], Step::Entries(..)) { 0..9 } else { 0..0 };
            let first = |count| self.states[cut].with_first(&self.steps[cut], count);
            if firsts.into_iter().any(|count| first(count).may_be(found)) {
                return Ok(());
            }
        }
        let steps = &self.steps[flushed..last];
        let (least, most) = (&self.states[flushed], &self.states[last]);
        Err(format!(
            "found    {found:?}\nflushed  {least:?}\nthen     {steps:?}\nwould be {most:?}"
        ))
    }
}
