//! An image with one node over a storage that does nothing and may answer anything: errors, losses,
//! the wish to have the log anew. One with a real storage is larger by that storage, and no more.

#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;

use board::{Memory, config, identity, run};
use core::hint::black_box;
use cortex_m_rt::entry;
use lamp::Lamp;
use raft_core::{Index, Node, Part, Position, Record, Storage, format};

const MEMORY_BYTES: usize = 2048;

/// What it answers nobody knows when this is compiled.
struct Anything(u32);

/// Why it failed.
#[derive(Debug)]
#[expect(dead_code, reason = "it is there to take up room")]
struct Failed(u8);

impl Anything {
    #[inline(never)]
    fn answer(&mut self) -> Result<(), Failed> {
        self.0 = black_box(self.0);
        if self.0 == 1 { Err(black_box(Failed(1))) } else { Ok(()) }
    }
}

impl Storage for Anything {
    type Error = Failed;

    #[inline(never)]
    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Failed> {
        while black_box(self.0) > 2 {
            each(black_box(Record::Base(Position::ZERO)));
        }
        self.answer()
    }

    #[inline(never)]
    fn write(&mut self, record: Record<'_>) -> Result<(), Failed> {
        black_box(record);
        self.answer()
    }

    #[inline(never)]
    fn wants_renewal(&self, bytes: usize) -> bool {
        black_box(bytes) > 1
    }

    #[inline(never)]
    fn renew(&mut self, base: Position, committed: Index, parts: [&[u8]; 2]) -> Result<(), Failed> {
        black_box((base, committed, parts));
        self.answer()
    }

    #[inline(never)]
    fn upkeep(&self) -> u32 {
        black_box(self.0)
    }

    #[inline(never)]
    fn maintain(&mut self) -> Result<(), Failed> {
        self.answer()
    }

    #[inline(never)]
    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Failed> {
        black_box((part, offset));
        buffer.iter_mut().for_each(|byte| *byte = black_box(0));
        self.answer()
    }

    #[inline(never)]
    fn snapshot_bytes_max(&self) -> u32 {
        black_box(self.0)
    }

    #[inline(never)]
    fn flush(&mut self) -> Result<(), Failed> {
        self.answer()
    }
}

#[entry]
fn main() -> ! {
    static mut LOG: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];

    if let Some(mut node) = start(LOG) {
        node.maintain().ok();
        run(node);
    }
    loop {
        core::hint::spin_loop();
    }
}

fn start(log: Memory) -> Option<Node<Memory, Anything, Lamp>> {
    let config = config();
    let mut storage = Anything(black_box(0));
    format(&mut storage, identity(&config)).ok();
    Node::recover(config, log, storage, Lamp::default()).ok()
}
