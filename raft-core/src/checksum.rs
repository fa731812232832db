//! The CRC-32 that Ethernet, zip and PNG have (ISO-HDLC), a bit at a time.
//!
//! A table would take a kilobyte of a board's flash, and what is summed up here is short or rare.

/// The checksum of what `before` is the checksum of, followed by these bytes; it begins at zero.
pub(crate) fn crc32(before: u32, bytes: &[u8]) -> u32 {
    let mut crc = !before;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let out = crc & 1;
            crc = crc >> 1 ^ out.wrapping_neg() & 0xEDB8_8320;
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_has_whole_or_in_parts() {
        assert_eq!(crc32(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xCBF4_3926);
        assert_eq!(crc32(0, b""), 0);
    }
}
