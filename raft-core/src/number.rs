//! Numbers one behind the other, as postcard has them: seven bits a byte, the lowest first, and
//! the top bit says that more follow.

/// Writes into a buffer from its start.
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    used: usize,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// `None` if the buffer is full.
    pub(crate) fn byte(&mut self, byte: u8) -> Option<()> {
        *self.buffer.get_mut(self.used)? = byte;
        self.used += 1;
        Some(())
    }

    pub(crate) fn number(&mut self, mut number: u64) -> Option<()> {
        while number >= 0x80 {
            let [low, ..] = number.to_le_bytes();
            self.byte(low | 0x80)?;
            number >>= 7;
        }
        let [low, ..] = number.to_le_bytes();
        self.byte(low)
    }
}

/// Reads bytes from outside.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    /// `None` if it is cut short or needs more than 63 bits.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = [0];
        self.fill(&mut number, 0b100, &[u64::MAX; 4])?;
        let [number] = number;
        Some(number)
    }

    pub(crate) fn word(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    /// Several at once, each below the limit that the next two bits of `kinds` name, until only one
    /// bit is left of it. `None` if one of them is not, is cut short or needs more than 63 bits.
    ///
    /// One function for all on a board, where size matters; on a host one for each caller.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn fill(
        &mut self,
        numbers: &mut [u64],
        mut kinds: u16,
        limits: &[u64; 4],
    ) -> Option<()> {
        let mut bytes = self.0.iter();
        for number in numbers {
            if kinds == 1 {
                break;
            }
            let (mut sum, mut shift) = (0, 0);
            loop {
                let byte = *bytes.next()?;
                sum |= u64::from(byte & 0x7F) << shift;
                if byte < 0x80 {
                    break;
                }
                shift += 7;
                if shift > 56 {
                    // Nothing that travels is that long.
                    return None;
                }
            }
            if sum >= *limits.get(usize::from(kinds & 3))? {
                return None;
            }
            *number = sum;
            kinds >>= 2;
        }
        self.0 = bytes.as_slice();
        Some(())
    }
}
