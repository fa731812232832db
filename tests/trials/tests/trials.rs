//! Every trial, for some seconds.

mod common;

use raft_trials::garbage;
use raft_trials::history::Complaint;
use raft_trials::load::Lie;
use raft_trials::trial::{Kind, Report, Trial};
use std::time::Duration;

fn trial(kind: Kind, seed: u64) -> Trial {
    let (time, recipe) = (Duration::from_secs(3), common::recipe());
    Trial { kind, seed, time, clients: 6, leases: false, plant: None, recipe }
}

/// It passes: no order may be missing, and enough was tried.
fn passes(trial: &Trial) -> Report {
    let report = trial.run().unwrap_or_else(|failed| panic!("{failed}"));
    println!("{report}");
    report
}

#[test]
fn killed_nodes_lose_nothing() {
    let report = passes(&trial(Kind::Kill, 1));
    assert!(report.tally.kills >= 1 && report.leaders >= 1);
}

#[test]
fn stopped_nodes_serve_nothing_old() {
    let report = passes(&trial(Kind::Stop, 2));
    assert!(report.tally.stops >= 1);
}

#[test]
fn stopped_nodes_serve_nothing_old_under_leases() {
    passes(&Trial { leases: true, ..trial(Kind::Stop, 3) });
}

#[test]
fn what_the_network_does_to_datagrams_does_no_harm() {
    let passed = passes(&trial(Kind::Proxy, 4)).passed.unwrap();
    assert!(passed.passed > 100 && passed.late > 10 && passed.lost > 10, "{passed:?}");
}

#[test]
fn a_lie_is_found_in_a_real_history() {
    for (_, lie) in Lie::ALL {
        let time = Duration::from_secs(2);
        let report = passes(&Trial { time, plant: Some(lie), ..trial(Kind::Kill, 5) });
        assert!(matches!(report.complaint, Some(Complaint::Unlinearizable { .. })), "{lie:?}");
    }
}

#[test]
fn datagrams_that_mean_nothing_are_counted_and_nothing_else() {
    // That all of them are found again is seen to by the trial itself.
    let flooded = garbage::datagrams(common::recipe(), 6, 30_000).unwrap();
    println!("{flooded}");
    assert_eq!(flooded.sent, 30_000);
    assert!(flooded.counted > 3000 && flooded.paces.iter().all(|pace| pace.count() > 10));
}

#[test]
fn what_is_no_request_gets_an_error_and_no_memory() {
    let besieged = garbage::door(common::recipe(), 7, Duration::from_secs(2)).unwrap();
    println!("{besieged}");
    assert!(besieged.refused > 20 && besieged.connections > besieged.refused);
    assert!(besieged.taken() <= garbage::MEMORY_MOST, "{}", besieged.taken());
}
