//! The medium between the nodes: letters that are late, doubled, damaged, or never come.
//!
//! A wheel has one slot for each tick of the near future. Letters of a slot arrive in the order in
//! which they were sent; delays of their own are what reorders them.

use crate::cluster::Letter;
use crate::plan::Link;
use crate::random::Random;
use crate::tally::{Count, Tally};

/// Longer than any letter takes.
const SLOTS: usize = 1024;

/// Letters on their way.
pub struct Network {
    /// What it does to letters now.
    pub link: Link,
    slots: Vec<Vec<Letter>>,
    /// Buffers of letters that have arrived.
    spare: Vec<Vec<u8>>,
    random: Random,
}

/// What becomes of one letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives, perhaps late or damaged.
    Arrives,
    /// It arrives twice.
    Twice,
    /// It never does.
    Lost,
}

impl Network {
    /// An empty one.
    pub fn new(link: Link, random: Random) -> Self {
        Self { link, slots: vec![Vec::new(); SLOTS], spare: Vec::new(), random }
    }

    /// An empty buffer for a letter.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// A letter was read: its buffer is free.
    pub fn recycle(&mut self, letter: Letter) {
        self.spare.push(letter.bytes);
    }

    /// Decides what becomes of the next letter.
    pub fn fate(&mut self) -> Fate {
        if self.random.chance(self.link.loss) {
            Fate::Lost
        } else if self.random.chance(self.link.copies) {
            Fate::Twice
        } else {
            Fate::Arrives
        }
    }

    /// Puts a letter on its way at this tick; `peaceful` ones are on time and arrive as they are.
    pub fn carry(&mut self, mut letter: Letter, tick: u32, peaceful: bool, tally: &mut Tally) {
        let mut delay = 1;
        if !peaceful {
            delay += self.random.below(self.link.delay_most + 1);
            if self.random.chance(self.link.late) {
                delay += self.random.below(self.link.late_most);
                tally.add(Count::Late);
            }
            if self.random.chance(self.link.damage) {
                self.damage(&mut letter.bytes);
                letter.damaged = true;
                tally.add(Count::Damaged);
            }
        }
        let slot = (tick + delay) as usize % SLOTS;
        self.slots[slot].push(letter);
    }

    /// What these nodes have put on its way is lost.
    pub fn lose_letters_of(&mut self, is_one: impl Fn(u8) -> bool) {
        for slot in &mut self.slots {
            slot.retain(|letter| !is_one(letter.from));
        }
    }

    /// A copy of a letter, under its own number.
    pub fn copy(&mut self, letter: &Letter, number: u32) -> Letter {
        let mut bytes = self.buffer();
        bytes.clone_from(&letter.bytes);
        Letter { number, bytes, ..*letter }
    }

    /// What arrives at this tick, to be given back as an empty list.
    pub fn due(&mut self, tick: u32) -> Vec<Letter> {
        std::mem::take(&mut self.slots[tick as usize % SLOTS])
    }

    /// Takes back the list of [`Network::due`].
    pub fn put_back(&mut self, tick: u32, empty: Vec<Letter>) {
        let slot = &mut self.slots[tick as usize % SLOTS];
        if slot.is_empty() {
            *slot = empty;
        }
    }

    /// Flips up to three bits, which a checksum of 32 bits tells for certain.
    fn damage(&mut self, bytes: &mut [u8]) {
        let bits = bytes.len() as u32 * 8;
        let first = self.random.below(bits);
        // Never the first once more: two flips of one bit are none.
        let second = (first + 1 + self.random.below(bits - 1)) % bits;
        let third = self.random.below(bits);
        for bit in [first, second, third].into_iter().take(1 + self.random.below(3) as usize) {
            bytes[bit as usize / 8] ^= 1 << (bit % 8);
        }
    }
}
