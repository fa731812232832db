//! A server's state as Prometheus text: a name, what it means, and a number each.

use crate::errors::Stopped;
use crate::host::HostStatus;
use raft_core::{DropReason, RoleName};
use std::fmt::{Display, Write};

pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page, of a server that answers or of one that has stopped.
pub(super) fn page(status: &Result<HostStatus, Stopped>) -> String {
    let mut page = Page(String::new());
    page.gauge("raft_up", "1 while the node runs.", u8::from(status.is_ok()));
    if let Ok(status) = status {
        page.state(status);
        page.progress(status);
        page.storage(status);
        page.traffic(status);
    }
    page.0
}

struct Page(String);

impl Page {
    fn state(&mut self, status: &HostStatus) {
        let node = &status.node;
        self.head("raft_role", "gauge", "1 at the role that the node has.");
        for (role, name) in [
            (RoleName::Follower, "follower"),
            (RoleName::PreCandidate, "pre-candidate"),
            (RoleName::Candidate, "candidate"),
            (RoleName::Leader, "leader"),
        ] {
            self.line("raft_role", &format!("role=\"{name}\""), u8::from(node.role == role));
        }
        self.gauge("raft_term", "The term that the node is in.", node.term.0);
        let leader = node.leader.map_or(-1, |leader| i16::from(leader.0));
        self.gauge("raft_leader", "The id of the leader that is followed, or -1.", leader);
        self.gauge("raft_counted", "1 if votes and promises count.", u8::from(node.admitted));
        let refilling = u8::from(node.refilling);
        self.gauge("raft_refilling", "1 while lost entries are not all back.", refilling);
        self.gauge("raft_quiet", "1 while heartbeats are rare.", u8::from(node.quiet));
        let faulty = u8::from(node.fault.is_some() || node.apply_fault.is_some());
        self.gauge("raft_faulty", "1 if the node or its machine has stopped.", faulty);
        let voters = status.configuration.membership.voters().len();
        self.gauge("raft_voters", "How many vote, as far as the node knows.", voters);
    }

    fn progress(&mut self, status: &HostStatus) {
        let node = &status.node;
        self.gauge("raft_last_index", "The last entry of the log.", node.last.0);
        self.gauge("raft_durable_index", "The last that survives a power cut.", node.durable.0);
        self.gauge("raft_committed_index", "The last known to be committed.", node.committed.0);
        self.gauge("raft_applied_index", "The last that the machine has seen.", node.applied.0);
        self.gauge("raft_snapshot_index", "The last that is in the snapshot.", node.snapshot.0);
        self.gauge("raft_waiting", "Commands and reads that wait.", status.waiting);
        let longest = status.longest_turn.as_secs_f64();
        self.gauge("raft_longest_turn_seconds", "How long it once heard nobody.", longest);
        let failed = status.failed_snapshots;
        self.counter("raft_snapshots_failed_total", "Snapshots that came to nothing.", failed);
        if !node.peers.is_empty() {
            self.head("raft_peer_matched_index", "gauge", "The last entry that a follower holds.");
            for peer in &node.peers {
                let label = format!("peer=\"{}\"", peer.id.0);
                self.line("raft_peer_matched_index", &label, peer.matched.0);
            }
        }
    }

    fn storage(&mut self, status: &HostStatus) {
        let storage = &status.storage;
        let fill = f64::from(status.log_fill_percent) / 100.0;
        self.gauge("raft_log_fill_ratio", "How much of the log is in use, 0 to 1.", fill);
        let (held, whole) = status.incoming_snapshot.unwrap_or_default();
        let name = "raft_incoming_snapshot_held_bytes";
        self.gauge(name, "How much has come of the snapshot that is being sent here.", held);
        let name = "raft_incoming_snapshot_bytes";
        self.gauge(name, "How long that snapshot is; 0 if none is on its way.", whole);
        self.counter("raft_flushes_total", "Flushes of the storage.", storage.flushes);
        let seconds = storage.flush_time.as_secs_f64();
        self.counter("raft_flush_seconds_total", "How long all of them took.", seconds);
        let bytes = storage.flushed_bytes;
        self.counter("raft_flushed_bytes_total", "Bytes of records in them.", bytes);
    }

    fn traffic(&mut self, status: &HostStatus) {
        let (node, links) = (&status.node.counters, &status.links);
        self.counter("raft_datagrams_sent_total", "Datagrams written for peers.", node.sent);
        self.counter("raft_datagrams_received_total", "Datagrams taken in.", node.received);
        self.head("raft_datagrams_refused_total", "counter", "Datagrams that the core dropped.");
        for reason in DropReason::ALL {
            let label = format!("reason=\"{reason:?}\"");
            self.line("raft_datagrams_refused_total", &label, node.dropped(reason));
        }
        self.counter("raft_link_sent_bytes_total", "Bytes put on links.", links.sent_bytes);
        self.counter("raft_link_received_bytes_total", "Bytes from peers.", links.received_bytes);
        self.head("raft_link_refused_total", "counter", "Datagrams that no link passed on.");
        for (reason, count) in [
            ("stranger", links.strangers),
            ("damaged or of another cluster", links.refused),
            ("garbled", links.garbled),
            ("misaddressed", links.misaddressed),
            ("too large", links.too_large),
            ("nowhere to send", links.dropped),
        ] {
            self.line("raft_link_refused_total", &format!("reason=\"{reason}\""), count);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.line(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.line(name, "", value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string never fails.
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
    }

    fn line(&mut self, name: &str, label: &str, value: impl Display) {
        let label = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        writeln!(self.0, "{name}{label} {value}").ok();
    }
}
