//! A history as a page that shows it: nodes as lanes, datagrams as arrows, terms as colours.
//!
//! The page is one file and needs nothing else, so that it can be sent along with a failing seed
//! and opens from disk in any browser. What it shows is put into words here; how it looks, and how
//! one moves about in it, is in `page.html`. It counts what it has drawn, and `check-timeline`
//! compares that with what was to be drawn.

mod history;
mod json;
#[cfg(test)]
mod tests;

use self::history::History;
use crate::trace::Moment;
use raft_core::wire::Datagram;

const PAGE: &str = include_str!("page.html");

/// What a page says beside the moments.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Replays the history.
    pub seed: u64,
    /// The nodes, in the order of their lanes.
    pub nodes: Vec<u8>,
    /// How long the history lasted.
    pub ticks: u32,
    /// What it is about, in one line: the plan, or what went wrong.
    pub headline: String,
    /// Which words of faults begin a stretch of time, and which end it.
    pub spans: Vec<Span>,
    /// What a datagram says.
    pub words: fn(&Datagram<'_>) -> String,
}

/// A stretch of time in which something is the matter with a node: it is down, or cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// What is the matter, in a word.
    pub name: &'static str,
    /// How the words of a fault begin that begins it.
    pub begins: &'static str,
    /// How the words of a fault begin that ends it.
    pub ends: &'static str,
    /// Whether the node is down: it comes back as a follower that knows of no leader.
    pub down: bool,
}

/// The page of a history; the moments are in the order in which they happened.
pub fn page(cast: &Cast, moments: &[Moment]) -> String {
    let history = History::new(cast, moments);
    let counts = format!(
        "data-lanes=\"{}\" data-arrows=\"{}\" data-lost=\"{}\" data-marks=\"{}\"",
        cast.nodes.len(),
        history.letters.len(),
        history.lost(),
        history.marks.len(),
    );
    PAGE.replacen("{{title}}", &format!("Seed {}", cast.seed), 1)
        .replacen("{{counts}}", &counts, 1)
        .replacen("{{history}}", &history.json(cast), 1)
}
