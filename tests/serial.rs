//! Serial lines under everything that a wire does to bytes, and a cluster that lives on one.

use proptest::prelude::*;
use raft_core::serial::{Decoder, Encoder, Line, Losses, Receiver, Sender};
use raft_core::{ClusterId, NodeId, Packet, Recipient};

#[path = "serial/cluster.rs"]
mod cluster;

const CLUSTER: ClusterId = ClusterId(0x0123_4567_89AB_CDEF);
const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
/// The longest datagram, and the memory that it takes with its envelope.
const DATAGRAM_BYTES: usize = 80;
const MEMORY_BYTES: usize = DATAGRAM_BYTES + 6;

type Ends = (Sender<[u8; 2 * MEMORY_BYTES]>, Receiver<[u8; MEMORY_BYTES]>);

/// Node 1 speaks, and has memory for what is too long for node 2, which hears.
fn ends(shared: bool) -> Ends {
    let (here, there) = match shared {
        true => (Line::Shared, Line::Shared),
        false => (Line::Between(TWO), Line::Between(ONE)),
    };
    let sender = Sender::new(CLUSTER, ONE, here, [0; 2 * MEMORY_BYTES]);
    (sender, Receiver::new(CLUSTER, TWO, there, [0; MEMORY_BYTES]))
}

/// The bytes of one datagram on the line, in pieces of these lengths, over and over.
fn spoken<B>(sender: &mut Sender<B>, datagram: &[u8], pieces: &[usize]) -> Vec<u8>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    assert!(sender.send(Packet { to: Recipient::Peer(TWO), bytes: datagram }));
    let (mut stream, mut buffer) = (Vec::new(), [0; 64]);
    for &piece in pieces.iter().cycle() {
        let count = sender.fill(&mut buffer[..piece]);
        stream.extend_from_slice(&buffer[..count]);
        assert!(count == piece || sender.is_idle());
        if sender.is_idle() {
            break;
        }
    }
    stream
}

fn heard<B>(receiver: &mut Receiver<B>, stream: &[u8]) -> Vec<Vec<u8>>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    let mut all = Vec::new();
    for &byte in stream {
        if let Some(frame) = receiver.push(byte) {
            assert_eq!(frame.from, ONE);
            all.push(frame.bytes.to_vec());
        }
    }
    all
}

/// How many things were counted that were no frame for this node.
fn counted<B: AsRef<[u8]> + AsMut<[u8]>>(receiver: &Receiver<B>) -> u32 {
    let Losses { torn, too_long } = receiver.losses();
    torn + too_long + receiver.refused()
}

/// How many of these are missing there; what is there must be some of these, in their order.
fn missing(sent: &[Vec<u8>], there: &[Vec<u8>]) -> Option<usize> {
    let mut left = sent.iter();
    let all = there.iter().all(|datagram| left.any(|other| other == datagram));
    all.then(|| sent.len() - there.len())
}

fn bytes(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(1), Just(255)], length)
}

fn datagrams() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(bytes(0..DATAGRAM_BYTES + 1), 1..8)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1_usize..64, 1..8)
}

/// What a wire can do to a stream at one place.
#[derive(Clone, Debug)]
enum Damage {
    Flip(u8),
    Lose(usize),
    Double(usize),
    Insert(Vec<u8>),
}

impl Damage {
    fn strike(&self, stream: &mut Vec<u8>, at: usize) {
        let end = |count: usize| stream.len().min(at + count);
        match self {
            Self::Flip(bits) => stream[at] ^= bits,
            Self::Lose(count) => drop(stream.drain(at..end(*count))),
            Self::Double(count) => {
                let again = stream[at..end(*count)].to_vec();
                stream.splice(at..at, again);
            }
            Self::Insert(bytes) => drop(stream.splice(at..at, bytes.iter().copied())),
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (1_u8..=255).prop_map(Damage::Flip),
        (1_usize..30).prop_map(Damage::Lose),
        (1_usize..30).prop_map(Damage::Double),
        bytes(1..200).prop_map(Damage::Insert),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn frames_arrive_whole_however_they_are_split(
        shared: bool,
        datagrams in datagrams(),
        pieces in pieces(),
    ) {
        let (mut sender, mut receiver) = ends(shared);
        let around = if shared { 8 } else { 6 };
        let mut stream = Vec::new();
        for datagram in &datagrams {
            // The very first zero is there once, for whoever has heard noise until then.
            let first = usize::from(stream.is_empty());
            let frame = spoken(&mut sender, datagram, &pieces);
            prop_assert_eq!(frame.len(), first + datagram.len() + around);
            stream.extend(frame);
        }
        prop_assert_eq!(heard(&mut receiver, &stream), datagrams);
        prop_assert_eq!(counted(&receiver), 0);
    }

    /// Noise costs the frame behind it at most, and nothing if a zero ends it.
    #[test]
    fn any_noise_between_frames_costs_no_more_than_the_next_one(
        shared: bool,
        noisy in proptest::collection::vec(
            (bytes(0..DATAGRAM_BYTES + 1), bytes(0..3 * MEMORY_BYTES)), 1..8
        ),
    ) {
        let (mut sender, mut receiver) = ends(shared);
        let (mut stream, mut sent, mut excused) = (Vec::new(), Vec::new(), 0);
        for (datagram, noise) in noisy {
            stream.extend_from_slice(&noise);
            // The sender's own zero ends the first.
            let ended = noise.last().is_none_or(|byte| *byte == 0) || sent.is_empty();
            excused += usize::from(!ended);
            stream.extend(spoken(&mut sender, &datagram, &[64]));
            sent.push(datagram);
        }
        let missing = missing(&sent, &heard(&mut receiver, &stream));
        prop_assert!(missing.is_some_and(|missing| missing <= excused), "{missing:?}");
    }

    /// One stroke touches two frames if it takes the zero between them or is as long as one.
    #[test]
    fn any_damage_costs_the_frames_that_it_touches_and_forges_none(
        shared: bool,
        datagrams in proptest::collection::vec(bytes(30..DATAGRAM_BYTES + 1), 1..8),
        damage in damage(),
        place: prop::sample::Index,
    ) {
        let (mut sender, mut receiver) = ends(shared);
        let mut stream = Vec::new();
        datagrams.iter().for_each(|it| stream.extend(spoken(&mut sender, it, &[64])));
        let at = place.index(stream.len());
        damage.strike(&mut stream, at);
        stream.push(0);
        let there = heard(&mut receiver, &stream);
        // A whole frame that came twice is one that came twice.
        let missing = missing(&datagrams, &there);
        prop_assert!(missing.is_some_and(|missing| missing <= 2), "{missing:?}");
        let behind = spoken(&mut sender, b"behind", &[64]);
        prop_assert_eq!(heard(&mut receiver, &behind), [b"behind".to_vec()]);
    }

    #[test]
    fn a_frame_too_long_for_its_receiver_is_counted_and_costs_no_other(
        shared: bool,
        before in bytes(0..DATAGRAM_BYTES + 1),
        long in bytes(DATAGRAM_BYTES + 1..DATAGRAM_BYTES + MEMORY_BYTES),
        behind in bytes(0..DATAGRAM_BYTES + 1),
    ) {
        let (mut sender, mut receiver) = ends(shared);
        let all = [&before, &long, &behind];
        let stream: Vec<_> = all.iter().flat_map(|it| spoken(&mut sender, it, &[64])).collect();
        prop_assert_eq!(heard(&mut receiver, &stream), [before, behind]);
        prop_assert_eq!((receiver.losses(), receiver.refused()), (too_long(1), 0));
    }

    /// Against the crate `cobs`, which postcard brings along.
    #[test]
    fn stuffing_is_what_others_take_for_it(frame in bytes(1..600), stream in bytes(1..600)) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(vec![0; 600]));
        let ours: Vec<_> = std::iter::from_fn(|| encoder.next(&frame)).collect();
        let (zeros, body) = ([ours[0], ours[ours.len() - 1]], &ours[1..ours.len() - 1]);
        prop_assert_eq!(zeros, [0, 0]);
        prop_assert!(body.len() <= frame.len() + 1 + frame.len() / 254 && !body.contains(&0));
        let mut theirs = vec![0; 700];
        let length = cobs::decode(body, &mut theirs).map_err(|_| TestCaseError::fail("theirs"))?;
        prop_assert_eq!(&theirs[..length], &frame[..]);
        let length = cobs::encode(&frame, &mut theirs);
        let mut taken = None;
        for byte in theirs[..length].iter().copied().chain([0]) {
            taken = decoder.push(byte).map(<[u8]>::to_vec);
        }
        prop_assert_eq!(taken, Some(frame));
        // And of what nobody wrote, both say the same.
        let stream: Vec<_> = stream.into_iter().map(|byte| byte.max(1)).collect();
        let mut taken = None;
        for byte in stream.iter().copied().chain([0]) {
            taken = decoder.push(byte).map(<[u8]>::to_vec);
        }
        let length = cobs::decode(&stream, &mut theirs).ok();
        prop_assert_eq!(taken.as_deref(), length.map(|length| &theirs[..length]));
    }
}

fn too_long(too_long: u32) -> Losses {
    Losses { torn: 0, too_long }
}

/// The rows of the wire document: a line, and what is on it.
#[test]
fn a_frame_is_the_bytes_that_the_wire_document_shows() {
    let text = include_str!("../raft-core/WIRE.md");
    let (_, section) = text.split_once("## Serial lines").expect("the section");
    let mut rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    for shared in [false, true] {
        let row = rows.next().and_then(|row| row.split_once('`')).expect("a row").0;
        let byte = |text| u8::from_str_radix(text, 16).expect("a byte");
        let expected: Vec<_> = row.split(' ').map(byte).collect();
        let (mut sender, mut receiver) = ends(shared);
        assert_eq!(spoken(&mut sender, &[5, 2, 0, 9], &[64])[1..], expected);
        assert_eq!(heard(&mut receiver, &expected), [[5, 2, 0, 9]]);
    }
}
