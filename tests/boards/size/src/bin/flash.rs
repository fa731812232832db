//! An image with one node whose storage is in flash; less the one with the least storage, what that
//! costs.

#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;

use board::{Memory, config, identity, run};
use core::convert::Infallible;
use cortex_m_rt::entry;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use lamp::Lamp;
use raft_core::flash::FlashStorage;
use raft_core::{Node, format};

const MEMORY_BYTES: usize = 2048;
const BUFFER_BYTES: usize = 512;
const SNAPSHOT_BYTES: usize = 512;

/// A chip of which only the registers are there.
#[derive(Default)]
struct Chip {
    address: u32,
    port: u8,
}

impl ErrorType for Chip {
    type Error = Infallible;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.address = core::hint::black_box(offset);
        bytes.iter_mut().for_each(|byte| *byte = core::hint::black_box(self.port));
        Ok(())
    }

    fn capacity(&self) -> usize {
        core::hint::black_box(128 * 1024)
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.address = core::hint::black_box(from + to);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        self.address = core::hint::black_box(offset);
        bytes.iter().for_each(|byte| self.port = core::hint::black_box(*byte));
        Ok(())
    }
}

#[entry]
fn main() -> ! {
    static mut LOG: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut BUFFER: [u8; BUFFER_BYTES] = [0; BUFFER_BYTES];

    if let Some(mut node) = start(LOG, BUFFER) {
        node.maintain().ok();
        run(node);
    }
    loop {
        core::hint::spin_loop();
    }
}

fn start(log: Memory, buffer: Memory) -> Option<Node<Memory, FlashStorage<Chip, Memory>, Lamp>> {
    let config = config();
    let mut storage =
        FlashStorage::new(Chip::default(), buffer, MEMORY_BYTES, SNAPSHOT_BYTES).ok()?;
    format(&mut storage, identity(&config)).ok();
    Node::recover(config, log, storage, Lamp::default()).ok()
}
