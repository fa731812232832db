//! Writes the page of a small history of real nodes: `timeline FILE [NODES] [TICKS]`.
//!
//! Two kinds of trouble are enough to see how they look: nodes that lose their power, and nodes
//! that nobody hears for a while.

use raft_core::wire::{Answer, Datagram, Message, Standing};
use raft_core::{
    ClusterId, Config, Identity, Machine, MemoryStorage, Node, NodeId, Recipient, RoleName, Term,
};
use raft_simulator::timeline::{Cast, Span, page};
use raft_simulator::trace::{Moment, What};

const SPANS: [Span; 2] = [
    Span { name: "down", begins: "power fails", ends: "power is back", down: true },
    Span { name: "cut off", begins: "cut off", ends: "joined again", down: false },
];

#[derive(Default)]
struct Sum(u64);

impl Machine for Sum {
    type Command<'a> = u64;
    type Output = u64;

    fn apply(&mut self, amount: u64) -> u64 {
        self.0 += amount;
        amount
    }
}

type Storage = MemoryStorage<Vec<u8>>;
type Member = Node<Vec<u8>, Storage, Sum>;

struct Place {
    id: u8,
    node: Option<Member>,
    storage: Option<Storage>,
    is_cut_off: bool,
    was: (RoleName, Term),
    committed: u64,
}

struct Letter {
    number: u32,
    due: u32,
    from: u8,
    to: u8,
    bytes: Vec<u8>,
}

struct World {
    places: Vec<Place>,
    letters: Vec<Letter>,
    moments: Vec<Moment>,
    tick: u32,
    sent: u32,
    dice: u64,
}

impl World {
    fn new(nodes: u8) -> Self {
        let ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let place = |&id: &NodeId| {
            let mut storage = MemoryStorage::new(vec![0; 1 << 16], vec![0; 1 << 18]).unwrap();
            let identity = Identity::founder(ClusterId(1), id, &ids);
            raft_core::format(&mut storage, identity).unwrap();
            let (node, was) = (None, (RoleName::Follower, Term(0)));
            let storage = Some(storage);
            Place { id: id.0, node, storage, is_cut_off: false, was, committed: 0 }
        };
        let mut places: Vec<Place> = ids.iter().map(place).collect();
        places.iter_mut().for_each(Place::start);
        Self { places, letters: Vec::new(), moments: Vec::new(), tick: 0, sent: 0, dice: 7 }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.dice >> 33) % end
    }

    fn note(&mut self, node: u8, what: What) {
        self.moments.push(Moment { tick: self.tick, node, what });
    }

    fn step(&mut self) {
        self.tick += 1;
        self.trouble();
        self.deliver();
        for at in 0..self.places.len() {
            self.run(at);
        }
    }

    fn trouble(&mut self) {
        let at = self.below(self.places.len() as u64) as usize;
        let chance = self.below(1000);
        let place = &mut self.places[at];
        let (words, id) = match (&mut place.node, chance) {
            (None, 0..50) => {
                place.start();
                ("power is back".to_owned(), place.id)
            }
            (Some(_), 0..8) => {
                let mut storage = place.node.take().map(Node::into_storage).unwrap();
                let unflushed = storage.unflushed_bytes();
                storage.crash(unflushed / 2).unwrap();
                place.storage = Some(storage);
                (format!("power fails, {} bytes of {unflushed} kept", unflushed / 2), place.id)
            }
            (Some(_), _) if chance > if place.is_cut_off { 940 } else { 985 } => {
                place.is_cut_off = !place.is_cut_off;
                let words = if place.is_cut_off { "cut off" } else { "joined again" };
                (words.to_owned(), place.id)
            }
            _ => return,
        };
        self.note(id, What::Fault { words });
    }

    fn deliver(&mut self) {
        let (due, later) = self.letters.drain(..).partition(|letter| letter.due <= self.tick);
        self.letters = later;
        let due: Vec<Letter> = due;
        for Letter { number: letter, from, to, bytes, .. } in due {
            let cut = |id: u8| self.places.iter().any(|place| place.id == id && place.is_cut_off);
            let is_cut = cut(from) || cut(to);
            let is_lost = self.below(20) == 0;
            let place = self.places.iter_mut().find(|place| place.id == to).unwrap();
            match &mut place.node {
                _ if is_cut => self.note(from, What::Lost { letter, why: "cut off" }),
                _ if is_lost => self.note(from, What::Lost { letter, why: "by chance" }),
                None => self.note(from, What::Lost { letter, why: "nobody is there" }),
                Some(node) => {
                    node.receive(raft_core::Frame { from: NodeId(from), bytes: &bytes });
                    self.note(to, What::Received { letter, from });
                }
            }
        }
    }

    fn run(&mut self, at: usize) {
        let (proposes, amount) = (self.below(3) == 0, self.below(90) + 10);
        let (id, tick) = (self.places[at].id, self.tick);
        let Some(mut node) = self.places[at].node.take() else { return };
        node.tick();
        if proposes && node.status().role == RoleName::Leader {
            let outcome = node.propose(&amount).map(|position| position.index);
            let outcome = outcome.map_err(|error| format!("{error:?}"));
            self.note(id, What::Proposed { command: format!("add {amount}"), outcome });
        }
        node.flush().unwrap();
        let now = (node.status().role, node.status().term);
        if now != self.places[at].was {
            self.places[at].was = now;
            self.note(id, What::Became { role: now.0, term: now.1 });
        }
        if node.status().committed.0 > self.places[at].committed {
            self.places[at].committed = node.status().committed.0;
            self.note(id, What::Committed { index: node.status().committed });
        }
        while let Some(packet) = node.transmit(&mut [0; 256]) {
            let Recipient::Peer(NodeId(to)) = packet.to else { continue };
            let (number, bytes) = (self.sent, packet.bytes.to_vec());
            self.sent += 1;
            self.note(id, What::Sent { letter: number, to, bytes: bytes.clone() });
            let due = tick + 1 + self.below(4) as u32;
            self.letters.push(Letter { number, due, from: id, to, bytes });
        }
        while let Some(applied) = node.apply() {
            let command = format!("add {}", applied.output);
            self.note(id, What::Applied { index: applied.position.index, command });
        }
        self.places[at].node = Some(node);
    }
}

impl Place {
    fn start(&mut self) {
        let storage = self.storage.take().unwrap();
        let config = Config::new(NodeId(self.id), 1);
        self.node = Node::recover(config, vec![0; 1 << 16], storage, Sum::default()).ok();
        self.was.0 = RoleName::Follower;
        self.committed = 0;
    }
}

/// What a datagram says.
fn words(datagram: &Datagram<'_>) -> String {
    let said = match datagram.message {
        Message::VoteRequest { standing: Standing::Pre, last, .. } => {
            format!("would you vote for me? last {}:{}", last.get().index.0, last.get().term.0)
        }
        Message::VoteRequest { last, .. } => {
            format!("vote for me? last {}:{}", last.get().index.0, last.get().term.0)
        }
        Message::VoteAnswer { answer: Answer::Refused, .. } => "no".to_owned(),
        Message::VoteAnswer { answer: Answer::PreGranted, .. } => "I would".to_owned(),
        Message::VoteAnswer { answer: Answer::Granted(_), .. } => "you have my vote".to_owned(),
        Message::Heartbeat { round, committed } => {
            format!("heartbeat {}, commit {}", round.0, committed.0)
        }
        Message::Append { previous, committed, entries, .. } => {
            let count = entries.iter().count();
            format!("{count} after {}, commit {}", previous.index.0, committed.0)
        }
        Message::Acknowledge { index, round, .. } => {
            format!("hold {}, round {}", index.get().0, round.0)
        }
        Message::Reject { previous, hint, .. } => {
            format!("no match at {}, try {}", previous.0, hint.index.0)
        }
    };
    format!("term {}: {said}", datagram.term.0)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("the file to write");
    let nodes = arguments.next().map_or(5, |text| text.parse().expect("a number of nodes"));
    let ticks = arguments.next().map_or(2_000, |text| text.parse().expect("a number of ticks"));
    let mut world = World::new(nodes);
    while world.tick < ticks {
        world.step();
    }
    let words_of_end = "state-machine safety: node 1 and node 2 applied <other> commands at 77";
    world.note(1, What::Broken { words: words_of_end.to_owned() });
    let cast = Cast {
        seed: 4711,
        nodes: world.places.iter().map(|place| place.id).collect(),
        ticks,
        headline: format!("{nodes} nodes; power fails, links are cut, one letter in 20 is lost"),
        spans: SPANS.to_vec(),
        words,
    };
    std::fs::write(file, page(&cast, &world.moments)).expect("the file can be written");
}
