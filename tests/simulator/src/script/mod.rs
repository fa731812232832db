//! A small language over a cluster, and the transcripts that its scripts leave.
//!
//! A script is a text file. Lines that start with `> ` are commands, what follows a command is what
//! came of it, and lines that start with `#` tell the reader why. Running a script writes it anew;
//! it has passed if that is the same text. An `expect` that does not hold, or a broken promise of
//! Raft, fails even where the text would be rewritten.

mod expect;
mod read;
mod setup;
mod snapshot;
mod step;

use crate::Cluster;
use crate::promises::Promises;
use raft_core::{Event, ReadTicket, RoleName};
use std::fmt::Write;

/// A script that is running.
#[derive(Default)]
pub struct Story {
    cluster: Cluster,
    promises: Promises,
    /// Reads under way: at which node, and what the story calls them.
    reads: Vec<(u8, ReadTicket, String)>,
    /// What the command under way has said.
    said: String,
}

/// What every command gives: nothing, or why it could not be done.
type Outcome = Result<(), String>;

/// Runs a script; gives its text with what really happened.
pub fn run(text: &str) -> Result<String, String> {
    let mut story = Story::default();
    let mut transcript = String::new();
    for (number, line) in text.lines().enumerate() {
        let is_kept = line.starts_with('#') || line.is_empty();
        if is_kept {
            transcript.push_str(line);
            transcript.push('\n');
        } else if let Some(command) = line.strip_prefix("> ") {
            let said = story.obey(command);
            let said = said.map_err(|error| {
                // What led there helps more than where it ended.
                let before = transcript.lines().rev().take(30).collect::<Vec<_>>();
                let before = before.into_iter().rev().collect::<Vec<_>>().join("\n");
                format!("line {}: {command}: {error}\n{before}\n{}", number + 1, story.said)
            })?;
            write!(transcript, "{line}\n{said}").map_err(|error| error.to_string())?;
        }
    }
    Ok(transcript)
}

impl Story {
    /// Does what one line says; gives what came of it.
    fn obey(&mut self, command: &str) -> Result<String, String> {
        self.said.clear();
        let words: Vec<&str> = command.split_whitespace().collect();
        let (verb, rest) = words.split_first().ok_or("an empty command")?;
        match *verb {
            "found" => self.found(rest),
            "newcomer" => self.newcomer(rest),
            "stored" => self.stored(rest),
            "format" => self.format(rest),
            "expect" => self.expect(rest),
            "may-stop" => {
                self.promises.may_stop.insert(id(word(rest, 0)?)?);
                Ok(())
            }
            verb => self.step(verb, rest),
        }?;
        self.tell_events()?;
        self.promises.check(&self.cluster)?;
        Ok(std::mem::take(&mut self.said))
    }

    fn say(&mut self, line: impl AsRef<str>) {
        self.said.push_str(line.as_ref());
        self.said.push('\n');
    }

    /// Says what has happened to every node.
    fn tell_events(&mut self) -> Outcome {
        for id in self.cluster.ids() {
            for event in self.cluster.events(id) {
                match event {
                    Event::Role { role, term } => {
                        let role = match role {
                            RoleName::Follower => "is a follower",
                            RoleName::PreCandidate => "asks whether to stand",
                            RoleName::Candidate => "stands",
                            RoleName::Leader => "LEADS",
                        };
                        self.say(format!("  {id} {role} in term {}", term.0));
                    }
                    Event::Leader(Some(leader)) if leader.0 == id => {}
                    Event::Leader(Some(leader)) => self.say(format!("  {id} follows {}", leader.0)),
                    Event::Leader(None) => self.say(format!("  {id} follows nobody")),
                    Event::TransferFailed(to) => {
                        self.say(format!("  {id} leads on: {} did not stand", to.0));
                    }
                    Event::SnapshotTooLarge(bytes) => {
                        self.say(format!("  {id} has no room for a snapshot of {bytes} bytes"));
                    }
                    Event::UnequalSettings => {
                        self.say(format!("  {id} HAS OTHER SETTINGS THAN THE CLUSTER"));
                    }
                    Event::EntriesLost => {
                        self.say(format!("  {id} LOST WHAT IT HAD FLUSHED"));
                    }
                    Event::Refilled => self.say(format!("  {id} is refilled")),
                    Event::Stopped(fault) => self.say(format!("  {id} STOPPED: {fault:?}")),
                    Event::ApplyStopped(fault) => {
                        self.say(format!("  {id} APPLIES NO MORE: {fault:?}"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A node's id.
fn id(word: &str) -> Result<u8, String> {
    word.parse().map_err(|_| format!("{word} is no node"))
}

/// A word by its place.
fn word<'a>(words: &[&'a str], place: usize) -> Result<&'a str, String> {
    words.get(place).copied().ok_or_else(|| format!("word {} is missing", place + 1))
}

/// `1>2`, sender first.
fn pair(word: &str) -> Result<(u8, u8), String> {
    let (from, to) = word.split_once('>').ok_or_else(|| format!("{word}: from>to"))?;
    Ok((id(from)?, id(to)?))
}

/// The value of `name=value`, if it is given.
fn option(words: &[&str], name: &str) -> Result<Option<u64>, String> {
    let given = words.iter().filter_map(|word| word.split_once('='));
    let value = given.into_iter().find(|(given, _)| *given == name).map(|pair| pair.1);
    value.map(|value| value.parse().map_err(|_| format!("{name}={value}"))).transpose()
}
