//! One client: what it said, what is under way for it, and what it is still to be told.

use super::run::{Begun, Run};
use crate::dialect::{self, Request, Session};
use crate::resp::{BadRequest, Limits, Reply, Requests, Version};
use mio::net::TcpStream;
use std::io::{self, Read as _, Write as _};
use std::time::Instant;

/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Behind so much that a client does not read, nothing more is begun for it.
const UNREAD_BYTES_MAX: usize = 1 << 20;

/// One client's connection.
pub struct Connection {
    stream: TcpStream,
    requests: Requests,
    /// A request that had no place in the run before it.
    held: Option<Request>,
    /// What is under way for it, and until when.
    pub under_way: Option<(UnderWay, Instant)>,
    output: Vec<u8>,
    /// How much of the output has left.
    written: usize,
    version: Version,
    /// Whether it may do anything here.
    trusted: bool,
    /// Whether there may be something to read, or room to write.
    pub readable: bool,
    pub writable: bool,
    /// Whether the client says nothing more: what is read is then read up to its end.
    pub closing: bool,
    /// Nothing more is read of it.
    ended: bool,
}

/// What a connection waits for.
pub enum UnderWay {
    Run(Begun),
    /// An operator's request.
    Operation,
}

/// What to do for a connection next.
pub enum Next {
    Run(Run),
    Operate(dialect::Operation),
    Session(Session),
    /// It is to hear first what it was told.
    Write,
    /// There is nothing to do before it says more, or what is under way comes to something.
    Wait,
}

impl Connection {
    pub fn new(stream: TcpStream, trusted: bool) -> Self {
        Self {
            stream,
            requests: Requests::new(if trusted { Limits::TRUSTED } else { Limits::STRANGER }),
            held: None,
            under_way: None,
            output: Vec::new(),
            written: 0,
            version: Version::Two,
            trusted,
            readable: true,
            writable: true,
            closing: false,
            ended: false,
        }
    }

    pub const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Nothing more is heard of it; it is told what it waits for, and goes.
    pub fn end(&mut self) {
        self.ended = true;
        self.held = None;
        self.requests = Requests::new(Limits::STRANGER);
    }

    /// It said the password.
    pub const fn trust(&mut self) {
        self.trusted = true;
        self.requests.set_limits(Limits::TRUSTED);
    }

    pub const fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    pub const fn version(&self) -> Version {
        self.version
    }

    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }

    pub fn reply(&mut self, reply: &Reply) {
        reply.write(self.version, &mut self.output);
    }

    /// Writes what there is to write. An error says that the connection is no more.
    pub fn write(&mut self) -> io::Result<()> {
        while let Some(rest @ [_, ..]) = self.output.get(self.written..) {
            if !self.writable {
                return Ok(());
            }
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.output.shrink_to(PIECE_BYTES);
        self.written = 0;
        Ok(())
    }

    /// What to do for it next; `piece` is memory to read into. Reads once at most.
    pub fn next(&mut self, bytes_max: usize, piece: &mut Vec<u8>) -> io::Result<Next> {
        if self.under_way.is_some() {
            return Ok(Next::Wait);
        }
        if self.is_behind() {
            return Ok(Next::Write);
        }
        let mut run = Run::default();
        let mut has_read = false;
        loop {
            let Some(request) = self.request() else {
                // What is there is begun before there is more.
                if !run.is_empty() || has_read || !self.readable || self.ended {
                    break;
                }
                has_read = true;
                self.read(piece)?;
                continue;
            };
            match run.take(request, bytes_max) {
                None => {}
                Some(Request::Session(session)) if run.is_empty() => {
                    return Ok(Next::Session(session));
                }
                Some(Request::Operate(operation)) if run.is_empty() => {
                    return Ok(Next::Operate(operation));
                }
                Some(request) => {
                    self.held = Some(request);
                    break;
                }
            }
        }
        Ok(if run.is_empty() { Next::Wait } else { Next::Run(run) })
    }

    /// Whether it leaves too much unread.
    pub const fn is_behind(&self) -> bool {
        self.output.len() - self.written > UNREAD_BYTES_MAX
    }

    /// Whether there may be more to do at once.
    pub const fn is_eager(&self) -> bool {
        self.under_way.is_none() && self.readable && !self.ended
    }

    /// Whether everything is said and done.
    pub const fn is_over(&self) -> bool {
        self.ended && self.under_way.is_none() && self.output.is_empty() && self.held.is_none()
    }

    /// The next request that has come in.
    fn request(&mut self) -> Option<Request> {
        if let Some(request) = self.held.take() {
            return Some(request);
        }
        let request = match self.requests.take() {
            Ok(words) => dialect::understand(words?),
            Err(bad) => return Some(self.refuse(bad)),
        };
        if self.trusted || dialect::is_for_strangers(&request) {
            return Some(request);
        }
        Some(Request::Answer(Reply::Error("NOAUTH Authentication required.".to_owned())))
    }

    /// Nobody knows where the next request would begin.
    fn refuse(&mut self, bad: BadRequest) -> Request {
        self.end();
        Request::Answer(Reply::error(&bad.to_string()))
    }

    fn read(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        piece.resize(PIECE_BYTES, 0);
        match self.stream.read(piece) {
            // What was said before is answered all the same.
            Ok(0) => self.ended = true,
            Ok(count) => {
                self.requests.push(piece.get(..count).unwrap_or_default());
                // That was all there is, and the end of what a client says is told apart.
                self.readable = count == piece.len() || self.closing;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
