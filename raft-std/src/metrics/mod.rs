//! What an operator sees of a server from outside: a few pages over HTTP.
//!
//! `/metrics` is Prometheus text, `/status` the same as JSON, and `/healthz` says in one word
//! whether this node runs and knows a leader. Nothing here can change anything. It is off unless an
//! address is given, and an address without a host is one of this machine only.

mod http;
mod json;
mod text;

use crate::HostMachine;
use crate::errors::Stopped;
use crate::host::HostStatus;
use crate::server::Server;
use crate::waker::Waker;
use rustix::fd::AsFd;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Asks a server how it is.
type Look = Box<dyn Fn() -> Result<HostStatus, Stopped> + Send>;

/// The pages of one server, until this is dropped.
pub struct Metrics {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Metrics {
    fn start(address: &str, look: Look) -> io::Result<Self> {
        let listener = TcpListener::bind(resolve(address)?.as_slice())?;
        listener.set_nonblocking(true)?;
        let (waker, ended) = (Waker::new()?, Arc::new(AtomicBool::new(false)));
        let address = listener.local_addr()?;
        let (sleeper, end) = (waker.clone(), Arc::clone(&ended));
        let serve = move || {
            while !end.load(Ordering::SeqCst) {
                match listener.accept() {
                    // What a client did to its connection is its own matter.
                    Ok((stream, _)) => http::serve(stream, |path| page(path, &look)).unwrap_or(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        sleeper.sleep(&[listener.as_fd()], None);
                    }
                    // Too many files are open: it will pass.
                    Err(_) => drop(sleeper.sleep(&[], Some(http::PATIENCE))),
                }
            }
        };
        let thread = thread::Builder::new().name("raft-metrics".to_owned()).spawn(serve)?;
        Ok(Self { address, ended, waker, thread: Some(thread) })
    }

    /// Where the pages are, with the port that the system gave if none was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // Whatever it died of, nobody waits for its pages any more.
            thread.join().ok();
        }
    }
}

impl<M: HostMachine> Server<M> {
    /// Serves [pages](crate::Metrics) about this server at `host:port`, until what is given is
    /// dropped. Without a host, as in `:9001`, only this machine can see them.
    pub fn serve_metrics(&self, address: &str) -> io::Result<Metrics> {
        let view = self.view();
        Metrics::start(address, Box::new(move || view.status()))
    }
}

/// The addresses of `host:port`, or those of this machine for `:port`.
fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let full =
        if address.starts_with(':') { format!("127.0.0.1{address}") } else { address.into() };
    let found: Vec<_> = full.to_socket_addrs()?.collect();
    if found.is_empty() {
        let words = format!("metrics address {address}: no such host");
        return Err(io::Error::new(io::ErrorKind::NotFound, words));
    }
    Ok(found)
}

/// What is at this path.
fn page(path: &str, look: &Look) -> http::Page {
    match path {
        "/metrics" => http::Page::new(200, text::TYPE, text::page(&look())),
        "/status" => match look() {
            Ok(status) => http::Page::new(200, json::TYPE, json::page(&status)),
            Err(why) => http::Page::new(503, json::TYPE, json::stopped(&why)),
        },
        "/healthz" => match look() {
            Ok(HostStatus { node, .. }) if node.fault.is_none() && node.apply_fault.is_none() => {
                match node.leader {
                    Some(leader) => http::Page::plain(200, format!("ok, {} leads", leader.0)),
                    None => http::Page::plain(503, "no leader is known".to_owned()),
                }
            }
            Ok(_) => http::Page::plain(503, "stopped: /status says why".to_owned()),
            Err(why) => http::Page::plain(503, format!("stopped: {why}")),
        },
        "/" => http::Page::plain(200, "/metrics /status /healthz".to_owned()),
        _ => http::Page::plain(404, "there are /metrics, /status and /healthz".to_owned()),
    }
}
