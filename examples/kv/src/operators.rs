//! What operators ask of a node: how it is, and changes of its cluster.

use crate::backups::Backups;
use crate::command::{Member, Output, Query};
use crate::dialect::Operation;
use crate::resp::Reply;
use crate::store::{Notices, Store};
use raft_std::{
    AdminError, Change, ChangeError, HostStatus, NodeId, Nonce, Read, RoleName, Server,
};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many requests of operators may be under way.
const UNDER_WAY_MAX: usize = 16;

/// Serves operators.
pub struct Operators {
    server: Arc<Server<Store>>,
    notices: Arc<Notices>,
    /// Where peers find this node.
    address: String,
    under_way: AtomicUsize,
    backups: Backups,
}

impl Operators {
    /// For this server, whose store leaves word there, and whose peers find it there.
    pub fn new(server: Arc<Server<Store>>, notices: Arc<Notices>, address: &str) -> Self {
        let (under_way, backups) = (AtomicUsize::new(0), Backups::default());
        Self { server, notices, address: address.to_owned(), under_way, backups }
    }

    /// The server.
    pub fn server(&self) -> &Server<Store> {
        &self.server
    }

    /// Begins to carry something out, in a thread of its own, and has this told what came of it.
    pub fn begin(
        this: &Arc<Self>,
        operation: Operation,
        tell: impl FnOnce(Reply) + Send + 'static,
    ) -> Result<(), Reply> {
        let busy = || Reply::Error("TRYAGAIN too many operators' requests wait here".to_owned());
        if this.under_way.fetch_add(1, Ordering::Relaxed) >= UNDER_WAY_MAX {
            this.under_way.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        let operators = Arc::clone(this);
        let thread = std::thread::Builder::new().name("operator".to_owned());
        let spawned = thread.spawn(move || {
            let reply = operators.carry_out(&operation);
            operators.under_way.fetch_sub(1, Ordering::Relaxed);
            // Whoever ends this server waits for nobody who is not heard any more.
            drop(operators);
            tell(reply);
        });
        spawned.map(drop).map_err(|_| {
            this.under_way.fetch_sub(1, Ordering::Relaxed);
            busy()
        })
    }

    fn carry_out(&self, operation: &Operation) -> Reply {
        log_unless_a_look(operation);
        let server = &self.server;
        let done = match operation {
            Operation::Info => return self.info(),
            Operation::Status => return self.status(),
            Operation::Backup => return self.backups.begin(server),
            Operation::BackupNext(number) => return self.backups.next(*number),
            Operation::Add { id, address, nonce, learner } => {
                self.add(*id, address, *nonce, *learner)
            }
            Operation::Promote(id) => server.change(Change::Promote(*id)),
            Operation::Remove(id) => server.remove(*id),
            Operation::Snapshot => server.compact().map(drop),
            Operation::Transfer(to) => {
                return match server.transfer(*to) {
                    Ok(leader) => Reply::Number(leader.0.into()),
                    Err(error) => refused(&error),
                };
            }
        };
        done.map_or_else(|error| refused(&error), |()| Reply::OK)
    }

    /// Every node must know where the new one is before one of them leads it.
    fn add(
        &self,
        id: NodeId,
        address: &str,
        nonce: Nonce,
        learner: bool,
    ) -> Result<(), AdminError> {
        let HostStatus { node, configuration, .. } =
            self.server.status().map_err(AdminError::Stopped)?;
        if node.leader != Some(node.id) {
            return Err(AdminError::NotLeader(node.leader));
        }
        // Before anybody is told: a member that is looked for elsewhere is heard by nobody.
        let known = self.notices.now().members;
        let is_there = |id: &NodeId| known.get(&id.0).is_some_and(|it| it.address == address);
        let mut others = configuration.membership.members().iter().filter(|other| *other != id);
        let taken = if configuration.nonce(id).is_some_and(|known| known != nonce) {
            Some(id)
        } else {
            others.find(is_there)
        };
        if let Some(member) = taken {
            return Err(AdminError::Change(ChangeError::AlreadyMember(member)));
        }
        self.server.learn(id, address)?;
        let member = Member { id: id.0, address: address.to_owned(), client: String::new() };
        let announced = self.server.propose(&vec![crate::command::Command::Announce(member)]);
        announced.map_err(|error| {
            log::warn!("where node {} is can't be told to the others: {error}", id.0);
            AdminError::Unfinished
        })?;
        if learner {
            self.server.change(Change::AddLearner { id, nonce })
        } else {
            self.server.add(id, nonce, address)
        }
    }

    fn keys(&self) -> i64 {
        match self.server.read_with(Read::Stale, |store| store.ask(&Query::Size)) {
            Ok(Output::Number(keys)) => keys,
            _ => 0,
        }
    }

    fn info(&self) -> Reply {
        let status = match self.server.status() {
            Ok(status) => status,
            Err(stopped) => return Reply::error(&stopped.to_string()),
        };
        let (node, keys) = (&status.node, self.keys());
        let mut text = format!(
            "# Server\r\nredis_version:{}\r\nserver_name:kv\r\nkv_version:{}\r\nprocess_id:{}\r\n",
            crate::REDIS_VERSION,
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
        );
        // Every node takes writes, which is what clients ask for.
        text.push_str("\r\n# Replication\r\nrole:master\r\n");
        let leader = node.leader.map_or(-1, |leader| i32::from(leader.0));
        // Text can be added to whatever there is.
        write!(
            text,
            "raft_id:{}\r\nraft_role:{}\r\nraft_term:{}\r\nraft_leader:{leader}\r\n\
             raft_committed:{}\r\nraft_applied:{}\r\nraft_waiting:{}\r\n",
            node.id.0,
            role(node.role),
            node.term.0,
            node.committed.0,
            node.applied.0,
            status.waiting,
        )
        .ok();
        write!(text, "\r\n# Keyspace\r\ndb0:keys={keys}\r\n").ok();
        Reply::text(&text)
    }

    fn status(&self) -> Reply {
        let status = match self.server.status() {
            Ok(status) => status,
            Err(stopped) => return Reply::error(&stopped.to_string()),
        };
        let node = &status.node;
        let index = |index: u64| Reply::Number(i64::try_from(index).unwrap_or(i64::MAX));
        let id = |id: NodeId| Reply::Number(id.0.into());
        let yes = |yes: bool| Reply::text(if yes { "yes" } else { "no" });
        Reply::map([
            ("id", id(node.id)),
            ("address", Reply::text(&self.address)),
            ("nonce", Reply::Number(self.server.nonce().0.into())),
            ("role", Reply::text(role(node.role))),
            ("term", Reply::Number(node.term.0.into())),
            ("leader", node.leader.map_or(Reply::Nothing, id)),
            ("last", index(node.last.0)),
            ("durable", index(node.durable.0)),
            ("committed", index(node.committed.0)),
            ("applied", index(node.applied.0)),
            ("snapshot", index(node.snapshot.0)),
            ("admitted", yes(node.admitted)),
            ("refilling", yes(node.refilling)),
            ("transferring", node.transferring.map_or(Reply::Nothing, id)),
            ("waiting", index(status.waiting as u64)),
            ("keys", Reply::Number(self.keys())),
            ("fault", self.fault(&status)),
            ("members", self.members(&status)),
        ])
    }

    fn fault(&self, status: &HostStatus) -> Reply {
        let stopped = self.server.stopped().map(|stopped| stopped.to_string());
        let unequal =
            status.node.unequal_settings.then(|| "other settings than its cluster".into());
        stopped.or(unequal).map_or(Reply::Nothing, |text| Reply::text(&text))
    }

    /// The members, where they are, and, if this node leads, how far each has come.
    fn members(&self, status: &HostStatus) -> Reply {
        let known = self.notices.now().members;
        let (node, configuration) = (&status.node, &status.configuration);
        let membership = &configuration.membership;
        let members = membership.members().iter().map(|id| {
            let where_it_is = known.get(&id.0).cloned().unwrap_or_default();
            let text = |text: &str| match text {
                "" => Reply::Nothing,
                text => Reply::text(text),
            };
            let peer = node.peers.iter().find(|peer| peer.id == id);
            let matched = match peer {
                Some(peer) => Some(peer.matched.0),
                None => (id == node.id).then_some(node.durable.0),
            };
            let matched = matched.map(|matched| i64::try_from(matched).unwrap_or(i64::MAX));
            let part = match () {
                () if configuration.arriving.contains(id) => "arriving",
                () if configuration.leaving.contains(id) => "leaving",
                () if membership.learners.contains(id) => "learner",
                () if membership.incoming.contains(id) => "voter",
                () => "leaving",
            };
            Reply::map([
                ("id", Reply::Number(id.0.into())),
                ("part", Reply::text(part)),
                ("address", text(&where_it_is.address)),
                ("client", text(&where_it_is.client)),
                ("matched", matched.into()),
            ])
        });
        Reply::List(members.collect())
    }
}

fn log_unless_a_look(operation: &Operation) {
    if !matches!(operation, Operation::Info | Operation::Status | Operation::BackupNext(_)) {
        log::info!("an operator asks: {operation:?}");
    }
}

const fn role(role: RoleName) -> &'static str {
    match role {
        RoleName::Follower => "follower",
        RoleName::PreCandidate => "pre-candidate",
        RoleName::Candidate => "candidate",
        RoleName::Leader => "leader",
    }
}

/// `NOTLEADER` says that another node is to be asked, `TRYAGAIN` that it may come about yet.
fn refused(error: &AdminError) -> Reply {
    let code = match error {
        AdminError::NotLeader(_) => "NOTLEADER",
        AdminError::Unfinished
        | AdminError::NotTaken
        | AdminError::Change(ChangeError::NotCaughtUp(_)) => "TRYAGAIN",
        _ => "ERR",
    };
    Reply::Error(format!("{code} {error}"))
}
