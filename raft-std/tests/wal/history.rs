//! Histories that nobody thought of: what a seed has a node write, and what must be there after it.

use crate::counter::ended;
use crate::disk::Disk;
use crate::model::{Held, Written, write};
use raft_core::{
    Ballot, ClusterId, Config, Identity, Index, NodeId, Part, Position, Snapshot, Storage, Term,
    format,
};
use raft_simulator::random::Random;
use raft_std::wal::{Wal, WalError, WalOptions};
use raft_std::{HostStorage, Sheet, WalSheet};
use std::sync::Arc;

/// The longest snapshot.
const SNAPSHOT_BYTES: u32 = 3000;

/// A storage, and what it must hold.
pub struct History {
    pub disk: Disk,
    pub wal: Option<Wal>,
    pub flushed: Held,
    pub written: Held,
    /// What is written and not flushed.
    pub pending: Vec<Written>,
    /// How many of them the flush under way covers.
    begun: usize,
    /// How often the log was given a base that let files go.
    pub rebased: u32,
    pub switched: u32,
    pub adopted: u32,
    /// What another thread would be writing, and how much of it it has written.
    sheet: Option<(WalSheet, Snapshot, Vec<u8>, usize)>,
    /// Whether more is written while a flush is on its way: then no two runs are quite the same.
    pub overlaps: bool,
    pub random: Random,
}

pub fn options() -> WalOptions {
    // So small that files of the log come and go.
    WalOptions { segment_bytes: 4096, ..WalOptions::default() }
}

pub fn open(disk: &Disk) -> Result<Wal, WalError> {
    Wal::over(Arc::new(disk.clone()), options())
}

impl History {
    pub fn new(seed: u64, disk: Disk) -> Self {
        let (flushed, written) = (Held::default(), Held::default());
        let (random, pending) = (Random::new(seed, 1), Vec::new());
        let (wal, sheet, overlaps) = (None, None, false);
        let (begun, rebased, switched, adopted) = (0, 0, 0, 0);
        Self {
            disk,
            wal,
            flushed,
            written,
            pending,
            begun,
            rebased,
            switched,
            adopted,
            sheet,
            overlaps,
            random,
        }
    }

    /// So many steps, or fewer if something goes wrong.
    pub fn run(&mut self, steps: u32) -> Result<(), WalError> {
        for _ in 0..steps {
            self.step()?;
        }
        Ok(())
    }

    /// Opens the storage, and finds just what must be there.
    pub fn start(&mut self) -> Result<(), WalError> {
        // Nobody was there any more to clear it away.
        std::mem::forget(self.sheet.take());
        self.wal = None;
        let mut wal = open(&self.disk)?;
        let found = Held::found(&mut wal)?;
        let names = self.disk.names();
        let stages = names.iter().filter(|name| name.starts_with("stage-")).count();
        assert!(stages <= usize::from(found.stage.is_some()), "{names:?}");
        self.wal = Some(wal);
        self.accept(found);
        if !self.flushed.formatted {
            let identity =
                Identity::founder(ClusterId(1), &Config::new(NodeId(1), 1), &[NodeId(1)]);
            let formatted = format(self.wal(), identity);
            formatted.map_err(|error| match error {
                raft_core::FormatError::Storage(error) => error,
                error => panic!("{error:?}"),
            })?;
            self.flushed.formatted = true;
            self.flushed.ballot.admitted = true;
            self.written = self.flushed.clone();
        }
        Ok(())
    }

    /// What was flushed is there, and a first part of what was not.
    fn accept(&mut self, found: Held) {
        let mut expected = self.flushed.clone();
        let mut fits = found.is(&expected);
        if !expected.formatted && found.formatted {
            // The first flush of all came to an end as the power failed.
            (expected.formatted, expected.ballot.admitted) = (true, true);
            fits = found.is(&expected);
        }
        for written in &self.pending {
            if fits && found.stage == expected.stage {
                break;
            }
            expected.take(written);
            fits |= found.is(&expected);
        }
        assert!(fits, "found {found:?}\nflushed {:?}\nthen {:#?}", self.flushed, self.pending);
        self.flushed = found.clone();
        self.written = found;
        self.pending.clear();
        self.begun = 0;
    }

    fn step(&mut self) -> Result<(), WalError> {
        if self.wal.is_none() {
            return self.start();
        }
        match self.random.below(29) {
            0 | 1 => self.ballot(),
            2..7 => self.entries(),
            7 => self.stage(),
            8..13 => self.chunk(),
            13 | 14 => self.switch(),
            15 | 16 => self.base(),
            17..20 => {
                self.wal().flush()?;
                self.settle(self.pending.len());
                self.begun = 0;
                assert_eq!(self.wal().poll_flushed(), None, "nothing is left to tell");
                Ok(())
            }
            20 | 21 if self.begun > 0 => self.await_flush(),
            20 | 21 => self.begin(),
            22 if self.begun == 0 => self.look(),
            22 => Ok(()),
            23..28 => self.paper(),
            _ => {
                if self.random.below(2) == 0 {
                    self.sheet = None;
                }
                // The process ends; nobody hears what became of a flush that was on its way.
                self.wal = None;
                self.start()
            }
        }?;
        self.read(Part::Snapshot)?;
        self.read(Part::Stage)
    }

    /// A flush on the thread begins.
    fn begin(&mut self) -> Result<(), WalError> {
        if self.begun == 0 {
            self.wal().begin_flush()?;
            self.begun = self.pending.len();
        }
        // Else operations would not be numbered in the same way each time.
        if self.overlaps { Ok(()) } else { self.await_flush() }
    }

    /// It ends.
    fn await_flush(&mut self) -> Result<(), WalError> {
        if self.begun > 0 {
            ended(self.wal())?;
            let begun = std::mem::take(&mut self.begun);
            self.settle(begun);
        }
        Ok(())
    }

    fn settle(&mut self, count: usize) {
        for written in self.pending.drain(..count) {
            self.flushed.take(&written);
        }
    }

    fn write(&mut self, written: Written) -> Result<(), WalError> {
        let wal = self.wal.as_mut().expect("it is open");
        write(wal, &self.written, &written)?;
        self.written.take(&written);
        self.pending.push(written);
        Ok(())
    }

    fn ballot(&mut self) -> Result<(), WalError> {
        let vote = (self.random.below(2) == 0).then_some(NodeId(self.random.below(32) as u8));
        let term = Term(self.random.below(9));
        self.write(Written::Ballot(Ballot { term, vote, admitted: true, losses: 0 }))
    }

    /// Entries behind some entry that is there, or behind the last one.
    fn entries(&mut self) -> Result<(), WalError> {
        let (base, last) = (self.written.base.index.0, self.written.last().index.0);
        let back = if self.random.below(3) == 0 { self.random.below(4) } else { 0 };
        // Nobody drops what is in the snapshot.
        let least = base.max(self.written.snapshot.last.index.0);
        let index = Index(last.saturating_sub(back.into()).max(least));
        let term = self.written.term(index).expect("within the log");
        let (mut next, mut entries) = (term.0.max(1), Vec::new());
        for _ in 0..=self.random.below(3) {
            next += self.random.below(2);
            let most = self.random.pick(&[10, 10, 300, 2500]);
            entries.push((Term(next), self.bytes(most)));
        }
        let committed = Index(self.random.below(1 + index.0 as u32).into());
        self.write(Written::Entries(Position { term, index }, committed, entries))
    }

    /// The beginning of a snapshot, for one up to an entry that is there or to one that is not.
    fn stage(&mut self) -> Result<(), WalError> {
        let (least, last) = (self.written.snapshot.last, self.written.last());
        let index = Index(least.index.0 + 1 + u64::from(self.random.below(8)));
        let here = self.written.term(index);
        let term = here.filter(|_| self.random.below(4) > 0);
        let term = term.unwrap_or(Term(last.term.0.max(least.term.0) + 1));
        let bytes = 1 + self.random.below(SNAPSHOT_BYTES);
        let last = Position { term, index };
        let checksum = crc32fast::hash(&Self::content(index, bytes));
        self.write(Written::Stage(Snapshot { last, bytes, checksum }))
    }

    /// What is in a snapshot.
    fn content(index: Index, bytes: u32) -> Vec<u8> {
        (0..bytes).map(|place| (place.wrapping_mul(7) ^ index.0 as u32) as u8).collect()
    }

    fn chunk(&mut self) -> Result<(), WalError> {
        let Some((of, content)) = &self.written.stage else { return self.stage() };
        let all = Self::content(of.last.index, of.bytes);
        let more = 1 + self.random.below(1200) as usize;
        let bytes = all[content.len()..all.len().min(content.len() + more)].to_vec();
        self.write(Written::Chunk(bytes))
    }

    fn switch(&mut self) -> Result<(), WalError> {
        let Some((of, content)) = &self.written.stage else { return Ok(()) };
        let (snapshot, whole) = (*of, content.len() as u32 == of.bytes);
        if !whole || snapshot.last.index <= self.written.snapshot.last.index {
            return Ok(());
        }
        self.switched += 1;
        self.write(Written::Switch(snapshot))
    }

    /// Somebody else gets on with a snapshot of this node's own; one that is whole is adopted.
    fn paper(&mut self) -> Result<(), WalError> {
        let Some((mut sheet, of, content, from)) = self.sheet.take() else {
            return self.blank();
        };
        if from < content.len() {
            let to = content.len().min(from + 1 + self.random.below(1500) as usize);
            // What goes wrong on a sheet is no error of the storage.
            if sheet.write(&content[from..to]).is_ok() {
                self.sheet = Some((sheet, of, content, to));
            }
            return Ok(());
        }
        let news = of.last.index > self.written.snapshot.last.index;
        let is_there = self.written.term(of.last.index) == Some(of.last.term);
        if sheet.finish(of).is_ok() && news && is_there {
            self.adopted += 1;
            self.wal().place(sheet)?;
            self.write(Written::Adopt(of, content))?;
        }
        Ok(())
    }

    /// A sheet for a snapshot up to some entry that is there.
    fn blank(&mut self) -> Result<(), WalError> {
        let (least, last) = (self.written.snapshot.last.index.0, self.written.last().index.0);
        if last > least {
            let index = Index(least + 1 + u64::from(self.random.below((last - least) as u32)));
            let term = self.written.term(index).expect("within the log");
            let bytes = 1 + self.random.below(SNAPSHOT_BYTES);
            let content = Self::content(index, bytes);
            let (last, checksum) = (Position { term, index }, crc32fast::hash(&content));
            let of = Snapshot { last, bytes, checksum };
            self.sheet = Some((self.wal().sheet(), of, content, 0));
        }
        Ok(())
    }

    /// What is in the snapshot may go.
    fn base(&mut self) -> Result<(), WalError> {
        let (base, most) = (self.written.base.index.0, self.written.snapshot.last.index.0);
        let index = Index(most - u64::from(self.random.below(1 + (most - base) as u32)) / 2);
        let term = self.written.term(index).expect("the snapshot ends within the log");
        self.rebased += u32::from(index.0 > base);
        self.write(Written::Base(Position { term, index }))
    }

    /// What a process would find that is started now, in the place of this one: what was flushed.
    fn look(&mut self) -> Result<(), WalError> {
        let found = Held::found(&mut open(&self.disk.copy())?)?;
        assert!(found.is(&self.flushed), "{found:?}\n{:?}", self.flushed);
        if self.pending.is_empty() {
            assert_eq!(Held::found(self.wal())?, self.written);
        }
        Ok(())
    }

    /// Any piece of what was written reads as it was written, flushed or not.
    fn read(&mut self, part: Part) -> Result<(), WalError> {
        let Some(wal) = &mut self.wal else { return Ok(()) };
        let content = match (part, &self.written.stage) {
            (Part::Snapshot, _) => &self.written.content,
            (Part::Stage, Some((_, content))) => content,
            (Part::Stage, None) => return Ok(()),
        };
        let start = self.random.below(content.len() as u32 + 1);
        let length = self.random.below(content.len() as u32 - start + 1);
        if length == 0 {
            return Ok(());
        }
        let mut buffer = vec![0; length as usize];
        wal.read(part, start, &mut buffer)?;
        let expected = &content[start as usize..(start + length) as usize];
        assert!(buffer == expected, "{part:?} from {start} on");
        Ok(())
    }

    fn wal(&mut self) -> &mut Wal {
        self.wal.as_mut().expect("it is open")
    }

    fn bytes(&mut self, most: u32) -> Vec<u8> {
        let byte = self.random.next() as u8;
        vec![byte; 1 + self.random.below(most) as usize]
    }
}
