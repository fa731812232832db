//! Why something did not come to be: one type for each thing that can be asked for.

use crate::settings::BadSetting;
use raft_core::{ApplyFault, ChangeError, Fault, NodeId, TransferError};
use std::fmt;

/// Why a server was not started.
#[derive(Debug)]
pub enum StartError {
    /// A setting can't work.
    Setting(BadSetting),
    /// An address can't be listened at, or is none.
    Address {
        /// What it was given as.
        name: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The storage was never formatted: found a cluster with [`Setup::found`](crate::Setup::found),
    /// or join one with [`Setup::join`](crate::Setup::join), **once**.
    Blank,
    /// A cluster is to be founded or joined, and the storage is that of a node already: leave
    /// `found` and `join` away to start that one.
    NotBlank,
    /// The founders can't be those: this node is to be among them, and nine are the most.
    Founders,
    /// The storage lost the node's ballot: wipe it, have the node removed, and join anew.
    BallotLost,
    /// The storage is that of this node.
    OtherNode(NodeId),
    /// The cluster was founded with another `tick`, `election_timeout`, `frame_bytes`,
    /// `snapshot_bytes_max` or machine.
    UnequalSettings,
    /// The storage holds more entries than `log_bytes` has room for: give it as much as before.
    LogTooSmall,
    /// The storage failed, or can't be what this node goes on from, in its own words.
    Storage(String),
    /// The machine panicked when it was restored, and said this.
    Panicked(String),
    /// The system refused a thread, or something to wait on.
    System(std::io::Error),
}

/// Why a server answers no more, or nothing more about its machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// It was told to end.
    ShutDown,
    /// The core stopped for good.
    Fault(Fault),
    /// Its storage failed, in its own words.
    Storage(String),
    /// Its machine, or something else in its thread, panicked and said this.
    Panicked(String),
    /// The machine can't follow: it still stores and votes, and answers nothing.
    Apply(ApplyFault),
    /// It may run on: its thread is busy, and did not say in time how it is.
    Silent,
}

/// Why a command has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProposeError {
    /// The command can't be written by postcard, in its own words. It was not applied.
    Unwritable(String),
    /// The command is longer than `frame_bytes` allows. It was not applied.
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// The longest that would do.
        most_bytes: usize,
    },
    /// Too many commands wait at this node. It was not applied.
    Busy,
    /// In all that time it was not even sent: there was no leader, or no room. It was not applied,
    /// and never will be.
    Withdrawn,
    /// Nobody knows in time what became of it: it may be applied once, or never.
    Unknown,
    /// It was applied, once. What the machine answered was lost, because this node was so far
    /// behind that it was sent a snapshot meanwhile.
    AnswerLost,
    /// The server has stopped. Whether it was applied is not known.
    Stopped(Stopped),
}

/// Why there was nothing to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadError {
    /// Too many reads wait at this node.
    Busy,
    /// In all that time no leader said what may be read.
    Unanswered,
    /// The reader itself panicked.
    Panicked,
    /// The server has stopped.
    Stopped(Stopped),
}

/// Why a change of the members, or a transfer, did not come to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdminError {
    /// Ask the leader, if one is known.
    NotLeader(Option<NodeId>),
    /// The members can't become that.
    Change(ChangeError),
    /// Nobody can lead in this one's place.
    Transfer(TransferError),
    /// The other node did not take over in time: this one leads on.
    NotTaken,
    /// No transport has a use for the address.
    Address(String),
    /// The machine's snapshot has so many bytes, and storage room for fewer.
    SnapshotTooLarge {
        /// How long it is.
        bytes: u32,
        /// The longest that would do.
        most_bytes: u32,
    },
    /// The machine's snapshot could not be written, in the storage's own words. The node goes on
    /// without one, and takes another try when its log has to be compacted.
    SnapshotFailed(String),
    /// In all that time it had not come about. If it has begun, whoever leads carries it out.
    Unfinished,
    /// The server has stopped.
    Stopped(Stopped),
}

impl From<BadSetting> for StartError {
    fn from(setting: BadSetting) -> Self {
        Self::Setting(setting)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(setting) => write!(f, "{setting}"),
            Self::Address { name, error } => write!(f, "address is {name}; {error}"),
            Self::Blank => write!(f, "the storage is blank: found a cluster, or join one"),
            Self::NotBlank => write!(f, "the storage is that of a node: start it without founding"),
            Self::Founders => {
                write!(f, "founders are to be at most nine, and this node among them")
            }
            Self::BallotLost => write!(f, "the storage lost its ballot: wipe it, and join anew"),
            Self::OtherNode(id) => write!(f, "id is another; the storage is that of node {}", id.0),
            Self::UnequalSettings => {
                let keys = "tick, election_timeout, frame_bytes, snapshot_bytes_max";
                write!(f, "the cluster has another machine, or another of these: {keys}")
            }
            Self::LogTooSmall => write!(f, "log_bytes is too small for what the storage holds"),
            Self::Storage(words) => write!(f, "the storage can't be used: {words}"),
            Self::Panicked(words) => write!(f, "the machine panicked: {words}"),
            Self::System(error) => write!(f, "the system refused: {error}"),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => write!(f, "it was told to end"),
            Self::Fault(fault) => write!(f, "the node stopped for good: {fault:?}"),
            Self::Storage(words) => write!(f, "the storage failed: {words}"),
            Self::Panicked(words) => write!(f, "its thread panicked: {words}"),
            Self::Apply(fault) => write!(f, "the machine can't follow: {fault:?}"),
            Self::Silent => write!(f, "its thread may be busy: nothing was heard of it in time"),
        }
    }
}

impl fmt::Display for ProposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritable(words) => write!(f, "the command can't be written: {words}"),
            Self::TooLarge { bytes, most_bytes } => {
                write!(f, "the command has {bytes} bytes; {most_bytes} are the most")
            }
            Self::Busy => write!(f, "too many commands wait here; it was not applied"),
            Self::Withdrawn => write!(f, "it could not be sent in time, and was not applied"),
            Self::Unknown => write!(f, "not known in time whether it was applied"),
            Self::AnswerLost => write!(f, "it was applied, and its answer was lost"),
            Self::Stopped(why) => write!(f, "the server has stopped: {why}"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(f, "too many reads wait here"),
            Self::Unanswered => write!(f, "no leader answered in time"),
            Self::Panicked => write!(f, "the reader panicked"),
            Self::Stopped(why) => write!(f, "the server has stopped: {why}"),
        }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader(Some(leader)) => write!(f, "node {} leads: ask that one", leader.0),
            Self::NotLeader(None) => write!(f, "no leader is known"),
            Self::Change(ChangeError::NotCaughtUp(id)) => {
                write!(f, "node {} is not heard, or has not caught up", id.0)
            }
            Self::Change(error) => write!(f, "the members can't become that: {error:?}"),
            Self::Transfer(error) => write!(f, "nobody can take over: {error:?}"),
            Self::NotTaken => write!(f, "the other node did not take over"),
            Self::Address(address) => write!(f, "no transport can use the address {address}"),
            Self::SnapshotTooLarge { bytes, most_bytes } => {
                write!(f, "the snapshot has {bytes} bytes; the storage takes {most_bytes}")
            }
            Self::SnapshotFailed(words) => write!(f, "the snapshot was not written: {words}"),
            Self::Unfinished => write!(f, "it did not come about in time"),
            Self::Stopped(why) => write!(f, "the server has stopped: {why}"),
        }
    }
}

impl std::error::Error for StartError {}
impl std::error::Error for Stopped {}
impl std::error::Error for ProposeError {}
impl std::error::Error for ReadError {}
impl std::error::Error for AdminError {}
impl std::error::Error for BadSetting {}
