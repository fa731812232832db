//! What must always hold between the parts of a node's state; looked at after every input in debug
//! builds and by every test.

use super::{Raft, Role};

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Whether the state holds together.
    pub(crate) fn invariants(&self) -> bool {
        let (base, last) = (self.log.base(), self.log.last());
        let durable = self.watermark.index().get();
        base.index <= self.snapshots.kept.last.index
            && self.snapshots.kept.last.index <= self.committed
            && self.committed <= last.index
            && durable <= self.watermark.written()
            && self.watermark.written() <= last.index
            && last.term <= self.ballot.term
            && self.configured_at <= last.index
            && self.log.holds_together()
            && self.role_holds()
    }

    fn role_holds(&self) -> bool {
        let last = self.log.last();
        match &self.role {
            Role::Follower(following) => following.verified <= last.index,
            Role::PreCandidate(_) => self.ballot.counts(),
            Role::Candidate(_) => self.ballot.vote == Some(self.config.id),
            Role::Leader(leading) => {
                self.ballot.vote == Some(self.config.id)
                    && last.term == self.ballot.term
                    && leading.first <= last.index
                    && leading.followers.iter().all(|peer| {
                        peer.matched.get() < peer.next
                            && peer.next <= last.index.next()
                            && peer.echoed <= leading.round
                            && peer.appended <= leading.round
                    })
            }
        }
    }
}
