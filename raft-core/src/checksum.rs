//! The CRC-32 that Ethernet, zip and PNG have (ISO-HDLC), a bit at a time.
//!
//! A table would take a kilobyte of a board's flash, and what is summed up there is short or rare.
//! Compilers that are asked for speed rather than size know this loop, and make such a table of it
//! themselves. Hosts have the room, and snapshots that are long: the feature `tables` takes eight
//! bytes at a time.

#[cfg(any(test, feature = "tables"))]
mod tables;

#[cfg(feature = "tables")]
pub(crate) use self::tables::by_eights as crc32;

/// The checksum of what `before` is the checksum of, followed by these bytes; it begins at zero.
#[cfg(any(test, not(feature = "tables")))]
pub(crate) fn bit_by_bit(before: u32, bytes: &[u8]) -> u32 {
    let mut crc = !before;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(not(feature = "tables"))]
pub(crate) use self::bit_by_bit as crc32;

#[cfg(test)]
mod tests {
    use super::tables::by_eights;
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_has_whole_or_in_parts() {
        for crc32 in [bit_by_bit, by_eights] {
            assert_eq!(crc32(0, b"123456789"), 0xCBF4_3926);
            assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xCBF4_3926);
            assert_eq!(crc32(0, b""), 0);
        }
    }

    #[test]
    fn tables_say_the_same_of_any_bytes_in_any_parts() {
        let (mut state, mut bytes) = (1_u32, std::vec::Vec::new());
        for _ in 0..600 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push(state.to_be_bytes()[0]);
        }
        for start in 0..20 {
            for length in 0..bytes.len() - start {
                let (part, before) = (&bytes[start..start + length], state ^ start as u32);
                assert_eq!(by_eights(before, part), bit_by_bit(before, part));
                let (one, other) = part.split_at(length / 3);
                assert_eq!(by_eights(by_eights(before, one), other), by_eights(before, part));
            }
        }
    }
}
