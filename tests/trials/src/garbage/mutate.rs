//! Datagrams that mean nothing: some are drawn, some were real ones before they were damaged.

use raft_core::wire::{ENVELOPE_BYTES, Envelope};
use raft_core::{ClusterId, NodeId, Packet, Recipient};
use raft_simulator::random::Random;
use std::collections::HashSet;

/// A little more than what real ones have.
const LENGTH_MAX: u32 = 1500;

/// Makes garbage of what nodes really sent.
pub struct Mutator {
    random: Random,
    real: Vec<Vec<u8>>,
    /// The same.
    whole: HashSet<Vec<u8>>,
    /// Of a cluster that is not the one they are sent to.
    foreign: ClusterId,
    buffer: Vec<u8>,
}

impl Mutator {
    /// Of these real datagrams, as a seed says. An envelope of `foreign` is one of strangers.
    pub fn new(seed: u64, real: Vec<Vec<u8>>, foreign: ClusterId) -> Self {
        let (random, whole) = (Random::new(seed, 300), real.iter().cloned().collect());
        Self { random, real, whole, foreign, buffer: Vec::new() }
    }

    /// The next one.
    pub fn next(&mut self) -> &[u8] {
        self.buffer.clear();
        let Some(original) = self.pick() else {
            self.draw(LENGTH_MAX);
            return &self.buffer;
        };
        let kind = self.random.below(6);
        match kind {
            0 => self.draw(LENGTH_MAX),
            1 => self.flip(original),
            2 => self.splice(original),
            3 => {
                let length = self.random.below(self.real[original].len() as u32) as usize;
                self.buffer.extend_from_slice(&self.real[original][..length]);
            }
            4 => {
                self.buffer.extend_from_slice(&self.real[original]);
                self.draw(64);
                self.buffer.push(0);
            }
            _ => self.address(original),
        }
        // What was flipped twice, or put together of one and the same, is whole again.
        if (1..=3).contains(&kind) && self.whole.contains(&self.buffer) {
            self.buffer.push(0);
        }
        &self.buffer
    }

    fn pick(&mut self) -> Option<usize> {
        let count = self.real.len() as u32;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn draw(&mut self, most: u32) {
        let end = self.buffer.len() + self.random.below(most) as usize;
        while self.buffer.len() < end {
            self.buffer.extend(self.random.next().to_le_bytes());
        }
        self.buffer.truncate(end);
    }

    fn flip(&mut self, original: usize) {
        self.buffer.extend_from_slice(&self.real[original]);
        let bits = self.buffer.len() as u32 * 8;
        for _ in 0..self.random.between(1, 8) {
            let bit = self.random.below(bits) as usize;
            if let Some(byte) = self.buffer.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// The beginning of one and the end of another.
    fn splice(&mut self, original: usize) {
        let other = self.pick().unwrap_or(original);
        let (one, other) = (&self.real[original], &self.real[other]);
        let until = self.random.below(one.len() as u32 + 1) as usize;
        let from = self.random.below(other.len() as u32 + 1) as usize;
        self.buffer.extend_from_slice(&one[..until]);
        self.buffer.extend_from_slice(&other[from..]);
    }

    /// As a node of another cluster would send it.
    fn address(&mut self, original: usize) {
        let real = &self.real[original];
        self.buffer.resize(real.len(), 0);
        let ([to, from, ..], Some(length)) = (&real[..], real.len().checked_sub(ENVELOPE_BYTES))
        else {
            return;
        };
        let (to, bytes) = (Recipient::Peer(NodeId(*to)), &real[2..2 + length]);
        let envelope = Envelope::new(self.foreign, NodeId(*from));
        envelope.put_on(Packet { to, bytes }, &mut self.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_all_kinds_of_things_and_never_real() {
        let real = |number: u8| {
            let mut buffer = [0; 64];
            let packet = Packet { to: Recipient::Peer(NodeId(2)), bytes: &[number; 9] };
            Envelope::new(ClusterId(1), NodeId(1)).put_on(packet, &mut buffer).unwrap().to_vec()
        };
        let all: Vec<_> = (0..5).map(real).collect();
        let mut mutator = Mutator::new(1, all, ClusterId(2));
        let mut ours = Envelope::new(ClusterId(1), NodeId(2));
        let mut theirs = Envelope::new(ClusterId(2), NodeId(2));
        let (mut foreign, mut long, mut empty) = (0, 0, 0);
        for _ in 0..20_000 {
            let garbage = mutator.next();
            assert!(ours.take_off(garbage).is_none(), "{garbage:?}");
            foreign += u32::from(theirs.take_off(garbage).is_some());
            long += u32::from(garbage.len() > 100);
            empty += u32::from(garbage.is_empty());
        }
        assert_eq!(ours.refused, 20_000);
        assert!(foreign > 2000 && long > 2000 && empty > 10, "{foreign} {long} {empty}");
    }
}
