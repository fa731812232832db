//! Reads: asked for at a node under a name, and what that node shows when it says that they may be.

use super::{Outcome, Story, id, word};
use raft_core::ReadOutcome;

impl Story {
    /// `read 2 x`, `lease 1 x`: `x` is what the story calls it.
    pub(super) fn read(&mut self, verb: &str, words: &[&str]) -> Outcome {
        let (node, name) = (id(word(words, 0)?)?, word(words, 1)?.to_owned());
        let running = self.cluster.node_mut(node)?;
        let read = if verb == "lease" { running.read_lease() } else { running.read() };
        match read {
            Ok(ticket) => self.reads.push((node, ticket, name)),
            Err(error) => self.say(format!("  {name} refused: {error:?}")),
        }
        Ok(())
    }

    /// Says what became of a node's reads.
    pub(super) fn poll_reads(&mut self, node: u8) -> Outcome {
        while let Some(outcome) = self.cluster.node_mut(node)?.poll_read() {
            let (ReadOutcome::Ready(ticket) | ReadOutcome::Failed(ticket, _)) = outcome;
            let known = self.reads.iter().position(|(at, it, _)| (*at, *it) == (node, ticket));
            let (_, _, name) = self.reads.swap_remove(known.ok_or("a read that nobody asked for")?);
            let words = match outcome {
                ReadOutcome::Ready(_) => {
                    let seen = self.cluster.node(node)?.machine().0.join(" ");
                    format!("  {node} reads {name}: [{seen}]")
                }
                ReadOutcome::Failed(_, error) => format!("  {node} can't read {name}: {error:?}"),
            };
            self.say(words);
        }
        Ok(())
    }
}
