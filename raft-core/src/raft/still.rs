//! When a node may stand still, as it does while flash is being erased.
//!
//! Nobody waits for a follower or a candidate. A leader is missed, and so it says once more that it
//! is there: when everyone was sent that, nobody stands for one base timeout from then on.

use super::{Raft, Role};
use crate::progress::Mark;

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Whether this node may stand still now, once. A leader that may not yet owes a sign of life
    /// to whoever was not sent one since it was asked first; it does not matter when that is heard,
    /// so that it waits for nobody, and longer than for its own link only if nothing leaves at all.
    pub(crate) fn may_stand_still(&mut self) -> bool {
        let Role::Leader(leading) = &mut self.role else { return true };
        let followers = &leading.followers;
        let aware = followers.iter().all(|it| it.is(Mark::WARNED) && !it.is(Mark::UNAWARE));
        if !aware && !followers.iter().any(|it| it.is(Mark::WARNED)) {
            leading.begin_round();
        }
        for peer in &mut leading.followers {
            // Whoever has come since is told as well.
            let unaware = peer.is(Mark::UNAWARE) || !peer.is(Mark::WARNED);
            peer.set(Mark::UNAWARE, unaware && !aware);
            peer.set(Mark::WARNED, !aware);
        }
        aware
    }
}
