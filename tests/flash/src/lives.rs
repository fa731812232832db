//! One life after another, each of any length and with any end, on one chip: what no plan has
//! thought of, and what only comes together after many power cuts.

use crate::chip::Chip;
use crate::cut::cuts_of;
use crate::cuts::Tally;
use crate::held::Held;
use crate::history::{History, Outcome, least_chip, start};
use crate::quietly;
use raft_simulator::random::Random;

/// So many lives in a row. Gives what was tried, and how often each sector was erased.
pub fn live<const WORD: usize, const SECTOR: usize>(seed: u64, lives: usize) -> (Tally, Vec<u32>) {
    let mut tally = Tally::default();
    let mut random = Random::new(seed, 11);
    let mut chip = least_chip::<WORD, SECTOR>(seed);
    let mut expected: Option<(History<WORD, SECTOR>, usize)> = None;
    for life in 0..lives {
        let told = || format!("words of {WORD}, sectors of {SECTOR}, seed {seed}, life {life}");
        let outcome = quietly(|| one(chip.clone(), &expected, &mut random, &mut tally));
        match outcome {
            Ok((torn, history, step)) => {
                chip = torn;
                expected = Some((history, step));
            }
            Err(failure) => {
                tally.note(told, Err(failure));
                break;
            }
        }
    }
    (tally, chip.erases)
}

type Ended<const WORD: usize, const SECTOR: usize> =
    (Chip<WORD, SECTOR>, History<WORD, SECTOR>, usize);

fn one<const WORD: usize, const SECTOR: usize>(
    chip: Chip<WORD, SECTOR>,
    before: &Option<(History<WORD, SECTOR>, usize)>,
    random: &mut Random,
    tally: &mut Tally,
) -> Outcome<Ended<WORD, SECTOR>> {
    let (mut storage, found) =
        start(chip.clone()).map_err(|error| format!("no start: {error:?}"))?;
    match before {
        Some((history, step)) => history.allows(*step, &found)?,
        None if found == Held::default() => {}
        None => return Err(format!("a blank chip holds {found:?}")),
    }
    // Now and then the power fails in the start, and whatever was found there was for nobody.
    let recovery = storage.flash_mut().journal.clone();
    if random.below(3) == 0 && !recovery.is_empty() {
        let mut torn = chip;
        torn.power_up();
        let last = random.below(recovery.len() as u32) as usize;
        recovery[..last].iter().for_each(|operation| torn.carry_out(operation));
        torn.cut_short(&recovery[last], random.pick(cuts_of(&recovery[last])));
        tally.pairs += 1;
        let (again, found) = start(torn).map_err(|error| format!("no start: {error:?}"))?;
        if let Some((history, step)) = before {
            history.allows(*step, &found)?;
        }
        storage = again;
    }
    let (storage, found) = start(storage.into_flash()).map_err(|it| format!("no start: {it:?}"))?;
    let steps = 1 + random.below(40) as usize;
    let history = History::from(storage, found, random, steps)?;
    tally.operations += history.journal.len() as u64;
    if history.journal.is_empty() || random.below(5) == 0 {
        let steps = history.steps.len();
        return Ok((history.end.clone(), history, steps));
    }
    let last = random.below(history.journal.len() as u32) as usize;
    let mut torn = history.start.clone();
    history.journal[..last].iter().for_each(|(_, operation)| torn.carry_out(operation));
    let (step, operation) = &history.journal[last];
    torn.cut_short(operation, random.pick(cuts_of(operation)));
    tally.singles += 1;
    let step = *step;
    Ok((torn, history, step))
}
