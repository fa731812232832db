//! What a story says must be so: it fails where it is not, whatever the transcript had.

use super::{Outcome, Story, id, word};
use crate::words::{self, Words};
use raft_core::{DropReason, NodeId, RoleName};

impl Story {
    /// `expect leader 2`, `expect no leader`, `expect agreement`, or about one node:
    /// `expect 1 commit 5`, `... role Follower`, `... term 3`, `... log 1:a 2:b`, `... applied a`,
    /// `... dropped Stale 2`, `... foreign 1`, `... due 7`, `... quiet true`, `... fault Storage`,
    /// `... members {1,2,3}`, `... admitted true`, `... refilling true`, `... snapshot 5`,
    /// `... stage 12`, `... base 4`.
    pub(super) fn expect(&mut self, words: &[&str]) -> Outcome {
        match word(words, 0)? {
            "leader" => self.expect_leader(Some(id(word(words, 1)?)?)),
            "no" => self.expect_leader(None),
            "agreement" => self.expect_agreement(),
            node => {
                let node = id(node)?;
                let (expected, found) = self.find(node, word(words, 1)?, &words[2..])?;
                if expected == found { Ok(()) } else { Err(format!("it is {found}")) }
            }
        }
    }

    /// Who leads in the highest term there is, while a quorum may still believe in older ones.
    fn expect_leader(&self, expected: Option<u8>) -> Outcome {
        let statuses = || self.cluster.running().map(|(id, node)| (id, node.status()));
        let leaders = statuses().filter(|(_, status)| status.role == RoleName::Leader);
        let found = leaders.max_by_key(|(_, status)| status.term).map(|(id, _)| id);
        if found == expected { Ok(()) } else { Err(format!("it is {found:?}")) }
    }

    fn expect_agreement(&self) -> Outcome {
        let state = |node: &crate::cluster::ClusterNode<Words>| {
            let (last, status) = (node.log().last(), node.status());
            (last, status.committed, status.applied, node.machine().clone())
        };
        let states: Vec<_> = self.cluster.running().map(|(_, node)| state(node)).collect();
        let same = states.windows(2).all(|pair| pair[0] == pair[1]);
        if same { Ok(()) } else { Err(format!("they differ: {states:?}")) }
    }

    /// What is expected of a node, and what is so.
    fn find(&self, node: u8, what: &str, words: &[&str]) -> Result<(String, String), String> {
        let running = self.cluster.node(node)?;
        let status = running.status();
        let all = words.join(" ");
        let found = match what {
            "members" => words::configuration(running.configuration()),
            "admitted" => status.admitted.to_string(),
            "refilling" => status.refilling.to_string(),
            "commit" => status.committed.0.to_string(),
            "snapshot" => status.snapshot.0.to_string(),
            "base" => running.log().base().index.0.to_string(),
            "stage" => {
                let stage = running.storage().slots.stage;
                stage.map_or("none".to_owned(), |(_, held)| held.to_string())
            }
            "durable" => status.durable.0.to_string(),
            "term" => status.term.0.to_string(),
            "role" => format!("{:?}", status.role),
            "quiet" => status.quiet.to_string(),
            "leader" => status.leader.map_or("none".to_owned(), |NodeId(id)| id.to_string()),
            "due" => running.ticks_until_due().to_string(),
            "fault" => status.fault.map_or("none".to_owned(), |fault| format!("{fault:?}")),
            "applied" => running.machine().0.join(" "),
            "foreign" => self.cluster.refused(node).to_string(),
            "log" => {
                let entries = running.log().entries();
                let words =
                    entries.map(|entry| words::entry::<Words>(entry.term, entry.kind, entry.body));
                words.collect::<Vec<_>>().join(" ")
            }
            "matched" => {
                let peer = NodeId(id(word(words, 0)?)?);
                let found = status.peers.iter().find(|status| status.id == peer);
                let found = found.map_or("unknown".to_owned(), |s| s.matched.0.to_string());
                return Ok((word(words, 1)?.to_owned(), found));
            }
            "flow" => {
                let peer = NodeId(id(word(words, 0)?)?);
                let found = status.peers.iter().find(|status| status.id == peer);
                let found = found.map_or("unknown".to_owned(), |s| format!("{:?}", s.flow));
                return Ok((word(words, 1)?.to_owned(), found));
            }
            "dropped" => {
                let name = word(words, 0)?;
                let reason = DropReason::ALL.into_iter().find(|r| format!("{r:?}") == name);
                let reason = reason.ok_or_else(|| format!("no reason is called {name}"))?;
                let count = status.counters.dropped(reason).to_string();
                return Ok((word(words, 1)?.to_owned(), count));
            }
            other => return Err(format!("expect what? {other}")),
        };
        Ok((all, found))
    }
}
