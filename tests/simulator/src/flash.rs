//! The core's own storage in flash as the disk of a node: on the chips of real boards, each of
//! which stands still while it erases.
//!
//! What was programmed is there, and what is cut short is whatever the chip's model leaves of it.
//! So nothing is told of bytes that are not flushed: the power fails between two operations or in
//! one.

use crate::chip::{Chip, Operation};
use crate::cut::{PROGRAM_CUTS, cuts_of};
use crate::disk::Slots;
use crate::random::Random;
use raft_core::flash::{FlashStorage, Geometry, Pause};
use raft_core::{Ballot, Index, Part, Position, Record, Storage};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// A chip that boards keep their promises on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Pages of 4 KiB, words of four bytes.
    Nrf52,
    /// Sectors of 16 KiB, which take as long as the large ones.
    Stm32F4,
    /// Sectors of 4 KiB behind a serial line, pages of 256 bytes, interrupts off meanwhile.
    Rp2040,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nrf52, Self::Stm32F4, Self::Rp2040];

    /// How long it takes to erase a sector, as its maker says of the worst case.
    pub const fn erase_micros(self) -> u32 {
        match self {
            Self::Nrf52 => 85_000,
            Self::Stm32F4 => 2_000_000,
            Self::Rp2040 => 400_000,
        }
    }
}

/// The flash of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Board {
    /// Its chip.
    pub kind: Kind,
    /// How many ticks an erase takes.
    pub pause: u32,
    /// How many it takes longer, for others whose clocks and links are the worst there are.
    pub margin: u32,
    /// How many sectors it has beyond what it must have.
    pub spare: usize,
    /// What its chip draws from.
    pub seed: u64,
}

impl Board {
    /// `tick_micros` of everyone in its cluster.
    pub const fn tick_micros(&self) -> u32 {
        self.kind.erase_micros().div_ceil(self.pause)
    }

    /// What its maker and its owner say of it.
    pub const fn pause(&self) -> Pause {
        let margin_micros = self.margin * self.tick_micros();
        Pause { erase_micros: self.kind.erase_micros(), margin_micros, watchdog_micros: 0 }
    }

    /// A chip that nobody used, with room for such a log and for such a snapshot.
    pub fn blank(
        &self,
        frame: usize,
        log_bytes: usize,
        snapshot_bytes: usize,
    ) -> Result<Medium, String> {
        let sizes = (frame, log_bytes, snapshot_bytes);
        let flash: Box<dyn Flash> = match self.kind {
            Kind::Nrf52 => Box::new(Mounted::<4, 4096>::blank(self, sizes)?),
            Kind::Stm32F4 => Box::new(Mounted::<4, 16_384>::blank(self, sizes)?),
            Kind::Rp2040 => Box::new(Mounted::<256, 4096>::blank(self, sizes)?),
        };
        Ok(Medium(flash))
    }
}

/// Storage in flash, whatever chip it is on.
pub trait Flash: Storage<Error = String> {
    /// The same once more.
    fn copied(&self) -> Box<dyn Flash>;
    /// The power is back.
    fn restart(&mut self);
    /// How many sectors were erased since somebody last asked.
    fn take_erases(&mut self) -> u32;
    /// The power will fail in the operation after so many, or will not.
    fn fail_after(&mut self, operations: Option<u32>);
    /// Whether it failed.
    fn is_off(&self) -> bool;
    /// What was done since the power came back, or since it was forgotten.
    fn journal(&self) -> &[Operation];
    /// Begins to remember anew.
    fn forget(&mut self);
    /// Does again what a journal says, until the power fails in one of its operations.
    fn tear(&mut self, journal: &[Operation], random: &mut Random);
}

#[derive(Clone)]
struct Mounted<const WORD: usize, const SECTOR: usize> {
    storage: FlashStorage<Chip<WORD, SECTOR>, Vec<u8>>,
    sizes: (usize, usize, usize),
    pause: Pause,
    /// How many erases were asked for already.
    seen: u32,
}

impl<const WORD: usize, const SECTOR: usize> Mounted<WORD, SECTOR> {
    fn blank(board: &Board, sizes: (usize, usize, usize)) -> Result<Self, String> {
        let (frame, log_bytes, snapshot_bytes) = sizes;
        let buffer = Geometry::buffer_bytes(WORD, frame);
        let geometry = Geometry::new(SECTOR, WORD, buffer, log_bytes, snapshot_bytes);
        let sectors = told(geometry)?.least_sectors() + board.spare;
        let pause = board.pause();
        let storage = Self::mount(Chip::new(sectors, board.seed), sizes, pause)?;
        Ok(Self { storage, sizes, pause, seen: 0 })
    }

    fn mount(
        chip: Chip<WORD, SECTOR>,
        (frame, log_bytes, snapshot_bytes): (usize, usize, usize),
        pause: Pause,
    ) -> Result<FlashStorage<Chip<WORD, SECTOR>, Vec<u8>>, String> {
        let buffer = vec![0; Geometry::buffer_bytes(WORD, frame)];
        let storage = told(FlashStorage::new(chip, buffer, log_bytes, snapshot_bytes))?;
        told(storage.pausing(pause))
    }
}

impl<const WORD: usize, const SECTOR: usize> Flash for Mounted<WORD, SECTOR> {
    fn copied(&self) -> Box<dyn Flash> {
        Box::new(self.clone())
    }

    fn restart(&mut self) {
        let mut chip = self.storage.flash().clone();
        chip.power_up();
        self.storage = Self::mount(chip, self.sizes, self.pause).expect("it was mounted before");
        self.seen = 0;
    }

    fn take_erases(&mut self) -> u32 {
        let now = self.storage.used().erases;
        now - std::mem::replace(&mut self.seen, now)
    }

    fn fail_after(&mut self, operations: Option<u32>) {
        let chip = self.storage.flash_mut();
        chip.journal.clear();
        chip.plan = operations.map(|left| (left as usize, chip.random.pick(&PROGRAM_CUTS)));
    }

    fn is_off(&self) -> bool {
        self.storage.flash().is_off()
    }

    fn journal(&self) -> &[Operation] {
        &self.storage.flash().journal
    }

    fn forget(&mut self) {
        let chip = self.storage.flash_mut();
        if chip.plan.is_none() {
            chip.journal.clear();
        }
    }

    fn tear(&mut self, journal: &[Operation], random: &mut Random) {
        let last = random.below(journal.len() as u32) as usize;
        let chip = self.storage.flash_mut();
        journal[..last].iter().for_each(|operation| chip.carry_out(operation));
        chip.cut_short(&journal[last], random.pick(cuts_of(&journal[last])));
        self.restart();
    }
}

impl<const WORD: usize, const SECTOR: usize> Storage for Mounted<WORD, SECTOR> {
    type Error = String;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), String> {
        told(self.storage.recover(each))
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), String> {
        told(self.storage.write(record))
    }

    fn wants_renewal(&self, bytes: usize) -> bool {
        self.storage.wants_renewal(bytes)
    }

    fn renew(&mut self, base: Position, committed: Index, parts: [&[u8]; 2]) -> Result<(), String> {
        told(self.storage.renew(base, committed, parts))
    }

    fn upkeep(&self) -> u32 {
        self.storage.upkeep()
    }

    fn pause_micros(&self) -> u32 {
        self.storage.pause_micros()
    }

    fn entry_bytes_max(&self) -> usize {
        self.storage.entry_bytes_max()
    }

    fn maintain(&mut self) -> Result<(), String> {
        told(self.storage.maintain())
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), String> {
        told(self.storage.read(part, offset, buffer))
    }

    fn snapshot_bytes_max(&self) -> u32 {
        self.storage.snapshot_bytes_max()
    }

    fn flush(&mut self) -> Result<(), String> {
        told(self.storage.flush())
    }
}

fn told<T, E: Debug>(outcome: Result<T, E>) -> Result<T, String> {
    outcome.map_err(|error| format!("{error:?}"))
}

/// The flash of a disk. Two disks are the same if they promise the same: how it lies in the flash
/// is another thing after each start.
pub struct Medium(pub Box<dyn Flash>);

/// What a start found, and did before its node was there: it writes everything anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Start {
    /// The ballot that it found.
    pub found: Ballot,
    /// The one that it wrote.
    pub wrote: Option<Ballot>,
}

impl Medium {
    /// Hands out what is there; says of it what a disk must know.
    pub fn recover(
        &mut self,
        each: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Slots, Option<Start>), String> {
        let (mut slots, mut start) = (Slots::default(), None);
        self.0.recover(&mut |record| {
            let found = &mut start.get_or_insert_with(Start::default).found;
            match record {
                Record::Snapshot(snapshot) => slots.snapshot = snapshot,
                Record::Identity(identity) => found.admitted = identity.is_founder(),
                Record::Ballot(ballot) => *found = ballot,
                record => drop(slots.take(record)),
            }
            each(record);
        })?;
        Ok((slots, start))
    }
}

impl Clone for Medium {
    fn clone(&self) -> Self {
        Self(self.0.copied())
    }
}

impl PartialEq for Medium {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Medium {}

impl Hash for Medium {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
