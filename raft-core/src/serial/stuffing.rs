//! Frames in a stream: consistent overhead byte stuffing (COBS), a byte at a time.
//!
//! A zero ends a frame, and there is none within it: it is cut into blocks where its zeros are, and
//! each block begins with a byte that says where the next one does.
//!
//! ```text
//! code     u8       how many bytes the block has, this one too; 1 to 255
//! ...               bytes that are not zero
//! ```
//!
//! Between two blocks there was a zero, unless the first is as long as a block can be. So a frame
//! gets a byte longer for each 254 that it has or has begun, and by the zero at its end.

/// The code of the longest block: no zero was behind it.
const FULL: u8 = u8::MAX;

/// Turns frames into a stream, one after the other. It reads a frame where it lies, and needs no
/// memory for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Encoder {
    next: Next,
    /// Where in the frame the next byte is read.
    at: usize,
    /// How many bytes are left to copy of the block that was begun.
    left: u8,
}

/// What comes when the bytes of a block are all out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Next {
    /// A zero before the first frame of all, for whoever has heard noise until now.
    Lead,
    Block,
    /// A block, behind a zero of the frame.
    BlockBehindZero,
    End,
    Nothing,
}

impl Encoder {
    /// At the beginning of a stream: a zero comes before the first frame.
    pub const fn new() -> Self {
        Self { next: Next::Lead, at: 0, left: 0 }
    }

    /// The next byte of this frame, which must be the same one until it has ended. `None` at its
    /// end; then the next frame may begin.
    pub fn next(&mut self, frame: &[u8]) -> Option<u8> {
        if self.left > 0 {
            let byte = *frame.get(self.at)?;
            self.at += 1;
            self.left -= 1;
            return Some(byte);
        }
        match self.next {
            Next::Lead => {
                self.next = Next::Block;
                Some(0)
            }
            Next::Block => self.code(frame),
            Next::BlockBehindZero => {
                self.at += 1;
                self.code(frame)
            }
            Next::End => {
                self.next = Next::Nothing;
                Some(0)
            }
            Next::Nothing => {
                self.begin();
                None
            }
        }
    }

    /// Whether the last byte of a frame is out.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    /// What comes next is the first byte of a frame.
    pub(super) const fn begin(&mut self) {
        *self = Self { next: Next::Block, ..Self::new() };
    }

    /// Begins a block: looks for the next zero, or the end.
    fn code(&mut self, frame: &[u8]) -> Option<u8> {
        let (mut rest, mut code) = (frame.get(self.at..)?.iter(), 1);
        self.next = loop {
            match rest.next() {
                None => break Next::End,
                Some(_) if code == FULL => break Next::Block,
                Some(0) => break Next::BlockBehindZero,
                Some(_) => code += 1,
            }
        };
        self.left = code - 1;
        Some(code)
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Finds the frames of a stream. Whatever it hears, it is in step again behind the next zero.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Decoder<B> {
    memory: B,
    /// Where frames begin in the memory: what is before stays there.
    first: usize,
    /// How far the frame that is coming in goes in the memory.
    end: usize,
    /// How many bytes are still to come of its last block.
    left: u8,
    state: State,
    losses: Losses,
}

/// What the frame that is coming in has come to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    /// Nothing of it is there.
    Nothing,
    /// Its last block is as long as a block can be, and what follows adjoins it.
    Full,
    /// There is a zero behind its last block, or its end.
    Block,
    /// It is longer than the memory.
    TooLong,
}

/// What came over a stream and was no frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Losses {
    /// Frames that ended in the middle of a block: some of their bytes were lost or damaged.
    pub torn: u32,
    /// Frames that were longer than the memory for them, and noise.
    pub too_long: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Decoder<B> {
    /// At any place of a stream. A frame that is longer than this memory is dropped.
    pub const fn new(memory: B) -> Self {
        let losses = Losses { torn: 0, too_long: 0 };
        Self { memory, first: 0, end: 0, left: 0, state: State::Nothing, losses }
    }

    /// The same, with these bytes before each frame, which do not come over the line.
    pub fn behind<const COUNT: usize>(mut memory: B, before: [u8; COUNT]) -> Self {
        if let Some(room) = memory.as_mut().first_chunk_mut() {
            *room = before;
        }
        Self { first: COUNT, end: COUNT, ..Self::new(memory) }
    }

    /// Takes the next byte. Gives a frame when that was its end.
    pub fn push(&mut self, byte: u8) -> Option<&[u8]> {
        if byte == 0 {
            return self.close();
        }
        if self.left > 0 {
            self.left -= 1;
            self.store(byte);
        } else {
            if self.state == State::Block {
                self.store(0);
            }
            self.left = byte - 1;
            if self.state != State::TooLong {
                self.state = if byte == FULL { State::Full } else { State::Block };
            }
        }
        None
    }

    /// What was no frame so far.
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    fn store(&mut self, byte: u8) {
        if self.state == State::TooLong {
            return;
        }
        match self.memory.as_mut().get_mut(self.end) {
            Some(place) => {
                *place = byte;
                self.end += 1;
            }
            None => {
                self.state = State::TooLong;
                self.losses.too_long = self.losses.too_long.saturating_add(1);
            }
        }
    }

    /// A frame has ended. Only one that ends with a block is whole.
    fn close(&mut self) -> Option<&[u8]> {
        let (state, left, end) = (self.state, self.left, self.end);
        (self.state, self.left, self.end) = (State::Nothing, 0, self.first);
        match state {
            State::Nothing | State::TooLong => None,
            State::Full | State::Block if left > 0 => {
                self.losses.torn = self.losses.torn.saturating_add(1);
                None
            }
            State::Full | State::Block => self.memory.as_ref().get(..end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn stuffed(frame: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.begin();
        core::iter::from_fn(|| encoder.next(frame)).collect()
    }

    fn run(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 255) as u8 + 1).collect()
    }

    #[test]
    fn frames_are_stuffed_as_everybody_does_it() {
        let full = run(254);
        let with = |code: u8, bytes: &[u8], rest: &[u8]| [&[code], bytes, rest].concat();
        for (frame, expected) in [
            (Vec::new(), [1, 0].to_vec()),
            ([0].to_vec(), [1, 1, 0].to_vec()),
            ([0, 0].to_vec(), [1, 1, 1, 0].to_vec()),
            ([7, 0, 8, 9].to_vec(), [2, 7, 3, 8, 9, 0].to_vec()),
            ([7, 0].to_vec(), [2, 7, 1, 0].to_vec()),
            (run(253), with(254, &full[..253], &[0])),
            (run(254), with(255, &full, &[0])),
            (run(255), with(255, &full, &[2, 255, 0])),
            ([&full[..], &[0]].concat(), with(255, &full, &[1, 1, 0])),
            ([&full[..], &full[..]].concat(), with(255, &full, &with(255, &full, &[0]))),
        ] {
            assert_eq!(stuffed(&frame), expected);
        }
    }

    #[test]
    fn what_was_stuffed_comes_out_again_and_a_byte_less_of_memory_is_too_little() {
        for length in (0_usize..8).chain(250..260).chain(505..515) {
            for zero in [None, Some(0), Some(length / 2), length.checked_sub(1)] {
                let mut frame = run(length);
                if let Some(place) = zero.and_then(|at| frame.get_mut(at)) {
                    *place = 0;
                }
                let stream = stuffed(&frame);
                assert_eq!(stream.iter().filter(|byte| **byte == 0).count(), 1);
                assert!(stream.len() <= frame.len() + 2 + frame.len() / 254);
                for lack in 0..=1.min(length) {
                    let mut decoder = Decoder::new(std::vec![0; length - lack]);
                    let last = stream.iter().filter_map(|byte| Some(decoder.push(*byte)?.to_vec()));
                    let expected = (lack == 0).then(|| frame.clone());
                    assert_eq!(last.last(), expected);
                    assert_eq!(decoder.losses(), Losses { torn: 0, too_long: lack as u32 });
                }
            }
        }
    }

    #[test]
    fn zeros_between_frames_are_nothing_and_a_frame_cut_short_is_counted() {
        let mut decoder = Decoder::new([0; 8]);
        assert!([0, 0, 0].iter().all(|byte| decoder.push(*byte).is_none()));
        assert_eq!(decoder.losses(), Losses::default());
        assert!([4, 1, 2, 0].iter().all(|byte| decoder.push(*byte).is_none()));
        assert_eq!(decoder.losses(), Losses { torn: 1, too_long: 0 });
        assert!([3, 1, 2].iter().all(|byte| decoder.push(*byte).is_none()));
        assert_eq!(decoder.push(0), Some(&[1, 2][..]));
    }
}
