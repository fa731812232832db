//! Both ends of a serial line, with any bytes on it.

use crate::input::Input;
use crate::parts;
use core::hint::black_box;
use raft_core::serial::{Decoder, Encoder, Line, Receiver, Sender};
use raft_core::{ClusterId, Packet, Recipient};

const FRAME_BYTES: usize = 256;

/// Makes both in memories of any length, and ends them.
pub fn live(input: &mut Input) {
    let (mut one, mut other) = ([0; FRAME_BYTES], [0; FRAME_BYTES]);
    let (cluster, id) = (ClusterId(input.long()), input.node());
    let line = if input.flag() { Line::Shared } else { Line::Between(input.node()) };
    let mut sender = Sender::new(cluster, id, line, input.bytes(&mut one));
    let mut receiver = Receiver::new(cluster, id, line, input.bytes(&mut other));
    while input.flag() {
        speak(input, &mut sender);
        black_box(receiver.push(input.byte()));
        black_box((receiver.refused(), receiver.losses()));
        parts::compare(&sender);
        parts::compare(&receiver);
        (sender, receiver) = (black_box(sender), black_box(receiver));
    }
    stuff(input);
}

fn speak(input: &mut Input, sender: &mut Sender<&mut [u8]>) {
    let mut buffer = [0; FRAME_BYTES];
    let to = if input.flag() { Recipient::Everyone } else { Recipient::Peer(input.node()) };
    let packet = Packet { to, bytes: input.bytes(&mut buffer) };
    black_box((sender.send(packet), sender.is_idle()));
    black_box(sender.fill(input.bytes(&mut buffer)));
}

/// Frames that change while they are stuffed, too.
fn stuff(input: &mut Input) {
    let (mut buffer, mut memory) = ([0; FRAME_BYTES], [0; FRAME_BYTES]);
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(input.bytes(&mut memory)));
    while input.flag() {
        black_box(encoder.next(input.bytes(&mut buffer)));
        black_box(decoder.push(input.byte()));
        black_box(decoder.losses());
        (encoder, decoder) = (black_box(encoder), black_box(decoder));
    }
}
