//! What was flushed does not read any more as it was written. Whatever rots, nothing wrong is ever
//! handed out: it is as before, or the loss is told.

use crate::disk::Disk;
use crate::history::open;
use crate::model::{Held, Written, write};
use raft_core::{
    Ballot, ClusterId, Config, Identity, Index, Loss, NodeId, Position, Snapshot, Storage, Term,
    format,
};
use raft_simulator::random::Random;
use raft_std::wal::Wal;
use std::collections::BTreeMap;

const SECTOR_BYTES: usize = 512;

/// A disk on which every kind of thing is, what it holds, and what it held before the last flush.
struct Scene {
    disk: Disk,
    held: Held,
    /// What it held after each of the last flushes but one.
    before: Vec<Held>,
    /// Every entry that was ever written.
    entries: Vec<(Term, Vec<u8>)>,
}

fn ballot(term: u32, losses: u8) -> Ballot {
    Ballot { term: Term(term), vote: Some(NodeId(1)), admitted: true, losses }
}

fn format_founder(wal: &mut Wal) {
    let identity = Identity::founder(ClusterId(1), &Config::new(NodeId(1), 1), &[NodeId(1)]);
    format(wal, identity).expect("blank storage");
}

fn flush(wal: &mut Wal, held: &mut Held, records: &[Written]) {
    for written in records {
        write(wal, held, written).expect("a working disk");
        held.take(written);
    }
    wal.flush().expect("a working disk");
}

fn entry(held: &Held, term: u32, bytes: usize) -> Written {
    Written::Entries(
        held.last(),
        Index::ZERO,
        vec![(Term(term), vec![held.last().index.0 as u8; bytes])],
    )
}

/// The records that make a snapshot of what stands up to `index`.
fn snapshot(held: &Held, index: u64, bytes: usize) -> [Written; 3] {
    let content = vec![index as u8; bytes];
    let last = Position { term: held.term(Index(index)).expect("an entry"), index: Index(index) };
    let (bytes, checksum) = (content.len() as u32, crc32fast::hash(&content));
    let of = Snapshot { last, bytes, checksum };
    [Written::Stage(of), Written::Chunk(content), Written::Switch(of)]
}

impl Scene {
    fn new() -> Self {
        let disk = Disk::default();
        let mut wal = open(&disk).expect("a blank disk");
        format_founder(&mut wal);
        let mut held = Held { formatted: true, ..Held::default() };
        held.ballot.admitted = true;
        flush(&mut wal, &mut held, &[Written::Ballot(ballot(1, 0))]);
        for _ in 0..3 {
            let entries = entry(&held, 1, 20);
            flush(&mut wal, &mut held, &[entries]);
        }
        let first = held.entries.first().cloned();
        let records = snapshot(&held, 2, 700);
        flush(&mut wal, &mut held, &records);
        let base = Position { term: Term(1), index: Index(1) };
        let entries = entry(&held, 2, 900);
        let records = [Written::Base(base), Written::Ballot(ballot(2, 0)), entries];
        flush(&mut wal, &mut held, &records);
        let [stage, ..] = snapshot(&held, 3, 300);
        flush(&mut wal, &mut held, &[stage, Written::Chunk(vec![3; 120])]);
        let mut before = Vec::new();
        for _ in 0..3 {
            before.push(held.clone());
            let entries = entry(&held, 2, 30);
            flush(&mut wal, &mut held, &[entries]);
        }
        let entries = first.into_iter().chain(held.entries.iter().cloned()).collect();
        Self { disk, held, before, entries }
    }

    /// Opens it after something happened to it; says what is there, having made sure that none of
    /// it is wrong.
    fn judge(&self, disk: &Disk, what: &str) -> &'static str {
        let opened = open(disk).and_then(|mut wal| Held::found(&mut wal));
        let found = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
        if found.loss == Some(Loss::Ballot) {
            assert!(found.entries.is_empty(), "{what}: {found:?}");
            return "the ballot is lost";
        }
        assert_eq!((found.formatted, found.ballot), (true, self.held.ballot), "{what}");
        for (place, entry) in found.entries.iter().enumerate() {
            let index = found.base.index.0 as usize + place;
            assert_eq!(Some(entry), self.entries.get(index), "{what}: the entry behind {index}");
        }
        let but_stage =
            |held: &Held| found.is(held) || found == Held { stage: None, ..held.clone() };
        match found.loss {
            Some(_) => {
                let as_written = found.snapshot == self.held.snapshot;
                assert!(as_written || found.snapshot == Snapshot::NONE, "{what}: {found:?}");
                "entries are lost"
            }
            None if found == self.held => "all is as before",
            None if but_stage(&self.held) => "some of the stage is lost",
            None => {
                let flushes = self.before.iter().rev().position(but_stage);
                match flushes.unwrap_or_else(|| panic!("{what}: {found:?}")) {
                    0 => "the last flush counts as torn",
                    _ => "the last flushes count as torn",
                }
            }
        }
    }
}

#[test]
fn each_byte_may_rot() {
    let scene = Scene::new();
    let mut tally = BTreeMap::new();
    for name in scene.disk.names() {
        for at in 0..scene.disk.bytes(&name).len() {
            let disk = scene.disk.copy();
            disk.change(&name, |bytes| bytes[at] ^= 1 << (at % 8));
            let kind = name.split('-').next().expect("a name").to_owned();
            let outcome = scene.judge(&disk, &format!("{name} at {at}"));
            *tally.entry((kind, outcome)).or_insert(0) += 1;
        }
    }
    for ((file, outcome), cases) in &tally {
        println!("{cases:5} bytes of {file}: {outcome}");
    }
    let cases = |file: &str, outcome| tally.get(&(file.to_owned(), outcome)).copied().unwrap_or(0);
    // Each of the four outcomes where it belongs, and the fifth nowhere.
    assert_eq!(cases("ballot", "all is as before"), 4096 + SECTOR_BYTES);
    assert_eq!(cases("snapshot", "entries are lost"), 700 + SECTOR_BYTES);
    assert!(cases("stage", "some of the stage is lost") >= 120);
    assert!(cases("log", "entries are lost") > 1300 && cases("log", "all is as before") > 2000);
    let last = cases("log", "the last flush counts as torn");
    assert!(last > 50 && last < SECTOR_BYTES);
    assert!(tally.keys().all(|(_, outcome)| *outcome != "the ballot is lost"));
}

#[test]
fn several_bytes_may_rot_at_once() {
    let scene = Scene::new();
    let names = scene.disk.names();
    let mut tally = BTreeMap::new();
    for seed in 0..6000 {
        let mut random = Random::new(seed, 2);
        let disk = scene.disk.copy();
        let mut what = format!("seed {seed}");
        for _ in 0..2 + random.below(8) {
            let name = &names[random.below(names.len() as u32) as usize];
            disk.change(name, |bytes| {
                // Heads and short batches are where something happens.
                let most = if random.below(2) == 0 { 100 } else { bytes.len() as u32 };
                let sector = random.below(bytes.len() as u32 / 512 + 1) as usize * SECTOR_BYTES;
                let at = (sector + random.below(most) as usize) % bytes.len();
                bytes[at] ^= 1 + random.below(255) as u8;
                what += &format!(", {name} at {at}");
            });
        }
        *tally.entry(scene.judge(&disk, &what)).or_insert(0) += 1;
    }
    // Where even the heads of the last few are gone, nothing says that there were any.
    let unheard: u32 = tally.remove("the last flushes count as torn").unwrap_or(0);
    println!("{tally:?}, and {unheard} where several last flushes count as torn");
    assert!(tally.len() == 5 && unheard < 10, "{tally:?}");
}

#[test]
fn only_the_last_flush_can_be_taken_for_torn() {
    let scene = Scene::new();
    let names = scene.disk.names();
    let log = names.iter().rfind(|name| name.starts_with("log")).expect("a log");
    let bytes = scene.disk.bytes(log);
    let begins = (0..bytes.len()).step_by(SECTOR_BYTES).rev();
    let last: Vec<_> = begins.filter(|at| bytes[*at..].starts_with(b"rafb")).take(3).collect();
    // What stands in it, or before that: where a head is left, it speaks for those before it.
    for (places, expected) in [
        (vec![last[0] + 33], "the last flush counts as torn"),
        (vec![last[0] + 9], "the last flush counts as torn"),
        (vec![last[0] + 33, last[1] + 33], "entries are lost"),
        (vec![last[0] + 33, last[1] + 9], "entries are lost"),
        (vec![last[0] + 33, last[1] + 9, last[2] + 9], "entries are lost"),
    ] {
        let disk = scene.disk.copy();
        disk.change(log, |bytes| places.iter().for_each(|at| bytes[*at] ^= 1));
        assert_eq!(scene.judge(&disk, &format!("{log} at {places:?}")), expected);
    }
}

#[test]
fn each_file_may_go_or_end_early() {
    let scene = Scene::new();
    let mut tally = BTreeMap::new();
    let names = scene.disk.names();
    let last_log = names.iter().rfind(|name| name.starts_with("log"));
    for name in &names {
        // Whoever cuts the log off at its end leaves what nobody can tell from torn.
        let cuts = if Some(name) == last_log { 0 } else { scene.disk.bytes(name).len() };
        for end in (0..cuts).step_by(50) {
            let disk = scene.disk.copy();
            disk.change(name, |bytes| bytes.truncate(end));
            *tally.entry(scene.judge(&disk, &format!("{name} until {end}"))).or_insert(0) += 1;
        }
        let disk = scene.disk.copy();
        disk.remove(name);
        let expected = match name.split('-').next() {
            Some("ballot") => "all is as before",
            Some("stage") => "some of the stage is lost",
            _ => "entries are lost",
        };
        assert_eq!(scene.judge(&disk, name), expected, "without {name}");
    }
    println!("{} files gone, one at a time, and cut short: {tally:?}", names.len());
    assert!(tally.len() == 3 && tally.values().sum::<u32>() > 200, "{tally:?}");
}

#[test]
fn a_loss_is_told_until_the_node_knows_and_a_later_one_again() {
    let scene = Scene::new();
    let disk = scene.disk.copy();
    // There is a batch in each of the first sectors: an identity, a ballot, then entries.
    let rot = |disk: &Disk, sector: usize| {
        disk.change("log-0000000000000001", |bytes| bytes[sector * SECTOR_BYTES + 40] ^= 1);
    };
    rot(&disk, 5);
    for _ in 0..3 {
        let found = Held::found(&mut open(&disk).expect("it opens")).expect("it reads");
        assert_eq!(found.loss, Some(Loss::Entries), "told at each start");
    }
    let mut wal = open(&disk).expect("it opens");
    let mut held = Held::found(&mut wal).expect("it reads");
    flush(&mut wal, &mut held, &[Written::Ballot(ballot(3, 0))]);
    drop(wal);
    let mut wal = open(&disk).expect("it opens");
    assert_eq!(Held::found(&mut wal).expect("it reads").loss, Some(Loss::Entries), "even losses");
    flush(&mut wal, &mut held, &[Written::Ballot(ballot(3, 1))]);
    held.loss = None;
    drop(wal);
    let mut wal = open(&disk).expect("it opens");
    assert_eq!(Held::found(&mut wal).expect("it reads"), held, "the node knows");
    // It is refilled, and lives on; then something rots that was written before all that.
    let entries = entry(&held, 3, 10);
    flush(&mut wal, &mut held, &[entries, Written::Ballot(ballot(3, 2))]);
    drop(wal);
    let found = Held::found(&mut open(&disk).expect("it opens")).expect("it reads");
    assert_eq!(found, held);
    rot(&disk, 3);
    let found = Held::found(&mut open(&disk).expect("it opens")).expect("it reads");
    assert_eq!((found.loss, found.ballot), (Some(Loss::Entries), ballot(3, 2)));
}

/// Opens it again and again, and nobody says that the node knows.
fn is_told_at_each_start(disk: &Disk, what: &str) {
    for start in 0..3 {
        let found = Held::found(&mut open(disk).expect("it opens")).expect("it reads");
        assert_eq!(found.loss, Some(Loss::Entries), "{what}, start {start}");
    }
}

#[test]
fn a_file_that_is_gone_is_told_until_the_node_knows() {
    let scene = Scene::new();
    for name in scene.disk.names() {
        if name.starts_with("log") || name.starts_with("snapshot") {
            let disk = scene.disk.copy();
            disk.remove(&name);
            is_told_at_each_start(&disk, &name);
        }
    }
}

#[test]
fn entries_are_missed_though_none_follow_them() {
    let disk = Disk::default();
    let mut wal = open(&disk).expect("a blank disk");
    format_founder(&mut wal);
    let mut held = Held { formatted: true, ..Held::default() };
    for _ in 0..3 {
        let entries = entry(&held, 1, 20);
        flush(&mut wal, &mut held, &[entries]);
    }
    // Elections, until there is another file.
    for term in 2.. {
        flush(&mut wal, &mut held, &[Written::Ballot(ballot(term, 0))]);
        if disk.names().iter().filter(|name| name.starts_with("log")).count() > 1 {
            break;
        }
    }
    drop(wal);
    let first = "log-0000000000000001";
    let (gone, rotten) = (disk.copy(), disk.copy());
    gone.remove(first);
    is_told_at_each_start(&gone, "gone");
    rotten.change(first, |bytes| bytes[SECTOR_BYTES..].fill(0));
    is_told_at_each_start(&rotten, "rotten");
}
