//! A configuration: who the members are, by which formatting of its storage each is known, what
//! is planned for them, and which settings they share.
//!
//! ```text
//! members    varint        a set as a word
//! settings   varint        the digest of what is equal everywhere
//! member     varint each   nonce << 5, and bits: 1 incoming, 2 outgoing, 4 learner, 8 arriving,
//!                          16 leaving
//! ```
//!
//! It is the body of a configuration entry, and stands at the head of every snapshot.

use crate::config::Config;
use crate::node_set::NodeSet;
use crate::number::{Reader, Writer};
use crate::quorum::{MEMBERS_MAX, Membership};
use crate::types::{NodeId, Nonce};

/// The members of a cluster, and what is known and planned of each.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Configuration {
    /// Who votes, and who learns.
    pub membership: Membership,
    /// Learners that vote as soon as they have caught up.
    pub arriving: NodeSet,
    /// Voters that go when nobody is arriving any more.
    pub leaving: NodeSet,
    /// What [`Config::shared_digest`](crate::Config::shared_digest) gives on every member.
    pub settings: u32,
    /// Members that founded nothing.
    newcomers: NodeSet,
    /// The nonces of these, in the order of their ids.
    nonces: [Nonce; MEMBERS_MAX],
}

/// The sets that a member may be in, in the order of their bits.
pub(crate) type Sets = [NodeSet; 5];

impl Configuration {
    /// The longest encoding: nine members with nonces, each five bits and a word.
    pub(crate) const BYTES_MAX: usize = 5 + 5 + MEMBERS_MAX * 6;

    /// The members at a cluster's beginning: all of them founders.
    pub(crate) fn of_founders(membership: Membership, settings: u32) -> Self {
        Self { membership, settings, ..Self::default() }
    }

    /// The same cluster with other members: storages that it names already, and perhaps a new one.
    /// `None` if there are too many, or one whose storage is not known.
    pub(crate) fn with(&self, sets: &Sets, added: Option<(NodeId, Nonce)>) -> Option<Self> {
        let &[incoming, outgoing, learners, arriving, leaving] = sets;
        let membership = Membership { incoming, outgoing, learners };
        let settings = self.settings;
        let mut next = Self { membership, arriving, leaving, settings, ..Self::default() };
        for id in membership.members().iter() {
            let new = added.filter(|(added, _)| *added == id).map(|(_, nonce)| nonce);
            next.name(id, new.or_else(|| self.nonce(id))?)?;
        }
        next.is_sound().then_some(next)
    }

    /// Whether there are no more members than may be, and somebody votes. A newcomer knows nobody
    /// at first, and its snapshot says so.
    fn is_sound(&self) -> bool {
        let members = self.membership.members();
        let few = members.len() as usize <= MEMBERS_MAX;
        few && self.membership.incoming.is_empty() == members.is_empty()
    }

    pub(crate) fn sets(&self) -> Sets {
        let Membership { incoming, outgoing, learners } = self.membership;
        [incoming, outgoing, learners, self.arriving, self.leaving]
    }

    /// The formatting by which a member is known.
    pub fn nonce(&self, id: NodeId) -> Option<Nonce> {
        if !self.membership.members().contains(id) {
            return None;
        }
        match self.newcomers.iter().position(|newcomer| newcomer == id) {
            Some(place) => self.nonces.get(place).copied(),
            None => Some(Nonce::FOUNDER),
        }
    }

    /// Whether a node of this nonce and these settings counts.
    pub(crate) fn admits(&self, nonce: Nonce, config: &Config) -> bool {
        self.nonce(config.id) == Some(nonce) && self.settings == config.shared_digest()
    }

    /// Whether a datagram of this sender is one of another storage than the member's.
    #[inline(always)] // One bit, for the datagrams of founders.
    pub(crate) fn refuses(&self, from: NodeId, nonce: Nonce) -> bool {
        (nonce != Nonce::FOUNDER || self.newcomers.contains(from)) && self.is_other(from, nonce)
    }

    #[cold]
    fn is_other(&self, from: NodeId, nonce: Nonce) -> bool {
        self.nonce(from).is_some_and(|named| named != nonce)
    }

    /// Gives the length. `None` if the buffer is too short.
    pub(crate) fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::new(buffer);
        let (sets, members) = (self.sets(), self.membership.members());
        writer.number(u64::from(members.word()))?;
        writer.number(u64::from(self.settings))?;
        for id in members.iter() {
            let nonce = u64::from(self.nonce(id)?.0);
            let bit = |number: u64, set: &NodeSet| number << 1 | u64::from(set.contains(id));
            writer.number(sets.iter().rev().fold(nonce, bit))?;
        }
        Some(writer.used())
    }

    /// `None` if these bytes are not a configuration, or more than one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut read = Self::default();
        read.become_read(bytes)?;
        Some(read)
    }

    /// The same where it is to be, for it is large; of no use if it gives `None`.
    #[cold]
    #[inline(never)]
    pub(crate) fn become_read(&mut self, bytes: &[u8]) -> Option<()> {
        let mut reader = Reader(bytes);
        let (members, settings) = (NodeSet::of_word(reader.word()?), reader.word()?);
        *self = Self { settings, ..Self::default() };
        for id in members.iter() {
            let mut number = reader.number()?;
            let Membership { incoming, outgoing, learners } = &mut self.membership;
            for set in [incoming, outgoing, learners, &mut self.arriving, &mut self.leaving] {
                if number & 1 != 0 {
                    set.insert(id);
                }
                number >>= 1;
            }
            self.name(id, Nonce(u32::try_from(number).ok()?))?;
        }
        let whole = reader.0.is_empty() && self.membership.members() == members;
        (whole && self.is_sound()).then_some(())
    }

    /// Remembers the nonce of the next member, in the order of their ids.
    fn name(&mut self, id: NodeId, nonce: Nonce) -> Option<()> {
        if nonce != Nonce::FOUNDER {
            *self.nonces.get_mut(self.newcomers.len() as usize)? = nonce;
            self.newcomers.insert(id);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[u8]) -> NodeSet {
        ids.iter().map(|&id| NodeId(id)).collect()
    }

    #[test]
    fn a_configuration_reads_back_and_nothing_else_is_one() {
        let founded = Configuration::of_founders(Membership::of_voters(set(&[0, 31])), 77);
        assert_eq!(founded.nonce(NodeId(31)), Some(Nonce::FOUNDER));
        assert_eq!(founded.nonce(NodeId(1)), None);
        let sets = [set(&[0]), set(&[0, 31]), set(&[7, 31]), set(&[7]), set(&[0])];
        let next = founded.with(&sets, Some((NodeId(7), Nonce(u32::MAX)))).unwrap();
        assert_eq!((next.nonce(NodeId(7)), next.settings), (Some(Nonce(u32::MAX)), 77));
        assert_eq!(founded.with(&sets, None), None, "a storage that nobody knows");
        for configuration in [founded, next] {
            let mut buffer = [0; Configuration::BYTES_MAX + 1];
            let length = configuration.write(&mut buffer).unwrap();
            assert_eq!(Configuration::read(&buffer[..length]), Some(configuration));
            assert_eq!(Configuration::read(&buffer[..length - 1]), None);
            assert_eq!(Configuration::read(&buffer[..=length]), None);
        }
        assert_eq!(Configuration::read(&[1, 0, 4]), None, "nobody votes");
        assert_eq!(Configuration::read(&[3, 0, 1, 0]), None, "a member that is nothing");
        assert_eq!(Configuration::read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0]), None, "32 members");
    }

    #[test]
    fn the_longest_configuration_is_as_long_as_promised() {
        let mut configuration =
            Configuration::of_founders(Membership::of_voters(set(&[23])), u32::MAX);
        for id in 24..32 {
            let mut sets = configuration.sets();
            sets[0].insert(NodeId(id));
            let added = Some((NodeId(id), Nonce(u32::MAX)));
            configuration = configuration.with(&sets, added).unwrap();
        }
        let mut buffer = [0; Configuration::BYTES_MAX];
        // Of nine members one is a founder here.
        assert_eq!(configuration.write(&mut buffer), Some(Configuration::BYTES_MAX - 5));
        let mut sets = configuration.sets();
        sets[2].insert(NodeId(1));
        assert_eq!(configuration.with(&sets, Some((NodeId(1), Nonce(1)))), None, "ten members");
    }

    #[test]
    fn a_member_is_known_by_its_nonce_and_a_stranger_by_none() {
        let founded = Configuration::of_founders(Membership::of_voters(set(&[1, 2])), 0);
        let sets = [set(&[1, 3]), NodeSet::EMPTY, NodeSet::EMPTY, NodeSet::EMPTY, NodeSet::EMPTY];
        let next = founded.with(&sets, Some((NodeId(3), Nonce(9)))).unwrap();
        let refuses = |id, nonce| next.refuses(NodeId(id), Nonce(nonce));
        assert!(!refuses(1, 0) && refuses(1, 9), "a founder, and its board after a wipe");
        assert!(!refuses(3, 9) && refuses(3, 0) && refuses(3, 8), "a newcomer, and others");
        assert!(!refuses(2, 0) && !refuses(4, 5), "no members, so that nothing is known");
    }
}
