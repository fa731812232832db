//! The power fails in every operation of a history, in every way, and again in every operation of
//! the start that follows, in every way: what is found then must be what was flushed, and a first
//! part of what was not, and the next start must find the same.
//!
//! No history is run again for each cut: what its chip held at any moment follows from the journal.

use crate::chip::{Chip, Mischief, Operation};
use crate::cut::{Cut, cuts_of};
use crate::held::Held;
use crate::history::{Flash, History, Outcome, start};
use crate::quietly;
use raft_simulator::random::Random;

/// How much is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What is drawn.
    pub seed: u64,
    /// How long the history is.
    pub steps: usize,
    /// Of so many operations one is cut.
    pub every: usize,
    /// Of so many starts one is cut in each of its operations, in each way; none, if zero.
    pub pairs_every: usize,
    /// What the chip's driver does wrong.
    pub mischief: Option<Mischief>,
}

/// What was tried, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Operations of the history itself.
    pub operations: u64,
    /// Of them, erases.
    pub erases: u64,
    /// Power cuts in one of them, and a life after that.
    pub singles: u64,
    /// Power cuts in one of them, and in the life that followed.
    pub twice: u64,
    /// Power cuts in one of them, and in the start that followed.
    pub pairs: u64,
    /// Bytes of a stage that had been flushed and were written again.
    pub stage_bytes_lost: usize,
    /// What should not have been found: how often.
    pub failed: u64,
    /// The first few of that.
    pub failures: Vec<String>,
}

impl Tally {
    /// Counts what came of a trial.
    pub fn note(&mut self, told: impl FnOnce() -> String, outcome: Outcome<()>) {
        if let Err(failure) = outcome {
            self.failed += 1;
            if self.failures.len() < 3 {
                self.failures.push(format!("{}: {failure}", told()));
            }
        }
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.erases += other.erases;
        self.singles += other.singles;
        self.twice += other.twice;
        self.pairs += other.pairs;
        self.stage_bytes_lost = self.stage_bytes_lost.max(other.stage_bytes_lost);
        self.failed += other.failed;
        self.failures.extend(other.failures);
    }
}

/// Cuts as the plan says.
pub fn cut_everywhere<const WORD: usize, const SECTOR: usize>(plan: Plan) -> Tally {
    let mut tally = Tally::default();
    let history =
        quietly(|| History::<WORD, SECTOR>::of_blank(plan.seed, plan.steps, plan.mischief));
    let history = match history {
        Ok(history) => history,
        Err(failure) => {
            tally.note(|| format!("seed {}, no cut", plan.seed), Err(failure));
            return tally;
        }
    };
    let mut chip = history.start.clone();
    chip.mischief = None;
    tally.operations = history.journal.len() as u64;
    let erase = |(_, operation): &&(usize, Operation)| matches!(operation, Operation::Erase(_));
    tally.erases = history.journal.iter().filter(erase).count() as u64;
    for (number, (step, operation)) in history.journal.iter().enumerate() {
        if number % plan.every == plan.seed as usize % plan.every {
            for &cut in cuts_of(operation) {
                let site = Site { plan, history: &history, number, step: *step, cut };
                let torn = site.torn(&chip, operation);
                let paired =
                    plan.pairs_every > 0 && tally.singles.is_multiple_of(plan.pairs_every as u64);
                tally.singles += 1;
                let outcome = quietly(|| site.single(torn.clone(), &mut tally));
                let went_well = outcome.is_ok();
                tally.note(|| site.to_string(), outcome);
                if paired && went_well {
                    site.pairs(torn, &mut tally);
                }
            }
        }
        chip.carry_out(operation);
    }
    tally
}

/// Where the power fails first, and how.
struct Site<'h, const WORD: usize, const SECTOR: usize> {
    plan: Plan,
    history: &'h History<WORD, SECTOR>,
    number: usize,
    step: usize,
    cut: Cut,
}

impl<const WORD: usize, const SECTOR: usize> std::fmt::Display for Site<'_, WORD, SECTOR> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { plan, history, number, step, cut } = self;
        let operation = match &history.journal[*number].1 {
            Operation::Program(at, bytes) => format!("a program of {} bytes at {at}", bytes.len()),
            Operation::Erase(range) => format!("an erase of {range:?}"),
            Operation::Clear(at) => format!("a bit cleared at {at}"),
        };
        write!(
            f,
            "words of {WORD}, sectors of {SECTOR}, seed {}, operation {number} ({operation}) in \
             step {step} ({:?}) cut as {cut:?}",
            plan.seed, history.steps[*step],
        )
    }
}

impl<const WORD: usize, const SECTOR: usize> Site<'_, WORD, SECTOR> {
    fn random(&self, stream: u64) -> Random {
        Random::new(self.plan.seed ^ ((self.number as u64) << 8) ^ self.cut as u64, stream)
    }

    fn torn(&self, chip: &Chip<WORD, SECTOR>, operation: &Operation) -> Chip<WORD, SECTOR> {
        let mut torn = chip.clone();
        torn.draw_from(self.random(4).next());
        torn.cut_short(operation, self.cut);
        torn
    }

    /// The power comes back, goes and comes, and then life goes on, in which it fails once more.
    fn single(&self, torn: Chip<WORD, SECTOR>, tally: &mut Tally) -> Outcome<()> {
        let (storage, found) = begin(torn)?;
        self.history.allows(self.step, &found)?;
        tally.stage_bytes_lost = tally.stage_bytes_lost.max(self.stage_bytes_lost(&found));
        let (storage, found) = again(storage, &found)?;
        let mut random = self.random(5);
        let life = History::from(storage, found, &mut random, 6)?;
        let (_, found) = begin(life.end.clone())?;
        life.allows(life.steps.len(), &found).map_err(|error| format!("after a life, {error}"))?;
        if life.journal.is_empty() {
            return Ok(());
        }
        tally.twice += 1;
        let second = random.below((life.journal.len() as u32).min(4)) as usize;
        let (step, operation) = &life.journal[second];
        let cut = random.pick(cuts_of(operation));
        let told =
            |error| format!("then step {step} ({:?}) cut as {cut:?}: {error}", life.steps[*step]);
        let mut chip = life.start.clone();
        life.journal[..second].iter().for_each(|(_, before)| chip.carry_out(before));
        chip.cut_short(operation, cut);
        let (storage, found) = begin(chip).map_err(told)?;
        life.allows(*step, &found).map_err(told)?;
        let (storage, found) = again(storage, &found).map_err(told)?;
        let clean = History::from(storage, found, &mut random, 3).map_err(told)?;
        let (_, found) = begin(clean.end.clone()).map_err(told)?;
        clean.allows(clean.steps.len(), &found).map_err(told)
    }

    /// How much of a stage that was flushed is missing.
    fn stage_bytes_lost(&self, found: &Held) -> usize {
        match (&self.history.states[self.step].stage, &found.stage) {
            (Some((one, content)), Some((other, part))) if one == other => {
                content.len().saturating_sub(part.len())
            }
            _ => 0,
        }
    }

    /// The power fails again in each operation of the start.
    fn pairs(&self, mut torn: Chip<WORD, SECTOR>, tally: &mut Tally) {
        let Ok((mut storage, _)) = begin(torn.clone()) else { return };
        let recovery = storage.flash_mut().journal.clone();
        torn.power_up();
        for (number, operation) in recovery.iter().enumerate() {
            for &cut in cuts_of(operation) {
                tally.pairs += 1;
                let mut again = torn.clone();
                again.cut_short(operation, cut);
                let outcome = quietly(|| self.pair(again));
                let told = || format!("{self}, and operation {number} of the start as {cut:?}");
                tally.note(told, outcome);
            }
            torn.carry_out(operation);
        }
    }

    fn pair(&self, torn: Chip<WORD, SECTOR>) -> Outcome<()> {
        let (storage, found) = begin(torn)?;
        self.history.allows(self.step, &found)?;
        again(storage, &found).map(drop)
    }
}

fn begin<const WORD: usize, const SECTOR: usize>(
    chip: Chip<WORD, SECTOR>,
) -> Outcome<(Flash<WORD, SECTOR>, Held)> {
    start(chip).map_err(|error| format!("no start: {error:?}"))
}

/// Another start, that must find the same.
fn again<const WORD: usize, const SECTOR: usize>(
    storage: Flash<WORD, SECTOR>,
    found: &Held,
) -> Outcome<(Flash<WORD, SECTOR>, Held)> {
    let (storage, other) = begin(storage.into_flash())?;
    if !found.agrees_with(&other) {
        return Err(format!("one start finds {found:?}\nthe next  {other:?}"));
    }
    Ok((storage, other))
}
