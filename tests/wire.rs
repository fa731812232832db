//! The wire format as `WIRE.md` has it, and what becomes of bytes that nobody wrote.

use proptest::prelude::*;
use raft_core::wire::{Append, Chunk, DecodeError, Forward, Message, decode, encode};
use raft_core::{DropReason, Frame, NodeId, Term};
use raft_simulator::forge::Forge;
use raft_simulator::words::{Words, datagram as said};
use raft_simulator::{Cluster, Settings};

/// The bytes of a datagram that was read, written again.
fn again(bytes: &[u8]) -> Vec<u8> {
    let datagram = decode(bytes).expect("a datagram");
    let mut buffer = vec![0; bytes.len() + 64];
    let length = encode(&datagram, &mut buffer).expect("room enough");
    buffer.truncate(length);
    match datagram.message {
        Message::Append(Append { entries, .. }) => buffer.extend_from_slice(entries.bytes()),
        Message::Chunk(Chunk { bytes, .. }) => buffer.extend_from_slice(bytes),
        Message::Forward(Forward { command }) => buffer.extend_from_slice(command),
        _ => {}
    }
    buffer
}

fn table() -> Vec<(Vec<u8>, String)> {
    let text = include_str!("../raft-core/WIRE.md");
    let (_, table) = text.split_once("## Vectors").expect("the vectors");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let bytes = cells.next().expect("bytes").trim_matches('`').split(' ');
        let bytes = bytes.map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
        (bytes, cells.next().expect("words").to_owned())
    };
    rows.map(row).collect()
}

#[test]
fn the_vectors_of_the_document_say_what_it_says() {
    let table = table();
    assert_eq!(table.len(), 24);
    for (bytes, says) in table {
        let datagram = decode(&bytes).unwrap_or_else(|error| panic!("{says}: {error:?}"));
        assert_eq!(said::<Words>(&datagram), says, "{bytes:02x?}");
        assert_eq!(again(&bytes), bytes, "{says}");
    }
}

#[test]
fn frames_are_as_short_as_promised() {
    let (index, round) = (1_000_000, 100_000);
    let heartbeat = Forge::new(3, 0, 300).number(round).number(index).done();
    let acknowledgement = Forge::new(5, 2, 300).number(round).number(index).done();
    let append = Forge::new(4, 0, 300).number(round).number(index).number(0).signed(-1);
    let entry = |append: Forge| append.number((16 << 4) | 2).bytes(&[7; 16]);
    let one = entry(append);
    let two = entry(one.clone());
    let sizes = [&heartbeat, &acknowledgement, &one.clone().done()].map(|bytes| again(bytes).len());
    assert_eq!(sizes, [10, 10, 30]);
    assert_eq!(again(&two.done()).len() - again(&one.done()).len(), 18);
}

#[test]
fn what_is_not_known_is_told_from_what_is_broken() {
    let heartbeat = Forge::new(3, 0, 1).number(1).number(1).done();
    assert!(decode(&heartbeat).is_ok());
    let with_tag = |tag: u8| [&[tag], &heartbeat[1..]].concat();
    for version in 1..8 {
        assert_eq!(decode(&with_tag(version << 5 | 3)), Err(DecodeError::Version));
    }
    for kind in [0, 15, 31] {
        assert_eq!(decode(&with_tag(kind)), Err(DecodeError::Kind));
    }
    let known = [3, 3, 1, 0, 7, 1, 0, 1, 1, 0, 0, 0, 0, 0];
    for (kind, known) in (1..).zip(known) {
        for flag in (0..8).map(|bit| 1_u8 << bit).filter(|flag| flag & (known | 0x80) == 0) {
            let bytes = Forge::new(kind, flag, 1).number(1).number(1).number(1).number(1).done();
            assert_eq!(decode(&bytes), Err(DecodeError::Kind), "kind {kind} flag {flag}");
        }
    }
    for kind in [1, 2] {
        // A request about the next term that the leader asks for; a "no" to such a question.
        let flags = if kind == 1 { 3 } else { 1 };
        let bytes = Forge::new(kind, flags, 1).number(1).number(1).number(1).done();
        assert_eq!(decode(&bytes), Err(DecodeError::Kind), "kind {kind} flags {flags}");
    }
    for length in 0..heartbeat.len() {
        assert_eq!(decode(&heartbeat[..length]), Err(DecodeError::Malformed));
    }
    let longer = [&heartbeat[..], &[0]].concat();
    assert_eq!(decode(&longer), Err(DecodeError::Malformed));
    let term_of_the_future = Forge::new(4, 0, 5).number(1).number(0).number(5).signed(0);
    assert!(decode(&term_of_the_future.clone().word(5, "x").done()).is_ok());
    let term_zero = term_of_the_future.clone().word(0, "x").done();
    assert_eq!(decode(&term_zero), Err(DecodeError::Malformed), "nobody led in it");
    assert_eq!(decode(&term_of_the_future.word(6, "x").done()), Err(DecodeError::Malformed));
    let chunk = |flags, fields: &[u64]| {
        fields.iter().fold(Forge::new(8, flags, 3), |forge, &field| forge.number(field))
    };
    for (forge, sound) in [
        (chunk(1, &[7, 2, 9, 30]).bytes(&[1]), true),
        (chunk(0, &[7, 12]).bytes(&[1]), true),
        // Without a byte, of an entry of a later term, and a first one that says it is none.
        (chunk(1, &[7, 2, 9, 30]), false),
        (chunk(0, &[7, 12]), false),
        (chunk(1, &[7, 4, 9, 30]).bytes(&[1]), false),
        (chunk(0, &[7, 0]).bytes(&[1]), false),
        (chunk(0, &[1 << 32, 12]).bytes(&[1]), false),
    ] {
        let bytes = forge.done();
        assert_eq!(decode(&bytes).is_ok(), sound, "{bytes:02x?}");
    }
    for (kind, fields) in [(1, 1), (6, 2)] {
        let until_position = (0..fields).fold(Forge::new(kind, 0, 1), |forge, _| forge.number(1));
        let position = |term: u32| until_position.clone().number(u64::from(term)).number(0).done();
        assert!(decode(&position(Term::LIMIT.0 - 1)).is_ok());
        assert_eq!(decode(&position(Term::LIMIT.0)), Err(DecodeError::Malformed));
    }
}

/// Bytes of any length below this, many of them small.
fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![any::<u8>(), 0_u8..4], 0..length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Arbitrary bytes, most of them with a tag that means something.
    #[test]
    fn arbitrary_bytes_decode_or_not_and_mean_the_same_again(
        tag in 0_u8..15,
        rest in bytes(80),
    ) {
        let bytes = [&[tag][..], &rest].concat();
        if let Ok(datagram) = decode(&bytes) {
            // Not always the same bytes: a varint may be longer than it need be.
            let shorter = again(&bytes);
            prop_assert!(shorter.len() <= bytes.len());
            let same = decode(&shorter).expect("ours");
            prop_assert_eq!(said::<Words>(&same), said::<Words>(&datagram));
        }
    }

    /// A node in a working cluster is sent such bytes, soundly addressed, by whoever.
    #[test]
    fn arbitrary_datagrams_stop_no_node(
        frames in proptest::collection::vec((0_u8..34, 0_u8..15, bytes(24)), 1..60),
    ) {
        let mut cluster = Cluster::found(&[1, 2, 3], &Settings::default()).expect("a cluster");
        cluster.node_mut(1).expect("it runs").campaign();
        cluster.settle().expect("quiet in the end");
        for (from, tag, rest) in &frames {
            let bytes = [&[*tag][..], rest].concat();
            for id in 1..=3 {
                let node = cluster.node_mut(id).expect("it runs");
                node.receive(Frame { from: NodeId(*from), bytes: &bytes });
                prop_assert_eq!(node.status().fault, None);
            }
        }
        let counters = cluster.node(1).expect("it runs").status().counters;
        let dropped: u32 = DropReason::ALL.iter().map(|reason| counters.dropped(*reason)).sum();
        prop_assert!(dropped <= counters.received);
    }
}
