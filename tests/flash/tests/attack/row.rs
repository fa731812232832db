//! The power fails in start after start.

use super::*;

/// A storage after a few ballots and entries, or one that is nearly full.
fn lived<const WORD: usize, const SECTOR: usize>(
    shape: Shape,
    random: &mut Random,
    (body, entries): (usize, usize),
) -> (Flash<WORD, SECTOR>, Held) {
    if random.below(2) == 0 {
        return nearly_full::<WORD, SECTOR>(shape, body, entries);
    }
    let mut storage = shape.storage(shape.chip::<WORD, SECTOR>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    for term in 0..random.below(9) {
        let ballot = Ballot { term: Term(term), vote: None, admitted: true, losses: 0 };
        storage.write(Record::Ballot(ballot)).expect("taken");
        held.ballot = Some(ballot);
    }
    for _ in 0..=random.below(entries as u32) {
        append(&mut storage, &mut held, body).expect("room");
    }
    (storage, held)
}

/// The power fails in one start after another, mostly so that something reads now this way and now
/// that way.
fn cut_in_a_row<const WORD: usize, const SECTOR: usize>(
    shape: Shape,
    (body, entries): (usize, usize),
    seeds: std::ops::Range<u64>,
) -> Result<u64, String> {
    let mut tried = 0;
    for seed in seeds {
        let mut random = Random::new(seed, 21);
        let (mut storage, held) = lived::<WORD, SECTOR>(shape, &mut random, (body, entries));
        storage.flash_mut().journal.clear();
        let mut chip = storage.flash_mut().clone();
        let mut after = held.clone();
        match random.below(3) {
            0 => append(&mut storage, &mut after, body).map_err(|error| format!("{error:?}"))?,
            1 => renew(&mut storage, &held).map_err(|error| format!("{error:?}"))?,
            _ => {
                let ballot = Ballot { term: Term(999), ..held.ballot.unwrap_or_default() };
                storage.write(Record::Ballot(ballot)).map_err(|error| format!("{error:?}"))?;
                after.ballot = Some(ballot);
            }
        }
        let mut journal = storage.flash_mut().journal.clone();
        let mut told = Vec::new();
        for round in 0..7 {
            if journal.is_empty() {
                break;
            }
            let place = match random.below(3) {
                0 => random.below(journal.len() as u32) as usize,
                1 => journal.len() - 1 - random.below((journal.len() as u32).min(4)) as usize,
                _ => random.below((journal.len() as u32).min(7)) as usize,
            };
            let operation = journal[place].clone();
            let cut =
                if random.below(3) > 0 { Cut::Loose } else { random.pick(cuts_of(&operation)) };
            journal[..place].iter().for_each(|it| chip.carry_out(it));
            chip.draw_from(random.next());
            chip.cut_short(&operation, cut);
            told.push(format!(
                "{place} of {} ({} {:?}) as {cut:?}",
                journal.len(),
                if matches!(operation, Operation::Erase(_)) { "erase" } else { "program" },
                operation.range()
            ));
            chip.power_up();
            tried += 1;
            let outcome = quietly(|| {
                let (mut storage, found) =
                    shape.start(chip.clone()).map_err(|error| format!("no start: {error:?}"))?;
                match held.may_be(&found) || after.may_be(&found) {
                    true => Ok(storage.flash_mut().journal.clone()),
                    false => Err(format!("found {found:?}\nheld  {held:?}")),
                }
            });
            journal = outcome
                .map_err(|error| format!("seed {seed}, round {round}, {told:#?}: {error}"))?;
        }
    }
    Ok(tried)
}

#[test]
fn starts_that_are_cut_again_and_again_lose_nothing() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 0, more_sectors: 0 };
    let seeds = std::env::var("SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(300);
    let outcomes = [
        cut_in_a_row::<256, 4096>(shape, (20, 4), 0..seeds),
        cut_in_a_row::<256, 2048>(shape, (20, 4), 0..seeds),
        cut_in_a_row::<32, 512>(shape, (20, 4), 0..seeds),
        cut_in_a_row::<4, 512>(shape, (20, 4), 0..seeds),
    ];
    for outcome in &outcomes {
        match outcome {
            Ok(tried) => println!("{tried} tried"),
            Err(told) => println!("{told}"),
        }
    }
    assert!(outcomes.iter().all(Result::is_ok));
}
