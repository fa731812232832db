//! What can be used without a node: the log, the wire, the envelope, sets and memberships.

use crate::input::Input;
use core::hash::{Hash, Hasher};
use core::hint::black_box;
use raft_core::wire::{
    Answer, Append, Chunk, Counted, Datagram, Envelope, Heartbeat, Message, ReadAnswer,
    ReadRequest, Staged, VoteAnswer, decode, encode,
};
use raft_core::{
    AppendError, ClusterId, Entries, Kind, Log, Membership, NodeId, NodeSet, Nonce, Packet,
    Position, Recipient, Round, Snapshot, Term,
};

const FRAME_BYTES: usize = 256;

/// A log in this memory, asked for everything in any order.
pub fn log(input: &mut Input, memory: &mut [u8]) {
    let memory = memory.get_mut(..input.size()).unwrap_or_default();
    let Ok(mut log) = black_box(Log::new(memory)) else { return };
    while input.flag() {
        change(input, &mut log);
        log = black_box(log);
        read(input, &log);
    }
}

fn change(input: &mut Input, log: &mut Log<&mut [u8]>) {
    let mut buffer = [0; FRAME_BYTES];
    match input.byte() {
        0 => log.restart_after(input.position()),
        1 => {
            let (term, kind) = (Term(input.word()), kind(input));
            black_box(log.append(term, kind, input.bytes(&mut buffer))).ok();
        }
        2 => {
            black_box(propose(input, log)).ok();
        }
        3 => {
            let previous = Term(input.word());
            let entries = Entries::parse(previous, input.bytes(&mut buffer));
            black_box(log.extend(entries.unwrap_or(Entries::NONE)));
        }
        4 => {
            black_box(log.truncate(input.index()));
        }
        5 => log.rebase(input.position()),
        _ => {
            black_box(log.drop_prefix(input.index()));
        }
    }
}

fn propose(input: &mut Input, log: &mut Log<&mut [u8]>) -> Result<Position, AppendError> {
    let (term, kind, most) = (Term(input.word()), kind(input), input.size());
    let fits = black_box(input.flag());
    // An encoder may claim any length, one that is longer than its room too.
    let length = input.size();
    log.propose(term, kind, most, |room| {
        room.fill(0);
        fits.then_some(length)
    })
}

fn kind(input: &mut Input) -> Kind {
    if input.flag() { Kind::NOOP } else { Kind::COMMAND }
}

fn read(input: &mut Input, log: &Log<&mut [u8]>) {
    black_box((log.last(), log.base(), log.len(), log.is_empty(), log.capacity()));
    black_box(log.term(input.index()));
    if let Some(entry) = black_box(log.get(input.index())) {
        black_box((entry.term, entry.kind.number(), entry.body));
    }
    log.entries().for_each(|entry| {
        black_box(entry);
    });
    if let Some(run) = black_box(log.run(input.index(), input.word(), input.size())) {
        look(run);
    }
    black_box(log.last_at_most(Term(input.word()), input.index()));
    black_box((log.has_room_for_noop(), log.client_bytes_max(), log.free_bytes()));
    black_box((log.is_filled(input.word()), log.fill_percent()));
    compare(log);
}

/// Whether it is equal to itself, which the compiler does not know, and its hash.
pub fn compare<T: Eq + Hash>(value: &T) {
    let mut sum = Sum(0);
    value.hash(&mut sum);
    black_box((sum.finish(), *value == *black_box(value)));
}

fn look(entries: Entries<'_>) {
    black_box((entries.len(), entries.is_empty(), entries.bytes()));
    black_box((entries.last_term(), entries.previous_term()));
    entries.iter().for_each(|entry| {
        black_box(entry);
    });
}

/// The least that can hash.
struct Sum(u64);

impl Hasher for Sum {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, &byte| sum.wrapping_add(byte.into()));
    }
}

/// Datagrams of any bytes, and any bytes of datagrams.
pub fn wire(input: &mut Input) {
    let (mut received, mut buffer) = ([0; FRAME_BYTES], [0; FRAME_BYTES]);
    if let Ok(datagram) = black_box(decode(input.bytes(&mut received))) {
        black_box(encode(&black_box(datagram), input.bytes(&mut buffer)));
    }
    let previous = Term(input.word());
    let entries = Entries::parse(previous, input.bytes(&mut received)).unwrap_or(Entries::NONE);
    look(black_box(entries));
    let round = Round(input.long());
    let message = match input.byte() {
        0 => Message::VoteAnswer(VoteAnswer { number: round, answer: Answer::Refused }),
        1 => Message::VoteAnswer(VoteAnswer { number: round, answer: Answer::PreGranted }),
        2 => {
            let (committed, quiet_ticks) = (input.index(), input.word());
            Message::Heartbeat(Heartbeat { round, committed, quiet_ticks })
        }
        3 => Message::ReadRequest(ReadRequest { number: input.word() }),
        4 => Message::ReadAnswer(ReadAnswer { number: input.word(), index: input.index() }),
        5 => {
            let (last, bytes, checksum) = (input.position(), input.word(), input.word());
            let begins = input.flag().then_some(Snapshot { last, bytes, checksum });
            Message::Chunk(Chunk { checksum, begins, offset: input.word(), bytes: &[] })
        }
        6 => {
            let (checksum, held) = (input.word(), input.word());
            let standing = if input.flag() { Counted::Yes } else { Counted::No };
            Message::Staged(Staged { round, checksum, held, standing })
        }
        _ => {
            let (previous, committed) = (input.position(), input.index());
            Message::Append(Append { round, previous, committed, entries })
        }
    };
    let datagram = Datagram { nonce: Nonce(input.word()), term: Term(input.word()), message };
    black_box(encode(&datagram, input.bytes(&mut buffer)));
}

/// Envelopes around anything.
pub fn envelope(input: &mut Input) {
    let (mut bytes, mut buffer) = ([0; FRAME_BYTES], [0; FRAME_BYTES]);
    let mut envelope = Envelope::new(ClusterId(input.long()), input.node());
    let to = if input.flag() { Recipient::Everyone } else { Recipient::Peer(input.node()) };
    let packet = Packet { to, bytes: input.bytes(&mut bytes) };
    black_box(envelope.put_on(packet, input.bytes(&mut buffer)));
    black_box(envelope.take_off(input.bytes(&mut buffer)));
    black_box(envelope.refused);
}

/// Sets and memberships of any nodes, nodes that can't be among them.
pub fn sets(input: &mut Input) {
    let membership =
        Membership { incoming: set(input), outgoing: set(input), learners: set(input) };
    black_box((membership.voters(), membership.members()));
    black_box(membership.has_quorum(set(input)));
    black_box(Membership::of_voters(set(input)));
    let (mut one, other) = (set(input), set(input));
    one.insert(input.node());
    one.remove(input.node());
    black_box((one.contains(input.node()), one.len(), one.is_empty()));
    black_box((one.union(other), one.intersection(other), one.without(other)));
    black_box((one.next_after(input.node()), one.first(), input.node().is_valid()));
    one.iter().for_each(|node| {
        black_box(node);
    });
    let position = input.position();
    black_box((position.term.next(), position.index.next(), position.index.previous()));
    black_box(position.index.above(input.index()));
}

fn set(input: &mut Input) -> NodeSet {
    let nodes: [NodeId; 4] = core::array::from_fn(|_| input.node());
    let listed = nodes.get(..input.size()).unwrap_or_default();
    NodeSet::of(listed).union(nodes.into_iter().collect())
}
