//! What a board does beside keeping records: the registers that are all its devices, and the loop.
//!
//! Radio, timer and button are a few registers that are nowhere: they cost little and hide nothing.

use lamp::{Command, Lamp};
use raft_core::{
    ClusterId, Config, Frame, Identity, Node, NodeId, Packet, ReadOutcome, Recipient, Storage,
};

/// Memory for good.
pub type Memory = &'static mut [u8];

const FRAME_BYTES: usize = 128;
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

/// How this board's node behaves.
pub fn config() -> Config {
    let id = NodeId(input!(id));
    let (lease_ticks, quiet_ticks) = (input!(lease), input!(quiet));
    Config { frame_bytes: 128, lease_ticks, quiet_ticks, ..Config::new(id, 1) }
}

/// Whose storage this is.
pub fn identity(config: &Config) -> Identity {
    Identity::founder(ClusterId(7), config, &VOTERS)
}

/// Returns when the storage has failed.
pub fn run<S: Storage>(mut node: Node<Memory, S, Lamp>) {
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
