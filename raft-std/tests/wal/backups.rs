//! Backups, restoring and going on alone over a directory whose power fails at every operation, and
//! whose disk is full: all of it is done, or nothing is.

use crate::counter::{Heard, config, found, lead, recover};
use crate::disk::{Disk, Fault};
use crate::history::open;
use raft_core::{Alone, ClusterId, Identity, NodeId, Part, Record, Saved, Snapshot, Storage};
use raft_simulator::random::Random;
use raft_std::wal::{Files, Wal};
use raft_std::{
    BackupError, BackupFile, Memory, Restore, Restored, Server, Settings, force_new_cluster,
    restore, save_backup_in,
};
use std::io::ErrorKind;
use std::sync::OnceLock;
use std::time::Duration;

const CONFIRMED: Alone = Alone::AcknowledgedCommandsMayBeLost;
const NUMBERS: u64 = 200;

/// The bytes of two backups of a server: when it had been told half of the numbers, and all.
fn backups() -> &'static [Vec<u8>; 2] {
    static BYTES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    BYTES.get_or_init(|| {
        let memory = Memory::new(Settings::LAN.log_bytes, 1 << 16).expect("memory");
        let setup = Server::without_address(NodeId(1)).patience(Duration::from_secs(60));
        let setup = setup.found(ClusterId(1), &[NodeId(1)]);
        let server = setup.start(memory, Heard::default()).expect("it starts");
        [0, NUMBERS / 2].map(|first| {
            for number in first..first + NUMBERS / 2 {
                server.propose(&number).expect("it leads");
            }
            let mut bytes = Vec::new();
            server.backup(&mut bytes).expect("it has room for a snapshot");
            bytes
        })
    })
}

fn backup() -> &'static [u8] {
    &backups()[1]
}

fn kept(disk: &Disk, name: &str) -> BackupFile {
    let file = Files::open(disk, name).expect("a file");
    BackupFile::over(file).expect("a backup")
}

fn whole() -> BackupFile {
    let disk = Disk::default();
    save_backup_in(&disk, "it", &mut backup()).expect("a working disk");
    kept(&disk, "it")
}

#[test]
fn a_full_disk_keeps_the_backup_of_before_and_no_half_of_the_next() {
    let [old, new] = backups();
    let disk = Disk::default();
    let after = save_backup_in(&disk, "it", &mut &new[..]).expect("a working disk");
    let operations = disk.operations();
    for at in 1..=operations {
        for fault in [Fault::Full, Fault::Once] {
            let disk = Disk::default();
            let before = save_backup_in(&disk, "it", &mut &old[..]).expect("a working disk");
            disk.fail(disk.operations() + at, fault);
            let Err(error) = save_backup_in(&disk, "it", &mut &new[..]) else { continue };
            let BackupError::Write { file, error: system } = &error else { panic!("{error}") };
            assert_eq!(file, "it");
            if fault == Fault::Full {
                assert_eq!(system.kind(), ErrorKind::StorageFull);
                assert_eq!(error.to_string(), "no room left for it: nothing of it was kept");
            }
            assert_eq!(disk.names(), ["it"]);
            // At the end it has its name, and only that may be lost when the power fails.
            let expected = if at == operations { after } else { before };
            assert_eq!(*kept(&disk, "it").head(), expected, "{at} {fault:?}");
        }
    }
    let mut short = &backup()[..backup().len() - 1];
    let error = save_backup_in(&disk, "it", &mut short).expect_err("something is missing");
    assert!(matches!(error, BackupError::Bad(_)), "{error}");
    assert_eq!(disk.names(), ["it"]);
}

#[test]
fn a_power_cut_leaves_a_whole_backup_or_the_one_before() {
    let (mut kept_old, mut kept_new) = (0, 0);
    let working = Disk::default();
    save_backup_in(&working, "it", &mut backup()).expect("a working disk");
    for at in 1..=working.operations() + 1 {
        for seed in 0..16 {
            let disk = Disk::default();
            disk.fail(at, Fault::Power);
            let done = save_backup_in(&disk, "it", &mut backup()).is_ok();
            let left = disk.cut(&mut Random::new(seed, u64::from(at)));
            if left.names().iter().any(|name| name == "it") {
                kept(&left, "it");
                kept_new += 1;
            } else {
                assert!(!done, "it was said to be there");
                kept_old += 1;
            }
        }
    }
    assert!(kept_old > 10 && kept_new > 10, "{kept_old} {kept_new}");
}

fn plan() -> Restore {
    let founders = vec![NodeId(1), NodeId(2)];
    Restore { id: NodeId(1), founders, settings: None, attempt: 1 }
}

/// Whose a storage is, and what its machine begins with.
fn look(wal: &mut Wal) -> (Option<Identity>, Snapshot) {
    let mut seen = (None, Snapshot::NONE);
    let look = &mut |record: Record<'_>| match record {
        Record::Identity(identity) => seen.0 = Some(identity),
        Record::Snapshot(snapshot) => seen.1 = snapshot,
        Record::Lost(loss) => panic!("{loss:?}"),
        _ => {}
    };
    wal.recover(look).expect("a sound disk");
    seen
}

#[test]
fn a_power_cut_while_restoring_leaves_a_blank_disk_or_a_whole_founder() {
    let (file, working) = (whole(), Disk::default());
    let mut wal = open(&working).expect("a blank disk");
    let restored = restore(&mut wal, &file, Heard::default(), &plan()).expect("a blank disk");
    let Restored { cluster, snapshot, machine } = restored;
    assert_eq!(machine.0, (0..NUMBERS).collect::<Vec<_>>());
    drop(wal);
    let (mut blank, mut done) = (0, 0);
    for at in 1..=working.operations() {
        for seed in 0..8 {
            let disk = Disk::default();
            disk.fail(at, Fault::Power);
            let opened = open(&disk).ok();
            let outcome =
                opened.map(|mut wal| restore(&mut wal, &file, Heard::default(), &plan()).is_ok());
            let left = disk.cut(&mut Random::new(seed, u64::from(at)));
            let mut wal = open(&left).expect("what is left is enough");
            if look(&mut wal).0.is_none() {
                assert_ne!(outcome, Some(true), "it was said to be done");
                blank += 1;
                restore(&mut wal, &file, Heard::default(), &plan()).expect("it is blank");
            } else {
                done += 1;
            }
            let (identity, found) = look(&mut wal);
            let identity = identity.expect("a founder");
            assert!(identity.is_founder() && identity.cluster == cluster, "{identity:?}");
            assert_eq!(found, snapshot);
            let source = |offset, buffer: &mut [u8]| wal.read(Part::Snapshot, offset, buffer).ok();
            assert_eq!(Saved::new(found, source).check(), Ok(()));
        }
    }
    println!("{blank} power cuts left a blank disk, {done} a founder");
    assert!(blank > 20 && done > 5, "{blank} {done}");
}

/// A disk of one of three, which has been told some numbers and a snapshot of others.
fn survivor() -> Disk {
    let disk = Disk::default();
    let mut wal = open(&disk).expect("a blank disk");
    found(&mut wal, 1, &[NodeId(1)]).expect("a blank disk");
    let mut node = recover(wal, 1);
    lead(&mut node).expect("a working disk");
    for number in 0..60 {
        node.propose(&number).expect("room");
        node.flush().expect("a working disk");
        while node.apply().is_some() {}
    }
    assert!(node.status().snapshot.0 > 0);
    disk
}

#[test]
fn a_power_cut_while_going_alone_leaves_the_old_cluster_or_the_new_one() {
    let (survivor, new) = (survivor(), ClusterId(77));
    let working = survivor.copy();
    let begun = working.operations();
    let forced = force_new_cluster(&mut open(&working).expect("it opens"), Some(new), CONFIRMED);
    let forced = forced.expect("it can");
    assert_eq!((forced.before.cluster, forced.cluster), (ClusterId(1), new));
    assert!(forced.before.last.index.0 > 60 && !forced.before.rotten, "{forced:?}");
    let (mut old, mut done) = (0, 0);
    for at in begun + 1..=working.operations() {
        for seed in 0..8 {
            let disk = survivor.copy();
            disk.fail(at, Fault::Power);
            if let Ok(mut wal) = open(&disk) {
                force_new_cluster(&mut wal, Some(new), CONFIRMED).ok();
            }
            let left = disk.cut(&mut Random::new(seed, u64::from(at)));
            let mut wal = open(&left).expect("what is left is enough");
            let identity = look(&mut wal).0.expect("a node");
            if identity.cluster == new {
                done += 1;
                let again = force_new_cluster(&mut wal, Some(new), CONFIRMED);
                assert!(again.is_err(), "it is of that cluster already");
            } else {
                old += 1;
                force_new_cluster(&mut wal, Some(new), CONFIRMED).expect("it can");
            }
            let mut node = recover(wal, config(1).id.0);
            lead(&mut node).expect("a working disk");
            assert_eq!(node.machine().0, (0..60).collect::<Vec<_>>());
        }
    }
    println!("{old} power cuts left the old cluster, {done} the new one");
    assert!(old > 10 && done > 5, "{old} {done}");
}
