//! What a node does beside its clients: it tells the others where it is, learns where they are, and
//! lets time go on while it leads.
//!
//! It sleeps for as long as nothing is to be told and nothing in the store will ever be over.

use crate::command::{Command, Member};
use crate::store::{Noticed, Notices, Store};
use raft_std::{NodeId, Server, Ticket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often time goes on, while there is anything to be over.
const TICK: Duration = Duration::from_millis(100);
/// How often it is tried to tell the others.
const AGAIN: Duration = Duration::from_millis(250);

/// Keeps a node in order until it is dropped.
pub struct Housekeeping {
    notices: Arc<Notices>,
    thread: Option<JoinHandle<()>>,
}

struct Keeper {
    server: Arc<Server<Store>>,
    notices: Arc<Notices>,
    /// Where this node is.
    own: Member,
    announcement: Option<Ticket<Store>>,
    tick: Option<Ticket<Store>>,
}

impl Housekeeping {
    /// Begins for a server that is to be found there.
    pub fn begin(
        server: Arc<Server<Store>>,
        notices: Arc<Notices>,
        own: Member,
    ) -> std::io::Result<Self> {
        let told = Arc::clone(&notices);
        let mut keeper = Keeper { server, notices, own, announcement: None, tick: None };
        let thread = std::thread::Builder::new().name("housekeeping".to_owned());
        Ok(Self { notices: told, thread: Some(thread.spawn(move || keeper.work())?) })
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.notices.end();
        if let Some(thread) = self.thread.take() {
            // A panic in there has been told by the thread itself.
            thread.join().ok();
        }
    }
}

impl Keeper {
    fn work(&mut self) {
        let (mut changes, mut learned) = (0, Noticed::default().members);
        let mut noticed = self.notices.now();
        while !noticed.ended {
            if noticed.members != learned {
                learned = noticed.members.clone();
                // Who is at serial ports only has no address.
                let others = learned.values().filter(|member| member.id != self.own.id);
                for member in others.filter(|member| !member.address.is_empty()) {
                    // Where it can't be found now, it is looked for again when it is silent.
                    self.server.learn(NodeId(member.id), &member.address).ok();
                }
            }
            let is_known = learned.get(&self.own.id) == Some(&self.own);
            if !is_known {
                self.announce();
            }
            if noticed.expiring {
                self.let_time_go_on();
                // A change that comes in between does not make it go faster.
                std::thread::sleep(TICK);
            }
            let most = match (noticed.expiring, is_known) {
                (true, _) => Some(Duration::ZERO),
                (false, false) => Some(AGAIN),
                (false, true) => None,
            };
            changes = noticed.changes.max(changes);
            noticed = self.notices.wait(changes, most);
        }
    }

    /// A node that is no member yet can't tell anybody.
    fn announce(&mut self) {
        if self.announcement.as_ref().is_some_and(|ticket| ticket.poll().is_none()) {
            return;
        }
        let status = self.server.status();
        let is_heard =
            |status: &raft_std::HostStatus| status.node.leader.is_some() && status.node.admitted;
        self.announcement = status
            .is_ok_and(|status| is_heard(&status))
            .then(|| self.server.begin(&vec![Command::Announce(self.own.clone())]));
    }

    fn let_time_go_on(&mut self) {
        if self.tick.as_ref().is_some_and(|ticket| ticket.poll().is_none()) {
            return;
        }
        let leads = |status: &raft_std::HostStatus| status.node.leader == Some(status.node.id);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.tick = self
            .server
            .status()
            .is_ok_and(|status| leads(&status))
            .then(|| self.server.begin(&vec![Command::Tick(now)]));
    }
}
