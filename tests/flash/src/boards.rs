//! The chips that all of this is tried on: sectors and words of real ones.

use crate::cuts::{Plan, Tally, cut_everywhere};
use crate::fuzz::{Fuzz, fuzz};
use crate::lives::live;
use crate::rot::{Decay, mount_debris, rot_everywhere, stick_everywhere};

/// A chip, and the trials on it.
#[derive(Clone, Copy)]
pub struct Board {
    /// Which chip has such words and sectors.
    pub name: &'static str,
    /// How many bytes are programmed at once.
    pub word: usize,
    /// How many bytes are erased at once.
    pub sector: usize,
    /// The power fails everywhere.
    pub cuts: fn(Plan) -> Tally,
    /// Of a seed, so many lives in a row; also how often each sector was erased.
    pub lives: fn(u64, usize) -> (Tally, Vec<u32>),
    /// Of a seed, after so many steps, one byte of so many rots.
    pub rot: fn(u64, usize, usize) -> Decay,
    /// Of a seed, so many things are mounted that are no storage, or not a whole one.
    pub debris: fn(u64, usize) -> Decay,
    /// Of a seed, in so many steps, a sector sticks in one operation of so many.
    pub stick: fn(u64, usize, usize) -> Decay,
    /// Of a seed, so many inputs, each any calls in any order.
    pub fuzz: fn(u64, usize) -> Fuzz,
}

impl Board {
    const fn of<const WORD: usize, const SECTOR: usize>(name: &'static str) -> Self {
        Self {
            name,
            word: WORD,
            sector: SECTOR,
            cuts: cut_everywhere::<WORD, SECTOR>,
            lives: live::<WORD, SECTOR>,
            rot: rot_everywhere::<WORD, SECTOR>,
            debris: mount_debris::<WORD, SECTOR>,
            stick: stick_everywhere::<WORD, SECTOR>,
            fuzz: fuzz::<WORD, SECTOR>,
        }
    }

    /// Whether a trial takes long because so much is to be looked through.
    pub const fn is_large(&self) -> bool {
        self.sector > 8192
    }
}

/// All of them.
pub const BOARDS: [Board; 11] = [
    Board::of::<4, 1024>("nRF51"),
    Board::of::<4, 4096>("nRF52"),
    Board::of::<256, 4096>("RP2040, W25Q in pages"),
    Board::of::<1, 4096>("W25Q in bytes"),
    Board::of::<8, 2048>("STM32G4, STM32L4"),
    Board::of::<16, 8192>("STM32U5"),
    Board::of::<1, 16384>("STM32F4 in bytes"),
    Board::of::<2, 16384>("STM32F4 in half words"),
    Board::of::<4, 65536>("STM32F4, its middle sector"),
    Board::of::<4, 131_072>("STM32F4, its large sectors"),
    Board::of::<32, 131_072>("STM32H7"),
];
