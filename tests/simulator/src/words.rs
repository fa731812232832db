//! Machines that a person can follow, the one of the scenarios, and datagrams in words.

use raft_core::wire::{
    Acknowledge, Answer, Append, Chunk, Counted, Datagram, Forward, HandOver, Heartbeat, Message,
    ReadAnswer, ReadRequest, RefillAnswer, RefillRequest, Reject, Staged, Standing, VoteAnswer,
    VoteRequest,
};
use raft_core::{
    Configuration, Entries, Kind, LoadError, Loader, Machine, Membership, NodeId, NodeSet, Nonce,
    Position, Saver, Snapshot, Term,
};

/// A machine whose commands can be told in words, and whose nodes can be copied and compared.
pub trait Spoken: Machine + Clone + PartialEq {
    /// A machine in its first state, in one life of a node.
    fn born(life: u64) -> Self;

    /// What the bytes of a command say. `None` if they are no command.
    fn say(body: &[u8]) -> Option<String>;
}

/// Remembers every word that it was told.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Words(pub Vec<String>);

impl Machine for Words {
    type Command<'a> = &'a str;
    type Output = String;

    fn apply(&mut self, word: &str) -> String {
        self.0.push(word.to_owned());
        word.to_owned()
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.0.len());
        for word in &self.0 {
            saver.value(&word.len());
            saver.write(word.as_bytes());
        }
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        self.0.clear();
        for _ in 0..loader.value::<usize>()? {
            let mut word = vec![0; loader.value::<usize>()?.min(loader.left() as usize)];
            loader.read(&mut word)?;
            self.0.push(String::from_utf8(word).map_err(|_| LoadError::Content)?);
        }
        Ok(())
    }
}

impl Spoken for Words {
    fn born(_: u64) -> Self {
        Self::default()
    }

    fn say(body: &[u8]) -> Option<String> {
        postcard::from_bytes::<&str>(body).ok().map(str::to_owned)
    }
}

/// `index:term`, as the scenarios name positions.
pub fn position(position: Position) -> String {
    format!("{}:{}", position.index.0, position.term.0)
}

/// Who the members are: `{1,2,3}`, and whatever else there is to say.
pub fn configuration(members: &Configuration) -> String {
    let list = |set: NodeSet| {
        let named = |id: NodeId| match members.nonce(id) {
            Some(Nonce::FOUNDER) | None => id.0.to_string(),
            Some(nonce) => format!("{}#{}", id.0, nonce.0),
        };
        set.iter().map(named).collect::<Vec<_>>().join(",")
    };
    let Membership { incoming, outgoing, learners } = members.membership;
    let mut words = list(incoming);
    let others = [
        ("before", outgoing),
        ("learn", learners),
        ("arrive", members.arriving),
        ("leave", members.leaving),
    ];
    for (what, set) in others.into_iter().filter(|(_, set)| !set.is_empty()) {
        words.push_str(&format!(";{what}:{}", list(set)));
    }
    format!("{{{words}}}")
}

/// A snapshot's name, length and last entry.
pub fn snapshot(of: &Snapshot) -> String {
    match *of {
        Snapshot::NONE => "no snapshot".to_owned(),
        Snapshot { last, bytes, checksum } => {
            format!("snapshot {checksum:08x} of {bytes} bytes, up to {}", position(last))
        }
    }
}

/// An entry's term and command, `5:x`.
pub fn entry<M: Spoken>(term: Term, kind: Kind, body: &[u8]) -> String {
    match kind {
        Kind::NOOP => format!("{}:-", term.0),
        Kind::COMMAND => match M::say(body) {
            Some(word) => format!("{}:{word}", term.0),
            None => format!("{}:?", term.0),
        },
        Kind::CONFIGURATION => match Configuration::read(body) {
            Some(members) => format!("{}:{}", term.0, configuration(&members)),
            None => format!("{}:?", term.0),
        },
        _ => format!("{}:kind{}", term.0, kind.number()),
    }
}

/// What is asked about reads and losses, and answered.
fn question(message: &Message<'_>) -> String {
    match *message {
        Message::ReadRequest(ReadRequest { number }) => {
            format!("what must be applied to read? question {number}")
        }
        Message::ReadAnswer(ReadAnswer { number, index }) => {
            format!("to read, apply {}, as to question {number}", index.0)
        }
        Message::RefillRequest(RefillRequest { number }) => {
            format!("I lost entries: what must I hold? loss {number}")
        }
        Message::RefillAnswer(RefillAnswer { number, index }) => {
            format!("hold {} to count again, as to loss {number}", index.0)
        }
        _ => String::new(),
    }
}

/// What a datagram says.
pub fn datagram<M: Spoken>(datagram: &Datagram<'_>) -> String {
    let said = match datagram.message {
        Message::VoteRequest(VoteRequest { standing, attempt, last }) => {
            let what = match standing {
                Standing::Pre => "would you vote",
                Standing::Real(_) => "vote",
                Standing::HandedOver(_) => "the leader asks for it: vote",
            };
            format!("{what} for me? last {}, question {}", position(last.get()), attempt.0)
        }
        Message::VoteAnswer(VoteAnswer { answer: Answer::Refused, .. }) => "no".to_owned(),
        Message::VoteAnswer(VoteAnswer { answer: Answer::PreGranted, number }) => {
            format!("I would, as to question {}", number.0)
        }
        Message::VoteAnswer(VoteAnswer { answer: Answer::Granted(_), number }) => {
            format!("you have my vote, as to question {}", number.0)
        }
        Message::Heartbeat(Heartbeat { round, committed, quiet_ticks }) => {
            let next = match quiet_ticks {
                0 => String::new(),
                ticks => format!(", the next in {ticks} ticks"),
            };
            format!("heartbeat, round {}, commit {}{next}", round.0, committed.0)
        }
        Message::Append(Append { round, previous, committed, entries }) => {
            let list = entry_list::<M>(entries);
            let (after, round, commit) = (position(previous), round.0, committed.0);
            format!("append after {after} [{list}], round {round}, commit {commit}")
        }
        Message::Acknowledge(Acknowledge { round, index, settled, short, standing }) => {
            let more = if settled { "" } else { ", more to come" };
            let more = if short { ", no room but by a snapshot" } else { more };
            let count = if standing == Counted::Yes { "" } else { ", not counted" };
            format!("hold {}{more}{count}, round {}", index.get().0, round.0)
        }
        Message::Chunk(Chunk { checksum, begins, offset, bytes }) => {
            let (length, up_to) = (
                bytes.len(),
                begins.map_or(String::new(), |it| {
                    format!(" of {} bytes, up to {}", it.bytes, position(it.last))
                }),
            );
            format!("snapshot {checksum:08x}{up_to}: {length} from {offset} on")
        }
        Message::Staged(Staged { round, checksum, held, standing }) => {
            let count = if standing == Counted::Yes { "" } else { ", not counted" };
            format!("have {held} of snapshot {checksum:08x}{count}, round {}", round.0)
        }
        Message::Forward(Forward { command }) => {
            let command = M::say(command).unwrap_or_else(|| format!("{command:02x?}"));
            format!("have applied: {command}")
        }
        Message::HandOver(HandOver { round }) => format!("lead after me, round {}", round.0),
        Message::Reject(Reject { round, previous, hint, .. }) => {
            format!("no match at {}, try {}, round {}", previous.0, position(hint), round.0)
        }
        ref other => question(other),
    };
    let named = match datagram.nonce {
        Nonce::FOUNDER => String::new(),
        Nonce(nonce) => format!(" #{nonce}"),
    };
    format!("term {}{named}: {said}", datagram.term.0)
}

fn entry_list<M: Spoken>(entries: Entries<'_>) -> String {
    let words = entries.iter().map(|each| entry::<M>(each.term, each.kind, each.body));
    words.collect::<Vec<_>>().join(" ")
}
