//! The chip itself: it keeps to its rules, cuts as it says, and what breaks a rule is stopped.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use raft_flash_trials::chip::{Chip, Failure, Operation};
use raft_flash_trials::cut::{Cut, ERASE_CUTS, PROGRAM_CUTS};
use raft_flash_trials::quietly;
use std::collections::BTreeSet;

const WORD: usize = 4;
const SECTOR: usize = 64;
type Small = Chip<WORD, SECTOR>;

fn content(chip: &mut Small, at: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    chip.read(at, &mut bytes).expect("it has power");
    bytes
}

/// What a driver is told who does this.
fn refused(act: impl FnOnce(&mut Small) -> Result<(), Failure>) -> String {
    let mut chip = Small::new(2, 0);
    quietly(|| act(&mut chip).map_err(|failure| format!("{failure:?}")))
        .expect_err("it breaks a rule")
}

#[test]
fn words_are_programmed_once_between_erases() {
    let mut chip = Small::new(2, 0);
    chip.write(8, &[1, 2, 3, 4, 5, 6, 7, 8]).expect("blank words");
    assert_eq!(content(&mut chip, 7, 10), [0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF]);
    chip.erase(0, 64).expect("a whole sector");
    assert_eq!(content(&mut chip, 8, 4), [0xFF; 4]);
    chip.write(8, &[9; 4]).expect("a blank word again");
    assert_eq!((chip.erases.clone(), chip.journal.len()), (vec![1, 0], 3));
    chip.count_reads();
    content(&mut chip, 0, 9);
    content(&mut chip, 8, 4);
    assert_eq!((chip.most_reads(), chip.read_bytes()), ((2, 8), 13));
}

#[test]
fn whoever_breaks_a_rule_is_told_which() {
    let twice = refused(|chip| {
        chip.write(8, &[1; 4]).expect("a blank word");
        chip.write(4, &[1; 8])
    });
    assert_eq!(twice, "panic: the word at 8 is programmed twice");
    // Even if it changes nothing, or only clears bits.
    refused(|chip| chip.write(0, &[0xFF; 4]).and_then(|()| chip.write(0, &[0xFF; 4])));
    refused(|chip| chip.write(2, &[1; 4]));
    refused(|chip| chip.write(4, &[1; 3]));
    refused(|chip| chip.write(126, &[1; 4]));
    refused(|chip| chip.erase(0, 32));
    refused(|chip| chip.erase(64, 192));
    refused(|chip| chip.read(120, &mut [0; 9]));
    let half = refused(|chip| {
        chip.write(0, &[0; 4]).expect("a blank word");
        chip.plan = Some((1, Cut::Bits));
        assert_eq!(chip.erase(0, 64), Err(Failure::Off));
        chip.power_up();
        chip.write(32, &[1; 4])
    });
    assert_eq!(half, "panic: the word at 32 is programmed and only half erased");
    let touched = refused(|chip| {
        chip.plan = Some((0, Cut::Bits));
        assert_eq!(chip.write(0, &[0xFE; 4]), Err(Failure::Off));
        chip.power_up();
        chip.write(0, &[1; 4])
    });
    assert_eq!(touched, "panic: the word at 0 is programmed twice");
}

/// All that may be read after a program that was cut this way, over many seeds and reads.
fn after_program(cut: Cut) -> BTreeSet<Vec<u8>> {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let mut chip = Small::new(1, seed);
        chip.write(0, &[0; 4]).expect("a blank word");
        chip.plan = Some((1, cut));
        assert_eq!(chip.write(4, &[0x0F; 12]), Err(Failure::Off));
        assert_eq!(chip.read(0, &mut [0]), Err(Failure::Off));
        assert_eq!(chip.write(32, &[0x0F; 4]), Err(Failure::Off));
        chip.power_up();
        for _ in 0..4 {
            seen.insert(content(&mut chip, 4, 12));
        }
        assert_eq!(content(&mut chip, 0, 4), [0; 4]);
        assert_eq!(content(&mut chip, 16, 48), [0xFF; 48]);
        // Once it is erased it is as good as new.
        chip.erase(0, 64).expect("it has power");
        chip.write(4, &[0x0F; 12]).expect("blank words");
        assert!((0..4).all(|_| content(&mut chip, 4, 12) == [0x0F; 12]));
    }
    seen
}

#[test]
fn a_program_is_cut_in_every_way() {
    let prefix = |length: usize| {
        let mut bytes = vec![0x0F; length];
        bytes.resize(12, 0xFF);
        bytes
    };
    let is_prefix = |bytes: &Vec<u8>| (0..12).any(|length| *bytes == prefix(length));
    assert_eq!(after_program(Cut::Nothing), BTreeSet::from([prefix(0)]));
    assert_eq!(after_program(Cut::All), BTreeSet::from([prefix(12)]));
    assert_eq!(after_program(Cut::Prefix), (0..12).map(prefix).collect());
    let bits = after_program(Cut::Bits);
    assert!(bits.len() > 250 && bits.iter().flatten().all(|byte| byte & 0x0F == 0x0F));
    // Garbage clears bits that nobody wanted to be cleared, in one word.
    let garbage = after_program(Cut::Garbage);
    assert!(garbage.iter().flatten().any(|byte| byte & 0x0F != 0x0F));
    let is_sound = |word: &&[u8]| [[0x0F; 4], [0xFF; 4]].iter().any(|sound| sound == word);
    let in_one_word = |bytes: &Vec<u8>| bytes.chunks(4).filter(|word| !is_sound(word)).count() <= 1;
    assert!(garbage.iter().all(in_one_word));
    // A loose word reads as it was, as it should be, and as neither.
    let loose = after_program(Cut::Loose);
    assert!([0, 4, 8, 12].into_iter().all(|length| loose.contains(&prefix(length))));
    assert!(loose.iter().any(|bytes| !is_prefix(bytes)));
    assert!(loose.iter().flatten().all(|byte| byte & 0x0F == 0x0F));
}

#[test]
fn a_loose_word_reads_differently_until_it_is_erased() {
    let mut chip = Small::new(1, 5);
    chip.plan = Some((0, Cut::Loose));
    chip.write(0, &[0; 4]).expect_err("the power fails");
    chip.power_up();
    let reads: BTreeSet<Vec<u8>> = (0..50).map(|_| content(&mut chip, 0, 4)).collect();
    assert!(reads.contains(&vec![0; 4]) && reads.contains(&vec![0xFF; 4]) && reads.len() > 5);
}

#[test]
fn an_erase_is_cut_in_every_way() {
    for cut in ERASE_CUTS {
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let mut chip = Small::new(2, seed);
            (0..32).for_each(|word| chip.write(word * 4, &[0x3C; 4]).expect("blank words"));
            chip.plan = Some((32, cut));
            assert_eq!(chip.erase(64, 128), Err(Failure::Off));
            chip.power_up();
            assert_eq!(content(&mut chip, 0, 64), [0x3C; 64]);
            let first = content(&mut chip, 64, 64);
            assert!(first.iter().all(|byte| byte & 0x3C == 0x3C), "only ones are added");
            assert_eq!(content(&mut chip, 64, 64) == first, cut != Cut::Loose);
            seen.insert(first);
            chip.erase(64, 128).expect("it has power");
            chip.write(64, &[1; 64]).expect("blank words");
            assert_eq!(content(&mut chip, 64, 64), [1; 64]);
        }
        match cut {
            Cut::Nothing => assert_eq!(seen, BTreeSet::from([vec![0x3C; 64]])),
            Cut::All => assert_eq!(seen, BTreeSet::from([vec![0xFF; 64]])),
            _ => assert!(seen.len() > 40, "{cut:?}"),
        }
    }
}

#[test]
fn a_journal_replayed_is_the_same_chip() {
    let mut chip = Small::new(2, 0);
    let mut other = chip.clone();
    chip.write(0, &[1; 8]).expect("blank words");
    chip.erase(0, 64).expect("a sector");
    chip.write(60, &[2; 8]).expect("blank words");
    chip.journal.iter().for_each(|operation| other.carry_out(operation));
    assert_eq!((chip.bytes(), &chip.erases), (other.bytes(), &other.erases));
    other.cut_short(&Operation::Erase(64..128), Cut::All);
    assert_eq!(other.bytes()[64..], [0xFF; 64]);
}

#[test]
fn bits_rot_and_sectors_stick() {
    let mut chip = Small::new(2, 0);
    chip.write(0, &[0xF0; 4]).expect("a blank word");
    chip.rot(1, 0x81);
    assert_eq!(content(&mut chip, 0, 4), [0xF0, 0x71, 0xF0, 0xF0]);
    // What rots where nothing was programmed is not healed by programming.
    chip.rot(8, 0x10);
    chip.write(8, &[0xFF, 1, 2, 3]).expect("nobody programmed it");
    assert_eq!(content(&mut chip, 8, 4), [0xEF, 1, 2, 3]);
    chip.set_stuck(0, true);
    assert_eq!(chip.write(12, &[1; 4]), Err(Failure::Stuck));
    assert_eq!(chip.erase(0, 64), Err(Failure::Stuck));
    assert_eq!(chip.write(60, &[1; 8]), Err(Failure::Stuck));
    chip.write(64, &[1; 4]).expect("another sector");
    assert_eq!(content(&mut chip, 0, 1), [0xF0]);
    chip.set_stuck(0, false);
    chip.erase(0, 64).expect("itself again");
    assert_eq!(PROGRAM_CUTS.len(), ERASE_CUTS.len() + 1);
}
