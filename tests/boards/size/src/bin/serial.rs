//! An image with both ends of a serial line; less the empty one, what a line costs.
//!
//! The port is a few registers that are nowhere: bytes come in one by one, and leave in pieces as
//! a transfer from memory takes them.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use raft_core::serial::{Line, Receiver, Sender};
use raft_core::{ClusterId, Frame, NodeId, Packet, Recipient};

const FRAME_BYTES: usize = 128;
const MEMORY_BYTES: usize = FRAME_BYTES + 6;

/// Everything that is not this board's processor or memory.
#[repr(C)]
struct Registers {
    id: u8,
    peer: u8,
    shared: bool,
    to: u8,
    length: u8,
    received: u8,
    heard: u8,
    sent: u8,
    lost: u32,
}

static mut REGISTERS: Registers = Registers {
    id: 0,
    peer: 0,
    shared: false,
    to: 0,
    length: 0,
    received: 0,
    heard: 0,
    sent: 0,
    lost: 0,
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

#[entry]
fn main() -> ! {
    static mut SENT: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut RECEIVED: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut BUFFER: [u8; FRAME_BYTES] = [0; FRAME_BYTES];

    let line = if input!(shared) { Line::Shared } else { Line::Between(NodeId(input!(peer))) };
    let (cluster, id) = (ClusterId(7), NodeId(input!(id)));
    let mut sender = Sender::new(cluster, id, line, SENT.as_mut_slice());
    let mut receiver = Receiver::new(cluster, id, line, RECEIVED.as_mut_slice());
    let mut transfer = [0; 16];
    loop {
        if let Some(frame) = receiver.push(input!(received)) {
            hear(frame);
        }
        if sender.is_idle()
            && let Some(packet) = packet(BUFFER)
        {
            sender.send(packet);
        }
        let count = sender.fill(&mut transfer);
        transfer.iter().take(count).for_each(|&byte| output!(sent, byte));
        let losses = receiver.losses();
        output!(lost, losses.torn + losses.too_long + receiver.refused());
    }
}

fn hear(frame: Frame<'_>) {
    output!(peer, frame.from.0);
    for &byte in frame.bytes {
        output!(heard, byte);
    }
}

fn packet(buffer: &mut [u8; FRAME_BYTES]) -> Option<Packet<'_>> {
    let bytes = buffer.get_mut(..usize::from(input!(length)))?;
    bytes.iter_mut().for_each(|byte| *byte = input!(received));
    let to = match input!(to) {
        u8::MAX => Recipient::Everyone,
        node => Recipient::Peer(NodeId(node)),
    };
    Some(Packet { to, bytes })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
