//! Calls in any order, with any arguments, as bytes say, on a chip that fails as they say: each
//! does what it says or returns an error, nothing panics, no rule of the chip is broken, no byte is
//! read more than twice at a start, and what was flushed is there.
//!
//! * `input.rs`: bytes that decide; `model.rs`: what is held then
//! * `game.rs`: one input, from a blank chip to the last start; `judge.rs`: what a start may find

pub mod game;
pub mod input;
mod judge;
pub mod model;

use crate::chip::Mischief;
use crate::history::Outcome;
use crate::quietly;
use game::{Counts, Game};
use raft_simulator::random::Random;

/// What was tried, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fuzz {
    /// What the inputs came to.
    pub counts: Counts,
    /// What should not have been found: how often.
    pub failed: u64,
    /// The first few of that, each with a short input that shows it.
    pub failures: Vec<String>,
}

/// Who does not do what is asked for, so that it can be shown that this would be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// The chip's driver.
    Chip(Mischief),
    /// The storage takes each twentieth record, and does nothing with it.
    SwallowsWrites,
}

/// One input.
pub fn play<const WORD: usize, const SECTOR: usize>(
    input: &[u8],
    lie: Option<Lie>,
    counts: &mut Counts,
) -> Outcome<()> {
    let mut game = Game::<WORD, SECTOR>::new(input, lie);
    let outcome = quietly(|| game.play());
    counts.add(&game.counts);
    outcome.map_err(|failure| format!("{failure}\nafter {}", game.story()))
}

/// So many inputs, drawn from a seed.
pub fn fuzz<const WORD: usize, const SECTOR: usize>(seed: u64, inputs: usize) -> Fuzz {
    fuzz_liar::<WORD, SECTOR>(seed, inputs, None)
}

/// The same with somebody who lies.
pub fn fuzz_liar<const WORD: usize, const SECTOR: usize>(
    seed: u64,
    inputs: usize,
    lie: Option<Lie>,
) -> Fuzz {
    let (mut fuzz, mut random) = (Fuzz::default(), Random::new(seed, 12));
    for number in 0..inputs {
        let length = 20 + random.below(600);
        let input: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if play::<WORD, SECTOR>(&input, lie, &mut fuzz.counts).is_ok() {
            continue;
        }
        fuzz.failed += 1;
        if fuzz.failures.len() < 3 {
            let fails = |input: &[u8]| play::<WORD, SECTOR>(input, lie, &mut Counts::default());
            let input = shortened(input, |input| fails(input).is_err());
            let failure = fails(&input).err().unwrap_or_default();
            fuzz.failures.push(format!(
                "words of {WORD}, sectors of {SECTOR}, seed {seed}, input {number}: {failure}\n\
                 that is, by {input:?}"
            ));
        }
    }
    fuzz
}

/// An input of which no piece can go without the failure going, too.
fn shortened(mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut length = input.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut shorter = input.clone();
            shorter.drain(at..(at + length).min(input.len()));
            if fails(&shorter) {
                input = shorter;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    input
}
