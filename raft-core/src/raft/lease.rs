//! Leases: for how long nobody else can lead, because a quorum has promised not to vote.
//!
//! Whoever echoes a round has heard its leader, and votes for nobody for one base timeout. That
//! time began when the round was heard, which is after it was begun: so the leader counts from
//! there, on its own clock, and less than that timeout by what the clocks may differ. Nothing is
//! decided when an echo comes in; whoever wants to read asks what has been echoed.

use super::{Raft, Role};
use crate::types::{Index, Round};

/// How many rounds are remembered: a quorum's echo takes less than three heartbeats, or no lease
/// is worth having.
const ROUNDS: usize = 4;

/// When the last rounds began.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ages([u32; ROUNDS]);

impl Ages {
    /// The first round has just begun.
    pub(super) const fn new() -> Self {
        Self([0, u32::MAX, u32::MAX, u32::MAX])
    }

    pub(super) fn advance(&mut self, ticks: u32) {
        for age in &mut self.0 {
            *age = age.saturating_add(ticks);
        }
    }

    /// Another round begins.
    pub(super) fn begin_round(&mut self) {
        let [one, two, three, _] = self.0;
        self.0 = [0, one, two, three];
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// What a machine must have seen before it may be read, if this node holds a lease: never for
    /// the rest of a term in which another node was told to stand, for that one's voters are asked
    /// to forget their promise.
    pub(super) fn lease(&self) -> Option<Index> {
        let leading = match &self.role {
            Role::Leader(leading) if !leading.told => leading,
            _ => return None,
        };
        let (length, membership) = (self.config.lease_ticks, &self.configuration.membership);
        let mut round = leading.round;
        let held = leading.ages.0.iter().any(|&age| {
            let held = age < length && leading.has_echoed(membership, self.config.id, round);
            round = Round(round.0.saturating_sub(1));
            held
        });
        held.then(|| self.read_index())
    }
}
