//! Storage in a flash whose every byte is anything, and one flash for two.

use crate::input::Input;
use core::hint::black_box;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use raft_core::flash::{FlashStorage, Geometry, Pause, SharedFlash};
use raft_core::{Part, Storage};

const FRAME_BYTES: usize = 256;

/// A chip that reads as anything and may fail at any time.
struct Chip(Input);

impl Chip {
    fn outcome(&mut self) -> Result<(), NorFlashErrorKind> {
        if self.0.flag() { Ok(()) } else { Err(NorFlashErrorKind::Other) }
    }
}

impl ErrorType for Chip {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        black_box(offset);
        bytes.iter_mut().for_each(|byte| *byte = self.0.byte());
        self.outcome()
    }

    fn capacity(&self) -> usize {
        black_box(1 << 20)
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        black_box((from, to));
        self.outcome()
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        black_box((offset, bytes));
        self.outcome()
    }
}

/// Makes a storage in this memory, asks it for everything in any order, and ends it.
pub fn keep(input: &mut Input, memory: &mut [u8]) {
    let numbers = [input.size(), input.size(), input.size(), input.size(), input.size()];
    let [erase, word, buffer, log, snapshot] = numbers;
    if let Ok(geometry) = black_box(Geometry::new(erase, word, buffer, log, snapshot)) {
        black_box(geometry.least_sectors());
        black_box(geometry.commits(input.size(), input.size(), input.word()));
        black_box(geometry.entry_bytes_max());
    }
    black_box(Geometry::buffer_bytes(input.size(), input.size()));
    let mut shared = SharedFlash::new(Chip(Input::new()));
    if let Some((mut one, other)) = black_box(shared.split(input.size())) {
        black_box(one.read(input.word(), input.bytes(&mut [0; FRAME_BYTES]))).ok();
        black_box(one.write(input.word(), input.bytes(&mut [0; FRAME_BYTES]))).ok();
        black_box(one.erase(input.word(), input.word())).ok();
        black_box(one.capacity());
        let memory = memory.get_mut(..input.size()).unwrap_or_default();
        let storage = FlashStorage::new(other, memory, input.size(), input.size());
        let [erase_micros, margin_micros, watchdog_micros] = [(); 3].map(|()| input.word());
        let pause = Pause { erase_micros, margin_micros, watchdog_micros };
        let storage = storage.and_then(|storage| storage.pausing(pause));
        if let Ok(mut storage) = black_box(storage) {
            if input.flag() {
                storage = storage.verified();
            }
            while input.flag() {
                ask(input, &mut storage);
                storage = black_box(storage);
            }
            black_box(storage.into_flash().capacity());
        }
    }
    black_box(shared.into_inner().capacity());
}

fn ask<F: NorFlash>(input: &mut Input, storage: &mut FlashStorage<F, &mut [u8]>) {
    let mut buffer = [0; FRAME_BYTES];
    match input.byte() {
        0 => {
            black_box(storage.recover(&mut |record| {
                black_box(record);
            }))
            .ok();
        }
        1 => {
            let record = crate::node::record(input, &mut buffer);
            black_box(storage.write(record)).ok();
        }
        2 => {
            let (base, committed) = (input.position(), input.index());
            let mut other = [0; FRAME_BYTES];
            let parts = [&*input.bytes(&mut buffer), &*input.bytes(&mut other)];
            black_box(storage.renew(base, committed, parts)).ok();
        }
        3 => {
            black_box(storage.wants_renewal(input.size()));
            black_box((storage.upkeep(), storage.pause_micros(), storage.entry_bytes_max()));
            black_box(storage.maintain()).ok();
        }
        4 => {
            let part = if input.flag() { Part::Snapshot } else { Part::Stage };
            black_box(storage.read(part, input.word(), input.bytes(&mut buffer))).ok();
        }
        5 => {
            black_box(storage.flush()).ok();
            black_box(storage.begin_flush()).ok();
        }
        _ => {
            black_box((storage.used(), storage.segments(), storage.snapshot_bytes_max()));
            black_box(storage.segment_erases(input.word())).ok();
            black_box(storage.flash_mut().capacity());
            black_box(storage.flash().capacity());
        }
    }
}
