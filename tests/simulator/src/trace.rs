//! What happened in a history, moment by moment: folded into a hash always, kept when someone is
//! going to read it.

use crate::registers::Shared;
use raft_core::{Index, RoleName, Term};

/// One thing that happened at one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The cluster's own clock, which no node sees.
    pub tick: u32,
    /// Where.
    pub node: u8,
    /// What.
    pub what: What,
}

/// What can happen at a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// It put a datagram on its way: the bytes without their envelope.
    Sent {
        /// Counts all datagrams of a history; a copy has a number of its own.
        letter: u32,
        /// Whom it is for.
        to: u8,
        /// What it says.
        bytes: Vec<u8>,
    },
    /// A datagram came to it.
    Received {
        /// The number with which it was sent.
        letter: u32,
        /// Who sent it.
        from: u8,
    },
    /// A datagram that it sent will never arrive.
    Lost {
        /// The number with which it was sent.
        letter: u32,
        /// Lost by chance, cut off, damaged, or for a node that is down.
        why: &'static str,
    },
    /// It has another role, or another term.
    Became {
        /// What it is now.
        role: RoleName,
        /// In which term.
        term: Term,
    },
    /// It knows that everything up to there is committed.
    Committed {
        /// Up to where.
        index: Index,
    },
    /// Its machine has seen the command at this place.
    Applied {
        /// Where it stands.
        index: Index,
        /// The command in words.
        command: String,
    },
    /// A client asked it to propose a command.
    Proposed {
        /// The command in words.
        command: String,
        /// Where it came to stand, or why it was refused.
        outcome: Result<Index, String>,
    },
    /// Its log lost everything above this place.
    Truncated {
        /// The last entry that stayed.
        index: Index,
    },
    /// A fault of the plan begins or ends here, in words: "power fails, 3 bytes of 40 kept".
    Fault {
        /// What was done to it.
        words: String,
    },
    /// A promise was broken: the history ends here.
    Broken {
        /// The checker and what it saw.
        words: String,
    },
}

/// A moment in words, on one line.
pub fn words(moment: &Moment) -> String {
    let said = match &moment.what {
        What::Sent { letter, to, bytes } => {
            let said = match raft_core::wire::decode(bytes) {
                Ok(datagram) => crate::words::datagram::<Shared>(&datagram),
                Err(error) => format!("{error:?}"),
            };
            format!("sends #{letter} to {to}: {said}")
        }
        What::Received { letter, from } => format!("gets #{letter} from {from}"),
        What::Lost { letter, why } => format!("#{letter} is lost: {why}"),
        What::Became { role: RoleName::Leader, term } => format!("LEADS in term {}", term.0),
        What::Became { role, term } => format!("is {role:?} in term {}", term.0),
        What::Committed { index } => format!("commits up to {}", index.0),
        What::Applied { index, command } => format!("applies {command} at {}", index.0),
        What::Proposed { command, outcome: Ok(index) } => {
            format!("is asked for {command}: at {}", index.0)
        }
        What::Proposed { command, outcome: Err(error) } => {
            format!("is asked for {command}: {error}")
        }
        What::Truncated { index } => format!("drops all entries above {}", index.0),
        What::Fault { words } => format!("-- {words}"),
        What::Broken { words } => format!("BROKEN: {words}"),
    };
    format!("{:>6} {:>2} {said}", moment.tick, moment.node)
}
