//! Servers of one process, without a network between them: for tests, and for trying things out.

use super::mailbox::Mailbox;
use super::{Transport, Unsent};
use crate::waker::Waker;
use raft_core::NodeId;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What connects the servers of one process. Copies are the same network.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<HashMap<NodeId, Arc<Mailbox>>>>);

/// One node's end of a [`Network`].
pub struct Local {
    id: NodeId,
    network: Network,
    mailbox: Arc<Mailbox>,
    dropped: u32,
}

impl Network {
    /// A network without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The end of this node. Whoever had it before receives nothing any more.
    pub fn join(&self, id: NodeId) -> Local {
        let mailbox = Arc::new(Mailbox::default());
        self.lock().insert(id, Arc::clone(&mailbox));
        Local { id, network: self.clone(), mailbox, dropped: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Arc<Mailbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Local {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.mailbox.open(waker);
        Ok(())
    }

    fn reaches(&self, peer: NodeId) -> bool {
        peer != self.id
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        let mailbox = self.network.lock().get(&to).cloned();
        if !mailbox.is_some_and(|mailbox| mailbox.put(self.id, datagram)) {
            self.dropped += 1;
        }
    }

    fn flush(&mut self) -> Unsent {
        Unsent { too_large: 0, dropped: std::mem::take(&mut self.dropped) }
    }

    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
        self.mailbox.take().iter().for_each(|(from, datagram)| each(*from, datagram));
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_from_its_sender_and_wakes_its_recipient() {
        let network = Network::new();
        let (mut one, mut two) = (network.join(NodeId(1)), network.join(NodeId(2)));
        one.send(NodeId(2), b"too early");
        assert_eq!(one.flush(), Unsent { too_large: 0, dropped: 1 });
        let waker = Waker::new().unwrap();
        two.start(&waker).unwrap();
        one.send(NodeId(2), b"hello");
        one.send(NodeId(3), b"nobody");
        assert_eq!(one.flush().dropped, 1);
        waker.sleep(&[], None);
        let mut heard = Vec::new();
        two.receive(&mut |from, bytes| heard.push((from, bytes.to_vec())));
        assert_eq!(heard, [(NodeId(1), b"hello".to_vec())]);
    }
}
