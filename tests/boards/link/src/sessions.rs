//! A node with sessions, which is a client of its own cluster.

use crate::input::Input;
use core::hint::black_box;
use lamp::{Command, Lamp};
use raft_core::{Config, Frame, Machine, MemoryStorage, Node, Request, Sessions};

type Memory = &'static mut [u8];
type Shared = Sessions<Lamp, 3, 16, 32>;

/// Makes a node of such storage, and ends it.
pub fn live(input: &mut Input, log: Memory, storage: MemoryStorage<Memory>) {
    let mut config = Config::new(input.node(), input.word());
    config.machine_shape = if input.flag() { Shared::SHAPE } else { input.word() };
    let machine: Shared = Sessions::new(Lamp::default(), input.long());
    let Ok(mut node) = black_box(Node::recover(config, log, black_box(storage), machine)) else {
        return;
    };
    let mut buffer = [0; 256];
    while input.flag() {
        match input.byte() {
            0 => node.advance(input.word()),
            1 => {
                let from = input.node();
                node.receive(Frame { from, bytes: input.bytes(&mut buffer) });
            }
            2 => {
                let label = core::str::from_utf8(input.bytes(&mut buffer)).unwrap_or_default();
                black_box(node.submit(&Command::Label(label))).ok();
            }
            3 => {
                black_box(node.poll_submit());
            }
            4 => {
                black_box(node.apply());
            }
            5 => {
                black_box(node.flush()).ok();
            }
            6 => {
                let command = Command::Switch(input.flag());
                let (session, sequence) = (input.long(), input.word());
                black_box(node.propose(&Request::Numbered { session, sequence, command })).ok();
            }
            7 => {
                black_box(node.propose(&Request::Open(input.long()))).ok();
            }
            8 => {
                black_box(node.compact()).ok();
            }
            _ => {
                black_box(node.transmit(input.bytes(&mut buffer)));
            }
        }
        black_box((node.ticks_until_due(), node.machine().inner()));
        node = black_box(node);
    }
}
