//! Two hundred histories, and the promise that a seed means the same everywhere.

use raft_simulator::runner::{self, Limits};
use raft_simulator::tally::Count;

#[test]
fn two_hundred_seeds_pass_and_every_fault_strikes() {
    let report = runner::run_many(&Limits { seeds: 0..200, time: None, until_failure: false });
    assert_eq!(report.failed, []);
    assert_eq!(report.passed, 200);
    // What never strikes tests nothing.
    for (count, least) in [
        (Count::Elections, 1000),
        (Count::Commits, 20_000),
        (Count::Truncations, 100),
        (Count::Crashes, 1000),
        (Count::Torn, 100),
        (Count::PowerCuts, 100),
        (Count::Damaged, 1000),
        (Count::Wiped, 50),
        (Count::Rotten, 20),
        (Count::Wrecks, 20),
        (Count::Stumbles, 50),
        (Count::Full, 1000),
        (Count::SleepsCompared, 1000),
        (Count::TwiceApplied, 100),
    ] {
        let happened = report.tally.get(count);
        assert!(happened >= least, "{count:?}: {happened}, {least} at least");
    }
}

#[test]
fn a_seed_means_the_same_on_every_platform() {
    let hashes: Vec<u64> = (0..4).map(|seed| runner::run(seed).hash).collect();
    // What nodes do, what a plan draws and what is recorded all change these: take over new ones.
    let expected: [u64; 4] = [
        0x3BBD_31E6_88B0_8F14,
        0xC809_4B27_4087_91EE,
        0xA91B_8C4A_24E9_E684,
        0xD937_ECE4_7EB3_2AF5,
    ];
    assert_eq!(hashes, expected);
}

#[test]
fn whoever_keeps_a_history_does_not_change_it() {
    for seed in 0..3 {
        let (kept, moments) = runner::run_keeping(seed);
        assert_eq!(kept.hash, runner::run(seed).hash);
        assert!(moments.len() > 1000, "{} moments", moments.len());
    }
}
