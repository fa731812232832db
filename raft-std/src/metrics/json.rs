//! A server's state as JSON, for scripts.

use crate::errors::Stopped;
use crate::host::HostStatus;
use raft_core::{NodeId, NodeSet};
use std::fmt::Write;

pub(super) const TYPE: &str = "application/json";

/// The state of a server that answers.
pub(super) fn page(status: &HostStatus) -> String {
    let (node, members) = (&status.node, status.configuration.membership);
    let peers = node.peers.iter().map(|peer| {
        let (id, matched, next) = (peer.id.0, peer.matched.0, peer.next.0);
        let flow = format!("{:?}", peer.flow).to_lowercase();
        format!(r#"{{"id":{id},"flow":"{flow}","matched":{matched},"next":{next}}}"#)
    });
    let fault = node.fault.map(|fault| format!("{fault:?}"));
    let fault = fault.or(node.apply_fault.map(|fault| format!("{fault:?}")));
    let mut page = Object::new();
    page.field("id", node.id.0)
        .words("role", &format!("{:?}", node.role).to_lowercase())
        .field("term", node.term.0)
        .field("leader", maybe(node.leader))
        .field("last", node.last.0)
        .field("durable", node.durable.0)
        .field("committed", node.committed.0)
        .field("applied", node.applied.0)
        .field("snapshot", node.snapshot.0)
        .field("voters", ids(members.voters()))
        .field("learners", ids(members.learners))
        .field("joint", !members.outgoing.is_empty())
        .field("counted", node.admitted)
        .field("refilling", node.refilling)
        .field("quiet", node.quiet)
        .field("transferring", maybe(node.transferring))
        .field("log_fill_percent", status.log_fill_percent)
        .field("flushes", status.storage.flushes)
        .field("failed_snapshots", status.failed_snapshots)
        .field("waiting", status.waiting)
        .field("longest_turn_micros", status.longest_turn.as_micros())
        .field("peers", list(peers));
    match fault {
        Some(fault) => page.words("fault", &fault),
        None => page.field("fault", "null"),
    };
    page.end()
}

/// Why there is none.
pub(super) fn stopped(why: &Stopped) -> String {
    let mut page = Object::new();
    page.words("stopped", &why.to_string());
    page.end()
}

fn maybe(id: Option<NodeId>) -> String {
    id.map_or("null".to_owned(), |id| id.0.to_string())
}

fn ids(set: NodeSet) -> String {
    list(set.iter().map(|id| id.0.to_string()))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn field(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        // Writing to a string never fails.
        write!(self.0, "{comma}\"{name}\":{value}").ok();
        self
    }

    fn words(&mut self, name: &str, words: &str) -> &mut Self {
        self.field(name, quoted(words))
    }

    fn end(&mut self) -> String {
        self.0.push_str("}\n");
        std::mem::take(&mut self.0)
    }
}

fn quoted(words: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in words.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(control)).ok();
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_whatever_is_in_them() {
        let mut page = Object::new();
        page.field("a", 1).words("b", "say \"no\\\n\u{7}é");
        assert_eq!(page.end(), "{\"a\":1,\"b\":\"say \\\"no\\\\\\u000a\\u0007é\"}\n");
    }
}
