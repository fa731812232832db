//! An image with one node and the loop that drives it; less the empty one, what a node costs.

#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;

use board::{Memory, config, identity, run};
use core::convert::Infallible;
use cortex_m_rt::entry;
use lamp::Lamp;
use raft_core::{Identity, Node, Part, Record, Snapshot, Storage};

const MEMORY_BYTES: usize = 2048;
const SNAPSHOT_BYTES_MAX: u32 = 512;

/// The least that is a storage: the node's log in memory is all there is beside it, so that what is
/// weighed is the core. A storage on a medium is weighed on its own.
struct Ram(Identity);

impl Storage for Ram {
    type Error = Infallible;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Infallible> {
        each(Record::Identity(self.0));
        each(core::hint::black_box(Record::Snapshot(Snapshot::NONE)));
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Infallible> {
        // As if it were put somewhere: what makes the record must not be optimised away.
        core::hint::black_box(record);
        Ok(())
    }

    fn read(&mut self, _: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Infallible> {
        // As if it came from somewhere.
        buffer.iter_mut().for_each(|byte| *byte = core::hint::black_box(offset) as u8);
        Ok(())
    }

    fn snapshot_bytes_max(&self) -> u32 {
        core::hint::black_box(SNAPSHOT_BYTES_MAX)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[entry]
fn main() -> ! {
    static mut LOG: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];

    if let Some(node) = start(LOG) {
        run(node);
    }
    loop {
        core::hint::spin_loop();
    }
}

fn start(log: Memory) -> Option<Node<Memory, Ram, Lamp>> {
    let config = config();
    let storage = Ram(identity(&config));
    Node::recover(config, log, storage, Lamp::default()).ok()
}
