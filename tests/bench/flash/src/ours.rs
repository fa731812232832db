//! `FlashStorage`, as a node uses it: one entry a flush, a base now and then, erases between
//! flushes, and the whole log anew when it is asked for.

use crate::cost::{Cost, RECORDS, Start};
use crate::mock::Mock;
use crate::{SECTORS, payload};
use raft_core::flash::FlashStorage;
use raft_core::{
    Ballot, ClusterId, Config, Identity, Index, Kind, Log, NodeId, Position, Record, Storage, Term,
    format,
};

/// The memory of the log: 16 KiB of flash are its own twice.
const LOG_BYTES: usize = 2048;
const SNAPSHOT_BYTES: usize = 1024;
/// A record is never longer than all that is in the log.
const BUFFER_BYTES: usize = 512;
/// Entries that stay in the log.
const KEPT: u64 = 32;
/// How many starts are looked at, one after the other.
const STARTS: u32 = 100;

/// Whether what is programmed is read back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    Never,
    Always,
}

type Flash = FlashStorage<Mock, Vec<u8>>;

fn storage(read_back: ReadBack, flash: Mock) -> Flash {
    let storage = FlashStorage::new(flash, vec![0; BUFFER_BYTES], LOG_BYTES, SNAPSHOT_BYTES)
        .unwrap_or_else(|unfit| panic!("{SECTORS} sectors will do: {unfit:?}"));
    match read_back {
        ReadBack::Never => storage,
        ReadBack::Always => storage.verified(),
    }
}

/// A node's log, and where it is kept.
struct Writer {
    flash: Flash,
    log: Log<Vec<u8>>,
    /// Bytes read, and sectors erased, while entries were written and flushed.
    append_reads: u64,
    append_erases: u64,
}

impl Writer {
    /// A node whose storage was formatted and which then started.
    fn new(read_back: ReadBack) -> Self {
        let mut flash = storage(read_back, Mock::new(SECTORS));
        let config = Config::new(NodeId(1), 1);
        let founder = Identity::founder(ClusterId(1), &config, &[NodeId(1)]);
        format(&mut flash, founder).expect("a blank flash");
        let log = Log::new(vec![0; LOG_BYTES]).expect("a fit size");
        let flash = storage(read_back, flash.into_flash());
        let mut writer = Self { flash, log, append_reads: 0, append_erases: 0 };
        writer.start();
        writer.rest();
        writer
    }

    /// The power fails, and is back.
    fn again(self, read_back: ReadBack) -> Self {
        let mut writer = Self { flash: storage(read_back, self.flash.into_flash()), ..self };
        writer.start();
        writer
    }

    /// Time passes, until nothing is left to do.
    fn rest(&mut self) {
        while self.flash.upkeep() > 0 {
            self.flash.maintain().expect("memory does not fail");
        }
    }

    /// What a node does before it is there: a ballot, in case that something was lost, and the log.
    fn start(&mut self) {
        self.flash.recover(&mut |_| {}).expect("what was written");
        if self.flash.wants_renewal(0) {
            self.renew(self.log.last().index);
        }
        self.flash.flush().expect("memory does not fail");
    }

    /// One entry, durable; then what need not have waited.
    fn append(&mut self) {
        let after = self.log.last();
        self.log.append(Term(300), Kind::COMMAND, &payload(after.index.0)).expect("room enough");
        let run = self.log.run(after.index.next(), 1, usize::MAX).expect("the entry");
        let committed = after.index;
        let before = (self.flash.flash().read_bytes, self.flash.flash().erases);
        if self.flash.wants_renewal(run.bytes().len()) {
            self.renew(committed);
        } else {
            let record = Record::Entries { after, committed, bytes: run.bytes() };
            self.flash.write(record).expect("memory does not fail");
        }
        self.flash.flush().expect("memory does not fail");
        let flash = self.flash.flash();
        self.append_reads += flash.read_bytes - before.0;
        self.append_erases += flash.erases - before.1;
        if after.index.0.is_multiple_of(KEPT) {
            self.compact();
        }
        // One step a turn, as a node does.
        self.flash.maintain().expect("memory does not fail");
    }

    /// Hands over the whole log.
    fn renew(&mut self, committed: Index) {
        let first = self.log.base().index.next();
        let one = self.log.run(first, u32::MAX, usize::MAX);
        let rest = Index(first.0 + one.as_ref().map_or(0, |run| u64::from(run.len())));
        let other = self.log.run(rest, u32::MAX, usize::MAX);
        let parts = [one, other].map(|run| run.map_or(&[][..], |run| run.bytes()));
        self.flash.renew(self.log.base(), committed, parts).expect("memory does not fail");
    }

    fn compact(&mut self) {
        let index = Index(self.log.last().index.0.saturating_sub(KEPT));
        if let Some(term) = self.log.term(index).filter(|_| index > self.log.base().index) {
            self.log.drop_prefix(index).expect("an entry that is there");
            self.flash.write(Record::Base(Position { term, index })).expect("memory");
        }
    }
}

/// Writes so many entries; that is what instructions are counted for.
pub fn run(read_back: ReadBack, entries: u64) {
    let mut writer = Writer::new(read_back);
    (0..entries).for_each(|_| writer.append());
}

/// What entries cost, and a start behind them.
pub fn cost(read_back: ReadBack) -> Cost {
    let mut writer = Writer::new(read_back);
    let begin = writer.flash.flash().clone();
    (0..RECORDS).for_each(|_| writer.append());
    let end = writer.flash.flash().clone();
    // The segments come last; ballots and snapshots have sectors of their own.
    let others = SECTORS - writer.flash.segments() as usize;
    let mut cost = Cost::between(&begin, &end, others);
    cost.append_read_bytes = writer.append_reads as f64 / RECORDS as f64;
    cost.append_erases = writer.append_erases as f64 / RECORDS as f64;
    writer = writer.again(read_back);
    cost.start = Start::between(&end, writer.flash.flash());
    let begin = writer.flash.flash().sector_erases.clone();
    for _ in 0..STARTS {
        writer.rest();
        writer.append();
        writer = writer.again(read_back);
    }
    let worn = writer.flash.flash().sector_erases.iter().zip(begin).map(|(end, begin)| end - begin);
    let (all, most) = worn.fold((0, 0), |(all, most), worn| (all + worn, worn.max(most)));
    cost.start_wear = Some([all, most].map(|erases| f64::from(erases) / f64::from(STARTS)));
    cost.ballot_bytes = Some(ballot_bytes(&mut writer.flash));
    cost
}

/// Bytes that a ballot takes in each of its two copies, when neither sector is full.
fn ballot_bytes(flash: &mut Flash) -> f64 {
    let before = flash.flash().programmed_bytes;
    const BALLOTS: u32 = 20;
    for term in 0..BALLOTS {
        let ballot = Ballot { term: Term(400 + term), ..Ballot::default() };
        flash.write(Record::Ballot(ballot)).expect("memory does not fail");
        flash.flush().expect("memory does not fail");
    }
    (flash.flash().programmed_bytes - before) as f64 / f64::from(2 * BALLOTS)
}
