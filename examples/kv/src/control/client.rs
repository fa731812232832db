//! A client that waits for each answer, and not for ever.

use crate::resp::{Answers, BadAnswer, Reply};
use std::io::{BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// A connection to a node's door.
pub struct Client {
    stream: TcpStream,
    answers: Answers<BufReader<TcpStream>>,
}

impl Client {
    /// Connects, and says the password if there is one. No answer takes longer than stated.
    pub fn connect(
        address: &str,
        password: Option<&str>,
        patience: Duration,
    ) -> Result<Self, BadAnswer> {
        let mut failed = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for socket in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&socket, patience) {
                Ok(stream) => return Self::over(stream, password, patience),
                Err(error) => failed = error,
            }
        }
        Err(failed.into())
    }

    fn over(
        stream: TcpStream,
        password: Option<&str>,
        patience: Duration,
    ) -> Result<Self, BadAnswer> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        let answers = Answers(BufReader::new(stream.try_clone()?));
        let mut client = Self { stream, answers };
        let greeting = match password {
            None => client.call(&["HELLO", "3"])?,
            Some(password) => client.call(&["HELLO", "3", "AUTH", "default", password])?,
        };
        match greeting {
            Reply::Error(error) => Err(BadAnswer::NoAnswer(error)),
            _ => Ok(client),
        }
    }

    /// Asks, and waits for the answer.
    pub fn call(&mut self, words: &[&str]) -> Result<Reply, BadAnswer> {
        self.send(&request(words))?;
        self.receive()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for the next answer.
    pub fn receive(&mut self) -> Result<Reply, BadAnswer> {
        self.answers.read()
    }
}

/// A request, as it is sent.
pub fn request(words: &[&str]) -> Vec<u8> {
    let words = words.iter().map(|word| Reply::text(word)).collect();
    let mut written = Vec::new();
    Reply::List(words).write(crate::resp::Version::Two, &mut written);
    written
}
