//! Several commands in one entry of the log.
//!
//! An entry costs every node a header, a slot, a record and a look; many clients at once pay that
//! once for as many commands as fit into a frame. In the log stands how many there are, and then
//! one after the other as postcard has them. All of them are decoded before any is applied, so that
//! an entry which this version does not know stops the machine as a whole.

use raft_core::{LoadError, Loader, Machine, Saver};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeTuple, Serializer};

/// The application's machine, behind entries of several commands.
#[derive(Clone)]
pub(crate) struct Batches<M>(pub(crate) M);

/// The commands of one entry.
pub(crate) enum Commands<'a, C> {
    /// How they go into the log: each was encoded by whoever asked for it.
    Encoded { count: u32, bytes: &'a [u8] },
    /// How they come out of it.
    Decoded(Vec<C>),
}

/// What the number of commands takes at most.
pub(crate) const COUNT_BYTES_MAX: usize = 5;

impl<C> Serialize for Commands<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Encoded { count, bytes } = self else {
            return Err(serde::ser::Error::custom("decoded commands are never written again"));
        };
        // A tuple has no length of its own, and a byte is its own encoding.
        let mut tuple = serializer.serialize_tuple(1 + bytes.len())?;
        tuple.serialize_element(count)?;
        bytes.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}

impl<'de, C: Deserialize<'de>> Deserialize<'de> for Commands<'_, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Decoded)
    }
}

impl<M: Machine> Machine for Batches<M> {
    type Command<'a> = Commands<'a, M::Command<'a>>;
    type Output = Vec<M::Output>;

    const FORMAT: u16 = M::FORMAT;
    const SHAPE: u32 = M::SHAPE;
    /// A copy of it is saved, by another thread than the one that owns the node.
    const SAVED_BESIDE: bool = true;

    fn apply(&mut self, commands: Self::Command<'_>) -> Self::Output {
        match commands {
            Commands::Decoded(commands) => {
                commands.into_iter().map(|command| self.0.apply(command)).collect()
            }
            // Only bytes are ever applied.
            Commands::Encoded { .. } => Vec::new(),
        }
    }

    fn save(&self, saver: &mut Saver<'_>) {
        self.0.save(saver);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, format: u16) -> Result<(), LoadError> {
        self.0.restore(loader, format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Named<'a>(u32, &'a str);

    #[test]
    fn commands_are_encoded_apart_and_decoded_together() {
        let mut bytes = Vec::new();
        let commands = [Named(300, "one"), Named(7, "")];
        for command in &commands {
            bytes.extend(postcard::to_allocvec(command).unwrap());
        }
        let written: Commands<'_, Named<'_>> = Commands::Encoded { count: 2, bytes: &bytes };
        let written = postcard::to_allocvec(&written).unwrap();
        let Ok(Commands::Decoded(read)) = postcard::from_bytes::<Commands<'_, Named<'_>>>(&written)
        else {
            panic!("not decoded");
        };
        assert_eq!(read, commands);
        let short = &written[..written.len() - 1];
        assert!(postcard::from_bytes::<Commands<'_, Named<'_>>>(short).is_err());
    }
}
