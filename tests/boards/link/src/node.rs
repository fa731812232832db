//! A node, from its storage's formatting to its end, called in any order with anything.

use crate::input::Input;
use crate::{parts, sessions};
use core::hint::black_box;
use lamp::{Command, Lamp};
use raft_core::{
    Alone, Ballot, Change, ClusterId, Config, Configuration, DropReason, Frame, Identity,
    Membership, MemoryStorage, Node, NodeSet, Nonce, Part, Record, Saved, Snapshot, Storage, Term,
    format, recover_alone,
};

type Memory = &'static mut [u8];
type Member = Node<Memory, MemoryStorage<Memory>, Lamp>;

const FRAME_BYTES: usize = 256;

/// Makes a node in these memories, and ends it.
pub fn live(input: &mut Input, log: Memory, image: Memory, journal: Memory, slots: [Memory; 2]) {
    let Some(mut storage) = storage(input, image, journal) else { return };
    if input.flag() {
        let [one, other] = slots.map(|slot| slot.get_mut(..input.size()).unwrap_or_default());
        storage = storage.with_snapshots(one, other);
    }
    if input.flag() {
        begin_with_another(input, &mut storage);
    }
    fill(input, &mut storage);
    crash(input, &mut storage);
    let log = log.get_mut(..input.size()).unwrap_or_default();
    if input.flag() {
        go_alone(input, &mut storage);
    }
    if input.flag() {
        return sessions::live(input, log, storage);
    }
    // A black box may have changed anything: what holds afterwards holds for any caller.
    match black_box(Node::recover(config(input), log, black_box(storage), Lamp::default())) {
        Ok(mut node) => {
            while input.flag() {
                act(input, &mut node);
                look(input, &node);
                node = black_box(node);
            }
            black_box(node.into_storage());
        }
        Err(error) => {
            black_box(error);
        }
    }
}

/// A survivor goes on without the others.
fn go_alone(input: &mut Input, storage: &mut MemoryStorage<Memory>) {
    let mut memory = [0; 2 * FRAME_BYTES];
    let memory = memory.get_mut(..input.size()).unwrap_or_default();
    let (config, cluster) = (config(input), ClusterId(input.long()));
    let confirmed = Alone::AcknowledgedCommandsMayBeLost;
    black_box(recover_alone(&config, memory, storage, cluster, confirmed)).ok();
}

/// A founder whose cluster begins with a snapshot of another one.
fn begin_with_another(input: &mut Input, storage: &mut MemoryStorage<Memory>) {
    let snapshot = snapshot(input);
    let membership = Membership::of_voters(NodeSet::of(&[input.node(), input.node()]));
    let (cluster, id, nonce) = (ClusterId(input.long()), input.node(), Nonce(input.word()));
    let founder = Identity { cluster, id, nonce, membership, settings: input.word() };
    let source = &mut |_, buffer: &mut [u8]| {
        input.bytes(buffer);
        black_box(input.flag()).then_some(())
    };
    let mut saved = Saved::new(snapshot, source);
    black_box(saved.check()).ok();
    black_box(saved.head()).ok();
    black_box(saved.restore(&mut Lamp::default())).ok();
    black_box(saved.found(storage, founder)).ok();
}

pub fn config(input: &mut Input) -> Config {
    let mut config = Config::new(input.node(), input.word());
    config.base_timeout_ticks = input.word();
    config.heartbeat_ticks = input.word();
    config.extra_wait_ticks = input.word();
    config.link_cycle_ticks = input.word();
    config.window_entries = input.word();
    config.window_bytes = input.word();
    config.frame_bytes = input.word();
    config.lease_ticks = Config::lease_for_drift(input.word(), input.word());
    config.quiet_ticks = input.word();
    config.least_log_bytes = input.word();
    config.compact_percent = input.word();
    config.keep_entries = input.word();
    config.pace_bytes = input.word();
    black_box(config.check()).ok();
    config
}

fn storage(input: &mut Input, image: Memory, journal: Memory) -> Option<MemoryStorage<Memory>> {
    let image = image.get_mut(..input.size()).unwrap_or_default();
    let journal = journal.get_mut(..input.size()).unwrap_or_default();
    let mut storage = black_box(MemoryStorage::new(image, journal)).ok()?;
    let identity = identity(input);
    black_box(format(&mut storage, identity)).ok();
    Some(storage)
}

fn identity(input: &mut Input) -> Identity {
    let (cluster, id) = (ClusterId(input.long()), input.node());
    if input.flag() {
        let mut voters = [input.node(), input.node(), input.node(), input.node()];
        let voters = voters.get_mut(..input.size()).unwrap_or_default();
        Identity::founder(cluster, &config(input), voters)
    } else {
        Identity::newcomer(cluster, id, Nonce(input.word()))
    }
}

/// Records that a node would write, and others.
fn fill(input: &mut Input, storage: &mut MemoryStorage<Memory>) {
    let mut buffer = [0; FRAME_BYTES];
    while input.flag() {
        let record = record(input, &mut buffer);
        black_box(storage.write(record)).ok();
        let part = if input.flag() { Part::Snapshot } else { Part::Stage };
        black_box(storage.read(part, input.word(), input.bytes(&mut buffer))).ok();
        black_box(storage.snapshot_bytes_max());
        if input.flag() {
            // Without this no storage here would ever tell of a loss.
            black_box(storage.rot(input.index(), input.flag())).ok();
        }
        black_box(storage.flush()).ok();
    }
}

/// One record that a node would write, or another.
pub fn record<'b>(input: &mut Input, buffer: &'b mut [u8]) -> Record<'b> {
    match input.byte() {
        0 => Record::Identity(identity(input)),
        1 => {
            let vote = input.flag().then_some(input.node());
            let admitted = input.flag();
            let losses = input.byte();
            Record::Ballot(Ballot { term: Term(input.word()), vote, admitted, losses })
        }
        2 => Record::Base(input.position()),
        3 => Record::Stage { snapshot: snapshot(input), held: input.word() },
        4 => Record::Chunk { offset: input.word(), bytes: input.bytes(buffer) },
        5 => Record::Snapshot(snapshot(input)),
        _ => {
            let (after, committed) = (input.position(), input.index());
            Record::Entries { after, committed, bytes: input.bytes(buffer) }
        }
    }
}

fn snapshot(input: &mut Input) -> Snapshot {
    Snapshot { last: input.position(), bytes: input.word(), checksum: input.word() }
}

fn crash(input: &mut Input, storage: &mut MemoryStorage<Memory>) {
    black_box(storage.begin_flush()).ok();
    storage.finish_flush();
    black_box(storage.flushed()).ok();
    black_box(storage.unflushed_bytes());
    black_box(storage.crash(input.size())).ok();
    black_box(storage.recover(&mut |record| {
        black_box(record);
    }))
    .ok();
}

/// One input, one step of the barrier or one output.
fn act(input: &mut Input, node: &mut Member) {
    let mut buffer = [0; FRAME_BYTES];
    match input.byte() {
        0 => node.tick(),
        1 => node.advance(input.word()),
        2 => {
            let from = input.node();
            node.receive(Frame { from, bytes: input.bytes(&mut buffer) });
        }
        3 => propose(input, node),
        4 => node.campaign(),
        5 => node.set_extra_wait(input.word()),
        6 => {
            black_box(node.flush()).ok();
        }
        7 => {
            if let Ok(Some(token)) = black_box(node.begin_flush()) {
                crash(input, node.storage_mut());
                black_box(node.flushed(token));
                black_box(node.flushed(token));
            }
        }
        8 => node.flush_failed(),
        9 => {
            black_box(node.transmit(input.bytes(&mut buffer)));
        }
        10 => {
            black_box(node.apply());
        }
        11 => {
            let to = if input.flag() { Some(input.node()) } else { None };
            black_box(node.transfer(to)).ok();
        }
        12 => node.abort_transfer(),
        13 => {
            black_box(node.read()).ok();
        }
        14 => {
            black_box(node.read_lease()).ok();
        }
        15 => {
            black_box(node.poll_read());
        }
        16 => {
            black_box(node.change_membership(change(input))).ok();
        }
        17 => {
            black_box(node.compact()).ok();
        }
        20 => adopt(input, node),
        18 => node.announce(),
        19 => {
            black_box(node.upkeep());
            black_box(node.maintain()).ok();
        }
        _ => {
            black_box(node.poll_event());
        }
    }
}

/// A snapshot that was saved beside the node, or one that nobody ever saved.
fn adopt(input: &mut Input, node: &mut Member) {
    black_box((node.wants_draft(), node.adoption_waits(), node.snapshot()));
    let Ok(Some(draft)) = black_box(node.draft()) else { return };
    let sink = &mut |offset, bytes: &[u8]| black_box(Some((offset, bytes))).map(drop);
    let saved = black_box(draft.save(node.machine(), sink));
    let stray = snapshot(input);
    let snapshot = saved.filter(|_| black_box(input.flag())).unwrap_or(stray);
    let place =
        |storage: &mut MemoryStorage<Memory>| storage.write(Record::Stage { snapshot, held: 0 });
    black_box(node.adopt(snapshot, place)).ok();
}

fn change(input: &mut Input) -> Change {
    let (id, nonce) = (input.node(), Nonce(input.word()));
    match input.byte() {
        0 => Change::AddLearner { id, nonce },
        1 => Change::AddVoter { id, nonce },
        2 => Change::Replace { old: input.node(), new: id, nonce },
        3 => Change::Promote(id),
        4 => Change::Remove(id),
        _ => Change::Set { voters: nodes(input), learners: nodes(input) },
    }
}

fn nodes(input: &mut Input) -> NodeSet {
    let nodes = [input.node(), input.node(), input.node(), input.node()];
    NodeSet::of(nodes.get(..input.size()).unwrap_or_default())
}

fn propose(input: &mut Input, node: &mut Member) {
    let mut buffer = [0; FRAME_BYTES];
    let command = match input.flag() {
        true => Command::Switch(input.flag()),
        false => Command::Label(str::from_utf8(input.bytes(&mut buffer)).unwrap_or_default()),
    };
    black_box(node.propose(&command)).ok();
}

fn look(input: &mut Input, node: &Member) {
    let status = black_box(node.status());
    black_box(node.incoming_snapshot());
    for reason in DropReason::ALL {
        black_box(status.counters.dropped(reason));
    }
    status.peers.iter().for_each(|peer| {
        black_box(*peer);
    });
    black_box(node.leader());
    black_box(node.ticks_until_due());
    black_box(node.configuration().nonce(input.node()));
    black_box(Configuration::read(input.bytes(&mut [0; FRAME_BYTES])));
    black_box(node.machine().is_lit());
    black_box(node.machine().label_bytes());
    black_box(node.storage().unflushed_bytes());
    black_box(node.log().get(input.index()));
    parts::compare(node);
}
