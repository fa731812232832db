//! A command on its way from a follower to whoever leads, as bytes that mean nothing here. It is
//! not remembered that it was sent: whoever wants it applied knows whether it was.

use super::Raft;
use crate::config::Config;
use crate::status::DropReason;
use crate::wire::{self, Forward};

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// How long something that was sent may take to come true.
    pub(crate) const fn patience_ticks(&self) -> u32 {
        self.config.base_timeout_ticks
    }

    /// The longest command that fits into a frame.
    pub(crate) const fn client_bytes_max(&self) -> usize {
        (self.config.frame_bytes as usize).saturating_sub(Config::APPEND_BYTES)
    }

    /// Writes a command for the leader. Gives the length, if there is room for it.
    pub(crate) fn forward(
        &mut self,
        buffer: &mut [u8],
        command: impl Fn(&mut [u8]) -> Option<usize>,
    ) -> Option<usize> {
        let (nonce, term) = (self.nonce, self.ballot.term);
        let used = Forward { command: &[] }.write(term, wire::behind_nonce(nonce, buffer))?;
        let used = wire::put_nonce(nonce, buffer, used)?;
        let length = used + command(buffer.get_mut(used..)?)?;
        self.counters.sent = self.counters.sent.saturating_add(1);
        Some(length)
    }

    /// The machine does not know the command: nobody must be made to apply it.
    pub(crate) fn drop_unknown_command(&mut self) {
        self.counters.drop_one(DropReason::Malformed);
    }
}
