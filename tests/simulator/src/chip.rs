//! A flash as strict as any that there is: whole words, programmed once between erases, nothing
//! programmed where an erase did not come to its end. Whoever breaks a rule is stopped by a panic.
//!
//! It fails like one, too: its power may fail in any operation (`cut.rs` says what that leaves),
//! its bits flip, its sectors stick. And it remembers what was done to it.

use crate::cut::Cut;
use crate::random::Random;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What reads as never programmed.
pub const BLANK: u8 = 0xFF;

/// Why a chip does not do what it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It has no power.
    Off,
    /// The sector neither takes words nor lets go of them.
    Stuck,
}

impl NorFlashError for Failure {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// What changes a chip.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Bytes that are programmed from an address on.
    Program(usize, Vec<u8>),
    /// Whole sectors that are erased.
    Erase(Range<usize>),
    /// The lowest bit that is set in a byte is cleared: no honest driver does that.
    Clear(usize),
}

impl Operation {
    /// Whether it erases.
    pub const fn is_erase(&self) -> bool {
        matches!(self, Self::Erase(_))
    }

    /// What it touches.
    pub fn range(&self) -> Range<usize> {
        match self {
            Self::Program(at, bytes) => *at..at + bytes.len(),
            Self::Erase(range) => range.clone(),
            Self::Clear(at) => *at..*at + 1,
        }
    }
}

/// What a driver does wrong on purpose, so that the trials can show that they would see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mischief {
    /// Whatever is programmed clears a bit of what was programmed before it.
    ClearsAnEarlierBit,
    /// Says that it is done and does it when it is asked for the next.
    DoesItLater,
    /// Programs everything again, to be sure.
    ProgramsTwice,
    /// Leaves out each tenth erase.
    SkipsErases,
    /// Has forgotten what it programmed last when the power comes.
    ForgetsTheLast,
}

/// What a word is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    Blank,
    Programmed,
    /// It must be erased before anything else.
    HalfErased,
}

/// A chip with words and sectors of these lengths.
#[derive(Clone)]
pub struct Chip<const WORD: usize, const SECTOR: usize> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) words: Vec<Word>,
    /// What else a byte may read as, at each read anew.
    pub(crate) loose: BTreeMap<usize, u8>,
    stuck: BTreeSet<usize>,
    /// How often each sector was erased.
    pub erases: Vec<u32>,
    /// How often each byte was read since the power came, if anybody counts.
    reads: Option<Vec<u8>>,
    /// What was done since the power came.
    pub journal: Vec<Operation>,
    /// In which operation the power fails, counted from zero, and how.
    pub plan: Option<(usize, Cut)>,
    is_off: bool,
    /// What this chip's driver does wrong.
    pub mischief: Option<Mischief>,
    late: Option<Operation>,
    pub(crate) random: Random,
}

impl<const WORD: usize, const SECTOR: usize> Chip<WORD, SECTOR> {
    /// A chip that nobody used.
    pub fn new(sectors: usize, seed: u64) -> Self {
        Self {
            bytes: vec![BLANK; sectors * SECTOR],
            words: vec![Word::Blank; sectors * SECTOR / WORD],
            loose: BTreeMap::new(),
            stuck: BTreeSet::new(),
            erases: vec![0; sectors],
            reads: None,
            journal: Vec::new(),
            plan: None,
            is_off: false,
            mischief: None,
            late: None,
            random: Random::new(seed, 9),
        }
    }

    /// A chip that holds this, however it came there.
    pub fn holding(bytes: Vec<u8>, seed: u64) -> Self {
        let mut chip = Self::new(bytes.len() / SECTOR, seed);
        chip.bytes = bytes;
        for (word, content) in chip.words.iter_mut().zip(chip.bytes.chunks(WORD)) {
            if content.iter().any(|&byte| byte != BLANK) {
                *word = Word::Programmed;
            }
        }
        chip
    }

    /// The power is back: all that was under way is forgotten, and so is what was counted.
    pub fn power_up(&mut self) {
        if let (Some(Mischief::ForgetsTheLast), Some(Operation::Program(at, bytes))) =
            (self.mischief, self.journal.last())
        {
            self.bytes[*at..at + bytes.len()].fill(BLANK);
        }
        (self.is_off, self.plan, self.late) = (false, None, None);
        self.journal.clear();
        self.reads = None;
    }

    /// From now on reads are counted.
    pub fn count_reads(&mut self) {
        self.reads = Some(vec![0; self.bytes.len()]);
    }

    /// How often the byte was read that was read most often, and where it is.
    pub fn most_reads(&self) -> (u8, usize) {
        let reads = self.reads.iter().flatten().enumerate();
        reads.map(|(at, &count)| (count, at)).max().unwrap_or_default()
    }

    /// How many reads of a byte there were.
    pub fn read_bytes(&self) -> u64 {
        self.reads.iter().flatten().map(|&count| u64::from(count)).sum()
    }

    /// The power fails now, between two operations.
    pub fn power_down(&mut self) {
        self.is_off = true;
    }

    /// Whether it has no power.
    pub fn is_off(&self) -> bool {
        self.is_off
    }

    /// All bytes, as far as they have one value.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A byte rots.
    pub fn rot(&mut self, at: usize, mask: u8) {
        self.bytes[at] ^= mask;
    }

    /// A sector sticks, or is itself again.
    pub fn set_stuck(&mut self, sector: usize, stuck: bool) {
        if stuck {
            self.stuck.insert(sector);
        } else {
            self.stuck.remove(&sector);
        }
    }

    /// Draws from another stream from now on.
    pub fn draw_from(&mut self, seed: u64) {
        self.random = Random::new(seed, 9);
    }

    /// Carries an operation out, all of it.
    pub fn carry_out(&mut self, operation: &Operation) {
        match operation {
            Operation::Clear(at) => self.bytes[*at] &= self.bytes[*at].saturating_sub(1),
            Operation::Program(at, bytes) => self.program(*at, bytes),
            Operation::Erase(range) => {
                self.settle(range.clone());
                self.bytes[range.clone()].fill(BLANK);
                self.words[range.start / WORD..range.end / WORD].fill(Word::Blank);
                for sector in range.start / SECTOR..range.end / SECTOR {
                    self.erases[sector] += 1;
                }
            }
        }
    }

    fn program(&mut self, at: usize, bytes: &[u8]) {
        for word in at / WORD..(at + bytes.len()) / WORD {
            match self.words[word] {
                Word::Blank => self.words[word] = Word::Programmed,
                Word::Programmed => panic!("the word at {} is programmed twice", word * WORD),
                Word::HalfErased => {
                    panic!("the word at {} is programmed and only half erased", word * WORD)
                }
            }
        }
        self.settle(at..at + bytes.len());
        // Programming only ever clears bits: what rotted before stays so.
        self.bytes[at..].iter_mut().zip(bytes).for_each(|(here, byte)| *here &= byte);
    }

    /// What is programmed or erased anew reads the same from then on.
    fn settle(&mut self, range: Range<usize>) {
        if !self.loose.is_empty() {
            let settled: Vec<usize> = self.loose.range(range).map(|(&at, _)| at).collect();
            for at in settled {
                self.loose.remove(&at);
                self.bytes[at] = BLANK;
            }
        }
    }

    /// Does what the driver was asked for, or whatever comes of it.
    fn perform(&mut self, operation: Operation) -> Result<(), Failure> {
        if self.is_off {
            return Err(Failure::Off);
        }
        let range = operation.range();
        if self
            .stuck
            .iter()
            .any(|&sector| range.start < (sector + 1) * SECTOR && sector * SECTOR < range.end)
        {
            return Err(Failure::Stuck);
        }
        match self.plan.filter(|(at, _)| *at == self.journal.len()) {
            Some((_, cut)) => {
                self.cut_short(&operation, cut);
                self.is_off = true;
            }
            None => self.carry_out(&operation),
        }
        self.journal.push(operation);
        if self.is_off { Err(Failure::Off) } else { Ok(()) }
    }

    fn ask(&mut self, operation: Operation) -> Result<(), Failure> {
        match self.mischief {
            Some(Mischief::DoesItLater) => match self.late.replace(operation) {
                Some(before) => self.perform(before),
                None => Ok(()),
            },
            Some(Mischief::ProgramsTwice) => {
                self.perform(operation.clone())?;
                match operation {
                    Operation::Program(..) => self.perform(operation),
                    Operation::Erase(..) | Operation::Clear(_) => Ok(()),
                }
            }
            Some(Mischief::ClearsAnEarlierBit) => {
                if let Operation::Program(at, _) = operation {
                    // The lowest bit that is set, close before what is programmed.
                    let mut near = at.saturating_sub(3 * WORD)..at;
                    if let Some(at) = near.find(|&at| self.bytes[at] != 0) {
                        self.perform(Operation::Clear(at))?;
                    }
                }
                self.perform(operation)
            }
            Some(Mischief::SkipsErases) => match operation {
                Operation::Erase(_) if self.random.below(10) == 0 => Ok(()),
                _ => self.perform(operation),
            },
            Some(Mischief::ForgetsTheLast) | None => self.perform(operation),
        }
    }

    fn read_loose(&mut self, start: usize, bytes: &mut [u8]) {
        let end = start + bytes.len();
        let found: Vec<(usize, u8)> =
            self.loose.range(start..end).map(|(&at, &other)| (at, other)).collect();
        let (mut word, mut way) = (usize::MAX, 0);
        for (at, other) in found {
            if at / WORD != word {
                (word, way) = (at / WORD, self.random.below(3));
            }
            let mask = match way {
                0 => 0,
                1 => 0xFF,
                _ => self.random.next() as u8,
            };
            let here = &mut bytes[at - start];
            *here = (*here & !mask) | (other & mask);
        }
    }
}

impl<const WORD: usize, const SECTOR: usize> ErrorType for Chip<WORD, SECTOR> {
    type Error = Failure;
}

impl<const WORD: usize, const SECTOR: usize> ReadNorFlash for Chip<WORD, SECTOR> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failure> {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        assert!(end <= self.bytes.len(), "a read of {start}..{end} goes past the end");
        if self.is_off {
            return Err(Failure::Off);
        }
        bytes.copy_from_slice(&self.bytes[start..end]);
        if !self.loose.is_empty() {
            self.read_loose(start, bytes);
        }
        if let Some(reads) = &mut self.reads {
            reads[start..end].iter_mut().for_each(|count| *count = count.saturating_add(1));
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WORD: usize, const SECTOR: usize> NorFlash for Chip<WORD, SECTOR> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        let at = offset as usize;
        assert!(at + bytes.len() <= self.bytes.len(), "a program at {at} goes past the end");
        assert!(
            at.is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD),
            "a program of {} bytes at {at} is not in whole words",
            bytes.len()
        );
        self.ask(Operation::Program(at, bytes.to_vec()))
    }

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failure> {
        let range = from as usize..to as usize;
        let whole = range.start.is_multiple_of(SECTOR) && range.end.is_multiple_of(SECTOR);
        assert!(whole && range.start <= range.end, "an erase of {range:?} is not of whole sectors");
        assert!(range.end <= self.bytes.len(), "an erase of {range:?} goes past the end");
        self.ask(Operation::Erase(range))
    }
}
