//! The power fails, or the disk does, at every operation there is.

use crate::disk::{Disk, Fault};
use crate::history::{History, open};
use crate::model::Held;
use raft_core::Storage;
use raft_simulator::random::Random;
use raft_std::wal::WalError;

const STEPS: u32 = 130;

/// How many operations the history of a seed takes.
fn operations(seed: u64, tally: &mut [u32; 4]) -> u32 {
    let disk = Disk::default();
    let mut history = History::new(seed, disk.clone());
    history.run(STEPS).expect("nothing fails");
    tally[0] += history.rebased;
    tally[1] += history.switched;
    tally[3] += history.adopted;
    let first = "log-0000000000000001".to_owned();
    tally[2] += u32::from(!disk.names().contains(&first));
    disk.operations()
}

#[test]
fn the_power_may_fail_in_any_operation() {
    let (mut cases, mut tally) = (0, [0; 4]);
    for seed in 0..32 {
        let operations = operations(seed, &mut tally);
        for at in 1..=operations {
            let disk = Disk::default();
            disk.fail(at, Fault::Power);
            let mut history = History::new(seed, disk.clone());
            if history.run(STEPS).is_ok() {
                // Making the next file ready is nobody's business until it is needed.
                continue;
            }
            cases += 1;
            let mut random = Random::new(seed, u64::from(at));
            history.wal = None;
            history.disk = disk.cut(&mut random);
            history.start().expect("what is left is enough");
            // What was found counts: nothing may take it back.
            history.wal = None;
            history.disk = history.disk.cut(&mut random);
            let went = history.run(12);
            assert!(went.is_ok(), "seed {seed} at {at}: {went:?}");
        }
    }
    let [rebased, switched, dropped, adopted] = tally;
    println!("{cases} power cuts in 32 histories with {rebased} bases and {switched} snapshots");
    println!("that were sent, and {adopted} of their own;");
    println!("in {dropped} of them the first file of the log had gone");
    assert!(cases > 5000 && rebased > 50 && dropped > 10, "{cases} {tally:?}");
    assert!(switched > 40 && adopted > 50, "{tally:?}");
}

#[test]
fn the_power_may_fail_while_more_is_written_than_the_flush_covers() {
    let (mut cases, mut went) = (0, 0);
    for seed in 200..1400 {
        let disk = Disk::default();
        let mut random = Random::new(seed, 5);
        disk.fail(1 + random.below(160), Fault::Power);
        let mut history = History::new(seed, disk.clone());
        history.overlaps = true;
        went += u32::from(history.run(STEPS).is_ok());
        cases += 1;
        history.wal = None;
        history.disk = disk.cut(&mut random);
        history.start().expect("what is left is enough");
    }
    println!("{cases} power cuts beside a flush under way");
    assert!(went < cases / 10, "in {went} nothing failed");
}

#[test]
fn nothing_depends_on_who_is_faster_the_process_or_its_thread() {
    let (mut failed, mut switched, mut adopted) = (0, 0, 0);
    for seed in 2000..2200 {
        let disk = Disk::default();
        disk.pause(seed);
        let mut random = Random::new(seed, 5);
        let fails = random.below(2) == 0;
        if fails {
            disk.fail(1 + random.below(300), Fault::Power);
        }
        let mut history = History::new(seed, disk.clone());
        history.overlaps = random.below(2) == 0;
        let went = history.run(STEPS);
        assert!(fails || went.is_ok(), "seed {seed}: {went:?}");
        failed += u32::from(went.is_err());
        switched += history.switched;
        adopted += history.adopted;
        history.wal = None;
        history.disk = disk.cut(&mut random);
        history.start().expect("what is left is enough");
    }
    println!("{failed} power cuts, {switched} snapshots that were sent and {adopted} of their own");
    println!("while threads overtook each other");
    assert!(failed > 50 && switched > 150 && adopted > 150, "{failed} {switched} {adopted}");
}

#[test]
fn any_operation_may_fail_and_nothing_goes_on_after_that() {
    let mut cases = 0;
    for seed in 100..112 {
        let operations = operations(seed, &mut [0; 4]);
        for at in 1..=operations {
            for fault in [Fault::Once, Fault::Full] {
                let disk = Disk::default();
                disk.fail(at, fault);
                let mut history = History::new(seed, disk.clone());
                let Err(error) = history.run(STEPS) else { continue };
                cases += 1;
                if fault == Fault::Full {
                    assert!(matches!(error, WalError::DiskFull { .. }), "{error}");
                }
                if let Some(wal) = &mut history.wal {
                    assert_eq!(wal.flush(), Err(error.clone()));
                    assert_eq!(wal.begin_flush(), Err(error.clone()));
                    assert_eq!(wal.recover(&mut |_| ()), Err(error));
                }
                // Another process finds what was promised, be it on the disk or above it, and what
                // it finds is there for good.
                history.wal = None;
                history.disk = disk.copy();
                history.start().expect("another process can go on");
                let found = history.flushed.clone();
                history.wal = None;
                let left = history.disk.cut(&mut Random::new(seed, u64::from(at)));
                let after = Held::found(&mut open(&left).expect("it opens")).expect("it reads");
                assert!(after == found, "seed {seed} at {at}: {after:?}\n{found:?}");
            }
        }
    }
    println!("{cases} failing operations");
    assert!(cases > 3000, "{cases}");
}

#[test]
fn a_disk_that_does_not_read_is_not_taken_for_rot() {
    let disk = Disk::default();
    let mut history = History::new(1, disk.clone());
    history.run(STEPS).expect("nothing fails");
    history.wal = None;
    disk.set_unreadable(true);
    let before = disk.operations();
    assert!(matches!(open(&disk), Err(WalError::System { doing: "read", .. })));
    assert_eq!(disk.operations(), before, "and nothing was changed");
    disk.set_unreadable(false);
    history.start().expect("it passed");
}
