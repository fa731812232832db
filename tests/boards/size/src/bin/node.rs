//! An image with one node and the loop that drives it; less the empty one, what a node costs.
//!
//! Radio, timer and button are a few registers that are nowhere: they cost little and hide nothing.

#![no_std]
#![no_main]

use core::convert::Infallible;
use cortex_m_rt::entry;
use lamp::{Command, Lamp};
use raft_core::{
    ClusterId, Config, Frame, Identity, Node, NodeId, Packet, Part, ReadOutcome, Recipient, Record,
    Snapshot, Storage,
};

type Memory = &'static mut [u8];
type Member = Node<Memory, Ram, Lamp>;

const MEMORY_BYTES: usize = 2048;
const FRAME_BYTES: usize = 128;
const SNAPSHOT_BYTES_MAX: u32 = 512;
const VOTERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

/// Everything that is not this board's processor or memory.
#[repr(C)]
struct Registers {
    id: u8,
    expired: bool,
    pressed: bool,
    asked: bool,
    hurried: bool,
    lamp: bool,
    received: u8,
    received_bytes: u8,
    from: u8,
    to: u8,
    sent: u8,
    sleep: u32,
    lease: u32,
    quiet: u32,
}

static mut REGISTERS: Registers = Registers {
    id: 0,
    expired: false,
    pressed: false,
    asked: false,
    hurried: false,
    lamp: false,
    received: 0,
    received_bytes: 0,
    from: 0,
    to: 0,
    sent: 0,
    sleep: 0,
    lease: 0,
    quiet: 0,
};

/// Reads a register.
macro_rules! input {
    ($register:ident) => {
        // SAFETY: nothing refers to the registers but reads and writes like this one.
        unsafe { (&raw const REGISTERS.$register).read_volatile() }
    };
}

/// Writes a register.
macro_rules! output {
    ($register:ident, $value:expr) => {
        // SAFETY: nothing refers to the registers but reads and writes like this one.
        unsafe { (&raw mut REGISTERS.$register).write_volatile($value) }
    };
}

/// The least that is a storage: the node's log in memory is all there is beside it, so that what is
/// weighed is the core. A storage on a medium is weighed on its own.
struct Ram(Identity);

impl Storage for Ram {
    type Error = Infallible;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Infallible> {
        each(Record::Identity(self.0));
        each(core::hint::black_box(Record::Snapshot(Snapshot::NONE)));
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Infallible> {
        // As if it were put somewhere: what makes the record must not be optimised away.
        core::hint::black_box(record);
        Ok(())
    }

    fn read(&mut self, _: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Infallible> {
        // As if it came from somewhere.
        buffer.iter_mut().for_each(|byte| *byte = core::hint::black_box(offset) as u8);
        Ok(())
    }

    fn snapshot_bytes_max(&self) -> u32 {
        core::hint::black_box(SNAPSHOT_BYTES_MAX)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[entry]
fn main() -> ! {
    static mut LOG: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];

    if let Some(node) = start(LOG) {
        run(node);
    }
    loop {
        core::hint::spin_loop();
    }
}

fn start(log: Memory) -> Option<Member> {
    let id = NodeId(input!(id));
    let (lease_ticks, quiet_ticks) = (input!(lease), input!(quiet));
    let config = Config { frame_bytes: 128, lease_ticks, quiet_ticks, ..Config::new(id, 1) };
    let storage = Ram(Identity::founder(ClusterId(7), &config, &VOTERS));
    Node::recover(config, log, storage, Lamp::default()).ok()
}

/// Returns when the storage has failed.
fn run(mut node: Member) {
    let mut buffer = [0; FRAME_BYTES];
    loop {
        if input!(expired) {
            node.tick();
        }
        while let Some(frame) = receive(&mut buffer) {
            node.receive(frame);
        }
        if input!(pressed) {
            let lit = !node.machine().is_lit();
            node.propose(&Command::Switch(lit)).ok();
        }
        if input!(asked) {
            node.read().ok();
        }
        if input!(hurried) {
            node.read_lease().ok();
        }
        if node.flush().is_err() {
            return;
        }
        while let Some(packet) = node.transmit(&mut buffer) {
            send(packet);
        }
        while let Some(applied) = node.apply() {
            output!(lamp, applied.output);
        }
        while let Some(ReadOutcome::Ready(_)) = node.poll_read() {
            output!(lamp, node.machine().is_lit());
        }
        output!(sleep, node.ticks_until_due());
    }
}

fn receive(buffer: &mut [u8; FRAME_BYTES]) -> Option<Frame<'_>> {
    let bytes = buffer.get_mut(..input!(received_bytes) as usize)?;
    bytes.iter_mut().for_each(|byte| *byte = input!(received));
    (!bytes.is_empty()).then_some(Frame { from: NodeId(input!(from)), bytes })
}

fn send(packet: Packet<'_>) {
    if let Recipient::Peer(peer) = packet.to {
        output!(to, peer.0);
    }
    for &byte in packet.bytes {
        output!(sent, byte);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
