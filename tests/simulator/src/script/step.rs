//! What moves a cluster: time, clients, storage, the network and the power.

use super::{Outcome, Story, id, option, pair, word};
use crate::Cluster;
use crate::cluster::Letter;
use crate::disk::Decay;
use crate::forge::forge;
use crate::words::{self, Words};
use raft_core::{Change, Index, NodeId, NodeSet, Nonce};

impl Story {
    pub(super) fn step(&mut self, verb: &str, words: &[&str]) -> Outcome {
        match verb {
            "tick" | "advance" | "campaign" | "wait" | "propose" => self.input(verb, words),
            "transfer" | "abort" => self.transfer(verb, words),
            "read" | "lease" => self.read(verb, words),
            "change" => self.change(words),
            "flush" | "begin" | "finish" => self.barrier(verb, words),
            "wear" | "maintain" => self.upkeep(verb, words),
            "send" | "deliver" | "repeat" | "drop" | "damage" | "forge" => self.post(verb, words),
            "settle" | "run" | "trips" | "apply" => self.run(verb, words),
            "cut" | "isolate" | "heal" => self.network(verb, words),
            "crash" | "start" | "wipe" | "break" => self.power(verb, words),
            "rot" => self.rot(words),
            "compact" => self.compact(words),
            "flip" => self.flip(words),
            "power" => self.fail_power(words),
            "disk" => self.tell_disks(words),
            "show" => self.show(words),
            other => Err(format!("no such command: {other}")),
        }
    }

    fn input(&mut self, verb: &str, words: &[&str]) -> Outcome {
        let node = id(word(words, 0)?)?;
        let number = || word(words, 1).and_then(|n| n.parse::<u32>().map_err(|e| e.to_string()));
        match verb {
            "tick" => {
                for _ in 0..number().unwrap_or(1) {
                    self.cluster.node_mut(node)?.tick();
                }
            }
            "advance" => self.cluster.node_mut(node)?.advance(number()?),
            "campaign" => self.cluster.node_mut(node)?.campaign(),
            "wait" => self.cluster.node_mut(node)?.set_extra_wait(number()?),
            _ => {
                for proposal in words.iter().skip(1) {
                    match self.cluster.node_mut(node)?.propose(proposal) {
                        Ok(at) => self.say(format!("  {proposal} at {}", words::position(at))),
                        Err(error) => self.say(format!("  {proposal} refused: {error:?}")),
                    }
                }
            }
        }
        Ok(())
    }

    /// `transfer 1 2`, `transfer 1`, `abort 1`.
    fn transfer(&mut self, verb: &str, words: &[&str]) -> Outcome {
        let node = id(word(words, 0)?)?;
        let to = words.get(1).map(|to| id(to)).transpose()?.map(NodeId);
        let node = self.cluster.node_mut(node)?;
        if verb == "abort" {
            node.abort_transfer();
            return Ok(());
        }
        match node.transfer(to) {
            Ok(to) => self.say(format!("  to {}", to.0)),
            Err(error) => self.say(format!("  refused: {error:?}")),
        }
        Ok(())
    }

    /// `change 1 add-voter 4 nonce=7`, `... add-learner 4 nonce=7`, `... replace 3 4 nonce=7`,
    /// `... promote 4`, `... remove 4`, `... set 1 2 learners 3`.
    fn change(&mut self, words: &[&str]) -> Outcome {
        let leader = id(word(words, 0)?)?;
        let nonce = Nonce(option(words, "nonce")?.unwrap_or(0) as u32);
        let ids = |words: &[&str]| {
            let ids = words.iter().filter(|word| !word.contains('='));
            ids.map(|word| id(word).map(NodeId)).collect::<Result<Vec<_>, _>>()
        };
        let change = match (word(words, 1)?, &words[2..]) {
            ("set", rest) => {
                let place = rest.iter().position(|word| *word == "learners").unwrap_or(rest.len());
                let voters = NodeSet::of(&ids(&rest[..place])?);
                let learners = NodeSet::of(&ids(rest.get(place + 1..).unwrap_or_default())?);
                Change::Set { voters, learners }
            }
            (verb, rest) => match (verb, &ids(rest)?[..]) {
                ("add-voter", &[id]) => Change::AddVoter { id, nonce },
                ("add-learner", &[id]) => Change::AddLearner { id, nonce },
                ("replace", &[old, new]) => Change::Replace { old, new, nonce },
                ("promote", &[id]) => Change::Promote(id),
                ("remove", &[id]) => Change::Remove(id),
                _ => return Err(format!("change what? {verb}")),
            },
        };
        match self.cluster.node_mut(leader)?.change_membership(change) {
            Ok(at) => self.say(format!("  at {}", words::position(at))),
            Err(error) => self.say(format!("  refused: {error:?}")),
        }
        Ok(())
    }

    fn barrier(&mut self, verb: &str, words: &[&str]) -> Outcome {
        for node in self.nodes(words)? {
            match verb {
                "flush" => {
                    if let Err(error) = self.cluster.flush(node) {
                        self.say(format!("  {node}: {error}"));
                    }
                }
                "begin" => {
                    let begun = self.cluster.begin_flush(node)?;
                    self.say(if begun { "  begun" } else { "  nothing to begin" });
                }
                _ => {
                    self.cluster.finish_flush(node)?;
                }
            }
        }
        Ok(())
    }

    /// `wear 1 2`, after which its disk has two steps of upkeep to do, and `maintain 1`.
    fn upkeep(&mut self, verb: &str, words: &[&str]) -> Outcome {
        let node = self.cluster.node_mut(id(word(words, 0)?)?)?;
        if verb == "wear" {
            node.storage_mut().worn = word(words, 1)?.parse().map_err(|_| "how many steps?")?;
            return Ok(());
        }
        let worn = node.upkeep() > 0;
        match node.maintain() {
            Ok(true) => self.say(if worn { "  stands still" } else { "  has nothing to do" }),
            Ok(false) => self.say("  waits"),
            Err(error) => self.say(format!("  {error:?}")),
        }
        Ok(())
    }

    fn post(&mut self, verb: &str, words: &[&str]) -> Outcome {
        if verb == "send" {
            let most = option(words, "most")?.unwrap_or(u64::MAX) as usize;
            for node in self.nodes(words)? {
                for letter in self.cluster.send(node, most)? {
                    self.promises.check_sent(&mut self.cluster, &letter)?;
                    self.say(format!("  {}", Cluster::read(&letter)));
                }
            }
            return Ok(());
        }
        if verb == "forge" {
            let (from, to) = pair(word(words, 0)?)?;
            let cluster = option(words, "cluster")?.unwrap_or(1);
            let letter = self.cluster.forge(from, to, cluster, &forge(&words[1..])?);
            self.say(format!("  {}", Cluster::read(&letter)));
            self.cluster.take(|each| each.number == letter.number);
            self.cluster.deliver(&letter);
            return Ok(());
        }
        let mut letters = self.letters(words)?;
        if letters.is_empty() {
            return Err("there is no such letter".to_owned());
        }
        match verb {
            "repeat" => self.cluster.flight.extend(letters.iter().cloned()),
            "drop" => return Ok(()),
            "damage" => letters.iter_mut().for_each(|letter| letter.bytes[3] ^= 1),
            _ => {}
        }
        for letter in &letters {
            self.cluster.deliver(letter);
        }
        Ok(())
    }

    /// The letters that `#3`, `1>2`, `to 2`, `from 1` or `all` names, taken out of flight.
    fn letters(&mut self, words: &[&str]) -> Result<Vec<Letter>, String> {
        let first = word(words, 0)?;
        if let Some(number) = first.strip_prefix('#') {
            let number: u32 = number.parse().map_err(|_| format!("{first} is no letter"))?;
            return Ok(self.cluster.take(|letter| letter.number == number));
        }
        Ok(match first {
            "all" => self.cluster.take(|_| true),
            "to" => {
                let node = id(word(words, 1)?)?;
                self.cluster.take(|letter| letter.to == node)
            }
            "from" => {
                let node = id(word(words, 1)?)?;
                self.cluster.take(|letter| letter.from == node)
            }
            _ => {
                let between = pair(first)?;
                self.cluster.take(|letter| (letter.from, letter.to) == between)
            }
        })
    }

    fn run(&mut self, verb: &str, words: &[&str]) -> Outcome {
        match verb {
            "settle" => {
                self.cluster.settle()?;
                self.apply_all()
            }
            "run" => {
                let ticks: u32 = word(words, 0)?.parse().map_err(|_| "run how many ticks?")?;
                for _ in 0..ticks {
                    self.cluster.tick_and_settle()?;
                    self.apply_all()?;
                    self.tell_events()?;
                    self.promises.check(&self.cluster)?;
                }
                Ok(())
            }
            "trips" => self.trips(id(word(words, 0)?)?, id(word(words, 1)?)?),
            _ => {
                for node in self.nodes(words)? {
                    self.apply_one(node)?;
                }
                Ok(())
            }
        }
    }

    /// Counts the round trips until the second node's log is the first one's.
    fn trips(&mut self, leader: u8, follower: u8) -> Outcome {
        for trips in 0..100 {
            let log = |id| self.cluster.node(id).map(|node| node.log());
            if log(leader)?.last() == log(follower)?.last() {
                self.say(format!("  {trips} round trips"));
                return Ok(());
            }
            for (from, to) in [(leader, follower), (follower, leader)] {
                for letter in self.cluster.send(from, usize::MAX)? {
                    if letter.to == to {
                        self.say(format!("  {}", Cluster::read(&letter)));
                        self.cluster.deliver(&letter);
                    }
                    self.cluster.take(|each| each.number == letter.number);
                }
                self.cluster.flush(to)?;
            }
        }
        Err("a hundred round trips were not enough".to_owned())
    }

    fn apply_all(&mut self) -> Outcome {
        for node in self.nodes(&["all"])? {
            self.apply_one(node)?;
        }
        Ok(())
    }

    fn apply_one(&mut self, node: u8) -> Outcome {
        let words = self.cluster.apply(node)?;
        if !words.is_empty() {
            self.say(format!("  {node} applies {}", words.join(" ")));
        }
        self.poll_reads(node)
    }

    fn network(&mut self, verb: &str, words: &[&str]) -> Outcome {
        match verb {
            "heal" => self.cluster.cuts.clear(),
            "isolate" => {
                let node = id(word(words, 0)?)?;
                for other in self.cluster.ids() {
                    self.cluster.cuts.insert((node, other));
                    self.cluster.cuts.insert((other, node));
                }
            }
            _ => {
                for between in words {
                    self.cluster.cuts.insert(pair(between)?);
                }
            }
        }
        Ok(())
    }

    fn power(&mut self, verb: &str, words: &[&str]) -> Outcome {
        let node = id(word(words, 0)?)?;
        match verb {
            "crash" => {
                let unflushed = self.cluster.node(node)?.storage().memory.unflushed_bytes();
                let kept = match words.iter().position(|word| *word == "losing") {
                    Some(place) => {
                        let lost = word(words, place + 1)?.parse().map_err(|_| "losing bytes")?;
                        unflushed.saturating_sub(lost)
                    }
                    None => option(words, "keep")?.unwrap_or(0) as usize,
                };
                if unflushed > 0 {
                    let kept = kept.min(unflushed);
                    self.say(format!("  {kept} of {unflushed} unflushed bytes were kept"));
                }
                self.cluster.crash(node, kept)
            }
            "start" => {
                self.reads.retain(|(at, ..)| *at != node);
                if let Some(seed) = option(words, "seed")? {
                    self.cluster.reseed(node, seed as u32)?;
                }
                match self.cluster.start(node) {
                    Ok(()) => self.show(&[word(words, 0)?]),
                    Err(error) => {
                        self.say(format!("  {node} does not start: {error}"));
                        Ok(())
                    }
                }
            }
            "wipe" => {
                let nonce = option(words, "nonce")?.map(|nonce| nonce as u32);
                self.cluster.wipe(node, nonce)
            }
            _ => {
                self.cluster.node_mut(node)?.storage_mut().broken = true;
                Ok(())
            }
        }
    }

    /// `rot 3 from=5`, `... from=5 snapshot`, `rot 3 ballot`: what a disk can't read any more, of a
    /// node without power.
    fn rot(&mut self, words: &[&str]) -> Outcome {
        let disk = self.cluster.disk_mut(id(word(words, 0)?)?)?;
        if words.contains(&"ballot") {
            disk.rotten = true;
            return Ok(());
        }
        let first = Index(option(words, "from")?.ok_or("from which entry on?")?);
        disk.decay = Some(Decay { first, snapshot: words.contains(&"snapshot") });
        disk.rot().map(drop)
    }

    /// Says how nodes stand.
    fn show(&mut self, words: &[&str]) -> Outcome {
        for node in self.nodes(words)? {
            let running = self.cluster.node(node)?;
            let status = running.status();
            let entries = running.log().entries();
            let log =
                entries.map(|entry| words::entry::<Words>(entry.term, entry.kind, entry.body));
            let log = log.collect::<Vec<_>>().join(" ");
            let base = match running.log().base().index.0 {
                0 => String::new(),
                _ => format!("...{} ", words::position(running.log().base())),
            };
            self.say(format!(
                "  {node} {:?} term {} [{base}{log}] durable {} commit {}",
                status.role, status.term.0, status.durable.0, status.committed.0
            ));
        }
        Ok(())
    }

    /// The running nodes that the words name.
    pub(super) fn nodes(&self, words: &[&str]) -> Result<Vec<u8>, String> {
        if word(words, 0)? == "all" {
            return Ok(self.cluster.running().map(|(id, _)| id).collect());
        }
        words.iter().filter(|word| !word.contains('=')).map(|word| id(word)).collect()
    }
}
