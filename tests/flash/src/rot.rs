//! What was programmed changes by itself, and what never was a storage is taken for one.
//!
//! One byte that rots is told, or does not matter, or lies in what was written last, which can't be
//! told from what was torn. Whatever rots, nothing is handed out that was not written, and no
//! ballot that is not the newest one.

use crate::chip::{Chip, Operation};
use crate::held::Held;
use crate::history::{Flash, History, Outcome, least_chip, start, storage};
use crate::quietly;
use crate::steps::{Step, carry_out, next, renew};
use raft_core::flash::FlashError;
use raft_core::{Loss, Record, Storage};
use raft_simulator::random::Random;

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decay {
    /// How often all was there.
    pub harmless: u64,
    /// How often something was told to be lost.
    pub told: u64,
    /// How often what was written last was taken for torn.
    pub torn: u64,
    /// How often it was refused: a version that is not known.
    pub refused: u64,
    /// The most that any byte was read at a start.
    pub most_reads: u8,
    /// What should not have been found: how often.
    pub failed: u64,
    /// The first few of that.
    pub failures: Vec<String>,
}

impl Decay {
    fn note(&mut self, told: String, outcome: Outcome<()>) {
        if let Err(failure) = outcome {
            self.failed += 1;
            if self.failures.len() < 3 {
                self.failures.push(format!("{told}: {failure}"));
            }
        }
    }

    /// A life without any fault. `None` if even that failed.
    fn history<const WORD: usize, const SECTOR: usize>(
        &mut self,
        seed: u64,
        steps: usize,
        told: &str,
    ) -> Option<History<WORD, SECTOR>> {
        match quietly(|| History::of_blank(seed, steps, None)) {
            Ok(history) => Some(history),
            Err(failure) => {
                self.note(told.to_string(), Err(failure));
                None
            }
        }
    }
}

/// A byte rots, each in turn, or each so many, after a history, and after a start that follows it.
pub fn rot_everywhere<const WORD: usize, const SECTOR: usize>(
    seed: u64,
    steps: usize,
    every: usize,
) -> Decay {
    let mut decay = Decay::default();
    let told = format!("words of {WORD}, sectors of {SECTOR}, seed {seed}");
    let Some(history) = decay.history::<WORD, SECTOR>(seed, steps, &told) else { return decay };
    let started = start(history.end.clone()).map(|(storage, _)| storage.into_flash());
    let mut random = Random::new(seed, 7);
    for (chip, is_started) in [(Some(history.end.clone()), false), (started.ok(), true)] {
        let Some(chip) = chip else { continue };
        for at in (seed as usize % every..chip.bytes().len()).step_by(every) {
            let mask = match random.below(3) {
                0 => 0xFF,
                1 => 1 + random.below(255) as u8,
                _ => 1 << random.below(8),
            };
            let mut rotten = chip.clone();
            rotten.rot(at, mask);
            let last = if is_started { None } else { history.last_record(at) };
            let outcome = quietly(|| judge(&history, rotten, last, &mut decay));
            let when = if is_started { "after a start" } else { "at the end" };
            decay.note(format!("{told}, byte {at} ^ {mask:#04x} {when}"), outcome);
        }
    }
    decay
}

impl<const WORD: usize, const SECTOR: usize> History<WORD, SECTOR> {
    /// The step of the last record, if this byte belongs to that.
    fn last_record(&self, at: usize) -> Option<usize> {
        // Ballots and stages lie elsewhere.
        let counts = |step: &usize| {
            let step = &self.steps[*step];
            !matches!(step, Step::Ballot(_) | Step::Stage(_) | Step::Chunk(_) | Step::Maintain)
        };
        let mut programs = self.journal.iter().rev().filter(|(step, operation)| {
            counts(step) && matches!(operation, Operation::Program(..))
        });
        let (step, operation) = programs.next()?;
        operation.range().contains(&at).then_some(*step)
    }

    /// Whether whatever was handed out was written at some time.
    fn has_written(&self, found: &Held) -> Outcome<()> {
        for (position, body) in &found.seen {
            let written = |held: &Held| {
                let place = position.index.0.checked_sub(held.base.index.0 + 1);
                place.and_then(|place| held.entries.get(place as usize))
                    == Some(&(position.term, body.clone()))
            };
            if !self.states.iter().any(written) {
                return Err(format!("nobody wrote the entry {position:?} {body:?}: {found:?}"));
            }
        }
        let snapshot =
            |held: &Held| (held.snapshot, &held.content) == (found.snapshot, &found.content);
        if !self.states.iter().any(snapshot) {
            return Err(format!("nobody wrote such a snapshot: {found:?}"));
        }
        // Of a stage nobody looks at the bytes before it is whole.
        let stage = |held: &Held| match (&held.stage, &found.stage) {
            (Some((one, content)), Some((other, part))) => {
                one == other && content.len() >= part.len()
            }
            (_, other) => other.is_none(),
        };
        if !self.states.iter().any(stage) {
            return Err(format!("nobody wrote such a stage: {found:?}"));
        }
        Ok(())
    }
}

fn judge<const WORD: usize, const SECTOR: usize>(
    history: &History<WORD, SECTOR>,
    rotten: Chip<WORD, SECTOR>,
    last_record: Option<usize>,
    decay: &mut Decay,
) -> Outcome<()> {
    let (flash, found) = start(rotten).map_err(|error| format!("no start: {error:?}"))?;
    let expected = history.states.last().expect("one at least");
    if found.lost.contains(&Loss::Ballot) {
        return Err("one byte takes no two copies of a ballot".into());
    }
    if (found.identity, found.ballot) != (expected.identity, expected.ballot) {
        return Err(format!("found {:?}, not {:?}", found.ballot, expected.ballot));
    }
    history.has_written(&found)?;
    if found.is_torn {
        return Err(format!("entries stand on nothing: {found:?}"));
    }
    if !found.lost.is_empty() {
        decay.told += 1;
        return heal(flash, found)?.map_or(Ok(()), Err);
    }
    let mut found = found;
    if let (Some((_, content)), Some((_, part))) = (&expected.stage, &mut found.stage) {
        let length = part.len().min(content.len());
        part[..length].copy_from_slice(&content[..length]);
    }
    if expected.may_be(&found) {
        decay.harmless += 1;
        return Ok(());
    }
    if let Some(step) = last_record {
        // A stage lies elsewhere, and was looked at above.
        let found = Held { stage: None, ..found.clone() };
        let first = |count| history.states[step].with_first(&history.steps[step], count);
        let before = history.states[step..].iter().any(|held| held.may_be(&found));
        if before || (0..9).any(|count| first(count).may_be(&found)) {
            decay.torn += 1;
            return Ok(());
        }
    }
    let last = &history.steps[history.steps.len().saturating_sub(9)..];
    Err(format!("nothing is told\nfound {found:?}\nafter {expected:?}\nby    {last:?}"))
}

/// What a node does about a loss: it goes on with what it has, says so in a ballot, and writes all
/// of that anew. It stays lost until then, and is not told any more afterwards.
fn heal<const WORD: usize, const SECTOR: usize>(
    mut flash: Flash<WORD, SECTOR>,
    found: Held,
) -> Outcome<Option<String>> {
    let told = |error: FlashError<_>| format!("while it is healed: {error:?}");
    let chip = flash.flash_mut().clone();
    let (_, again) = start(chip).map_err(told)?;
    if again.lost.is_empty() {
        return Err(format!("told once and never again: {again:?}"));
    }
    let mut held = Held { lost: Vec::new(), ..found };
    if held.term(held.snapshot.last.index) != Some(held.snapshot.last.term) {
        // What stands on nothing goes.
        (held.base, held.entries) = (held.snapshot.last, Vec::new());
    }
    let after = held.last();
    let entries = Record::Entries { after, committed: held.committed, bytes: &[] };
    flash.write(Record::Base(held.base)).map_err(told)?;
    flash.write(entries).map_err(told)?;
    let mut ballot = held.ballot.unwrap_or_default();
    ballot.losses |= 1;
    flash.write(Record::Ballot(ballot)).map_err(told)?;
    held.ballot = Some(ballot);
    if !flash.wants_renewal(0) {
        return Err("it does not want the log anew".into());
    }
    renew(&mut flash, &held).map_err(told)?;
    flash.flush().map_err(told)?;
    let (_, mut found) = start(flash.into_flash()).map_err(told)?;
    // Of a stage that nobody goes on with the end may be there or not.
    found.stage = None;
    let told = || format!("healed to {found:?}\nfrom {held:?}");
    Ok((!held.may_be(&found)).then(told))
}

/// What somebody might find in a flash: any bytes, a storage of before with sectors in other
/// places, pieces of it that rotted, pieces of two storages.
pub fn debris<const WORD: usize, const SECTOR: usize>(random: &mut Random) -> Vec<u8> {
    let length = least_chip::<WORD, SECTOR>(0).bytes().len();
    let image = |random: &mut Random| {
        let (seed, steps) = (random.below(40).into(), 1 + random.below(120) as usize);
        let history = quietly(|| History::<WORD, SECTOR>::of_blank(seed, steps, None));
        history.map_or(vec![0xFF; length], |history| history.end.bytes().to_vec())
    };
    let mut bytes = match random.below(8) {
        0 => (0..length).map(|_| random.next() as u8).collect(),
        1 => vec![random.next() as u8; length],
        _ => image(random),
    };
    let sectors = (length / SECTOR) as u32;
    for _ in 0..random.below(5) {
        match random.below(5) {
            0 => {
                let [one, other] = [0; 2].map(|_| random.below(sectors) as usize * SECTOR);
                bytes.copy_within(one..one + SECTOR, other);
            }
            1 => {
                let from = random.below(sectors) as usize * SECTOR;
                bytes[from..from + SECTOR].copy_from_slice(&image(random)[from..from + SECTOR]);
            }
            2 => {
                let from = random.below(length as u32) as usize;
                let end = (from + random.below(300) as usize).min(length);
                bytes[from..end].iter_mut().for_each(|byte| *byte = random.next() as u8);
            }
            _ => {
                // Where something was written, so that it matters.
                let used: Vec<usize> = (0..length).filter(|&at| bytes[at] != 0xFF).collect();
                for _ in 0..=random.below(6) {
                    let at = used.get(random.below(used.len() as u32) as usize).copied();
                    bytes[at.unwrap_or_default()] ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

/// Mounts any bytes, and goes on with whatever comes of them. No byte is read more than twice at a
/// start, and no rule of the chip is broken.
pub fn mount<const WORD: usize, const SECTOR: usize>(
    bytes: Vec<u8>,
    random: &mut Random,
    decay: &mut Decay,
) -> Outcome<()> {
    let mut chip = Chip::<WORD, SECTOR>::holding(bytes, random.next());
    chip.count_reads();
    let mut flash = storage(chip);
    let outcome = flash.recover(&mut |_| {});
    let (most_reads, at) = flash.flash_mut().most_reads();
    decay.most_reads = decay.most_reads.max(most_reads);
    if most_reads > 2 {
        return Err(format!("the byte at {at} is read {most_reads} times"));
    }
    match outcome {
        Ok(()) => {}
        Err(FlashError::UnknownVersion(_)) => {
            decay.refused += 1;
            return Ok(());
        }
        Err(error) => return Err(format!("no start: {error:?}")),
    }
    // Whatever was lost is written anew, and life goes on.
    let (mut flash, mut held) =
        start(flash.into_flash()).map_err(|error| format!("no second start: {error:?}"))?;
    // Sound pieces of two storages may contradict each other: a node finds that out.
    if held.identity.is_none() || held.lost.contains(&Loss::Ballot) || held.is_torn {
        decay.told += u64::from(!held.lost.is_empty() || held.is_torn);
        return Ok(());
    }
    if !held.lost.is_empty() {
        decay.told += 1;
        // Where a piece of another storage lies, starts may tell of it until the ring has come
        // there.
        return heal(flash, held).map(drop);
    }
    decay.harmless += 1;
    for _ in 0..8 {
        let step = next(random, &held, SECTOR);
        let outcome = carry_out(&mut flash, &held, &step);
        outcome.map_err(|error| format!("{step:?} of {held:?}: {error:?}"))?;
        held.take(&step);
    }
    Ok(())
}

/// Mounts so many kinds of debris.
pub fn mount_debris<const WORD: usize, const SECTOR: usize>(seed: u64, count: usize) -> Decay {
    let (mut decay, mut random) = (Decay::default(), Random::new(seed, 8));
    for number in 0..count {
        let bytes = debris::<WORD, SECTOR>(&mut random);
        let outcome = quietly(|| mount::<WORD, SECTOR>(bytes, &mut random, &mut decay));
        let told = format!("words of {WORD}, sectors of {SECTOR}, seed {seed}, debris {number}");
        decay.note(told, outcome);
    }
    decay
}

/// A sector sticks in each operation of a history, or each so many: the storage stops. What it
/// finds when it is started then, and when the sector has come to itself, is what was flushed.
pub fn stick_everywhere<const WORD: usize, const SECTOR: usize>(
    seed: u64,
    steps: usize,
    every: usize,
) -> Decay {
    let mut decay = Decay::default();
    let told = format!("words of {WORD}, sectors of {SECTOR}, seed {seed}");
    let Some(history) = decay.history::<WORD, SECTOR>(seed, steps, &told) else { return decay };
    let mut chip = history.start.clone();
    for (number, (step, operation)) in history.journal.iter().enumerate() {
        if number % every == seed as usize % every {
            let (mut stuck, sector) = (chip.clone(), operation.range().start / SECTOR);
            stuck.set_stuck(sector, true);
            let outcome = quietly(|| {
                let mut flash = storage(stuck.clone());
                flash.flash_mut().power_up();
                match Held::of(&mut flash) {
                    Ok(found) => {
                        decay.harmless += 1;
                        history.allows(*step, &found)?;
                    }
                    Err(FlashError::Flash(_)) => decay.refused += 1,
                    Err(error) => return Err(format!("no start: {error:?}")),
                }
                let mut chip = flash.into_flash();
                chip.set_stuck(sector, false);
                let (_, found) = start(chip).map_err(|error| format!("no start: {error:?}"))?;
                history.allows(*step, &found)
            });
            decay.note(format!("{told}, sector {sector} stuck in operation {number}"), outcome);
        }
        chip.carry_out(operation);
    }
    decay
}
