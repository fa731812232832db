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
        let warned = leading.followers.iter().any(|peer| peer.is(Mark::WARNED));
        if !warned {
            leading.begin_round();
        }
        let followers = &mut leading.followers;
        let aware = warned && !followers.iter().any(|peer| peer.is(Mark::UNAWARE));
        for peer in followers.iter_mut() {
            peer.set(Mark::WARNED, !aware);
            peer.set(Mark::UNAWARE, !warned || peer.is(Mark::UNAWARE));
        }
        aware || followers.is_empty()
    }
}
