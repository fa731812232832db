//! The door for clients: one thread for all connections, and thousands of requests under way.
//!
//! A thread for each client would be woken for each answer. Here the consensus thread rings once
//! for all that it has answered, and this one looks after whoever it rang for. What a client may
//! have in memory is bounded: what it may claim, what it leaves unread, and that one thing is under
//! way for it at a time (see `run`).

mod bell;
mod connection;
mod run;

use self::bell::Bell;
use self::connection::{Connection, Next, UnderWay};
use crate::dialect::{Operation, Session};
use crate::operators::Operators;
use crate::resp::{Reply, Version};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use raft_std::Read;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LISTENER: Token = Token(0);
const BELL: Token = Token(1);
/// The names of connections begin here, and are never used again.
const FIRST: usize = 2;

/// How often it is looked whether something is under way for too long.
const SWEEP: Duration = Duration::from_millis(250);
/// How long clients have to read their last answers when the door is closed.
const LEAVE: Duration = Duration::from_secs(2);
/// How often in a row one connection is served before the others.
const TURNS_MAX: usize = 8;

/// What can be chosen about a door.
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// What clients must say first.
    pub password: Option<String>,
    /// How many clients there may be.
    pub clients_max: usize,
    /// How reads are served.
    pub read: Read,
    /// The longest command.
    pub command_bytes_max: usize,
    /// How long a client waits at most for an answer.
    pub patience: Duration,
}

/// An open door. It closes when this is dropped.
pub struct Door {
    address: SocketAddr,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    /// Opens the door at an address.
    pub fn open(
        address: SocketAddr,
        operators: Arc<Operators>,
        settings: DoorSettings,
    ) -> io::Result<Self> {
        let mut listener = TcpListener::bind(address)?;
        let (address, poll) = (listener.local_addr()?, Poll::new()?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let bell = Arc::new(Bell::new(poll.registry(), BELL)?);
        let mut porter = Porter {
            poll,
            listener: Some(listener),
            bell: Arc::clone(&bell),
            operators,
            settings,
            connections: HashMap::new(),
            next: FIRST,
            waiting: 0,
            swept: Instant::now(),
            piece: Vec::new(),
            refused: false,
        };
        let thread = std::thread::Builder::new().name("door".to_owned());
        let thread = thread.spawn(move || porter.work())?;
        Ok(Self { address, bell, thread: Some(thread) })
    }

    /// Where it is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.bell.close();
        if let Some(thread) = self.thread.take() {
            // A panic in there has been told by the thread itself.
            thread.join().ok();
        }
    }
}

/// Who looks after all connections.
struct Porter {
    poll: Poll,
    /// `None` when the door is closed.
    listener: Option<TcpListener>,
    bell: Arc<Bell>,
    operators: Arc<Operators>,
    settings: DoorSettings,
    connections: HashMap<usize, Connection>,
    /// The name of the next connection.
    next: usize,
    /// How many connections wait for something that is under way.
    waiting: usize,
    /// When it was looked for what takes too long.
    swept: Instant,
    /// Memory to read into.
    piece: Vec<u8>,
    /// Whether the system would let nobody in.
    refused: bool,
}

impl Porter {
    fn work(&mut self) {
        let mut events = Events::with_capacity(1024);
        let (mut eager, mut leave) = (Vec::new(), None);
        loop {
            self.sleep(&mut events, !eager.is_empty(), leave);
            let mut due = std::mem::take(&mut eager);
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(&mut due),
                    token if token == self.bell.name() => {}
                    Token(name) => {
                        if let Some(connection) = self.connections.get_mut(&name) {
                            connection.readable |= event.is_readable() || event.is_error();
                            connection.closing |= event.is_read_closed() || event.is_error();
                            connection.writable |= event.is_writable() || event.is_error();
                            due.push(name);
                        }
                    }
                }
            }
            if std::mem::take(&mut self.refused) {
                self.accept(&mut due);
            }
            let heard = self.bell.hear();
            for (name, reply) in heard.answers {
                self.answer(name, &[reply]);
                due.push(name);
            }
            for name in heard.rung {
                self.look(name);
                due.push(name);
            }
            if heard.closing && leave.is_none() {
                leave = Some(Instant::now() + LEAVE);
                self.listener = None;
                self.connections.values_mut().for_each(Connection::end);
                due.extend(self.connections.keys());
            }
            self.sweep(&mut due);
            due.sort_unstable();
            due.dedup();
            for name in due {
                if self.serve(name) {
                    eager.push(name);
                }
            }
            let over = |leave| self.connections.is_empty() || Instant::now() >= leave;
            if leave.is_some_and(over) {
                return;
            }
        }
    }

    fn sleep(&mut self, events: &mut Events, eager: bool, leave: Option<Instant>) {
        let most = if eager || !self.bell.may_sleep() {
            Some(Duration::ZERO)
        } else if self.waiting > 0 || self.refused || leave.is_some() {
            Some(SWEEP)
        } else {
            None
        };
        if let Err(error) = self.poll.poll(events, most)
            && error.kind() != io::ErrorKind::Interrupted
        {
            log::error!("the door can't wait for clients: {error}");
            // Whatever it is: not in a loop that never rests.
            std::thread::sleep(SWEEP);
        }
    }

    fn accept(&mut self, due: &mut Vec<usize>) {
        while let Some(listener) = &self.listener {
            let (mut stream, _) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    log::warn!("a client was not let in: {error}");
                    self.refused = true;
                    return;
                }
            };
            let full = self.connections.len() >= self.settings.clients_max && !self.make_room();
            let name = self.next;
            self.next += 1;
            let both = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, Token(name), both).is_err() {
                continue;
            }
            // Answers are written at once, as many as there are.
            stream.set_nodelay(true).ok();
            let mut connection = Connection::new(stream, self.settings.password.is_none());
            if full {
                connection.reply(&Reply::error("max number of clients reached"));
                connection.end();
            }
            self.connections.insert(name, connection);
            due.push(name);
        }
    }

    /// Sends away who has been here longest without the password: nobody without it can keep
    /// others out. Says whether there was such a one.
    fn make_room(&mut self) -> bool {
        let strangers = self.connections.iter().filter(|(_, it)| !it.is_trusted());
        let oldest = strangers.map(|(name, _)| *name).min();
        oldest.map(|name| self.close(name)).is_some()
    }

    /// Does what can be done for a connection. Says whether there may be more at once.
    fn serve(&mut self, name: usize) -> bool {
        let outcome = self.take_turns(name);
        if let Ok(more) = outcome
            && let Some(connection) = self.connections.get_mut(&name)
            && connection.write().is_ok()
            && !connection.is_over()
        {
            return more;
        }
        self.close(name);
        false
    }

    fn take_turns(&mut self, name: usize) -> io::Result<bool> {
        for _ in 0..TURNS_MAX {
            let Some(connection) = self.connections.get_mut(&name) else { return Ok(false) };
            match connection.next(self.settings.command_bytes_max, &mut self.piece)? {
                Next::Wait if connection.is_eager() => {}
                Next::Wait => return Ok(false),
                Next::Write => {
                    connection.write()?;
                    if connection.is_behind() {
                        return Ok(false);
                    }
                }
                Next::Session(session) => self.heed(name, session),
                Next::Operate(operation) => self.operate(name, operation),
                Next::Run(run) => {
                    let bell = Arc::clone(&self.bell);
                    let call = move || bell.ring(name);
                    match run.begin(self.operators.server(), self.settings.read, call) {
                        Ok(begun) => self.wait(name, UnderWay::Run(begun)),
                        Err(replies) => self.answer(name, &replies),
                    }
                }
            }
        }
        Ok(true)
    }

    fn heed(&mut self, name: usize, session: Session) {
        let Some(connection) = self.connections.get_mut(&name) else { return };
        let expected = self.settings.password.as_deref();
        let (password, hello) = match session {
            Session::Quit => {
                connection.reply(&Reply::OK);
                return connection.end();
            }
            Session::Password(password) => (Some(password), None),
            Session::Hello { version, password } => (password, Some(version)),
        };
        match (password, expected) {
            (None, _) => {}
            (Some(_), None) => {
                return connection
                    .reply(&Reply::error("AUTH called without a password configured"));
            }
            (Some(said), Some(expected)) if is_same(&said, expected.as_bytes()) => {
                connection.trust();
            }
            (Some(_), Some(_)) => return connection.reply(&crate::dialect::wrong_password()),
        }
        match hello {
            None => connection.reply(&Reply::OK),
            Some(_) if !connection.is_trusted() => {
                connection.reply(&Reply::Error("NOAUTH HELLO must say the password".to_owned()));
            }
            Some(version) => {
                version.into_iter().for_each(|version| connection.set_version(version));
                let reply = greeting(connection.version(), name);
                connection.reply(&reply);
            }
        }
    }

    /// Operators' requests may wait for the whole cluster: each has a thread of its own.
    fn operate(&mut self, name: usize, operation: Operation) {
        let bell = Arc::clone(&self.bell);
        let begun = Operators::begin(&self.operators, operation, move |reply| {
            bell.answer(name, reply);
        });
        match begun {
            Ok(()) => self.wait(name, UnderWay::Operation),
            Err(reply) => self.answer(name, &[reply]),
        }
    }

    fn wait(&mut self, name: usize, under_way: UnderWay) {
        if let Some(connection) = self.connections.get_mut(&name) {
            connection.under_way = Some((under_way, Instant::now() + self.settings.patience));
            self.waiting += 1;
        }
    }

    /// Looks at what a connection waits for.
    fn look(&mut self, name: usize) {
        let under_way = self.connections.get_mut(&name).and_then(|it| it.under_way.as_mut());
        if let Some((UnderWay::Run(begun), _)) = under_way
            && let Some(replies) = begun.poll()
        {
            self.answer(name, &replies);
        }
    }

    fn answer(&mut self, name: usize, replies: &[Reply]) {
        if let Some(connection) = self.connections.get_mut(&name) {
            if connection.under_way.take().is_some() {
                self.waiting -= 1;
            }
            replies.iter().for_each(|reply| connection.reply(reply));
        }
    }

    /// Gives up what takes too long. An operation ends by itself.
    fn sweep(&mut self, due: &mut Vec<usize>) {
        let now = Instant::now();
        if self.waiting == 0 || now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        for (name, connection) in &mut self.connections {
            if !matches!(&connection.under_way, Some((UnderWay::Run(_), until)) if *until <= now) {
                continue;
            }
            if let Some((UnderWay::Run(begun), _)) = connection.under_way.take() {
                self.waiting -= 1;
                begun.give_up().iter().for_each(|reply| connection.reply(reply));
                due.push(*name);
            }
        }
    }

    fn close(&mut self, name: usize) {
        if let Some(mut connection) = self.connections.remove(&name) {
            if connection.under_way.is_some() {
                self.waiting -= 1;
            }
            self.poll.registry().deregister(connection.stream()).ok();
        }
    }
}

/// Compares in a time that says nothing of where they differ.
fn is_same(said: &[u8], expected: &[u8]) -> bool {
    let differ = said.iter().zip(expected).fold(0, |differ, (one, other)| differ | (one ^ other));
    said.len() == expected.len() && differ == 0
}

/// What `HELLO` says. Clients look at the version to know which commands there may be.
fn greeting(version: Version, name: usize) -> Reply {
    let number = if version == Version::Two { 2 } else { 3 };
    Reply::map([
        ("server", Reply::text("redis")),
        ("version", Reply::text(crate::REDIS_VERSION)),
        ("proto", Reply::Number(number)),
        ("id", Reply::Number(i64::try_from(name).unwrap_or(i64::MAX))),
        ("mode", Reply::text("standalone")),
        ("role", Reply::text("master")),
        ("modules", Reply::List(Vec::new())),
    ])
}
