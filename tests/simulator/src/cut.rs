//! What is left of the operation in which the power failed.

use crate::chip::{BLANK, Chip, Operation, Word};

/// A way in which a power cut leaves an operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cut {
    /// Nothing of it happened.
    Nothing,
    /// All of it happened, and nobody was told.
    All,
    /// A first part, up to any byte.
    Prefix,
    /// Any of its bits: of an erase, any mixture of ones and what was there.
    Bits,
    /// A first part in whole words, and in the word behind it anything at all.
    Garbage,
    /// A first part in whole words, and the word behind it reads as blank, as what it should have
    /// become, or as any mixture of the two, differently from one read to the next. Of an erase,
    /// all words read so.
    Loose,
}

/// Every way in which programming may be cut.
pub const PROGRAM_CUTS: [Cut; 6] =
    [Cut::Nothing, Cut::All, Cut::Prefix, Cut::Bits, Cut::Garbage, Cut::Loose];

/// Every way in which an erase may be cut.
pub const ERASE_CUTS: [Cut; 5] = [Cut::Nothing, Cut::All, Cut::Prefix, Cut::Bits, Cut::Loose];

/// Every way in which this operation may be cut.
pub fn cuts_of(operation: &Operation) -> &'static [Cut] {
    match operation {
        Operation::Program(..) => &PROGRAM_CUTS,
        Operation::Erase(_) => &ERASE_CUTS,
        Operation::Clear(_) => &[Cut::All],
    }
}

impl<const WORD: usize, const SECTOR: usize> Chip<WORD, SECTOR> {
    /// Carries an operation out as far as the power lasts.
    pub fn cut_short(&mut self, operation: &Operation, cut: Cut) {
        match (cut, operation) {
            (Cut::Nothing, _) => {}
            (Cut::All, _) | (_, Operation::Clear(_)) => self.carry_out(operation),
            (_, Operation::Program(at, bytes)) => self.cut_program(*at, bytes, cut),
            (_, Operation::Erase(range)) => {
                for sector in range.start / SECTOR..range.end / SECTOR {
                    self.erases[sector] += 1;
                }
                let words = range.start / WORD..range.end / WORD;
                let old: Vec<u8> = self.bytes[range.clone()].to_vec();
                let before = self.loose.clone();
                let first = match cut {
                    Cut::Prefix => self.random.below(range.len() as u32) as usize,
                    _ => 0,
                };
                for (place, at) in range.clone().enumerate() {
                    self.loose.remove(&at);
                    // Of what was neither, either may be left.
                    let old = old[place] & before.get(&at).copied().unwrap_or(BLANK);
                    self.bytes[at] = match cut {
                        Cut::Prefix if place < first => BLANK,
                        Cut::Bits | Cut::Garbage => old | self.random.next() as u8,
                        _ => old,
                    };
                    if cut == Cut::Loose && old != BLANK {
                        self.loose.insert(at, BLANK);
                    }
                }
                self.words[words].fill(Word::HalfErased);
            }
        }
    }

    fn cut_program(&mut self, at: usize, bytes: &[u8], cut: Cut) {
        let whole = match cut {
            Cut::Bits => 0,
            Cut::Prefix => self.random.below(bytes.len() as u32) as usize,
            _ => self.random.below((bytes.len() / WORD) as u32) as usize * WORD,
        };
        // All of it is carried out first, so that the rules hold for all of it.
        self.carry_out(&Operation::Program(at, bytes.to_vec()));
        for (place, byte) in bytes.iter().enumerate().skip(whole) {
            let touched = place < whole + WORD;
            self.bytes[at + place] = match cut {
                Cut::Bits => byte | self.random.next() as u8,
                Cut::Garbage if touched => self.random.next() as u8,
                Cut::Loose if touched => {
                    if *byte != BLANK {
                        self.loose.insert(at + place, BLANK);
                    }
                    *byte
                }
                _ => BLANK,
            };
        }
        // What was not reached is as good as before. What was touched is to be erased before it is
        // programmed again, even if it reads as blank.
        let reached = match cut {
            Cut::Prefix => whole.div_ceil(WORD) * WORD,
            Cut::Bits => bytes.len(),
            _ => whole + WORD,
        };
        self.words[(at + reached) / WORD..(at + bytes.len()) / WORD].fill(Word::Blank);
    }
}
