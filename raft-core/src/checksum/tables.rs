//! The same checksum by tables of 8 KiB, eight bytes at a time ("slicing by eight").
//!
//! The first table says what a byte makes of the checksum that follows it, and each other one what
//! it makes of it when another byte has followed.

// What is out of bounds here does not compile.
#[allow(clippy::indexing_slicing)]
const TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let (mut place, mut value) = (0, 0_u32);
    while place < 256 {
        let (mut crc, mut bit) = (value, 0);
        while bit < 8 {
            let out = crc & 1;
            crc = crc >> 1 ^ out.wrapping_neg() & 0xEDB8_8320;
            bit += 1;
        }
        tables[0][place] = crc;
        (place, value) = (place + 1, value + 1);
    }
    let (mut table, mut place) = (1, 0);
    while table < 8 {
        while place < 256 {
            let before: u32 = tables[table - 1][place];
            tables[table][place] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            place += 1;
        }
        (table, place) = (table + 1, 0);
    }
    tables
};

/// The checksum of what `before` is the checksum of, followed by these bytes; it begins at zero.
pub(crate) fn by_eights(before: u32, bytes: &[u8]) -> u32 {
    let [last, seventh, sixth, fifth, fourth, third, second, first] = &TABLES;
    let mut crc = !before;
    let (eights, rest) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in eights {
        let [a, b, c, d] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        let early = at(first, a) ^ at(second, b) ^ at(third, c) ^ at(fourth, d);
        crc = early ^ at(fifth, e) ^ at(sixth, f) ^ at(seventh, g) ^ at(last, h);
    }
    for &byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = crc >> 8 ^ at(last, low ^ byte);
    }
    !crc
}

/// What stands for a byte: each of its values has a place.
fn at(table: &[u32; 256], byte: u8) -> u32 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}
