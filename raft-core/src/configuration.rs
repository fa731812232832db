//! A configuration: who the members are, and by which formatting of its storage each is known.
//!
//! ```text
//! incoming, outgoing, learners   varint each, a set as a word
//! nonces                         varint each, of every member in the order of their ids
//! ```
//!
//! It is the body of a configuration entry, and stands at the head of every snapshot.

use crate::node_set::NodeSet;
use crate::number::{Reader, Writer};
use crate::quorum::{MEMBERS_MAX, Membership};
use crate::types::{NodeId, Nonce};

/// The members and their nonces.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) membership: Membership,
    /// Of each member, in the order of their ids.
    nonces: heapless::Vec<Nonce, MEMBERS_MAX>,
}

impl Configuration {
    /// The longest encoding: three sets and nine nonces of five bytes each.
    pub(crate) const BYTES_MAX: usize = (3 + MEMBERS_MAX) * 5;

    /// The members at a cluster's beginning: all of them founders.
    pub(crate) fn of_founders(membership: Membership) -> Option<Self> {
        let mut nonces = heapless::Vec::new();
        for _ in membership.members().iter() {
            nonces.push(Nonce::FOUNDER).ok()?;
        }
        Some(Self { membership, nonces })
    }

    /// The formatting by which a member is known.
    pub(crate) fn nonce(&self, id: NodeId) -> Option<Nonce> {
        let place = self.membership.members().iter().position(|member| member == id)?;
        self.nonces.get(place).copied()
    }

    /// Gives the length. `None` if the buffer is too short.
    pub(crate) fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::new(buffer);
        let Membership { incoming, outgoing, learners } = self.membership;
        for set in [incoming, outgoing, learners] {
            writer.number(u64::from(set.word()))?;
        }
        for nonce in &self.nonces {
            writer.number(u64::from(nonce.0))?;
        }
        Some(writer.used())
    }

    /// `None` if these bytes are not a configuration, or more than one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut set = || reader.word().map(NodeSet::of_word);
        let (incoming, outgoing, learners) = (set()?, set()?, set()?);
        let membership = Membership { incoming, outgoing, learners };
        let mut nonces = heapless::Vec::new();
        for _ in membership.members().iter() {
            nonces.push(Nonce(reader.word()?)).ok()?;
        }
        reader.0.is_empty().then_some(Self { membership, nonces })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_back_and_nothing_else_is_one() {
        let voters = Membership::of_voters(NodeSet::of(&[NodeId(0), NodeId(31)]));
        let founded = Configuration::of_founders(voters).unwrap();
        assert_eq!(founded.nonce(NodeId(31)), Some(Nonce::FOUNDER));
        assert_eq!(founded.nonce(NodeId(1)), None);
        let mut buffer = [0; Configuration::BYTES_MAX];
        let length = founded.write(&mut buffer).unwrap();
        assert_eq!(Configuration::read(&buffer[..length]), Some(founded));
        assert_eq!(Configuration::read(&buffer[..length - 1]), None);
        assert_eq!(Configuration::read(&buffer[..=length]), None);
        assert_eq!(Configuration::read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0]), None, "32 members");
    }
}
