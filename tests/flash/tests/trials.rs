//! The trials, as many as fit into every run of the tests: `cargo run --release -p
//! raft-flash-trials -- all` has them all.

use proptest::collection::vec;
use proptest::prelude::*;
use raft_flash_trials::boards::{BOARDS, Board};
use raft_flash_trials::chip::Mischief;
use raft_flash_trials::cuts::{Plan, Tally};
use raft_flash_trials::history::{History, least_chip};
use raft_flash_trials::quietly;
use raft_flash_trials::rot::{Decay, mount};
use raft_simulator::random::Random;

/// Those with sectors so short that everything can be tried.
fn small() -> impl Iterator<Item = &'static Board> {
    BOARDS.iter().filter(|board| !board.is_large())
}

fn large() -> impl Iterator<Item = &'static Board> {
    BOARDS.iter().filter(|board| board.is_large())
}

fn expect_none(failed: u64, failures: &[String]) {
    assert!(failed == 0, "{failed} failed, as\n{}", failures.join("\n\n"));
}

fn sum(decays: impl Iterator<Item = Decay>) -> Decay {
    let mut sum = Decay::default();
    for decay in decays {
        expect_none(decay.failed, &decay.failures);
        sum.harmless += decay.harmless;
        sum.told += decay.told;
        sum.torn += decay.torn;
        sum.refused += decay.refused;
        sum.most_reads = sum.most_reads.max(decay.most_reads);
    }
    println!("{sum:?}");
    sum
}

#[test]
fn the_power_fails_in_every_operation_in_every_way() {
    let mut all = Tally::default();
    for board in small() {
        let plan = Plan { seed: 1, steps: 200, every: 1, pairs_every: 29, mischief: None };
        all.add((board.cuts)(plan));
    }
    for board in large() {
        let plan = Plan { seed: 2, steps: 200, every: 83, pairs_every: 7, mischief: None };
        all.add((board.cuts)(plan));
    }
    println!("{} cuts, {} twice, {} pairs", all.singles, all.twice, all.pairs);
    expect_none(all.failed, &all.failures);
    assert!(all.singles > 8000 && all.twice > 7000 && all.pairs > 1500, "{all:?}");
    assert!(all.erases > 150, "{all:?}");
}

#[test]
fn lives_follow_each_other() {
    let mut all = Tally::default();
    for (seed, board) in small().enumerate() {
        all.add((board.lives)(seed as u64, 120).0);
    }
    expect_none(all.failed, &all.failures);
    assert!(all.singles > 400 && all.pairs > 150, "{all:?}");
}

#[test]
fn a_byte_that_rots_is_told_or_does_not_matter() {
    let sum = sum(small().map(|board| (board.rot)(3, 120, board.sector / 256 + 1)));
    assert!(sum.harmless > 1000 && sum.told > 100, "{sum:?}");
}

#[test]
fn whatever_is_in_a_flash_can_be_mounted() {
    let sum = sum(small().map(|board| (board.debris)(4, 150)));
    assert!(sum.harmless > 50 && sum.told > 100, "{sum:?}");
    assert!((1..=2).contains(&sum.most_reads), "{sum:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    })]

    /// The same, from nothing but edits, so that a failure shrinks to few of them.
    #[test]
    fn whatever_is_written_into_a_flash_can_be_mounted(
        on_a_storage: bool,
        edits in vec((any::<prop::sample::Index>(), vec(any::<u8>(), 1..40)), 0..12),
    ) {
        let mut bytes = match on_a_storage {
            true => History::<4, 1024>::of_blank(6, 80, None).expect("no cut").end.bytes().to_vec(),
            false => least_chip::<4, 1024>(0).bytes().to_vec(),
        };
        for (place, edit) in edits {
            let at = place.index(bytes.len() - edit.len());
            bytes[at..at + edit.len()].copy_from_slice(&edit);
        }
        let (mut random, mut decay) = (Random::new(1, 2), Decay::default());
        let outcome = quietly(|| mount::<4, 1024>(bytes, &mut random, &mut decay));
        prop_assert_eq!(outcome, Ok(()));
    }
}

#[test]
fn a_sector_that_sticks_costs_nothing_that_was_flushed() {
    let sum = sum(small().map(|board| (board.stick)(5, 200, 7)));
    assert!(sum.harmless + sum.refused > 150, "{sum:?}");
}

/// What the trials make of a driver that does this.
fn caught(mischief: Mischief) -> Tally {
    let mut all = Tally::default();
    for seed in 0..3 {
        let mischief = Some(mischief);
        all.add((BOARDS[0].cuts)(Plan { seed, steps: 200, every: 5, pairs_every: 0, mischief }));
    }
    all
}

#[test]
fn who_breaks_a_promise_is_caught() {
    for mischief in [Mischief::ClearsAnEarlierBit, Mischief::DoesItLater, Mischief::SkipsErases] {
        let tally = caught(mischief);
        println!("{mischief:?}: {} of {}, as\n{}", tally.failed, tally.singles, tally.failures[0]);
        assert!(tally.failed > 0, "{mischief:?}");
    }
    let twice = caught(Mischief::ProgramsTwice);
    assert!(twice.failures.iter().all(|told| told.contains("is programmed twice")), "{twice:?}");
    assert_eq!(twice.failed, 3, "{twice:?}");
}
