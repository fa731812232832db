//! Which later terms are believed.
//!
//! Terms only grow, so that one damaged datagram from the far future would carry a cluster there
//! for good. A long jump needs two datagrams that agree and are not one that came twice.

use crate::status::DropReason;
use crate::types::{NodeId, Round, Term};

/// The last datagram that jumped too far to be believed on its own; none jumps to term zero.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct TermGuard(Term, NodeId, Round);

impl TermGuard {
    pub(super) const fn new() -> Self {
        Self(Term::ZERO, NodeId(0), Round(0))
    }

    /// Whether `term`, which is later than `current`, may be entered.
    pub(super) fn check(
        &mut self,
        current: Term,
        term: Term,
        from: NodeId,
        number: Round,
    ) -> Result<(), DropReason> {
        if term >= Term::LIMIT {
            return Err(DropReason::TermLimit);
        }
        if term.0 - current.0 <= Term::BELIEVABLE_JUMP {
            return Ok(());
        }
        let here = Self(term, from, number);
        let before = core::mem::replace(self, here.clone());
        if before.0 == term && before != here { Ok(()) } else { Err(DropReason::TermJump) }
    }
}
