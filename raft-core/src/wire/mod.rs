//! What nodes say to each other, byte by byte as `WIRE.md` has it.
//!
//! A datagram is a tag, flags, the sender's term and the fields of its kind, each as postcard has
//! them; entries follow an append until the bytes end. Reading checks everything once: whatever is
//! in a [`Datagram`] keeps to the bounds of its types. Fields that are promises are [`Durable`], so
//! that only a node that has flushed can write them.

mod decode;
mod encode;
mod envelope;
mod kind;

pub use self::decode::decode;
pub(crate) use self::decode::{Opened, open};
pub use self::encode::encode;
pub(crate) use self::encode::{behind_nonce, put_nonce};
pub(crate) use self::envelope::ADDRESS_BYTES;
pub use self::envelope::{ENVELOPE_BYTES, Envelope};
pub(crate) use self::kind::Kind;
use crate::durable::Durable;
use crate::log::Entries;
use crate::types::{Index, NodeId, Nonce, Position, Round, Snapshot, Term};

/// The version that this crate speaks. Zero may still change.
pub const VERSION: u8 = 0;

/// One message and the term of its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Datagram<'a> {
    /// Which formatting of its storage the sender is known by.
    pub nonce: Nonce,
    /// The sender's term when it was sent.
    pub term: Term,
    /// What it says.
    pub message: Message<'a>,
}

/// What one node can say to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Message<'a> {
    /// "May I lead?"
    VoteRequest(VoteRequest),
    /// The answer to a vote request; a refusal also tells a sender from the past of the term.
    VoteAnswer(VoteAnswer),
    /// "I lead, and this is committed."
    Heartbeat(Heartbeat),
    /// "After this entry come these."
    Append(Append<'a>),
    /// "I hold everything that you have, up to here."
    Acknowledge(Acknowledge),
    /// "The entry before your first one is not mine."
    Reject(Reject),
    /// "Lead after me: stand now."
    HandOver(HandOver),
    /// "Here is some of what I have dropped from my log."
    Chunk(Chunk<'a>),
    /// "So much of it is here."
    Staged(Staged),
    /// "Have this applied."
    Forward(Forward<'a>),
    /// "What must my machine have seen before it may be read?"
    ReadRequest(ReadRequest),
    /// "Everything up to here."
    ReadAnswer(ReadAnswer),
    /// "I lost entries: what must I hold to count again?"
    RefillRequest(RefillRequest),
    /// "Everything up to here."
    RefillAnswer(RefillAnswer),
}

/// "May I lead?"
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct VoteRequest {
    /// Whether this stands for real.
    pub standing: Standing,
    /// Counts the requests of one candidate, so that two of them are never the same bytes.
    pub attempt: Round,
    /// How far the sender's log goes, of what it could not lose.
    pub last: Durable<Position>,
}

/// The answer to a vote request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct VoteAnswer {
    /// The attempt that is answered with a yes of either kind; else a number that is new each time.
    pub number: Round,
    /// What is answered.
    pub answer: Answer,
}

/// "I lead, and this is committed."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Heartbeat {
    /// To be echoed.
    pub round: Round,
    /// The leader's commit.
    pub committed: Index,
    /// For how many ticks this may be the last one, in quiet mode; else zero.
    pub quiet_ticks: u32,
}

/// "After this entry come these."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Append<'a> {
    /// To be echoed.
    pub round: Round,
    /// The position of the entry before the first.
    pub previous: Position,
    /// The leader's commit.
    pub committed: Index,
    /// The entries; encoding leaves them to the caller, who knows how many fit.
    pub entries: Entries<'a>,
}

/// "I hold everything that you have, up to here."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Acknowledge {
    /// The round heard last from this leader.
    pub round: Round,
    /// The last entry that matches the leader's and is durable.
    pub index: Durable<Index>,
    /// Whether nothing that matches is still waiting to be durable.
    pub settled: bool,
    /// Whether the sender has no room for more until it is sent a snapshot.
    pub short: bool,
    /// Whether the sender is a member whose promises count.
    pub standing: Counted,
}

/// "The entry before your first one is not mine."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reject {
    /// The round heard last from this leader.
    pub round: Round,
    /// The index that the append named as its previous one.
    pub previous: Index,
    /// The sender's last entry below that which might match.
    pub hint: Position,
    /// Whether the sender is a member whose promises count.
    pub standing: Counted,
}

/// "Lead after me: stand now."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HandOver {
    /// The leader's round: one that comes late is not heeded.
    pub round: Round,
}

/// "Here is some of what I have dropped from my log."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Chunk<'a> {
    /// Which snapshot it is of, by its checksum.
    pub checksum: u32,
    /// All there is to say of that snapshot, with its first bytes.
    pub begins: Option<Snapshot>,
    /// How many bytes of it come before these.
    pub offset: u32,
    /// The bytes; encoding leaves them to the caller.
    pub bytes: &'a [u8],
}

/// "So much of it is here."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Staged {
    /// The round heard last from this leader.
    pub round: Round,
    /// The checksum of the snapshot that comes together; zero if there is none.
    pub checksum: u32,
    /// How much of it there is.
    pub held: u32,
    /// Whether the sender is a member whose promises count.
    pub standing: Counted,
}

/// "Have this applied."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Forward<'a> {
    /// The command; encoding leaves it to the caller.
    pub command: &'a [u8],
}

/// "What must my machine have seen before it may be read?"
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReadRequest {
    /// Tells the questions of one node apart, those from before a restart too.
    pub number: u32,
}

/// "Everything up to here."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReadAnswer {
    /// The question's.
    pub number: u32,
    /// Nothing above it was committed when the question was asked.
    pub index: Index,
}

/// "I lost entries: what must I hold to count again?"
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RefillRequest {
    /// Which loss it is, by the sender's ballot.
    pub number: u32,
}

/// "Everything up to here."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RefillAnswer {
    /// The loss's.
    pub number: u32,
    /// The last entry of the sender's log.
    pub index: Index,
}

/// Whether a vote is asked for, or only whether there would be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Standing {
    /// Nobody's term changes: "would you vote for me in the next term?"
    Pre,
    /// In this term; the candidate's vote for itself is durable.
    Real(Durable<Term>),
    /// The same, because the leader asked for it: that it is heard is no reason to refuse.
    HandedOver(Durable<Term>),
}

/// What a voter answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer {
    /// No.
    Refused,
    /// The sender would vote for the one it answers in the term after this.
    PreGranted,
    /// The sender has durably voted for the one it answers in this term.
    Granted(Durable<Term>),
}

/// Whether a member's word counts toward a quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Counted {
    /// It does.
    Yes,
    /// Its storage was never admitted: it is replicated to, and nothing else.
    No,
}

/// Why bytes are not a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DecodeError {
    /// Of a version that this crate does not speak.
    Version,
    /// Of a kind, or with a flag, that this version does not know.
    Kind,
    /// Cut short, too long, or with a value out of bounds.
    Malformed,
}

/// Bytes from a node: what a link hands to the core. The link vouches for sender and content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Frame<'a> {
    /// Who sent it.
    pub from: NodeId,
    /// What was sent.
    pub bytes: &'a [u8],
}

/// Bytes for a node: what the core hands to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Packet<'a> {
    /// Whom it is for.
    pub to: Recipient,
    /// What to send.
    pub bytes: &'a [u8],
}

/// Whom a packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Recipient {
    /// One node.
    Peer(NodeId),
    /// Everyone who hears it, on a shared medium.
    Everyone,
}
