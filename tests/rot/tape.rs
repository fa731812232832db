//! Storage that only grows, record by record, of which any one may come to be unreadable: what a
//! log in flash or in a file is like, with everything in it that was ever written.

use raft_core::{
    Ballot, Entries, Identity, Index, Loss, Part, Position, Record, Snapshot, Storage,
};

/// A record of its own.
#[derive(Clone, Debug)]
pub enum Owned {
    Identity(Identity),
    Ballot(Ballot),
    Stage(Snapshot),
    Chunk(u32, Vec<u8>),
    Snapshot(Snapshot),
    Base(Position),
    Entries(Position, Index, Vec<u8>),
    Rotten,
}

impl Owned {
    fn of(record: Record<'_>) -> Self {
        match record {
            Record::Identity(identity) => Self::Identity(identity),
            Record::Ballot(ballot) => Self::Ballot(ballot),
            Record::Stage { snapshot, .. } => Self::Stage(snapshot),
            Record::Chunk { offset, bytes } => Self::Chunk(offset, bytes.to_vec()),
            Record::Snapshot(snapshot) => Self::Snapshot(snapshot),
            Record::Base(base) => Self::Base(base),
            Record::Entries { after, committed, bytes } => {
                Self::Entries(after, committed, bytes.to_vec())
            }
            Record::Lost(_) => unreachable!("nobody writes that something is lost"),
        }
    }

    fn record(&self) -> Record<'_> {
        match self {
            Self::Identity(identity) => Record::Identity(*identity),
            Self::Ballot(ballot) => Record::Ballot(*ballot),
            Self::Stage(snapshot) => Record::Stage { snapshot: *snapshot, held: 0 },
            Self::Chunk(offset, bytes) => Record::Chunk { offset: *offset, bytes },
            Self::Snapshot(snapshot) => Record::Snapshot(*snapshot),
            Self::Base(base) => Record::Base(*base),
            Self::Entries(after, committed, bytes) => {
                Record::Entries { after: *after, committed: *committed, bytes }
            }
            Self::Rotten => Record::Lost(Loss::Entries),
        }
    }

    /// Whether it may rot and the node come back: the ballot and the identity lie in two places.
    pub fn may_rot(&self) -> bool {
        !matches!(self, Self::Identity(_) | Self::Ballot(_) | Self::Rotten)
    }
}

/// The records, all of them flushed.
#[derive(Clone, Default)]
pub struct Tape {
    pub records: Vec<Owned>,
    /// With more records than this it wants the log anew.
    pub most_records: Option<usize>,
    /// How often it was written anew.
    pub renewals: u32,
}

impl Tape {
    /// What the snapshot and the stage hold after these records, as far as can be read.
    fn slots(records: &[Owned]) -> [(Snapshot, Vec<u8>); 2] {
        let mut slots = [(Snapshot::NONE, Vec::new()), (Snapshot::NONE, Vec::new())];
        for record in records {
            match record {
                Owned::Stage(snapshot) => slots[1] = (*snapshot, Vec::new()),
                // Perhaps another stage began here: what follows may be of that one.
                Owned::Rotten => slots[1] = (Snapshot::NONE, Vec::new()),
                Owned::Chunk(offset, bytes) if *offset as usize == slots[1].1.len() => {
                    slots[1].1.extend(bytes);
                }
                Owned::Snapshot(snapshot)
                    if slots[1].0 == *snapshot && slots[1].1.len() == snapshot.bytes as usize =>
                {
                    slots[0] = std::mem::replace(&mut slots[1], (Snapshot::NONE, Vec::new()));
                }
                _ => {}
            }
        }
        slots
    }
}

impl Storage for Tape {
    type Error = ();

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), ()> {
        for (place, record) in self.records.iter().enumerate() {
            match record {
                // What is on its way is looked at when it is there.
                Owned::Stage(_) | Owned::Chunk(..) => {}
                Owned::Snapshot(snapshot) => {
                    let [(found, content), _] = Self::slots(&self.records[..=place]);
                    let whole = found == *snapshot && content.len() == snapshot.bytes as usize;
                    each(if whole { record.record() } else { Record::Lost(Loss::Entries) });
                }
                record => each(record.record()),
            }
        }
        let [_, (snapshot, content)] = Self::slots(&self.records);
        if snapshot != Snapshot::NONE {
            each(Record::Stage { snapshot, held: content.len() as u32 });
        }
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), ()> {
        self.records.push(Owned::of(record));
        Ok(())
    }

    fn wants_renewal(&self, _: usize) -> bool {
        self.most_records.is_some_and(|most| self.records.len() > most)
    }

    fn renew(&mut self, base: Position, committed: Index, parts: [&[u8]; 2]) -> Result<(), ()> {
        self.renewals += 1;
        // What is renewed takes the place of entries wherever they stood; the rest stays.
        self.records.retain(|record| {
            !matches!(record, Owned::Base(_) | Owned::Entries(..) | Owned::Rotten)
        });
        self.records.push(Owned::Base(base));
        let mut after = base;
        for part in parts {
            let entries = Entries::parse(after.term, part).ok_or(())?;
            self.records.push(Owned::Entries(after, committed, part.to_vec()));
            let index = Index(after.index.0 + u64::from(entries.len()));
            after = Position { term: entries.last_term(), index };
        }
        Ok(())
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), ()> {
        let [snapshot, stage] = Self::slots(&self.records);
        let (_, content) = if part == Part::Snapshot { snapshot } else { stage };
        let start = offset as usize;
        buffer.copy_from_slice(content.get(start..start + buffer.len()).ok_or(())?);
        Ok(())
    }

    fn snapshot_bytes_max(&self) -> u32 {
        4096
    }

    fn flush(&mut self) -> Result<(), ()> {
        Ok(())
    }
}
