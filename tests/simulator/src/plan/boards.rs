//! Clusters in which all nodes are boards with flash: what suits what.

use super::{Flushing, Habits, Rates};
use crate::flash::{Board, Kind};
use crate::random::Random;

/// In some clusters all nodes are boards, and every erase of flash stops them. Gives how long they
/// wait for a leader then: its pause, on a slow clock, does not make them doubt it.
pub(super) fn draw(seed: u64, base: u32, round: u32, nodes: &mut [Habits]) -> (Option<Board>, u32) {
    let random = &mut Random::new(seed, 17);
    if random.below(6) > 0 {
        return (None, base);
    }
    let (kind, pause) = (random.pick(&Kind::ALL), random.between(1, 3 * base));
    let spare = random.below(6) as usize;
    for node in nodes {
        node.log_bytes = node.log_bytes.min(node.least_bytes + random.below(4096) as usize);
        // Who does nothing else between two steps is as good as dead meanwhile.
        let rest = round + random.below(2 * pause);
        node.maintains = (random.below(4) > 0).then_some(rest);
        node.compact = node.compact.max(10);
        if matches!(node.flushing, Flushing::Later(_)) {
            // Nothing of it happens in the background.
            node.flushing = Flushing::Prompt;
        }
    }
    let margin = round + pause / 4;
    (Some(Board { kind, pause, margin, spare, seed }), base + pause + pause / 4 + 3)
}

impl Rates {
    /// On boards storage stands still by itself, and bytes of flash rot in trials of their own.
    pub(super) fn on(self, board: Option<Board>) -> Self {
        match board {
            Some(_) => Self { stall: 0, decay: 0, ..self },
            None => self,
        }
    }
}
