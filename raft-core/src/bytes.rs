//! Moving bytes without a way to panic.
//!
//! The standard `copy_within` panics on a range that does not fit, and no compiler sees that ours
//! always does. It also brings `memmove` into an image, for what moves a few bytes now and then.

/// Moves `length` bytes within a piece of memory. `None` if they are not within it.
pub(crate) fn shift(bytes: &mut [u8], from: usize, to: usize, length: usize) -> Option<()> {
    let step = |at: usize| {
        let byte = *bytes.get(from.checked_add(at)?)?;
        *bytes.get_mut(to.checked_add(at)?)? = byte;
        Some(())
    };
    // Each byte is read before another is written over it.
    if to < from { (0..length).try_for_each(step) } else { (0..length).rev().try_for_each(step) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_shift_both_ways_and_never_out_of_their_memory() {
        let mut bytes = *b"abcdef";
        assert_eq!(shift(&mut bytes, 0, 2, 4), Some(()));
        assert_eq!(&bytes, b"ababcd");
        assert_eq!(shift(&mut bytes, 2, 1, 4), Some(()));
        assert_eq!(&bytes, b"aabcdd");
        assert_eq!(shift(&mut bytes, 3, 0, 4), None);
        assert_eq!(shift(&mut bytes, 0, usize::MAX, 2), None);
    }
}
