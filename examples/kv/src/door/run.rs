//! Requests of one connection that are carried out together.
//!
//! A client that sends several requests without waiting has them carried out in their order, and
//! neither the log nor reads beside it keep one: what is under way together may come in any order.
//! So a connection has one thing under way at a time, and that is as many requests as there are: a
//! **run**. If all of them only look, it is one look at the store. Else all of them go into the log
//! as one command, looks included, as long as that is short enough for an entry.

use crate::command::{Command, Output, Query};
use crate::dialect::Request;
use crate::resp::Reply;
use crate::store::Store;
use raft_std::{ProposeError, Read, ReadError, Reading, Server, Ticket};
use std::time::Duration;

/// How many requests are carried out together at most.
const STEPS_MAX: usize = 256;

/// Requests that are going to be carried out together.
#[derive(Default)]
pub struct Run {
    steps: Vec<Step>,
    /// No fewer bytes than they take in the log.
    bytes: usize,
    writes: bool,
}

enum Step {
    Answer(Reply),
    Ask(Query),
    Do(Command),
}

/// A run that was begun.
pub struct Begun {
    under_way: UnderWay,
    /// The answers that were there before; the others take what comes of the run, in order.
    answers: Vec<Option<Reply>>,
}

enum UnderWay {
    Writing(Ticket<Store>),
    Reading(Reading<Store, Vec<Output>>),
}

impl Run {
    /// Takes one more request, or gives it back if it has no place among these.
    pub fn take(&mut self, request: Request, bytes_max: usize) -> Option<Request> {
        let (bytes, writes) = match &request {
            Request::Answer(_) => (0, false),
            Request::Ask(query) => (query.bytes_most(), false),
            Request::Do(command) => (command.bytes_most(), true),
            Request::Session(_) | Request::Operate(_) => return Some(request),
        };
        let writes = self.writes || writes;
        let fits = !writes || self.bytes + bytes <= bytes_max;
        // Alone it is the log's affair whether it is too long.
        if !self.steps.is_empty() && (!fits || self.steps.len() >= STEPS_MAX) {
            return Some(request);
        }
        (self.writes, self.bytes) = (writes, self.bytes + bytes);
        self.steps.push(match request {
            Request::Ask(query) => Step::Ask(query),
            Request::Do(command) => Step::Do(command),
            Request::Answer(reply) => Step::Answer(reply),
            Request::Session(_) | Request::Operate(_) => return Some(request),
        });
        None
    }

    /// Whether there is anything in it.
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Begins to carry it out, and has this called when something came of it; or gives the answers,
    /// where nothing needs to be carried out.
    pub fn begin(
        self,
        server: &Server<Store>,
        how: Read,
        call: impl FnOnce() + Send + 'static,
    ) -> Result<Begun, Vec<Reply>> {
        let (mut answers, mut commands, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        for step in self.steps {
            answers.push(match step {
                Step::Answer(reply) => Some(reply),
                Step::Do(command) => {
                    commands.push(command);
                    None
                }
                Step::Ask(query) if self.writes => {
                    commands.push(Command::Ask(query));
                    None
                }
                Step::Ask(query) => {
                    queries.push(query);
                    None
                }
            });
        }
        let under_way = if !commands.is_empty() {
            let ticket = server.begin(&commands);
            ticket.on_known(call);
            UnderWay::Writing(ticket)
        } else if !queries.is_empty() {
            let look = move |store: &Store| queries.iter().map(|query| store.ask(query)).collect();
            let reading = server.begin_read(how, look);
            reading.on_known(call);
            UnderWay::Reading(reading)
        } else {
            return Err(answers.into_iter().flatten().collect());
        };
        Ok(Begun { under_way, answers })
    }
}

impl Begun {
    /// The answers, if they are known by now. Asked again, there is nothing to say.
    pub fn poll(&mut self) -> Option<Vec<Reply>> {
        let outcome = match &self.under_way {
            UnderWay::Writing(ticket) => ticket.poll()?.map_err(|error| refused(&error)),
            UnderWay::Reading(reading) => reading.poll()?.map_err(|error| not_read(&error)),
        };
        Some(answered(std::mem::take(&mut self.answers), outcome))
    }

    /// Gives it up. What the answers can be then, they are.
    pub fn give_up(self) -> Vec<Reply> {
        let outcome = match self.under_way {
            UnderWay::Writing(ticket) => {
                ticket.wait(Duration::ZERO).map_err(|error| refused(&error))
            }
            UnderWay::Reading(reading) => {
                reading.wait(Duration::ZERO).map_err(|error| not_read(&error))
            }
        };
        answered(self.answers, outcome)
    }
}

fn answered(answers: Vec<Option<Reply>>, outcome: Result<Vec<Output>, Reply>) -> Vec<Reply> {
    let (outputs, error) = match outcome {
        Ok(outputs) => (outputs, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut outputs = outputs.into_iter();
    let of_run = || outputs.next().map(Reply::from).or_else(|| error.clone());
    let mut of_run = of_run;
    answers.into_iter().filter_map(|answer| answer.or_else(&mut of_run)).collect()
}

/// What clients hear of a command without an answer. `TRYAGAIN` says that it was not applied.
fn refused(error: &ProposeError) -> Reply {
    let code = match error {
        ProposeError::Busy | ProposeError::Withdrawn => "TRYAGAIN",
        ProposeError::TooLarge { .. } => return too_large(error),
        ProposeError::Unwritable(_) => "ERR",
        ProposeError::Unknown | ProposeError::AnswerLost | ProposeError::Stopped(_) => "UNKNOWN",
    };
    Reply::Error(format!("{code} {error}"))
}

fn too_large(error: &ProposeError) -> Reply {
    Reply::error(&format!("{error}: see frame_bytes"))
}

fn not_read(error: &ReadError) -> Reply {
    Reply::Error(format!("TRYAGAIN {error}"))
}
