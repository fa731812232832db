//! Numbers and bytes that the compiler can't know, so that it can't leave out what depends on them.

use raft_core::{Index, NodeId, Position, Term};

const BYTES: usize = 256;

/// Read by volatile reads only: to the compiler, a device's registers.
static mut REGISTERS: [u8; BYTES] = [0; BYTES];

/// A stream of anything.
pub struct Input {
    at: usize,
}

impl Input {
    pub const fn new() -> Self {
        Self { at: 0 }
    }

    pub fn byte(&mut self) -> u8 {
        self.at = (self.at + 1) % BYTES;
        let registers = (&raw const REGISTERS).cast::<u8>();
        // SAFETY: within the array, which nothing refers to in any other way.
        unsafe { registers.add(self.at).read_volatile() }
    }

    pub fn flag(&mut self) -> bool {
        self.byte() != 0
    }

    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    pub fn long(&mut self) -> u64 {
        u64::from(self.word()) << 32 | u64::from(self.word())
    }

    pub fn size(&mut self) -> usize {
        self.word() as usize
    }

    pub fn node(&mut self) -> NodeId {
        NodeId(self.byte())
    }

    pub fn index(&mut self) -> Index {
        Index(self.long())
    }

    pub fn position(&mut self) -> Position {
        Position { term: Term(self.word()), index: self.index() }
    }

    /// Anything, of any length that fits.
    pub fn bytes<'b>(&mut self, buffer: &'b mut [u8]) -> &'b mut [u8] {
        let filled = buffer.get_mut(..self.size()).unwrap_or_default();
        filled.iter_mut().for_each(|byte| *byte = self.byte());
        filled
    }
}
