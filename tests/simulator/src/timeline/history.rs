//! What a page shows of a history: moments put together into arrows, stretches and marks.

use super::{Cast, Span, json};
use crate::trace::{Moment, What};
use raft_core::wire::{self, Message};
use raft_core::{RoleName, Term};
use std::collections::HashMap;

/// A history as it is drawn. Lanes are counted from the top.
pub(super) struct History {
    pub(super) letters: Vec<Letter>,
    pub(super) stretches: Vec<Stretch>,
    pub(super) spans: Vec<Trouble>,
    pub(super) marks: Vec<Mark>,
    words: Words,
}

/// A datagram and what became of it.
pub(super) struct Letter {
    pub(super) sent: u32,
    pub(super) from: usize,
    pub(super) to: usize,
    /// When its fate was decided; the end of the history for one that is on its way.
    pub(super) end: u32,
    pub(super) fate: Fate,
    kind: LetterKind,
    words: usize,
}

/// What became of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    OnItsWay,
    Arrived,
    /// And why, in words.
    Lost(usize),
}

/// What the page can hide; the numbers are the page's.
#[derive(Clone, Copy)]
enum LetterKind {
    Heartbeat = 0,
    Vote = 1,
    Append = 2,
    Answer = 3,
    Other = 4,
}

/// A time in which a node was one thing in one term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub(super) lane: usize,
    pub(super) begin: u32,
    pub(super) end: u32,
    pub(super) role: RoleName,
    pub(super) term: Term,
}

/// A time in which something was the matter with a node.
pub(super) struct Trouble {
    pub(super) lane: usize,
    pub(super) begin: u32,
    pub(super) end: u32,
    pub(super) down: bool,
    words: usize,
    /// Which of the cast's spans it is, while it lasts.
    open: Option<usize>,
}

/// Something that happened in no time.
pub(super) struct Mark {
    pub(super) tick: u32,
    pub(super) lane: usize,
    pub(super) kind: MarkKind,
    words: usize,
}

/// What happened; the numbers are the page's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MarkKind {
    Committed = 0,
    Applied = 1,
    Proposed = 2,
    Refused = 3,
    Truncated = 4,
    Fault = 5,
    Broken = 6,
}

/// Every text once.
#[derive(Default)]
struct Words {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
}

impl History {
    pub(super) fn new(cast: &Cast, moments: &[Moment]) -> Self {
        let mut history = Self {
            letters: Vec::new(),
            stretches: Vec::new(),
            spans: Vec::new(),
            marks: Vec::new(),
            words: Words::default(),
        };
        let mut numbers = HashMap::new();
        let (role, term) = (RoleName::Follower, Term::ZERO);
        let first = |lane| Stretch { lane, begin: 0, end: 0, role, term };
        let mut now: Vec<Stretch> = (0..cast.nodes.len()).map(first).collect();
        for moment in moments {
            let Some(lane) = cast.lane(moment.node) else { continue };
            match &moment.what {
                What::Sent { letter, to, bytes } => {
                    if let Some(to) = cast.lane(*to) {
                        numbers.insert(*letter, history.letters.len());
                        history.sent(cast, moment.tick, lane, to, bytes);
                    }
                }
                What::Received { letter, .. } => {
                    history.decide(numbers.get(letter), moment.tick, Fate::Arrived);
                }
                What::Lost { letter, why } => {
                    let why = history.words.number(why);
                    history.decide(numbers.get(letter), moment.tick, Fate::Lost(why));
                }
                What::Became { role, term } => {
                    let next = Stretch { role: *role, term: *term, ..now[lane] };
                    history.become_now(&mut now[lane], next, moment.tick);
                }
                What::Fault { words } => {
                    if history.trouble(cast, lane, moment.tick, words) {
                        let role = RoleName::Follower;
                        let next = Stretch { role, ..now[lane] };
                        history.become_now(&mut now[lane], next, moment.tick);
                    }
                    history.mark(moment.tick, lane, MarkKind::Fault, words);
                }
                other => history.happened(moment.tick, lane, other),
            }
        }
        history.finish(cast, now);
        history
    }

    pub(super) fn lost(&self) -> usize {
        self.letters.iter().filter(|letter| matches!(letter.fate, Fate::Lost(_))).count()
    }

    pub(super) fn json(&self, cast: &Cast) -> String {
        let role = |role| match role {
            RoleName::Follower => 0,
            RoleName::PreCandidate => 1,
            RoleName::Candidate => 2,
            RoleName::Leader => 3,
        };
        let letters = self.letters.iter().map(|letter| {
            let (fate, why) = match letter.fate {
                Fate::OnItsWay => (0, -1),
                Fate::Arrived => (1, -1),
                Fate::Lost(why) => (2, number(why)),
            };
            let (from, to, words) = (number(letter.from), number(letter.to), number(letter.words));
            let (sent, end, kind) = (letter.sent.into(), letter.end.into(), letter.kind as i64);
            json::numbers([sent, from, to, end, fate, kind, words, why])
        });
        let stretches = self.stretches.iter().map(|stretch| {
            let Stretch { lane, begin, end, role: is, term } = *stretch;
            json::numbers([number(lane), begin.into(), end.into(), role(is), term.0.into()])
        });
        let spans = self.spans.iter().map(|span| {
            let Trouble { lane, begin, end, down, words, .. } = *span;
            let (lane, words) = (number(lane), number(words));
            json::numbers([lane, begin.into(), end.into(), down.into(), words])
        });
        let marks = self.marks.iter().map(|mark| {
            let (lane, words) = (number(mark.lane), number(mark.words));
            json::numbers([mark.tick.into(), lane, mark.kind as i64, words])
        });
        let members = [
            ("seed", json::string(&cast.seed.to_string())),
            ("headline", json::string(&cast.headline)),
            ("ticks", cast.ticks.to_string()),
            ("nodes", json::list(cast.nodes.iter().map(u8::to_string))),
            ("words", json::list(self.words.texts.iter().map(|text| json::string(text)))),
            ("stretches", json::list(stretches)),
            ("spans", json::list(spans)),
            ("marks", json::list(marks)),
            ("letters", json::list(letters)),
        ];
        let members = members.map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.join(",\n"))
    }

    fn sent(&mut self, cast: &Cast, sent: u32, from: usize, to: usize, bytes: &[u8]) {
        let (kind, words) = match wire::decode(bytes) {
            Ok(datagram) => (LetterKind::of(&datagram.message), (cast.words)(&datagram)),
            Err(_) => (LetterKind::Other, format!("{} bytes that are no datagram", bytes.len())),
        };
        let words = self.words.number(&words);
        let letter = Letter { sent, from, to, end: cast.ticks, fate: Fate::OnItsWay, kind, words };
        self.letters.push(letter);
    }

    fn decide(&mut self, letter: Option<&usize>, tick: u32, fate: Fate) {
        if let Some(letter) = letter.and_then(|&letter| self.letters.get_mut(letter)) {
            (letter.end, letter.fate) = (tick, fate);
        }
    }

    /// One stretch of a lane ends and the next one begins.
    fn become_now(&mut self, now: &mut Stretch, next: Stretch, tick: u32) {
        if (next.role, next.term) != (now.role, now.term) {
            self.stretches.extend((tick > now.begin).then_some(Stretch { end: tick, ..*now }));
            *now = Stretch { begin: tick, ..next };
        }
    }

    /// A fault may begin or end trouble. Says whether the node went down.
    fn trouble(&mut self, cast: &Cast, lane: usize, tick: u32, words: &str) -> bool {
        let open = |trouble: &&mut Trouble| trouble.lane == lane && trouble.open.is_some();
        for trouble in self.spans.iter_mut().filter(open) {
            if trouble.open.is_some_and(|span| words.starts_with(cast.spans[span].ends)) {
                (trouble.end, trouble.open) = (tick, None);
            }
        }
        let begun = cast.spans.iter().position(|span| words.starts_with(span.begins));
        let Some(open) = begun else { return false };
        let Span { name, down, .. } = cast.spans[open];
        let words = self.words.number(&format!("{name}: {words}"));
        let (begin, end, open) = (tick, cast.ticks, Some(open));
        self.spans.push(Trouble { lane, begin, end, down, words, open });
        down
    }

    /// What is a mark and nothing else.
    fn happened(&mut self, tick: u32, lane: usize, what: &What) {
        let (kind, words) = match what {
            What::Committed { index } => {
                (MarkKind::Committed, format!("knows that {} is committed", index.0))
            }
            What::Applied { index, command } => {
                (MarkKind::Applied, format!("applies {}: {command}", index.0))
            }
            What::Proposed { command, outcome: Ok(index) } => {
                (MarkKind::Proposed, format!("proposes {command} at {}", index.0))
            }
            What::Proposed { command, outcome: Err(why) } => {
                (MarkKind::Refused, format!("refuses {command}: {why}"))
            }
            What::Truncated { index } => {
                (MarkKind::Truncated, format!("drops what stood above {}", index.0))
            }
            What::Broken { words } => (MarkKind::Broken, words.clone()),
            What::Sent { .. }
            | What::Received { .. }
            | What::Lost { .. }
            | What::Became { .. }
            | What::Fault { .. } => return,
        };
        self.mark(tick, lane, kind, &words);
    }

    fn mark(&mut self, tick: u32, lane: usize, kind: MarkKind, words: &str) {
        let words = self.words.number(words);
        self.marks.push(Mark { tick, lane, kind, words });
    }

    /// What still lasts ends with the history.
    fn finish(&mut self, cast: &Cast, now: Vec<Stretch>) {
        self.stretches.extend(now.iter().map(|now| Stretch { end: cast.ticks, ..*now }));
        self.stretches.sort_by_key(|stretch| (stretch.lane, stretch.begin));
        // The page looks things up by their tick.
        self.letters.sort_by_key(|letter| letter.sent);
        self.marks.sort_by_key(|mark| mark.tick);
    }
}

impl LetterKind {
    fn of(message: &Message<'_>) -> Self {
        match message {
            Message::Heartbeat { .. } => Self::Heartbeat,
            Message::VoteRequest(_) | Message::VoteAnswer(_) | Message::HandOver(_) => Self::Vote,
            Message::Append(_) | Message::Chunk(_) | Message::Forward(_) => Self::Append,
            Message::Acknowledge(_) | Message::Reject(_) | Message::Staged(_) => Self::Answer,
            Message::ReadRequest(_) | Message::ReadAnswer(_) => Self::Answer,
            Message::RefillRequest(_) | Message::RefillAnswer(_) => Self::Answer,
        }
    }
}

impl Cast {
    fn lane(&self, node: u8) -> Option<usize> {
        self.nodes.iter().position(|&each| each == node)
    }
}

impl Words {
    fn number(&mut self, text: &str) -> usize {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len();
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// A place in a list, as the page counts it.
fn number(at: usize) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
