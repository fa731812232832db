//! The pages about a server: what they say, and that nobody who asks badly keeps others from them.

mod common;

use common::{CLUSTER, Marks, PATIENCE};
use raft_std::{Memory, NodeId, Read, Server, Settings, Stopped};
use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

fn start() -> Server<Marks> {
    let storage = Memory::new(1 << 20, 4096).unwrap();
    Server::without_address(NodeId(1))
        .found(CLUSTER, &[NodeId(1)])
        .settings(Settings { log_bytes: 1 << 20, ..Settings::LAN })
        .start(storage, Marks::default())
        .unwrap()
}

/// Sends these bytes, and gives what comes back until the connection ends.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: SocketAddr, path: &str) -> (String, String) {
    let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    assert_eq!(length, Some(body.len().to_string().as_str()));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

fn wait_for_health(address: SocketAddr) {
    let until = Instant::now() + PATIENCE;
    while get(address, "/healthz").0 != "HTTP/1.1 200 OK" {
        assert!(Instant::now() < until, "no leader");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn pages_say_how_a_server_is() {
    let server = start();
    let metrics = server.serve_metrics(":0").unwrap();
    assert!(metrics.address().ip().is_loopback(), "nobody asked for more");
    server.propose(&common::Command::Mark(7, "")).unwrap();
    let (code, text) = get(metrics.address(), "/metrics");
    assert_eq!(code, "HTTP/1.1 200 OK");
    for line in ["raft_up 1", "raft_role{role=\"leader\"} 1", "raft_leader 1", "raft_voters 1"] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("\nraft_log_fill_ratio 0\n"), "a few bytes in a megabyte\n{text}");
    for name in ["raft_flushes_total", "raft_last_index"] {
        let line = text.lines().find(|it| it.starts_with(&format!("{name} "))).expect(name);
        assert!(!line.ends_with(" 0"), "{line}");
    }
    let names = |prefix: &str| text.lines().filter(|it| it.starts_with(prefix)).count();
    assert_eq!(names("# HELP"), names("# TYPE"));
    // Every number belongs to a name that was explained, and is one.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a number");
        let name = name.split('{').next().unwrap_or_default();
        assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let (code, status) = get(metrics.address(), "/status");
    assert_eq!(code, "HTTP/1.1 200 OK");
    assert!(
        status.contains(r#""role":"leader""#) && status.contains(r#""voters":[1]"#),
        "{status}"
    );
    assert!(status.contains(r#""fault":null"#), "{status}");
    assert!(server.status().unwrap().longest_turn > Duration::ZERO);
    assert!(!status.contains(r#""longest_turn_micros":0,"#), "{status}");
    assert_eq!(get(metrics.address(), "/healthz").1, "ok, 1 leads\n");
    assert_eq!(get(metrics.address(), "/other").0, "HTTP/1.1 404 Not Found");
    let head = ask(metrics.address(), "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n"), "a head has no body");
    let post = ask(metrics.address(), "POST /metrics HTTP/1.1\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405"));
}

#[test]
fn a_server_that_has_stopped_says_so() {
    let server = start();
    let metrics = server.serve_metrics("127.0.0.1:0").unwrap();
    wait_for_health(metrics.address());
    server.shut_down();
    let (code, words) = get(metrics.address(), "/healthz");
    assert_eq!(code, "HTTP/1.1 503 Service Unavailable");
    assert!(words.starts_with("stopped: "), "{words}");
    assert_eq!(get(metrics.address(), "/status").0, "HTTP/1.1 503 Service Unavailable");
    assert!(get(metrics.address(), "/metrics").1.contains("raft_up 0"));
    let address = metrics.address();
    drop(metrics);
    assert!(TcpStream::connect(address).is_err(), "it is not there any more");
}

#[test]
fn a_server_that_is_busy_is_not_said_to_have_ended() {
    let storage = Memory::new(1 << 20, 4096).unwrap();
    let server = Server::without_address(NodeId(1))
        .found(CLUSTER, &[NodeId(1)])
        .settings(Settings { log_bytes: 1 << 20, ..Settings::LAN })
        .patience(Duration::from_millis(50))
        .start(storage, Marks::default())
        .unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = std::sync::mpsc::channel();
    let reader = move |_: &Marks| {
        begin.send(()).unwrap();
        released.recv().is_err()
    };
    drop(server.begin_read(Read::Stale, reader));
    begun.recv_timeout(PATIENCE).unwrap();
    assert_eq!(server.status().err(), Some(Stopped::Silent));
    drop(release);
    let until = Instant::now() + PATIENCE;
    while server.status().is_err() {
        assert!(Instant::now() < until, "it is not busy any more");
    }
}

#[test]
fn whoever_asks_badly_is_not_waited_for() {
    let server = start();
    let metrics = server.serve_metrics(":0").unwrap();
    wait_for_health(metrics.address());
    // One that says nothing, one that never ends, one that is too long, one that is nonsense.
    let silent = TcpStream::connect(metrics.address()).unwrap();
    let mut endless = TcpStream::connect(metrics.address()).unwrap();
    endless.write_all(b"GET /metrics HT").unwrap();
    let mut long = TcpStream::connect(metrics.address()).unwrap();
    long.write_all(&vec![b'x'; 20_000]).unwrap();
    assert!(ask(metrics.address(), "\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert_eq!(get(metrics.address(), "/healthz").0, "HTTP/1.1 200 OK");
    drop((silent, endless, long));
    let error = server.serve_metrics("no such host.invalid:1").err();
    assert!(error.is_some(), "an address that is none");
}
