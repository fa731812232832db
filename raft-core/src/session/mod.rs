//! Exactly once: a machine around the application's own that knows a retry when it sees one.
//!
//! A client opens a session and numbers its requests. Every node remembers of each session the last
//! number and what came of it, so that a request which was asked for again, through any node and in
//! any term, is applied once and answered each time. Sessions are a part of the machine: in every
//! snapshot, and equal wherever as much was applied. There is room for so many; whoever was silent
//! for longest makes way, and is told that nobody knows any more what became of its last request.

mod client;
mod table;

use self::client::Client;
pub use self::client::{SubmitError, Submitted};
use self::table::{Standing, Table};
use crate::machine::Machine;
use crate::snapshot::{LoadError, Loader, Saver};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How postcard begins two of the requests: with their places among the three.
const OPEN: u32 = 1;
const NUMBERED: u32 = 2;

/// A number that tells tables of different sizes apart.
const fn shape(clients: usize, output: usize) -> u32 {
    let [a, b, c, ..] = clients.to_le_bytes();
    let [d, ..] = output.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).wrapping_mul(0x9E37_79B1)
}

/// What a client asks for, through a session or without one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request<C> {
    /// A command that is applied as often as it is committed.
    Bare(C),
    /// Opens a session for one life of a client, which it is called after. Asked for again, it is
    /// the same session.
    Open(u64),
    /// The next command of a session.
    Numbered {
        /// Which session, as [`Reply::Opened`] told.
        session: u64,
        /// One more than that of the request before; the first is 1.
        sequence: u32,
        /// What is asked for.
        command: C,
    },
}

/// What came of a [`Request`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reply<O> {
    /// A command without a session was applied.
    Bare(O),
    /// The session is open.
    Opened {
        /// Whose life.
        name: u64,
        /// Which session.
        session: u64,
    },
    /// The command was applied now.
    Done {
        /// Which session.
        session: u64,
        /// Which of its requests.
        sequence: u32,
        /// What the machine answered.
        output: O,
    },
    /// The command was applied before, and is not applied again.
    Repeated {
        /// Which session.
        session: u64,
        /// Which of its requests.
        sequence: u32,
        /// What the machine answered then; `None` if that was too long to keep.
        output: Option<O>,
    },
    /// The command is not the session's next one, and is not applied.
    OutOfTurn {
        /// Which session.
        session: u64,
        /// Which of its requests.
        sequence: u32,
    },
    /// The session made way for another. The command is not applied now; whether it was before,
    /// nobody knows any more.
    Expired {
        /// Which session.
        session: u64,
        /// Which of its requests.
        sequence: u32,
    },
}

/// A machine with sessions: `CLIENTS` of them, which remember outputs of up to `OUTPUT` bytes. Both
/// are the same on every node, or machines would come to differ.
///
/// It is also this node's own client: see [`Node::submit`](crate::Node::submit), for commands whose
/// encoding takes up to `SUBMIT` bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sessions<M, const CLIENTS: usize, const OUTPUT: usize, const SUBMIT: usize> {
    machine: M,
    table: Table<CLIENTS, OUTPUT>,
    client: Client<SUBMIT>,
}

impl<M: Machine, const CLIENTS: usize, const OUTPUT: usize, const SUBMIT: usize>
    Sessions<M, CLIENTS, OUTPUT, SUBMIT>
where
    M::Output: Serialize + DeserializeOwned,
{
    /// A machine without sessions yet.
    ///
    /// `life` names this node from now until its power fails: no node of the cluster may ever have
    /// had it before. A number from a source of entropy does, or the node's id beside a number that
    /// the application counts up at each boot.
    pub fn new(machine: M, life: u64) -> Self {
        const { assert!(CLIENTS > 0 && OUTPUT < 255, "a session, and outputs below 255 bytes") };
        Self { machine, table: Table::default(), client: Client::new(life) }
    }

    /// The application's machine.
    pub const fn inner(&self) -> &M {
        &self.machine
    }

    /// The application's machine, without its sessions.
    pub fn into_inner(self) -> M {
        self.machine
    }

    pub(crate) fn submit(
        &mut self,
        command: &M::Command<'_>,
        bytes_max: usize,
    ) -> Result<(), SubmitError> {
        self.client.submit(command, self.table.next(), bytes_max)
    }

    pub(crate) fn poll_submit(&mut self) -> Option<Submitted<M::Output>> {
        self.client.take(&self.table)
    }

    /// Applies a request of a session if it is the next one.
    fn apply_once(
        &mut self,
        session: u64,
        sequence: u32,
        command: M::Command<'_>,
    ) -> Reply<M::Output> {
        match self.table.standing(session, sequence) {
            Standing::Next => {
                let output = self.machine.apply(command);
                self.table.applied(session, sequence, &output);
                Reply::Done { session, sequence, output }
            }
            Standing::Repeated => {
                let kept = self.table.find(session).and_then(|known| known.output.as_deref());
                let output = kept.and_then(|bytes| postcard::from_bytes(bytes).ok());
                Reply::Repeated { session, sequence, output }
            }
            Standing::OutOfTurn => Reply::OutOfTurn { session, sequence },
            Standing::Expired => Reply::Expired { session, sequence },
        }
    }
}

impl<M: Machine, const CLIENTS: usize, const OUTPUT: usize, const SUBMIT: usize> Machine
    for Sessions<M, CLIENTS, OUTPUT, SUBMIT>
where
    M::Output: Serialize + DeserializeOwned,
{
    type Command<'a> = Request<M::Command<'a>>;
    type Output = Reply<M::Output>;

    const FORMAT: u16 = M::FORMAT;
    const SHAPE: u32 = M::SHAPE ^ shape(CLIENTS, OUTPUT);
    const SAVED_BESIDE: bool = M::SAVED_BESIDE;

    fn apply(&mut self, request: Self::Command<'_>) -> Self::Output {
        self.table.count();
        match request {
            Request::Bare(command) => Reply::Bare(self.machine.apply(command)),
            Request::Open(name) => {
                let session = self.table.open(name);
                self.client.look(&self.table, false);
                Reply::Opened { name, session }
            }
            Request::Numbered { session, sequence, command } => {
                let reply = self.apply_once(session, sequence, command);
                self.client.look(&self.table, false);
                reply
            }
        }
    }

    fn save(&self, saver: &mut Saver<'_>) {
        self.table.save(saver);
        self.machine.save(saver);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, format: u16) -> Result<(), LoadError> {
        self.table.restore(loader)?;
        self.client.look(&self.table, true);
        self.machine.restore(loader, format)
    }

    fn forward(&self, room: &mut [u8]) -> Option<usize> {
        self.client.write(room)
    }

    fn forwards(&self) -> Option<u32> {
        self.client.asks()
    }

    fn has_outcome(&self) -> bool {
        self.client.has_ended()
    }
}
