//! What one flush writes to the log, in one piece that is there as a whole or not at all:
//!
//! ```text
//! magic      4 bytes   "rafb"
//! length     u32       of the items
//! number     u64       one more than the batch before it has
//! from       u64       the number, or that of the batch of which this is a copy
//! items      u32       CRC-32 of the items, begun with the directory's salt
//! head       u32       CRC-32 of the 28 bytes before it, begun with the salt
//! items                each a postcard value, entries followed by their bytes
//! zeros                up to the next sector
//! ```
//!
//! A disk may write the sectors of one flush in any order, so that nothing within a batch says
//! where it was torn. The next batch is written when this one is durable: one that can't be read in
//! front of one that can be has rotted.

use super::sector::{SECTOR_BYTES, padded};

const MAGIC: [u8; 4] = *b"rafb";
/// Before the items.
pub(super) const HEAD_BYTES: usize = 32;
/// Numbers, of batches and of files, are below this: nobody writes so many.
pub(super) const NUMBER_LIMIT: u64 = 1 << 62;

/// A batch that was found whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Batch<'a> {
    pub(super) number: u64,
    /// The first number that this batch stands for.
    pub(super) from: u64,
    pub(super) items: &'a [u8],
}

/// What stands before the items, but for what never changes.
struct Head {
    length: usize,
    number: u64,
    from: u64,
    items_sum: u32,
}

impl Batch<'_> {
    /// How many bytes it takes in its file.
    pub(super) const fn bytes(&self) -> usize {
        padded(HEAD_BYTES + self.items.len())
    }

    /// Whether it says that everything before it was durable.
    pub(super) const fn is_seal(&self) -> bool {
        self.items.is_empty() && self.from == self.number
    }
}

/// Makes a batch of a buffer that begins with room for the head. `None` for more than fits in one.
pub(super) fn seal(buffer: &mut Vec<u8>, salt: u32, number: u64, from: u64) -> Option<()> {
    let (head, items) = buffer.split_first_chunk_mut::<HEAD_BYTES>()?;
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&u32::try_from(items.len()).ok()?.to_le_bytes());
    head[8..16].copy_from_slice(&number.to_le_bytes());
    head[16..24].copy_from_slice(&from.to_le_bytes());
    head[24..28].copy_from_slice(&checksum(salt, items).to_le_bytes());
    let sum = checksum(salt, &head[..28]);
    head[28..].copy_from_slice(&sum.to_le_bytes());
    buffer.resize(padded(buffer.len()), 0);
    Some(())
}

/// The head that the bytes begin with, if it is sound: the batch, and what its items sum up to.
fn read_head(bytes: &[u8], salt: u32) -> Option<(Head, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let (summed, sum) = head.split_last_chunk()?;
    let (magic, fields) = summed.split_first_chunk()?;
    if *magic != MAGIC || checksum(salt, summed) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (length, fields) = fields.split_first_chunk()?;
    let (number, fields) = fields.split_first_chunk()?;
    let (from, fields) = fields.split_first_chunk()?;
    let head = Head {
        length: usize::try_from(u32::from_le_bytes(*length)).ok()?,
        number: u64::from_le_bytes(*number),
        from: u64::from_le_bytes(*from),
        items_sum: u32::from_le_bytes(*fields.first_chunk()?),
    };
    (head.number < NUMBER_LIMIT && head.from <= head.number).then_some((head, rest))
}

/// The batch that the bytes begin with, if it is whole.
pub(super) fn read(bytes: &[u8], salt: u32) -> Option<Batch<'_>> {
    let (Head { length, number, from, items_sum }, rest) = read_head(bytes, salt)?;
    let items = rest.get(..length)?;
    (checksum(salt, items) == items_sum).then_some(Batch { number, from, items })
}

/// The highest number in a head from a sector on, whatever became of the batch behind it: those
/// before it were durable.
pub(super) fn highest(bytes: &[u8], from: usize, salt: u32) -> Option<u64> {
    let heads = (from..bytes.len()).step_by(SECTOR_BYTES);
    heads.filter_map(|at| Some(read_head(bytes.get(at..)?, salt)?.0.number)).max()
}

/// The next whole batch from a sector on, if there is one with at least that number: older ones are
/// what a file held before it was used again.
pub(super) fn find(bytes: &[u8], from: usize, salt: u32, least: u64) -> Option<(usize, Batch<'_>)> {
    (from..bytes.len()).step_by(SECTOR_BYTES).find_map(|at| {
        let batch = read(bytes.get(at..)?, salt)?;
        (batch.number >= least).then_some((at, batch))
    })
}

fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_these_bytes() {
        let mut bytes = vec![0; HEAD_BYTES];
        bytes.extend_from_slice(&[1, 2, 3]);
        seal(&mut bytes, 0x1234_5678, 9, 8).expect("a short one");
        let expected =
            [0x72, 0x61, 0x66, 0x62, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes.len(), SECTOR_BYTES);
        assert_eq!(bytes[..24], expected);
        assert_eq!(bytes[24..35], [0x80, 0xB7, 0x0B, 0xC2, 0xE6, 0x4D, 0x52, 0x8B, 1, 2, 3]);
        assert!(bytes[35..].iter().all(|byte| *byte == 0));
        let batch = read(&bytes, 0x1234_5678).expect("a whole one");
        assert_eq!(batch, Batch { number: 9, from: 8, items: &[1, 2, 3] });
        assert_eq!(read(&bytes, 0x1234_5679), None, "of another directory");
    }

    #[test]
    fn what_a_file_held_before_is_not_taken_for_new() {
        let batch = |number| {
            let mut bytes = vec![0; HEAD_BYTES];
            bytes.push(7);
            seal(&mut bytes, 1, number, number).expect("a short one");
            bytes
        };
        let bytes = [batch(9), batch(3), batch(4)].concat();
        assert_eq!(find(&bytes, 0, 1, 9).map(|(at, batch)| (at, batch.number)), Some((0, 9)));
        assert_eq!(find(&bytes, SECTOR_BYTES, 1, 10), None);
        assert_eq!(highest(&bytes, SECTOR_BYTES, 1), Some(4));
    }
}
