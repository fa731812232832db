//! Snapshots of this node's machine: a copy of it is saved by another thread, so that the consensus
//! thread is there for its peers and callers meanwhile.
//!
//! One at a time. The node says when one is due, or somebody asks for one; what it is of is known
//! when it begins, and whoever asks later waits for the next. When it is whole, and nothing stands
//! in its way, the node adopts it.
//!
//! What goes wrong while it is written stops nobody: nothing was promised on it, and somebody who
//! makes room on the disk finds a node that runs. It is tried again, less often than it takes. A
//! machine that panics in there stops its node, as it does anywhere.

use super::{HostNode, Stack, stopped, words_of};
use crate::HostMachine;
use crate::clock;
use crate::errors::{AdminError, Stopped};
use crate::slot::Answer;
use crate::storage::{HostStorage, Sheet};
use crate::waker::Waker;
use raft_core::{CompactError, Draft, NodeId, Snapshot};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// After one that came to nothing the next one waits for so long, and for as much longer as it
/// took.
const PAUSE: Duration = Duration::from_secs(1);
const SHARE: u32 = 4;

/// Whoever asked for a snapshot.
type Asker = Answer<Result<bool, AdminError>>;

/// Snapshots on their way.
pub(crate) struct Saving<S: HostStorage> {
    id: NodeId,
    under_way: Option<UnderWay<S::Sheet>>,
    /// One that is whole and waits to be adopted.
    saved: Option<Saved<S::Sheet>>,
    /// Who gets that one, or the one under way; and who gets the next.
    served: Vec<Asker>,
    waiting: Vec<Asker>,
    /// When the last one began.
    begun: Duration,
    /// Before that none begins by itself.
    not_before: Duration,
    failures: u64,
}

struct UnderWay<T> {
    thread: Option<JoinHandle<()>>,
    outcome: Receiver<Outcome<T>>,
    /// Whether nobody wants it any more.
    unwanted: Arc<AtomicBool>,
}

/// A snapshot, and the sheet that it is on; none if it is longer than any may be.
type Saved<T> = (Snapshot, Option<T>);

enum Outcome<T> {
    Saved(Saved<T>),
    Failed(String),
    Panicked(String),
}

impl<S: HostStorage> Saving<S> {
    pub(crate) fn new(id: NodeId) -> Self {
        let (served, waiting) = (Vec::new(), Vec::new());
        let (begun, not_before) = (Duration::ZERO, Duration::ZERO);
        let (under_way, saved, failures) = (None, None, 0);
        Self { id, under_way, saved, served, waiting, begun, not_before, failures }
    }

    /// Somebody wants a snapshot of now.
    pub(crate) fn ask(&mut self, asker: Asker) {
        self.waiting.push(asker);
    }

    /// Does what can be done now.
    pub(crate) fn go_on<M: HostMachine>(
        &mut self,
        node: &mut HostNode<S, M>,
        waker: &Waker,
    ) -> Result<(), Stopped> {
        match self.fetch() {
            None => {}
            Some(Outcome::Saved(saved)) => self.saved = Some(saved),
            Some(Outcome::Failed(words)) => self.fail(&AdminError::SnapshotFailed(words)),
            Some(Outcome::Panicked(words)) => return Err(Stopped::Panicked(words)),
        }
        self.adopt(node)?;
        self.begin(node, waker)
    }

    /// How many came to nothing.
    pub(crate) const fn failures(&self) -> u64 {
        self.failures
    }

    /// How long it takes until the next one may begin, if that is all that it waits for.
    pub(crate) fn wait<M: HostMachine>(&self, node: &HostNode<S, M>) -> Option<Duration> {
        let waits = self.is_idle() && node.wants_draft();
        waits.then(|| self.not_before.saturating_sub(clock::now()))
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.saved.is_none()
    }

    /// What became of the one under way, once.
    fn fetch(&mut self) -> Option<Outcome<S::Sheet>> {
        let outcome = match self.under_way.as_ref()?.outcome.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Outcome::Panicked("without a word".to_owned()),
        };
        self.under_way = None;
        Some(outcome)
    }

    /// Has the node adopt what is whole.
    fn adopt<M: HostMachine>(&mut self, node: &mut HostNode<S, M>) -> Result<(), Stopped> {
        let nobody_asks = self.served.is_empty() && self.waiting.is_empty();
        let ripe = |_: &mut Saved<S::Sheet>| !(nobody_asks && node.adoption_waits());
        let Some((snapshot, sheet)) = self.saved.take_if(ripe) else { return Ok(()) };
        let adopted = node.adopt(snapshot, |storage| match sheet {
            Some(sheet) => storage.place(sheet),
            // It is too long, and this is not called.
            None => Ok(()),
        });
        match adopted {
            Ok(adopted) => {
                if adopted {
                    let Snapshot { last, bytes, .. } = snapshot;
                    log::info!(
                        "node {} took a snapshot up to {}: {bytes} bytes",
                        self.id.0,
                        last.index.0
                    );
                }
                self.served.drain(..).for_each(|asker| asker.give(Ok(adopted)));
            }
            Err(CompactError::TooLarge { bytes, most_bytes }) => {
                self.fail(&AdminError::SnapshotTooLarge { bytes, most_bytes });
            }
            Err(CompactError::ApplyStopped(fault)) => {
                let error = AdminError::Stopped(Stopped::Apply(fault));
                self.served.drain(..).for_each(|asker| asker.give(Err(error.clone())));
            }
            Err(CompactError::Flush(error)) => return Err(stopped(error)),
        }
        Ok(())
    }

    /// Begins the next one, if it is time.
    fn begin<M: HostMachine>(
        &mut self,
        node: &mut HostNode<S, M>,
        waker: &Waker,
    ) -> Result<(), Stopped> {
        let is_due = || node.wants_draft() && self.not_before <= clock::now();
        if !self.is_idle() || self.waiting.is_empty() && !is_due() {
            return Ok(());
        }
        self.served = std::mem::take(&mut self.waiting);
        let draft = match node.draft() {
            Ok(Some(draft)) => draft,
            Ok(None) => {
                self.served.drain(..).for_each(|asker| asker.give(Ok(false)));
                return Ok(());
            }
            Err(CompactError::Flush(error)) => return Err(stopped(error)),
            Err(CompactError::ApplyStopped(fault)) => {
                let error = AdminError::Stopped(Stopped::Apply(fault));
                self.served.drain(..).for_each(|asker| asker.give(Err(error.clone())));
                return Ok(());
            }
            Err(CompactError::TooLarge { bytes, most_bytes }) => {
                self.fail(&AdminError::SnapshotTooLarge { bytes, most_bytes });
                return Ok(());
            }
        };
        self.begun = clock::now();
        let (machine, sheet) = (node.machine().clone(), node.storage_mut().sheet());
        match spawn(self.id, draft, machine, sheet, waker.clone()) {
            Ok(under_way) => self.under_way = Some(under_way),
            Err(error) => self.fail(&AdminError::SnapshotFailed(error.to_string())),
        }
        Ok(())
    }

    fn fail(&mut self, error: &AdminError) {
        log::error!("node {}: {error}", self.id.0);
        self.failures += 1;
        let now = clock::now();
        self.not_before = now + PAUSE + now.saturating_sub(self.begun) * SHARE;
        self.served.drain(..).for_each(|asker| asker.give(Err(error.clone())));
    }
}

impl<T> Drop for UnderWay<T> {
    /// Nobody who comes later finds the thread, or its sheet.
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It catches whatever panics.
            thread.join().ok();
        }
    }
}

impl<S: HostStorage> Drop for Saving<S> {
    /// Whoever waits is told before the thread has ended.
    fn drop(&mut self) {
        self.served.clear();
        self.waiting.clear();
    }
}

fn spawn<T: Sheet, M: HostMachine>(
    id: NodeId,
    draft: Draft,
    machine: Stack<M>,
    sheet: T,
    waker: Waker,
) -> std::io::Result<UnderWay<T>> {
    let (sender, outcome) = sync_channel(1);
    let unwanted = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&unwanted);
    let thread = thread::Builder::new().name(format!("save-{}", id.0)).spawn(move || {
        let saved = catch_unwind(AssertUnwindSafe(|| save(&draft, machine, sheet, &gone)));
        let panicked = |panic: Box<_>| Outcome::Panicked(words_of(&*panic));
        // There is room for it, and if nobody is there any more the sheet goes with it.
        sender.send(saved.unwrap_or_else(panicked)).ok();
        waker.wake();
    })?;
    Ok(UnderWay { thread: Some(thread), outcome, unwanted })
}

/// Saves a copy of the machine, and gives it up.
fn save<T: Sheet, M: HostMachine>(
    draft: &Draft,
    machine: Stack<M>,
    mut sheet: T,
    unwanted: &AtomicBool,
) -> Outcome<T> {
    let mut failed = None;
    let mut sink = |_: u32, bytes: &[u8]| {
        if unwanted.load(Ordering::Relaxed) {
            return None;
        }
        sheet.write(bytes).map_err(|error| failed = Some(error)).ok()
    };
    let saved = draft.save(&machine, &mut sink);
    // What it shares with the machine is copied there for as long as this is here.
    drop(machine);
    let finished = match (saved, failed) {
        (_, Some(error)) => Err(error),
        (Some(snapshot), None) if snapshot.bytes > draft.most_bytes() => {
            return Outcome::Saved((snapshot, None));
        }
        (Some(snapshot), None) => sheet.finish(snapshot).map(|()| snapshot),
        (None, None) => return Outcome::Failed("nobody wants it any more".to_owned()),
    };
    match finished {
        Ok(snapshot) => Outcome::Saved((snapshot, Some(sheet))),
        Err(error) => Outcome::Failed(format!("{error:?}")),
    }
}
