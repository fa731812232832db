//! Clients: each asks for one thing after the other, through any node, and remembers what it saw.
//!
//! One that hears nothing asks again, under the same number and perhaps elsewhere. Exactly-once is
//! not promised, so that each time a node takes a command is an operation of its own, of which only
//! one has a known end.

use crate::ledger::fold;
use crate::linearizability::{Answer as Told, Operation};
use crate::plan::{Plan, Temper};
use crate::random::Random;
use crate::register::Request;
use crate::registers::{Command, KEYS, Output};
use raft_core::{Index, NodeId, Position, ProposeError};

/// What a client is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing until this tick.
    Thinks(u32),
    /// It will ask, or ask again, at this tick.
    Asks(u32),
    /// Its command stands at a place of a node's log; at this tick it gives up waiting.
    Waits { node: u8, position: Position, operation: usize, until: u32 },
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    id: u8,
    sequence: u32,
    key: u8,
    request: Request,
    attempts: u32,
    state: State,
    /// Whom it will ask next.
    node: u8,
    /// What it last saw in each register.
    seen: [u64; KEYS],
    /// The tick of its last answer, or of its first question.
    pub served: u32,
}

/// An answer: where the command stands, and whose it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Where it stands.
    pub position: Position,
    /// The client.
    pub client: u8,
    /// That client's number for it.
    pub sequence: u32,
}

/// All clients of a history.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Each of them.
    pub all: Vec<Client>,
    /// Whatever they asked for and where it stood; nothing, if it is known that nothing came of it.
    operations: Vec<Option<(Position, Operation)>>,
    /// Whether they think of nothing new.
    pub resting: bool,
    random: Random,
    first_node: u8,
    nodes: u8,
    pace: u32,
    /// How long each waits for an answer.
    pub patience: u32,
    ballast: u32,
    /// Whether they add. Where answers are lost, explaining a sum takes too long: it may be that of
    /// any of the additions that nobody was told of.
    adds: bool,
}

/// How often one command is asked for before its client gives up on it.
const ATTEMPTS_MOST: u32 = 4;
/// What ballast is made of.
const BALLAST: [u8; 64] = [0xA5; 64];

impl Clients {
    /// The clients of a plan.
    pub fn new(plan: &Plan, random: Random) -> Self {
        let (first_node, nodes) = (plan.first_id, plan.nodes.len() as u8);
        let client = |id| Client {
            id,
            sequence: 0,
            key: 0,
            request: Request::Get,
            attempts: 0,
            state: State::Thinks(0),
            node: first_node,
            seen: [0; KEYS],
            served: 0,
        };
        Self {
            all: (0..plan.clients).map(client).collect(),
            operations: Vec::new(),
            resting: false,
            random,
            first_node,
            nodes,
            pace: plan.pace,
            patience: plan.patience,
            ballast: plan.ballast,
            adds: plan.temper == Temper::Calm,
        }
    }

    /// What a client would ask, and of which node, if it asks at this tick.
    pub fn wish(&mut self, client: usize, tick: u32) -> Option<(u8, Command<'static>)> {
        let random = &mut self.random;
        let client = &mut self.all[client];
        match client.state {
            State::Thinks(until) if tick >= until && !self.resting => {
                client.sequence += 1;
                client.attempts = 0;
                client.key = random.below(KEYS as u32) as u8;
                // A value names its command, so that none is ever written twice.
                let value = u64::from(client.sequence) << 3 | u64::from(client.id);
                let kinds = if self.adds { 6 } else { 5 };
                client.request = match random.below(kinds) {
                    0 => Request::Get,
                    1 => {
                        let expected = client.seen[usize::from(client.key)];
                        Request::CompareAndSwap { expected, new: value }
                    }
                    // Large ones, so that no two sums of them are ever the same.
                    5 => Request::Add(fold(value, 0) >> 16),
                    _ => Request::Put(value),
                };
            }
            State::Asks(at) if tick >= at => {}
            State::Waits { node, until, .. } if tick >= until => {
                client.attempts += 1;
                client.node = self.first_node + random.below(u32::from(self.nodes)) as u8;
                if client.attempts >= ATTEMPTS_MOST || self.resting {
                    client.state = State::Thinks(tick);
                    return None;
                }
                // Now and then the same node is asked once more.
                client.node = if random.below(4) == 0 { node } else { client.node };
            }
            _ => return None,
        }
        client.state = State::Asks(tick);
        let ballast = random.below(self.ballast + 1) as usize;
        let (Client { id, sequence, key, request, .. }, ballast) = (*client, &BALLAST[..ballast]);
        Some((client.node, Command { client: id, sequence, key, request, ballast }))
    }

    /// Whether what a client wishes for was asked for before.
    pub fn is_retry(&self, client: usize) -> bool {
        self.all[client].attempts > 0
    }

    /// What became of a wish. `None`: the node does not answer at all.
    pub fn told(
        &mut self,
        client: usize,
        tick: u32,
        outcome: Option<Result<Position, ProposeError>>,
    ) {
        let any = self.first_node + self.random.below(u32::from(self.nodes)) as u8;
        let soon = tick + 1 + self.random.below(3);
        // Where nobody leads it helps nobody to ask in every tick.
        let later = soon + self.random.below(1 + self.patience / 4);
        let client = &mut self.all[client];
        match outcome {
            Some(Ok(position)) => {
                let (node, until) = (client.node, tick + self.patience);
                let operation = self.operations.len();
                let asked = Operation {
                    client: u32::from(client.id),
                    key: client.key.into(),
                    invoked: tick,
                    request: client.request,
                    answer: None,
                };
                self.operations.push(Some((position, asked)));
                client.state = State::Waits { node, position, operation, until };
            }
            Some(Err(ProposeError::Full | ProposeError::TooLarge)) => {
                client.state = State::Thinks(tick + self.pace);
            }
            Some(Err(
                ProposeError::NotLeader(Some(NodeId(leader)))
                | ProposeError::Transferring(NodeId(leader)),
            )) if leader != client.node => {
                client.node = leader;
                client.state = State::Asks(soon);
            }
            Some(Err(
                ProposeError::NotLeader(_)
                | ProposeError::Transferring(_)
                | ProposeError::Stopped(_),
            ))
            | None => {
                client.node = any;
                client.state = State::Asks(later);
            }
        }
        if self.resting && matches!(client.state, State::Asks(_)) {
            client.state = State::Thinks(tick);
        }
    }

    /// A node applied something, a command of a client where there is an output; gives the answer
    /// that a client has now, if one waited for it.
    pub fn applied(
        &mut self,
        node: u8,
        position: Position,
        output: Option<Output>,
        tick: u32,
    ) -> Option<Answer> {
        let waits = |client: &&mut Client| match client.state {
            State::Waits { node: at, position: place, .. } => {
                at == node && place.index == position.index
            }
            _ => false,
        };
        let client = self.all.iter_mut().find(waits)?;
        let State::Waits { position: place, operation, .. } = client.state else { return None };
        if place != position {
            // Another entry stands there: the command was not applied and never will be.
            client.attempts += 1;
            client.state = State::Asks(tick + 1);
            self.operations[operation] = None;
            return None;
        }
        let output = output?;
        client.seen[usize::from(client.key)] = client.request.leaves(output.seen);
        client.served = tick;
        client.state = State::Thinks(tick + self.random.below(2 * self.pace));
        if let Some((_, operation)) = &mut self.operations[operation] {
            operation.answer = Some(Told { tick, found: output.seen });
        }
        Some(Answer { position, client: client.id, sequence: client.sequence })
    }

    /// What they asked for that may have been done, what was read, each just behind an index, and
    /// what nodes submitted, some of it done at an index; and the order in which what is committed
    /// was done, and read.
    pub fn operations(
        self,
        reads: Vec<(Index, Operation)>,
        submitted: Vec<(Option<Index>, Operation)>,
        is_committed: impl Fn(Position) -> bool,
    ) -> (Vec<Operation>, Vec<usize>) {
        let (places, mut operations): (Vec<Position>, Vec<Operation>) =
            self.operations.into_iter().flatten().unzip();
        let committed = places.iter().enumerate().filter(|(_, place)| is_committed(**place));
        let mut order: Vec<_> = committed.map(|(at, place)| (place.index, false, 0, at)).collect();
        for (index, read) in reads {
            // Of those that saw the same, whoever asked first saw it first.
            order.push((index, true, read.invoked, operations.len()));
            operations.push(read);
        }
        for (done, operation) in submitted {
            order.extend(done.map(|index| (index, false, 0, operations.len())));
            operations.push(operation);
        }
        order.sort_unstable();
        (operations, order.into_iter().map(|(.., at)| at).collect())
    }

    /// Whether every client has nothing left to wait for.
    pub fn are_idle(&self) -> bool {
        self.all.iter().all(|client| matches!(client.state, State::Thinks(_)))
    }
}
