//! Two torn writes in a row, followed by a clean one: the clean one is there at the next boot, and
//! at the one after that.

use raft_core::flash::FlashError;
use raft_core::{Ballot, Index, Kind, NodeId, Record, Storage, Term};
use raft_flash_trials::chip::{Chip, Failure};
use raft_flash_trials::cut::{Cut, PROGRAM_CUTS};
use raft_flash_trials::held::{Held, roomy_log};
use raft_flash_trials::history::{Flash, least_chip, start};
use raft_flash_trials::steps::{identity, renew};

/// What is written.
#[derive(Clone, Copy, PartialEq, Debug)]
enum What {
    Entry,
    Ballot,
}

/// Writes something that names `number`, as a node does after its start.
fn write<const WORD: usize, const SECTOR: usize>(
    flash: &mut Flash<WORD, SECTOR>,
    held: &mut Held,
    what: What,
    number: u8,
) -> Result<(), FlashError<Failure>> {
    match what {
        What::Ballot => {
            let vote = Some(NodeId(number));
            let ballot = Ballot { term: Term(number.into()), vote, admitted: true, losses: 0 };
            held.ballot = Some(ballot);
            flash.write(Record::Ballot(ballot))?;
        }
        What::Entry => {
            let after = held.last();
            let mut log = roomy_log(after);
            log.append(Term(1), Kind::COMMAND, &[number; 20]).expect("room enough");
            held.entries.push((Term(1), vec![number; 20]));
            let run = log.run(after.index.next(), 1, usize::MAX).expect("a run");
            let bytes = run.bytes();
            flash.write(Record::Entries { after, committed: Index(0), bytes })?;
        }
    }
    flash.flush()
}

/// The power comes, and the log is written anew; `cut` says in which operation of all that, and of
/// what is written then, the power fails. Gives the chip, and how many operations there were.
fn life<const WORD: usize, const SECTOR: usize>(
    chip: Chip<WORD, SECTOR>,
    what: What,
    number: u8,
    cut: Option<(usize, Cut)>,
) -> (Chip<WORD, SECTOR>, usize) {
    let (mut flash, mut held) = start(chip).expect("a start");
    flash.flash_mut().journal.clear();
    flash.flash_mut().plan = cut;
    let outcome = renew(&mut flash, &held)
        .and_then(|()| flash.flush())
        .and_then(|()| write(&mut flash, &mut held, what, number));
    let done = flash.flash().journal.len();
    match outcome {
        Ok(()) => assert!(cut.is_none_or(|(at, _)| at >= done), "it was to be cut"),
        Err(error) => assert_eq!((error, cut.is_some()), (FlashError::Flash(Failure::Off), true)),
    }
    (flash.into_flash(), done)
}

/// Everywhere and in every way; says how many times.
fn tear<const WORD: usize, const SECTOR: usize>(what: What) -> u32 {
    let (mut flash, _) = start(least_chip::<WORD, SECTOR>(1)).expect("a start");
    flash.write(Record::Identity(identity())).expect("it has power");
    flash.flush().expect("it has power");
    let (chip, _) = life(flash.into_flash(), what, 1, None);
    let (_, operations) = life(chip.clone(), what, 2, None);
    let mut tried = 0;
    for (first, one) in (0..operations).flat_map(|at| PROGRAM_CUTS.map(|cut| (at, cut))) {
        let (once, _) = life(chip.clone(), what, 2, Some((first, one)));
        let (_, operations) = life(once.clone(), what, 3, None);
        for (second, other) in (0..operations).flat_map(|at| PROGRAM_CUTS.map(|cut| (at, cut))) {
            let (twice, _) = life(once.clone(), what, 3, Some((second, other)));
            let (clean, _) = life(twice, what, 4, None);
            let (flash, found) = start(clean).expect("a start");
            let told = format!("cut as {one:?} in {first}, as {other:?} in {second}: {found:?}");
            match what {
                What::Ballot => assert_eq!(found.ballot.map(|it| it.term), Some(Term(4)), "{told}"),
                What::Entry => {
                    let bodies: Vec<u8> = found.entries.iter().map(|it| it.1[0]).collect();
                    let whole = [&[1, 4][..], &[1, 2, 4], &[1, 3, 4], &[1, 2, 3, 4]];
                    assert!(whole.contains(&&bodies[..]), "{told}");
                }
            }
            let (_, again) = start(flash.into_flash()).expect("a start");
            assert!(found.agrees_with(&again), "{told}, then {again:?}");
            tried += 1;
        }
    }
    tried
}

#[test]
fn two_torn_writes_do_not_cost_the_clean_one_behind_them() {
    for what in [What::Entry, What::Ballot] {
        let tried = [tear::<4, 1024>(what), tear::<256, 4096>(what), tear::<1, 512>(what)];
        println!("{what:?}: {tried:?}");
        assert!(tried.iter().all(|&tried| tried > 100), "{tried:?}");
    }
}
