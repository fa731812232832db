//! One client: it asks now this node, now that one, and writes down what it asked and was told.

use super::lie::Liar;
use super::{Ask, KEYS, Seen, Shared};
use crate::history::{Answer, Operation, Request, Told, told, words};
use kv::control::{Client as Connection, request};
use raft_simulator::random::Random;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How many requests are sent at once, at most.
const AT_ONCE_MAX: u32 = 4;
/// Keys are new after so long, so that the history of each stays short.
const GENERATION_MICROS: u32 = 2_000_000;
/// A value names its client in its upper bits, and leaves room for additions in the lower ones.
const CLIENT_SHIFT: u32 = 44;
const ADDITIONS_SHIFT: u32 = 16;

pub(super) struct Client {
    pub(super) number: u32,
    pub(super) random: Random,
    pub(super) liar: Liar,
    /// How many values it has made up.
    values: u64,
    seen: Seen,
}

impl Client {
    pub(super) fn new(number: u32, random: Random, liar: Liar) -> Self {
        Self { number, random, liar, values: 0, seen: Seen::default() }
    }

    /// Asks until it is told to stop.
    pub(super) fn work(mut self, shared: &Shared) -> Seen {
        // It comes back to a node without greeting it, so that one which is stopped is asked, too,
        // and finds questions from meanwhile when it goes on.
        let mut connections: Vec<_> = shared.doors.iter().map(|_| None).collect();
        while !shared.over.load(Ordering::Relaxed) {
            let door = self.random.below(shared.doors.len() as u32) as usize;
            // Longer than an election, mostly; shorter than some, so that there are things unknown.
            let patience = Duration::from_millis(self.random.between(200, 3000).into());
            let connect = || Connection::connect(&shared.doors[door], None, patience).ok();
            match connections[door].take().or_else(connect) {
                Some(connection) => connections[door] = self.stay(connection, shared),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        self.seen
    }

    /// Asks one node for a while. Gives the connection back if it is good for more.
    fn stay(&mut self, mut connection: Connection, shared: &Shared) -> Option<Connection> {
        for _ in 0..self.random.between(1, 100) {
            if shared.over.load(Ordering::Relaxed) {
                break;
            }
            let count = if self.random.below(3) == 0 { AT_ONCE_MAX } else { 1 };
            let asks: Vec<_> = (0..count).map(|_| self.wish(shared.micros())).collect();
            if !self.ask(&asks, &mut connection, shared) {
                return None;
            }
            thread::sleep(Duration::from_micros(self.random.below(2000).into()));
        }
        Some(connection)
    }

    fn wish(&mut self, now: u32) -> Ask {
        // Some are of a generation that is over, and saw what was done to nodes since.
        let older = [0, 0, 0, 1, 1, 2][self.random.below(6) as usize];
        let generation = (now / GENERATION_MICROS).saturating_sub(older);
        let key = generation * KEYS + self.random.below(KEYS);
        self.values += 1;
        let value = u64::from(self.number + 1) << CLIENT_SHIFT | self.values << ADDITIONS_SHIFT;
        let request = match self.random.below(10) {
            0..4 => Request::Get,
            4..7 => Request::Put(value),
            7 => Request::CompareAndSwap { expected: 0, new: value },
            _ => Request::Add(self.random.between(1, 7).into()),
        };
        Ask { key, request }
    }

    /// Asks for all of these at once. Says whether the connection is good for more.
    fn ask(&mut self, asks: &[Ask], connection: &mut Connection, shared: &Shared) -> bool {
        let really: Vec<_> = asks.iter().map(|ask| self.liar.asks(*ask)).collect();
        let mut bytes = Vec::new();
        for ask in really.iter().flatten() {
            let words = words(ask.key, ask.request);
            bytes.extend(request(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        let invoked = shared.micros();
        let mut connected = connection.send(&bytes).is_ok();
        for (ask, really) in asks.iter().zip(&really) {
            let mut outcome = Told::Unknown;
            for _ in really {
                let reply = if connected { connection.receive().ok() } else { None };
                connected = reply.is_some();
                outcome = reply.map_or(Told::Unknown, |reply| told(really[0].request, &reply));
            }
            self.note(*ask, really, invoked, outcome, shared);
        }
        connected
    }

    fn note(&mut self, ask: Ask, really: &[Ask], invoked: u32, outcome: Told, shared: &Shared) {
        let answer = match outcome {
            Told::Found(found) => {
                shared.answered.fetch_add(1, Ordering::Relaxed);
                let answer = Answer { tick: shared.micros(), found };
                Some(self.liar.tells(ask, really, invoked, answer))
            }
            Told::Refused => {
                self.seen.refused += 1;
                return;
            }
            Told::Unknown => {
                self.seen.unknown += 1;
                None
            }
            Told::Odd(words) => {
                self.seen.odd.push(words);
                None
            }
        };
        // A read that nobody answered says nothing.
        if answer.is_some() || ask.request != Request::Get {
            let Ask { key, request } = ask;
            let client = self.number;
            self.seen.history.push(Operation { client, key, invoked, request, answer });
        }
    }
}
