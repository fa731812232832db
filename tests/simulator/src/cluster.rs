//! Nodes, their storage, and the datagrams between them. Nothing happens that is not called for.

use crate::disk::Disk;
use crate::flash::Board;
use crate::words::{self, Spoken};
use raft_core::wire::{self, ENVELOPE_BYTES, Envelope};
use raft_core::{
    ClusterId, Config, Event, FlushToken, Identity, Node, NodeId, Nonce, Packet, Recipient,
};
use std::collections::{BTreeMap, BTreeSet};

/// A node of a cluster.
pub type ClusterNode<M> = Node<Vec<u8>, Disk, M>;

/// What a node is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `base_timeout_ticks`.
    pub base: u32,
    /// `heartbeat_ticks`.
    pub heartbeat: u32,
    /// `link_cycle_ticks`.
    pub cycle: u32,
    /// The log's memory.
    pub log_bytes: usize,
    /// The transmit buffer, envelope not counted.
    pub frame: usize,
    /// `window_entries`.
    pub window: u32,
    /// `window_bytes`.
    pub window_bytes: u32,
    /// `least_log_bytes`.
    pub least_log: u32,
    /// `compact_percent`.
    pub compact: u32,
    /// `keep_entries`.
    pub keep: u32,
    /// `pace_bytes`.
    pub pace: u32,
    /// How long a snapshot may be; zero for a log that stays whole.
    pub snapshot_bytes: usize,
    /// Which cluster.
    pub cluster: u64,
    /// The node's seed, at its first start.
    pub seed: u32,
    /// `lease_ticks`.
    pub lease: u32,
    /// `quiet_ticks`.
    pub quiet: u32,
    /// `machine_shape`.
    pub shape: u32,
    /// The flash that it has for a disk.
    pub board: Option<Board>,
}

impl Default for Settings {
    fn default() -> Self {
        let (base, heartbeat, cycle, window, cluster, seed) = (10, 3, 1, 256, 1, 1);
        let (log_bytes, frame, window_bytes) = (4096, 256, 16 * 1024);
        let (compact, keep, pace, snapshot_bytes) = (75, 32, 4096, 2048);
        let (lease, quiet, shape) = (0, 0, 0);
        Self {
            base,
            heartbeat,
            cycle,
            log_bytes,
            frame,
            window,
            window_bytes,
            least_log: 0,
            compact,
            keep,
            pace,
            snapshot_bytes,
            cluster,
            seed,
            lease,
            quiet,
            shape,
            board: None,
        }
    }
}

impl Settings {
    /// What a node with these settings is made with.
    pub fn config(&self, id: NodeId) -> Config {
        let mut config = Config::new(id, self.seed);
        config.base_timeout_ticks = self.base;
        config.heartbeat_ticks = self.heartbeat;
        config.link_cycle_ticks = self.cycle;
        config.window_entries = self.window;
        config.window_bytes = self.window_bytes;
        config.frame_bytes = u32::try_from(self.frame).unwrap_or(u32::MAX);
        config.least_log_bytes = self.least_log;
        config.compact_percent = self.compact;
        config.keep_entries = self.keep;
        config.pace_bytes = self.pace;
        config.lease_ticks = self.lease;
        config.quiet_ticks = self.quiet;
        config.machine_shape = self.shape;
        if let Some(board) = self.board {
            config.tick_micros = board.tick_micros();
        }
        config
    }

    /// A disk that nobody used.
    fn disk(&self) -> Result<Disk, String> {
        let mut disk = Disk::blank(self.log_bytes, self.snapshot_bytes);
        if let Some(board) = self.board {
            let flash = board.blank(self.frame, self.log_bytes, self.snapshot_bytes)?;
            disk.flash = Some(flash);
        }
        Ok(disk)
    }
}

/// One place in the cluster: a node that runs, or the disk that it left behind.
struct Member<M> {
    settings: Settings,
    config: Config,
    node: Option<ClusterNode<M>>,
    disk: Option<Disk>,
    envelope: Envelope,
    token: Option<FlushToken>,
}

/// A datagram on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Counts all that were ever sent.
    pub number: u32,
    /// Who sent it.
    pub from: u8,
    /// Whom it is for.
    pub to: u8,
    /// Whether something was done to it on its way: a checksum must tell.
    pub damaged: bool,
    /// Envelope and all.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// What is in the envelope.
    pub fn datagram(&self) -> &[u8] {
        let end = self.bytes.len() - (ENVELOPE_BYTES - 2);
        self.bytes.get(2..end).unwrap_or_default()
    }
}

/// Nodes and the datagrams between them.
pub struct Cluster<M> {
    members: BTreeMap<u8, Member<M>>,
    /// What scripts sent and has not arrived, oldest first.
    pub flight: Vec<Letter>,
    /// Pairs, sender first, between which nothing arrives.
    pub cuts: BTreeSet<(u8, u8)>,
    letters: u32,
    /// How often a node was ever made: what each life is called.
    pub lives: u64,
    /// Where nodes write their datagrams.
    buffer: Vec<u8>,
}

impl<M> Default for Cluster<M> {
    fn default() -> Self {
        let (members, cuts) = (BTreeMap::new(), BTreeSet::new());
        Self { members, flight: Vec::new(), cuts, letters: 0, lives: 0, buffer: Vec::new() }
    }
}

impl<M: Spoken> Cluster<M> {
    /// Adds a node on blank storage formatted for it.
    pub fn add(&mut self, identity: Identity, settings: &Settings) -> Result<(), String> {
        let mut disk = settings.disk()?;
        raft_core::format(&mut disk, identity).map_err(|error| format!("{error:?}"))?;
        let member = Member {
            settings: settings.clone(),
            config: settings.config(identity.id),
            node: None,
            disk: Some(disk),
            envelope: Envelope::new(identity.cluster, identity.id),
            token: None,
        };
        self.members.insert(identity.id.0, member);
        self.start(identity.id.0)?;
        self.node_mut(identity.id.0)?.storage_mut().started();
        Ok(())
    }

    /// Founds a cluster of these voters.
    pub fn found(voters: &[u8], settings: &Settings) -> Result<Self, String> {
        let mut cluster = Self::default();
        let ids: Vec<_> = voters.iter().map(|&id| NodeId(id)).collect();
        for &id in &ids {
            let config = settings.config(id);
            let identity = Identity::founder(ClusterId(settings.cluster), &config, &ids);
            cluster.add(identity, settings)?;
        }
        Ok(cluster)
    }

    /// The running nodes.
    pub fn running(&self) -> impl Iterator<Item = (u8, &ClusterNode<M>)> {
        self.members.iter().filter_map(|(&id, member)| Some((id, member.node.as_ref()?)))
    }

    /// Every node's id, running or not.
    pub fn ids(&self) -> Vec<u8> {
        self.members.keys().copied().collect()
    }

    fn member_mut(&mut self, id: u8) -> Result<&mut Member<M>, String> {
        self.members.get_mut(&id).ok_or_else(|| format!("no node {id}"))
    }

    /// What a node takes for the settings of its cluster.
    pub fn shared_digest(&self, id: u8) -> Result<u32, String> {
        let member = self.members.get(&id).ok_or_else(|| format!("no node {id}"))?;
        Ok(member.config.shared_digest())
    }

    /// A running node.
    pub fn node(&self, id: u8) -> Result<&ClusterNode<M>, String> {
        let node = self.members.get(&id).and_then(|member| member.node.as_ref());
        node.ok_or_else(|| format!("{id} is not running"))
    }

    /// A running node, to be moved.
    pub fn node_mut(&mut self, id: u8) -> Result<&mut ClusterNode<M>, String> {
        let node = self.members.get_mut(&id).and_then(|member| member.node.as_mut());
        node.ok_or_else(|| format!("{id} is not running"))
    }

    /// A node's disk, whether the node runs or not.
    pub fn disk(&self, id: u8) -> Option<&Disk> {
        let member = self.members.get(&id)?;
        member.node.as_ref().map(|node| node.storage()).or(member.disk.as_ref())
    }

    /// The disk of a node that does not run.
    pub fn disk_mut(&mut self, id: u8) -> Result<&mut Disk, String> {
        let disk = self.members.get_mut(&id).and_then(|member| member.disk.as_mut());
        disk.ok_or_else(|| format!("{id} is running"))
    }

    /// How many datagrams a node's link refused.
    pub fn refused(&self, id: u8) -> u32 {
        self.members.get(&id).map_or(0, |member| member.envelope.refused)
    }

    /// The entry that a node would find on its disk if the power failed now.
    pub fn flushed_entry(&self, id: u8, index: raft_core::Index) -> Option<String> {
        let mut memory = self.disk(id)?.memory.clone();
        let entry = memory.flushed().ok()?.get(index)?;
        Some(words::entry::<M>(entry.term, entry.kind, entry.body))
    }

    /// Flushes; a node that has stopped stays stopped.
    pub fn flush(&mut self, id: u8) -> Result<(), String> {
        self.node_mut(id)?.flush().map_err(|error| format!("{error:?}"))
    }

    /// Begins a flush; says whether one began.
    pub fn begin_flush(&mut self, id: u8) -> Result<bool, String> {
        let token = self.node_mut(id)?.begin_flush().map_err(|error| format!("{error:?}"))?;
        let member = self.member_mut(id)?;
        member.token = token.or(member.token);
        Ok(token.is_some())
    }

    /// Ends the flush that was begun.
    pub fn finish_flush(&mut self, id: u8) -> Result<bool, String> {
        let token = self.member_mut(id)?.token.take();
        let token = token.ok_or_else(|| format!("no flush of {id} was begun"))?;
        let node = self.node_mut(id)?;
        node.storage_mut().finish_flush();
        Ok(node.flushed(token))
    }

    /// Writes the next datagram that a node owes someone, envelope and all; gives whom it is for.
    pub fn transmit(&mut self, id: u8, whole: &mut Vec<u8>) -> Result<Option<u8>, String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let member = self.member_mut(id)?;
        buffer.resize(member.settings.frame, 0);
        let node = member.node.as_mut().ok_or_else(|| format!("{id} is not running"))?;
        let mut sent = None;
        if let Some(packet) = node.transmit(&mut buffer) {
            let Recipient::Peer(to) = packet.to else { return Err("to everyone?".to_owned()) };
            whole.resize(packet.bytes.len() + ENVELOPE_BYTES, 0);
            member.envelope.put_on(packet, whole).ok_or("no room for the envelope")?;
            sent = Some(to.0);
        }
        self.buffer = buffer;
        Ok(sent)
    }

    /// The number of a new letter.
    pub fn number_letter(&mut self) -> u32 {
        self.letters += 1;
        self.letters
    }

    /// Puts up to `most` datagrams that a node owes into flight; gives them.
    pub fn send(&mut self, id: u8, most: usize) -> Result<Vec<Letter>, String> {
        let mut sent = Vec::new();
        let mut bytes = Vec::new();
        while sent.len() < most
            && let Some(to) = self.transmit(id, &mut bytes)?
        {
            if sent.len() > 1000 {
                return Err(format!("{id} never stops: {}", Self::read(&sent[1000])));
            }
            let (number, bytes) = (self.number_letter(), std::mem::take(&mut bytes));
            sent.push(Letter { number, from: id, to, damaged: false, bytes });
        }
        self.flight.extend(sent.iter().cloned());
        Ok(sent)
    }

    /// Puts bytes into flight that no node wrote, in a sound envelope of this cluster.
    pub fn forge(&mut self, from: u8, to: u8, cluster: u64, bytes: &[u8]) -> Letter {
        let packet = Packet { to: Recipient::Peer(NodeId(to)), bytes };
        let mut whole = vec![0; bytes.len() + ENVELOPE_BYTES];
        Envelope::new(ClusterId(cluster), NodeId(from)).put_on(packet, &mut whole);
        let letter =
            Letter { number: self.number_letter(), from, to, damaged: false, bytes: whole };
        self.flight.push(letter.clone());
        letter
    }

    /// Takes letters out of flight.
    pub fn take(&mut self, which: impl Fn(&Letter) -> bool) -> Vec<Letter> {
        let (taken, kept) = self.flight.drain(..).partition(which);
        self.flight = kept;
        taken
    }

    /// Hands a letter to whom it is for, unless it never arrives: then it says why.
    pub fn deliver(&mut self, letter: &Letter) -> Option<&'static str> {
        if self.cuts.contains(&(letter.from, letter.to)) {
            return Some("cut off");
        }
        let Some(member) = self.members.get_mut(&letter.to) else { return Some("for nobody") };
        let Some(node) = &mut member.node else { return Some("the node is down") };
        let Some(frame) = member.envelope.take_off(&letter.bytes) else { return Some("damaged") };
        node.receive(frame);
        None
    }

    /// Applies whatever a node may apply; gives what came of it.
    pub fn apply(&mut self, id: u8) -> Result<Vec<M::Output>, String> {
        let node = self.node_mut(id)?;
        let applied = core::iter::from_fn(|| node.apply());
        Ok(applied.map(|applied| applied.output).collect())
    }

    /// What has happened to a node since the last look.
    pub fn events(&mut self, id: u8) -> Vec<Event> {
        let Ok(node) = self.node_mut(id) else { return Vec::new() };
        core::iter::from_fn(|| node.poll_event()).collect()
    }

    /// Every node does all it can and every letter arrives, until nothing moves.
    pub fn settle(&mut self) -> Result<usize, String> {
        let mut delivered = 0;
        for _ in 0..1000 {
            for id in self.running().map(|(id, _)| id).collect::<Vec<_>>() {
                // Appends leave before the leader's own flush, promises after it.
                self.send(id, usize::MAX)?;
                let stopped = self.node(id)?.status().fault.is_some();
                if !stopped && self.flush(id).is_ok() {
                    self.send(id, usize::MAX)?;
                }
            }
            let letters = std::mem::take(&mut self.flight);
            if letters.is_empty() {
                return Ok(delivered);
            }
            delivered += letters.len();
            for letter in &letters {
                self.deliver(letter);
            }
        }
        Err("a thousand rounds of talk without a tick".to_owned())
    }

    /// A tick everywhere, and all that follows.
    pub fn tick_and_settle(&mut self) -> Result<usize, String> {
        self.members.values_mut().filter_map(|m| m.node.as_mut()).for_each(|node| node.tick());
        self.settle()
    }

    /// The power fails at a node; of what it had not flushed, `kept` bytes reached the disk.
    pub fn crash(&mut self, id: u8, kept: usize) -> Result<(), String> {
        let member = self.member_mut(id)?;
        let node = member.node.take().ok_or_else(|| format!("{id} is not running"))?;
        let mut disk = node.into_storage();
        disk.crash(kept)?;
        member.disk = Some(disk);
        member.token = None;
        Ok(())
    }

    /// What a node's seed is at its next start: another one, if its owner keeps to the contract.
    pub fn reseed(&mut self, id: u8, seed: u32) -> Result<(), String> {
        self.member_mut(id)?.config.seed = seed;
        Ok(())
    }

    /// A node that does not run starts from its disk.
    pub fn start(&mut self, id: u8) -> Result<(), String> {
        self.lives += 1;
        let machine = M::born(self.lives);
        let member = self.member_mut(id)?;
        let disk = member.disk.take().ok_or_else(|| format!("{id} is running"))?;
        let memory = vec![0; member.settings.log_bytes];
        let kept = disk.clone();
        match Node::recover(member.config.clone(), memory, disk, machine) {
            Ok(node) => {
                member.node = Some(node);
                Ok(())
            }
            Err(error) => {
                member.disk = Some(kept);
                Err(format!("{error:?}"))
            }
        }
    }

    /// What a node would be if it were made from this disk.
    pub fn recover(&self, id: u8, disk: Disk) -> Result<ClusterNode<M>, String> {
        let member = self.members.get(&id).ok_or_else(|| format!("no node {id}"))?;
        let memory = vec![0; member.settings.log_bytes];
        let node = Node::recover(member.config.clone(), memory, disk, M::born(0));
        node.map_err(|error| format!("{error:?}"))
    }

    /// A node's disk is replaced by a blank one, formatted under a new nonce or not at all.
    pub fn wipe(&mut self, id: u8, nonce: Option<u32>) -> Result<(), String> {
        let member = self.member_mut(id)?;
        let mut disk = member.settings.disk()?;
        if let Some(nonce) = nonce {
            let cluster = ClusterId(member.settings.cluster);
            let identity = Identity::newcomer(cluster, NodeId(id), Nonce(nonce));
            raft_core::format(&mut disk, identity).map_err(|error| format!("{error:?}"))?;
        }
        member.node = None;
        member.token = None;
        member.disk = Some(disk);
        Ok(())
    }

    /// What a letter says.
    pub fn read(letter: &Letter) -> String {
        let bytes = letter.datagram();
        let said = match wire::decode(bytes) {
            Ok(datagram) => words::datagram::<M>(&datagram),
            Err(error) => format!("{error:?} {bytes:02x?}"),
        };
        format!("#{} {}>{} {said}", letter.number, letter.from, letter.to)
    }
}
