//! What operators say about a node and its cluster.

use super::{Request, SYNTAX, Understood, Words};
use raft_std::{NodeId, Nonce};

/// Something to do with the node that is spoken to, or with its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// How it is, for Redis tools.
    Info,
    /// How it is.
    Status,
    /// Takes in a node.
    Add {
        /// Its id.
        id: NodeId,
        /// Where its peers find it.
        address: String,
        /// What its storage is known by.
        nonce: Nonce,
        /// Whether it only follows.
        learner: bool,
    },
    /// Has a learner vote.
    Promote(NodeId),
    /// Removes a node.
    Remove(NodeId),
    /// Hands over leadership, to this one or whoever is best.
    Transfer(Option<NodeId>),
    /// Takes a snapshot.
    Snapshot,
    /// Takes a backup, whose pieces are asked for by the number that it gets.
    Backup,
    /// The next piece of a backup.
    BackupNext(i64),
}

pub(super) fn info(_: Words) -> Understood {
    // Whichever section is asked for: there is not much.
    Ok(Request::Operate(Operation::Info))
}

pub(super) fn status(_: Words) -> Understood {
    Ok(Request::Operate(Operation::Status))
}

/// `RAFT.ADD id address nonce [LEARNER]`
pub(super) fn add(mut words: Words) -> Understood {
    let (id, address, nonce) = (node(&mut words)?, words.text()?, Nonce(words.number()?));
    let learner = match words.name().as_deref() {
        None => false,
        Some("LEARNER") => true,
        Some(_) => return Err(SYNTAX.to_owned()),
    };
    words.end(Request::Operate(Operation::Add { id, address, nonce, learner }))
}

pub(super) fn promote(mut words: Words) -> Understood {
    Ok(Request::Operate(Operation::Promote(node(&mut words)?)))
}

pub(super) fn remove(mut words: Words) -> Understood {
    Ok(Request::Operate(Operation::Remove(node(&mut words)?)))
}

/// `RAFT.TRANSFER [id]`
pub(super) fn transfer(mut words: Words) -> Understood {
    let to = if words.0.len() == 0 { None } else { Some(node(&mut words)?) };
    words.end(Request::Operate(Operation::Transfer(to)))
}

pub(super) fn snapshot(_: Words) -> Understood {
    Ok(Request::Operate(Operation::Snapshot))
}

pub(super) fn backup(_: Words) -> Understood {
    Ok(Request::Operate(Operation::Backup))
}

/// `RAFT.BACKUP.NEXT number`
pub(super) fn backup_next(mut words: Words) -> Understood {
    Ok(Request::Operate(Operation::BackupNext(words.number()?)))
}

fn node(words: &mut Words) -> Result<NodeId, String> {
    let text = words.text()?;
    let id = text.parse().ok().map(NodeId).filter(|id| id.is_valid());
    id.ok_or_else(|| format!("id is {text}; allowed is 0 to 31"))
}
