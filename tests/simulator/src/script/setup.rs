//! How a story begins: who founds the cluster, and what lies on the disks already.

use super::{Outcome, Story, id, option, word};
use crate::{Cluster, Settings, forge};
use raft_core::{
    Ballot, ClusterId, Identity, Index, Kind, Log, NodeId, Nonce, Position, Record, Snapshot,
    Storage, Term,
};

impl Story {
    /// `found 1 2 3 base=10 heartbeat=3 cycle=1 log=4096 frame=256 window=256 window-bytes=16384
    /// least-log=0 compact=75 keep=32 pace=4096 snapshots=2048 cluster=1 seed=1 lease=0 quiet=0`
    pub(super) fn found(&mut self, words: &[&str]) -> Outcome {
        let voters: Result<Vec<u8>, _> =
            words.iter().filter(|word| !word.contains('=')).map(|word| id(word)).collect();
        self.cluster = Cluster::found(&voters?, &settings(words)?)?;
        self.promises = crate::promises::Promises::default();
        Ok(())
    }

    /// `newcomer 4 nonce=7`: a node that is not a member of anything.
    pub(super) fn newcomer(&mut self, words: &[&str]) -> Outcome {
        let settings = settings(words)?;
        let nonce = option(words, "nonce")?.ok_or("nonce=...")? as u32;
        let node = NodeId(id(word(words, 0)?)?);
        let identity = Identity::newcomer(ClusterId(settings.cluster), node, Nonce(nonce));
        self.cluster.add(identity, &settings)
    }

    /// `format 2 voters=3`: what an operator must not do twice, to a node that does not run.
    pub(super) fn format(&mut self, words: &[&str]) -> Outcome {
        let node = id(word(words, 0)?)?;
        let voters = option(words, "voters")?.ok_or("voters=...")? as u8;
        let voters: Vec<_> = (1..=voters).map(NodeId).collect();
        let config = Settings::default().config(NodeId(node));
        let identity = Identity::founder(ClusterId(1), &config, &voters);
        let formatted = raft_core::format(self.cluster.disk_mut(node)?, identity);
        self.say(format!("  {formatted:?}"));
        Ok(())
    }

    /// `stored 2 term=5 vote=1 base=9 base-term=2 1:a 1:- 2:b`: what is on the disk of a node that
    /// has not begun to do anything, by term and word; `-` is a leader's first entry. What the
    /// snapshot at the base holds: `format=1 saved=x,y`.
    pub(super) fn stored(&mut self, words: &[&str]) -> Outcome {
        let node = id(word(words, 0)?)?;
        let term = Term(option(words, "term")?.unwrap_or(0) as u32);
        let vote = option(words, "vote")?.map(|vote| NodeId(vote as u8));
        let index = Index(option(words, "base")?.unwrap_or(0));
        let base = Position { term: Term(option(words, "base-term")?.unwrap_or(0) as u32), index };
        let mut log = Log::new(vec![0; 1 << 16]).map_err(|error| format!("{error:?}"))?;
        log.restart_after(base);
        for entry in words.iter().skip(1).filter(|word| !word.contains('=')) {
            let (term, word) = entry.split_once(':').ok_or("term:word")?;
            let term = Term(term.parse().map_err(|_| format!("{term} is no term"))?);
            let (kind, body) = match word {
                "-" => (Kind::NOOP, Vec::new()),
                "?" => (Kind::COMMAND, vec![0xFF; 4]),
                word => (Kind::COMMAND, encoded(word)),
            };
            log.append(term, kind, &body).map_err(|error| format!("{error:?}"))?;
        }
        let digest = self.cluster.shared_digest(node)?;
        self.cluster.crash(node, usize::MAX)?;
        let voters = self.cluster.ids();
        let disk = self.cluster.disk_mut(node)?;
        disk.write(Record::Ballot(Ballot { term, vote, admitted: true, losses: 0 }))?;
        if base != Position::ZERO {
            let format = option(words, "format")?.unwrap_or(0) as u16;
            let saved = words.iter().find_map(|word| word.strip_prefix("saved="));
            let saved: Vec<_> = saved.map_or(Vec::new(), |saved| saved.split(',').collect());
            let bytes = forge::snapshot(&voters, digest, format, &saved);
            let (length, checksum) = (bytes.len() as u32, forge::checksum(&bytes));
            let snapshot = Snapshot { last: base, bytes: length, checksum };
            disk.write(Record::Stage { snapshot, held: 0 })?;
            disk.write(Record::Chunk { offset: 0, bytes: &bytes })?;
            disk.write(Record::Snapshot(snapshot))?;
        }
        if let Some(entries) = log.run(base.index.next(), u32::MAX, usize::MAX) {
            disk.write(Record::Entries {
                after: base,
                committed: base.index,
                bytes: entries.bytes(),
            })?;
        }
        disk.flush()?;
        self.cluster.start(node)
    }
}

fn settings(words: &[&str]) -> Result<Settings, String> {
    let normal = Settings::default();
    let number = |name: &str, normal: u64| Ok::<_, String>(option(words, name)?.unwrap_or(normal));
    Ok(Settings {
        base: number("base", u64::from(normal.base))? as u32,
        heartbeat: number("heartbeat", u64::from(normal.heartbeat))? as u32,
        log_bytes: number("log", normal.log_bytes as u64)? as usize,
        frame: number("frame", normal.frame as u64)? as usize,
        cycle: number("cycle", u64::from(normal.cycle))? as u32,
        window_bytes: number("window-bytes", u64::from(normal.window_bytes))? as u32,
        window: number("window", u64::from(normal.window))? as u32,
        least_log: number("least-log", u64::from(normal.least_log))? as u32,
        compact: number("compact", u64::from(normal.compact))? as u32,
        keep: number("keep", u64::from(normal.keep))? as u32,
        pace: number("pace", u64::from(normal.pace))? as u32,
        snapshot_bytes: number("snapshots", normal.snapshot_bytes as u64)? as usize,
        cluster: number("cluster", normal.cluster)?,
        seed: number("seed", u64::from(normal.seed))? as u32,
        lease: number("lease", u64::from(normal.lease))? as u32,
        quiet: number("quiet", u64::from(normal.quiet))? as u32,
        shape: normal.shape,
        board: None,
    })
}

fn encoded(word: &str) -> Vec<u8> {
    let mut body = vec![0; word.len() + 8];
    let length = postcard::to_slice(word, &mut body).map_or(0, |body| body.len());
    body.truncate(length);
    body
}
