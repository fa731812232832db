//! Two hundred histories, and the promise that a seed means the same everywhere.

use raft_simulator::linearizability::Operation;
use raft_simulator::register::Request;
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
        (Count::Full, 50),
        (Count::Saved, 2000),
        (Count::Installed, 100),
        (Count::Resumed, 2),
        (Count::GivenUp, 2),
        (Count::StagingCrashes, 10),
        (Count::SendingCrashes, 3),
        (Count::StagingCuts, 3),
        (Count::StagesRotten, 2),
        (Count::Replaced, 1),
        (Count::Wraps, 3),
        (Count::SleepsCompared, 1000),
        (Count::TwiceApplied, 100),
        (Count::Transfers, 200),
        (Count::HandedOver, 100),
        (Count::TransfersAborted, 5),
        (Count::ReadsServed, 10_000),
        (Count::Forwarded, 2000),
        (Count::LeaseReads, 2000),
        (Count::NoLease, 500),
        (Count::Submitted, 5000),
        (Count::SubmitsApplied, 5000),
        (Count::SubmitsUnknown, 5),
        (Count::SessionsEvicted, 1000),
        (Count::Repeated, 1000),
        (Count::CommandsForwarded, 5000),
        (Count::Quiet, 20),
        (Count::Woken, 20),
        (Count::Changes, 500),
        (Count::Joint, 50),
        (Count::Admitted, 100),
        (Count::Decays, 100),
        (Count::Refilled, 20),
        (Count::Erases, 1000),
        (Count::Maintained, 500),
        (Count::LeaderMaintained, 100),
        (Count::MaintainWaits, 100),
        (Count::FlashCuts, 10),
        (Count::StartCuts, 10),
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
        0xD197_D486_E160_8C0C,
        0x295C_53C0_A026_05BB,
        0xB1D2_B4C4_88DC_D07E,
        0x3209_F195_9824_3261,
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

#[test]
fn a_stale_read_in_a_history_is_found() {
    let mut found = 0;
    for seed in 0..10 {
        let mut ended = runner::run(seed);
        let operations = &ended.operations;
        let stale = operations.iter().position(|read| {
            let before = |put: &&Operation| {
                let done = put.answer.is_some_and(|answer| answer.tick < read.invoked);
                put.key == read.key && matches!(put.request, Request::Put(_)) && done
            };
            let is_read = read.request == Request::Get && read.answer.is_some();
            is_read && operations.iter().any(|put| before(&put))
        });
        let Some(answer) = stale.and_then(|at| ended.operations[at].answer.as_mut()) else {
            continue;
        };
        // What was there before anything was written, and never is again.
        answer.found = 0;
        let broken = runner::verdict(ended).expect_err("a stale read passes");
        assert_eq!(broken.checker, "linearizability", "{broken:?}");
        found += 1;
    }
    assert!(found >= 5, "only {found} of ten histories had a read to plant a lie in");
}
