//! What comes in: whose it is, of which term, and which part of the node it is for.
//!
//! A datagram is opened once. Its term is met before anything in it is looked at: in a later term
//! this node follows, from an earlier one it listens to nobody.

use super::{Raft, Stop};
use crate::status::DropReason;
use crate::types::{Ballot, NodeId, Nonce, Round, Term};
use crate::wire::{self, Frame, Kind, Opened, Standing};

/// Whether the sender of a datagram waits for an answer: one from an earlier term is then told of
/// the later one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WantsAnswer {
    Yes,
    No,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    pub(super) fn take(&mut self, frame: Frame<'_>) -> Result<(), Stop> {
        let (from, opened) = (frame.from, self.open(frame)?);
        match opened.kind {
            Kind::Append => {
                let (term, append) = opened.append().ok_or(DropReason::Malformed)?;
                self.meet(from, term, append.round, WantsAnswer::Yes)?;
                self.appended(from, &append)
            }
            Kind::Acknowledge => {
                self.know(from, opened.nonce)?;
                let (term, acknowledge) = opened.acknowledge().ok_or(DropReason::Malformed)?;
                self.meet(from, term, acknowledge.round, WantsAnswer::No)?;
                self.acknowledged(from, &acknowledge)
            }
            Kind::Heartbeat => {
                let (term, heartbeat) = opened.heartbeat().ok_or(DropReason::Malformed)?;
                self.meet(from, term, heartbeat.round, WantsAnswer::Yes)?;
                self.heard(from, &heartbeat)
            }
            Kind::Reject => {
                self.know(from, opened.nonce)?;
                let (term, reject) = opened.reject().ok_or(DropReason::Malformed)?;
                self.meet(from, term, reject.round, WantsAnswer::No)?;
                self.rejected(from, &reject)
            }
            Kind::VoteRequest => {
                let (term, request) = opened.vote_request().ok_or(DropReason::Malformed)?;
                let asked = matches!(request.standing, Standing::HandedOver(_));
                if self.hears_leader() && !asked {
                    self.doubted(term);
                    return Err(DropReason::LeaderHeard.into());
                }
                self.meet(from, term, request.attempt, WantsAnswer::Yes)?;
                self.vote_asked(from, &request);
                Ok(())
            }
            Kind::VoteAnswer => {
                self.know(from, opened.nonce)?;
                let (term, answer) = opened.vote_answer().ok_or(DropReason::Malformed)?;
                self.meet(from, term, answer.number, WantsAnswer::No)?;
                self.vote_answered(from, &answer)
            }
            Kind::HandOver => {
                let (term, told) = opened.hand_over().ok_or(DropReason::Malformed)?;
                self.meet(from, term, told.round, WantsAnswer::No)?;
                self.handed_over(from, &told)
            }
            Kind::Staged => {
                self.know(from, opened.nonce)?;
                let (term, staged) = opened.staged().ok_or(DropReason::Malformed)?;
                self.meet(from, term, staged.round, WantsAnswer::No)?;
                self.heard_staged(from, &staged)
            }
            // Storage, or the machine, must be there to take it.
            Kind::Chunk | Kind::Forward => Err(DropReason::Unexpected.into()),
            Kind::ReadRequest | Kind::ReadAnswer => {
                let asks = opened.kind == Kind::ReadRequest;
                let (term, read) = opened.read().ok_or(DropReason::Malformed)?;
                self.meet(from, term, Round(read.number.into()), WantsAnswer::Yes)?;
                let taken = if asks {
                    self.read_asked(from, read.number)
                } else {
                    self.read_answered(from, &read)
                };
                Ok(taken?)
            }
        }
    }

    /// A frame of another node, and what it says.
    #[inline(always)] // As `wire::open`.
    pub(super) fn open<'a>(&self, frame: Frame<'a>) -> Result<Opened<'a>, Stop> {
        if self.fault.is_some() {
            return Err(DropReason::Stopped.into());
        }
        if !frame.from.is_valid() || frame.from == self.config.id {
            return Err(DropReason::Sender.into());
        }
        Ok(wire::open(frame.bytes)?)
    }

    /// The word of a member is that of the storage which the configuration names; another one never
    /// made the promises that are counted. Who asks or leads is heard whatever its nonce: this node
    /// may be the one that lacks the newer configuration, and would shut itself out.
    fn know(&self, from: NodeId, nonce: Nonce) -> Result<(), DropReason> {
        if self.configuration.refuses(from, nonce) { Err(DropReason::Nonce) } else { Ok(()) }
    }

    /// A sound datagram of this term came in, with a number that tells it from others of its
    /// sender: in a later term this node follows, from an earlier one it listens to nobody.
    pub(super) fn meet(
        &mut self,
        from: NodeId,
        term: Term,
        number: Round,
        wants_answer: WantsAnswer,
    ) -> Result<(), Stop> {
        if term == self.ballot.term {
            return Ok(());
        }
        self.meet_another_term(from, term, number, wants_answer)
    }

    #[cold]
    fn meet_another_term(
        &mut self,
        from: NodeId,
        term: Term,
        number: Round,
        wants_answer: WantsAnswer,
    ) -> Result<(), Stop> {
        if term < self.ballot.term {
            if wants_answer == WantsAnswer::Yes {
                self.answers.insert(from);
            }
            return Err(DropReason::Stale.into());
        }
        self.term_guard.check(self.ballot.term, term, from, number)?;
        self.enter(Ballot { term, vote: None, ..self.ballot });
        self.follow_nobody();
        Ok(())
    }
}
