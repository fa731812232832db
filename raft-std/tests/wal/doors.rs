//! Real directories: who may not use one is told why, and leaves it as it is.

use crate::counter::{found, lead, recover};
use crate::disk::{Disk, Fault};
use crate::history::open;
use crate::scratch::Scratch;
use raft_core::{ClusterId, Index, Loss, NodeId, Part, Position, Record, Snapshot, Storage, Term};
use raft_std::wal::{Verdict, Wal, WalError, WalOptions, inspect, verify};
use std::fs;
use std::sync::mpsc;
use std::time::Duration;

fn small() -> WalOptions {
    WalOptions { segment_bytes: 8192, ..WalOptions::default() }
}

/// A directory in which a node has worked.
fn used(scratch: &Scratch) {
    let mut wal = Wal::open(scratch.path(), small()).expect("a directory");
    found(&mut wal, 1, &[NodeId(1)]).expect("a blank one");
    let mut node = recover(wal, 1);
    lead(&mut node).expect("a working disk");
    for number in 0..9_u64 {
        node.propose(&number).expect("room");
        node.flush().expect("a working disk");
        while node.apply().is_some() {}
    }
    node.compact().expect("room for a snapshot");
    node.flush().expect("a working disk");
}

/// All files and what is in them.
fn contents(scratch: &Scratch) -> Vec<(String, Vec<u8>)> {
    let names = fs::read_dir(scratch.path()).expect("a directory");
    let mut files: Vec<_> = names
        .map(|entry| {
            let path = entry.expect("a file").path();
            (path.display().to_string(), fs::read(path).expect("its content"))
        })
        .collect();
    files.sort_unstable();
    files
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let scratch = Scratch::new("lock");
    let first = Wal::open(scratch.path(), small()).expect("nobody is there");
    assert_eq!(Wal::open(scratch.path(), small()).err(), Some(WalError::Locked));
    drop(first);
    assert!(Wal::open(scratch.path(), small()).is_ok(), "it has gone");
}

#[test]
fn another_clusters_directory_is_refused_and_left_alone() {
    let scratch = Scratch::new("foreign");
    used(&scratch);
    let before = contents(&scratch);
    let (expected, found) = (ClusterId(2), ClusterId(1));
    let options = |cluster| WalOptions { cluster: Some(cluster), ..small() };
    let error = Wal::open(scratch.path(), options(expected)).err();
    assert_eq!(error, Some(WalError::ForeignCluster { expected, found }));
    assert_eq!(contents(&scratch), before);
    assert!(Wal::open(scratch.path(), options(found)).is_ok());
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let scratch = Scratch::new("format");
    used(&scratch);
    for (path, bytes) in contents(&scratch).into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let mut later = bytes.clone();
        later[8] = 9;
        let sum = crc32fast::hash(&later[..508]).to_le_bytes();
        later[508..512].copy_from_slice(&sum);
        fs::write(&path, &later).expect("a working disk");
        let before = contents(&scratch);
        let error = Wal::open(scratch.path(), small()).err();
        assert!(matches!(error, Some(WalError::UnknownFormat { version: 9, .. })), "{path}");
        assert_eq!(contents(&scratch), before, "{path}");
        fs::write(&path, &bytes).expect("a working disk");
    }
    assert!(Wal::open(scratch.path(), small()).is_ok());
}

#[test]
fn starting_again_and_again_adds_nothing() {
    let scratch = Scratch::new("again");
    used(&scratch);
    drop(Wal::open(scratch.path(), small()).expect("a directory"));
    let before = contents(&scratch);
    for _ in 0..5 {
        drop(Wal::open(scratch.path(), small()).expect("a directory"));
        assert!(contents(&scratch) == before, "what was found last is written once more, once");
    }
}

#[test]
fn a_file_that_may_not_be_written_to_is_named() {
    let scratch = Scratch::new("readonly");
    used(&scratch);
    for name in ["ballot", "log-0000000000000001"] {
        let path = scratch.path().join(name);
        let free = fs::metadata(&path).expect("a file").permissions();
        let mut bound = free.clone();
        bound.set_readonly(true);
        fs::set_permissions(&path, bound).expect("a working disk");
        let error = Wal::open(scratch.path(), small()).err();
        assert_eq!(error, Some(WalError::ReadOnly { file: name.to_owned() }));
        fs::set_permissions(&path, free).expect("a working disk");
    }
    assert!(Wal::open(scratch.path(), small()).is_ok());
    let words = WalError::ReadOnly { file: "ballot".to_owned() }.to_string();
    assert_eq!(words, "ballot may not be written to");
}

#[test]
fn a_full_disk_says_so_and_another_start_goes_on_when_there_is_room() {
    let disk = Disk::default();
    let mut wal = open(&disk).expect("a blank disk");
    found(&mut wal, 1, &[NodeId(1)]).expect("a blank disk");
    disk.fail(disk.operations() + 1, Fault::Full);
    let last = Position { term: Term(1), index: Index(1) };
    let record = Record::Stage { snapshot: Snapshot { last, bytes: 1, checksum: 1 }, held: 0 };
    let full = WalError::DiskFull { file: "stage-0000000000000001".to_owned() };
    assert_eq!(wal.write(record), Err(full.clone()));
    assert_eq!(wal.flush(), Err(full), "and that is final");
    assert!(open(&disk.copy()).is_ok());
}

#[test]
fn what_no_node_writes_is_refused() {
    let cases: [Record<'_>; 4] = [
        Record::Lost(Loss::Entries),
        Record::Chunk { offset: 0, bytes: &[1] },
        Record::Snapshot(Snapshot::NONE),
        Record::Entries {
            after: Position { term: Term(1), index: Index(5) },
            committed: Index::ZERO,
            bytes: &[0x12, 1],
        },
    ];
    for record in cases {
        let mut wal = open(&Disk::default()).expect("a blank disk");
        assert!(matches!(wal.write(record), Err(WalError::BadRecord(_))), "{record:?}");
        assert!(matches!(wal.flush(), Err(WalError::BadRecord(_))), "that is final");
    }
    let mut wal = open(&Disk::default()).expect("a blank disk");
    assert!(matches!(wal.read(Part::Snapshot, 0, &mut [0]), Err(WalError::BadRecord(_))));
}

#[test]
fn a_flush_on_the_thread_wakes_whoever_waits_and_is_told_once() {
    let scratch = Scratch::new("wake");
    let mut wal = Wal::open(scratch.path(), small()).expect("a directory");
    let (wake, woken) = mpsc::channel();
    wal.on_flushed(Box::new(move || wake.send(()).expect("somebody waits")));
    found(&mut wal, 1, &[NodeId(1)]).expect("a blank one");
    assert!(woken.try_recv().is_err(), "a flush in place wakes nobody");
    let patience = Duration::from_secs(20);
    for _ in 0..50 {
        assert_eq!(wal.poll_flushed(), None);
        wal.begin_flush().expect("a working disk");
        woken.recv_timeout(patience).expect("it ends");
        assert_eq!((wal.poll_flushed(), wal.poll_flushed()), (Some(Ok(())), None));
        // One that another flush waited for is nobody's news.
        wal.begin_flush().expect("a working disk");
        wal.flush().expect("a working disk");
        assert_eq!(wal.poll_flushed(), None);
        woken.recv_timeout(patience).expect("it ended");
        // A second one waits for the first, and is the one that is told.
        wal.begin_flush().expect("a working disk");
        wal.begin_flush().expect("a working disk");
        woken.recv_timeout(patience).expect("the first ends");
        woken.recv_timeout(patience).expect("the second ends");
        assert_eq!((wal.poll_flushed(), wal.poll_flushed()), (Some(Ok(())), None));
    }
}

#[test]
fn a_sync_is_measured_and_leaves_nothing() {
    let scratch = Scratch::new("measure");
    used(&scratch);
    let before = contents(&scratch).len();
    let mut wal = Wal::open(scratch.path(), small()).expect("a directory");
    let median = wal.measure_sync().expect("a working disk");
    println!("a small append and its sync take {median:?} here");
    assert!(median > Duration::ZERO);
    assert_eq!(contents(&scratch).len(), before);
}

#[test]
fn a_person_can_look_at_files() {
    let scratch = Scratch::new("inspect");
    used(&scratch);
    let sound = verify(scratch.path()).expect("a directory");
    assert_eq!(sound.identity.map(|it| (it.cluster, it.id)), Some((ClusterId(1), NodeId(1))));
    assert_eq!((sound.last, sound.loss), (Index(10), None));
    assert_eq!(sound.snapshot.map(|it| it.last.index), Some(Index(10)));
    let damaged = |findings: &[raft_std::wal::Finding]| {
        findings.iter().filter(|it| it.verdict == Verdict::Damaged).count()
    };
    assert!(sound.files.iter().all(|(_, findings)| damaged(findings) == 0), "{sound:#?}");
    let path = scratch.path().join("log-0000000000000001");
    let findings: Vec<_> = inspect(&path).expect("a file").collect();
    let ends = findings.iter().map(|it| it.offset + it.bytes);
    let begins = findings.iter().map(|it| it.offset);
    assert!(ends.clone().zip(begins.skip(1)).all(|(end, begin)| end == begin), "no gaps");
    let length = fs::metadata(&path).expect("a file").len();
    assert_eq!(ends.max(), Some(length));
    let third = &findings[3];
    assert_eq!((third.verdict, third.what.starts_with("batch 3: ")), (Verdict::Sound, true));
    // A byte of it rots.
    let mut bytes = fs::read(&path).expect("a file");
    bytes[third.offset as usize + 33] ^= 4;
    fs::write(&path, bytes).expect("a working disk");
    let verified = verify(scratch.path()).expect("a directory");
    assert_eq!(verified.loss, Some(Loss::Entries));
    let findings: Vec<_> = inspect(&path).expect("a file").collect();
    assert_eq!((damaged(&findings), findings[3].verdict), (1, Verdict::Damaged));
}
