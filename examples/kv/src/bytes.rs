//! Strings of bytes, which is all that clients keep here, and the order of keys.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Any bytes, which copies share. In the log they are their length and themselves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(Arc<[u8]>);

/// What a value is found by. Keys are ordered by their hash: a scan that goes on behind a hash
/// sees every key once that is there throughout, on any node and after any change of the others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    hash: u64,
    bytes: Bytes,
}

impl Key {
    /// As many bits as a number of any client's language can hold exactly.
    pub const HASH_BITS: u32 = 53;

    /// Where it stands among the others.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The key itself.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What comes before every key with this hash or a later one.
    pub fn first_with(hash: u64) -> Self {
        Self { hash, bytes: Bytes::default() }
    }
}

impl From<Bytes> for Key {
    fn from(bytes: Bytes) -> Self {
        // FNV-1a: the same everywhere and for ever, because snapshots are saved in this order.
        let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
        });
        Self { hash: hash >> (u64::BITS - Self::HASH_BITS), bytes }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(AnyBytes)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::deserialize(deserializer).map(Self::from)
    }
}

struct AnyBytes;

impl Visitor<'_> for AnyBytes {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_for_ever() {
        let hashes = ["", "a", "key:000000000001"].map(|text| Key::from(Bytes::from(text)).hash());
        assert_eq!(hashes, [7_175_771_991_868_484, 6_170_989_844_021_309, 6_163_745_693_626_307]);
    }

    #[test]
    fn bytes_are_written_as_they_are_behind_their_length() {
        let key = Key::from(Bytes::from(&[0, 255, 7][..]));
        let written = postcard::to_allocvec(&key).unwrap();
        assert_eq!(written, [3, 0, 255, 7]);
        assert_eq!(postcard::from_bytes::<Key>(&written), Ok(key));
    }
}
