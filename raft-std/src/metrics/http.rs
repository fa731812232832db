//! As much of HTTP as three pages need: one request on each connection, of a bounded length, read
//! within a bounded time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long a client may take to ask, and then to read.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How long a request may be, headers and all.
const REQUEST_BYTES: usize = 8192;

/// What is answered.
pub(super) struct Page {
    code: u16,
    kind: &'static str,
    body: String,
}

impl Page {
    pub(super) const fn new(code: u16, kind: &'static str, body: String) -> Self {
        Self { code, kind, body }
    }

    /// A line for people.
    pub(super) fn plain(code: u16, mut words: String) -> Self {
        words.push('\n');
        Self::new(code, "text/plain; charset=utf-8", words)
    }
}

/// What somebody asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Page {
        path: String,
        /// Whether only what stands above the page is wanted.
        head: bool,
    },
    /// Something that is understood, and not done here.
    OtherMethod,
    Nonsense,
}

/// Reads a request, and answers it with the page at its path.
pub(super) fn serve(mut stream: TcpStream, page: impl Fn(&str) -> Page) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let asked = read(&mut stream)?;
    let (page, head) = match asked {
        Asked::Page { path, head } => (page(&path), head),
        Asked::OtherMethod => (Page::plain(405, "only GET and HEAD".to_owned()), false),
        Asked::Nonsense => (Page::plain(400, "no request of HTTP/1".to_owned()), false),
    };
    let reason = match page.code {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Service Unavailable",
    };
    let (code, kind, length) = (page.code, page.kind, page.body.len());
    let mut answer = format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    if !head {
        answer.push_str(&page.body);
    }
    stream.write_all(answer.as_bytes())
}

/// Reads up to the empty line that ends a request.
fn read(stream: &mut TcpStream) -> io::Result<Asked> {
    let until = Instant::now() + PATIENCE;
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        if ends(&request) {
            return Ok(parse(&request));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let length = stream.read(&mut piece)?;
        if length == 0 || request.len() + length > REQUEST_BYTES {
            return Ok(Asked::Nonsense);
        }
        request.extend_from_slice(&piece[..length]);
    }
}

fn ends(request: &[u8]) -> bool {
    request.ends_with(b"\r\n\r\n") || request.ends_with(b"\n\n")
}

fn parse(request: &[u8]) -> Asked {
    let line = request.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return Asked::Nonsense };
    let mut words = line.trim_end().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Asked::Nonsense;
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Asked::Nonsense;
    }
    let path = target.split('?').next().unwrap_or_default().to_owned();
    match method {
        "GET" => Asked::Page { path, head: false },
        "HEAD" => Asked::Page { path, head: true },
        _ => Asked::OtherMethod,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_meant() {
        let get = |path: &str| Asked::Page { path: path.to_owned(), head: false };
        assert_eq!(parse(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), get("/metrics"));
        assert_eq!(parse(b"GET /status?pretty HTTP/1.0\n\n"), get("/status"));
        let head = Asked::Page { path: "/".to_owned(), head: true };
        assert_eq!(parse(b"HEAD / HTTP/1.1\r\n\r\n"), head);
        assert_eq!(parse(b"POST / HTTP/1.1\r\n\r\n"), Asked::OtherMethod);
        for nonsense in
            [&b""[..], b"GET\r\n\r\n", b"GET / HTTP/2\r\n\r\n", b"GET  / HTTP/1.1\r\n", b"\xFF\n\n"]
        {
            assert_eq!(parse(nonsense), Asked::Nonsense, "{nonsense:?}");
        }
        assert_eq!(parse(b"GET http://else/ HTTP/1.1\r\n\r\n"), Asked::Nonsense);
    }
}
