//! What comes in: whose it is, of which term, and which part of the node it is for.
//!
//! A datagram is opened once. Its term is met before anything in it is looked at: in a later term
//! this node follows, from an earlier one it listens to nobody.

use super::snapshot::Staging;
use super::{Raft, Role, Stop};
use crate::status::DropReason;
use crate::types::{Ballot, NodeId};
use crate::wire::{self, Frame, Kind, Opened, Standing};

/// What a datagram holds that is for storage or the machine.
pub(crate) enum Given<'a> {
    Nothing,
    /// A piece of a snapshot, for the stage.
    Piece(Staging<'a>),
    /// A member's command, and this node leads.
    Command(&'a [u8]),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    #[inline(always)] // Called from one place.
    pub(super) fn take<'a>(&mut self, frame: Frame<'a>, given: &mut Given<'a>) -> Result<(), Stop> {
        let (from, opened) = (frame.from, self.open(frame)?);
        match opened.kind {
            Kind::Append => {
                let append = opened.append().ok_or(DropReason::Malformed)?;
                self.meet(from, &opened)?;
                self.appended(from, &append)
            }
            Kind::Acknowledge => {
                self.meet(from, &opened)?;
                self.acknowledged(from, &opened.acknowledge())
            }
            _ => self.take_other(from, &opened, given),
        }
    }

    #[inline(never)]
    fn take_other<'a>(
        &mut self,
        from: NodeId,
        opened: &Opened<'a>,
        given: &mut Given<'a>,
    ) -> Result<(), Stop> {
        match opened.kind {
            Kind::Chunk => {
                let chunk = opened.chunk().ok_or(DropReason::Malformed)?;
                self.meet(from, opened)?;
                return self.take_chunk(from, &chunk, given);
            }
            Kind::VoteRequest => self.heed(from, opened)?,
            _ => {}
        }
        self.meet(from, opened)?;
        match opened.kind {
            Kind::Heartbeat => self.heard(from, &opened.heartbeat()),
            Kind::Reject => self.rejected(from, &opened.reject()),
            Kind::VoteRequest => {
                self.vote_asked(from, &opened.vote_request());
                Ok(())
            }
            Kind::VoteAnswer => self.vote_answered(from, &opened.vote_answer()),
            Kind::HandOver => self.handed_over(from, opened.number()),
            Kind::Staged => self.heard_staged(from, &opened.staged()),
            Kind::ReadRequest => self.read_asked(from, opened.read().number),
            Kind::ReadAnswer => self.read_answered(from, &opened.read()),
            Kind::RefillRequest => self.refill_asked(from, opened.refill().number),
            Kind::RefillAnswer => self.refill_answered(from, &opened.refill()),
            Kind::Forward if matches!(self.role, Role::Leader(_)) => {
                *given = Given::Command(opened.rest);
                Ok(())
            }
            Kind::Forward | Kind::Chunk | Kind::Append | Kind::Acknowledge => {
                Err(DropReason::Unexpected.into())
            }
        }
    }

    /// While a leader is heard nobody is voted for, unless that leader wants it.
    fn heed(&mut self, from: NodeId, opened: &Opened<'_>) -> Result<(), Stop> {
        let wanted = matches!(opened.vote_request().standing, Standing::HandedOver(_));
        if wanted || !self.hears_leader() {
            return Ok(());
        }
        // Whoever was removed and does not know it hears no leader ever again.
        if self.configuration.nonce(from) == Some(opened.nonce) {
            self.doubted(opened.term);
        }
        Err(DropReason::LeaderHeard.into())
    }

    /// A frame of another node, and what it says.
    #[inline(always)] // As `wire::open`.
    fn open<'a>(&self, frame: Frame<'a>) -> Result<Opened<'a>, Stop> {
        if self.fault.is_some() {
            return Err(DropReason::Stopped.into());
        }
        if !frame.from.is_valid() || frame.from == self.config.id {
            return Err(DropReason::Sender.into());
        }
        Ok(wire::open(frame.bytes)?)
    }

    /// A sound datagram came in. The word of a member is that of the storage which the
    /// configuration names; another one never made the promises that are counted. Who asks or leads
    /// is heard whatever its nonce: this node may be the one that lacks the newer configuration,
    /// and would shut itself out.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn meet(&mut self, from: NodeId, opened: &Opened<'_>) -> Result<(), Stop> {
        if opened.kind.is_promise() && self.configuration.refuses(from, opened.nonce) {
            return Err(DropReason::Nonce.into());
        }
        if opened.term == self.ballot.term {
            return Ok(());
        }
        self.meet_another_term(from, opened)
    }

    /// In a later term this node follows, from an earlier one it listens to nobody.
    #[cold]
    fn meet_another_term(&mut self, from: NodeId, opened: &Opened<'_>) -> Result<(), Stop> {
        if opened.term < self.ballot.term {
            if opened.kind.wants_answer() {
                self.answers.insert(from);
            }
            return Err(DropReason::Stale.into());
        }
        let (term, number) = (opened.term, opened.number());
        self.term_guard.check(self.ballot.term, term, from, number)?;
        self.enter(Ballot { term, vote: None, ..self.ballot });
        self.follow_nobody();
        Ok(())
    }
}
