//! What is done to snapshots and to the disks that hold them, and how those stand.

use super::{Outcome, Story, id, option, word};
use crate::disk::{Disk, Slots};
use crate::words;
use raft_core::Part;

impl Story {
    /// `compact 1`: takes a snapshot now.
    pub(super) fn compact(&mut self, words: &[&str]) -> Outcome {
        for node in self.nodes(words)? {
            let running = self.cluster.node_mut(node)?;
            let said = match running.compact() {
                Ok(true) => format!("  {node} saves {}", running.status().snapshot.0),
                Ok(false) => format!("  {node} has nothing new to save"),
                Err(error) => format!("  {node} saves nothing: {error:?}"),
            };
            self.say(said);
        }
        Ok(())
    }

    /// `flip 1 snapshot at=5`, `flip 2 stage at=0`: a byte reads as another than was written, until
    /// the same snapshot is written again.
    pub(super) fn flip(&mut self, words: &[&str]) -> Outcome {
        let node = id(word(words, 0)?)?;
        let part = match word(words, 1)? {
            "snapshot" => Part::Snapshot,
            "stage" => Part::Stage,
            other => return Err(format!("{other} is neither snapshot nor stage")),
        };
        let at = option(words, "at")?.unwrap_or(0) as u32;
        let disk = match self.cluster.node_mut(node) {
            Ok(running) => running.storage_mut(),
            Err(_) => self.cluster.disk_mut(node)?,
        };
        let (of, held) = disk.slots.get(part).ok_or("there is nothing to flip")?;
        if at >= held {
            return Err(format!("it has {held} bytes"));
        }
        disk.flipped = Some((of, at));
        Ok(())
    }

    /// `power 2 writes=1`: the power fails inside the write after so many. The node then stops, and
    /// what is left of that write a `crash` says.
    pub(super) fn fail_power(&mut self, words: &[&str]) -> Outcome {
        let node = id(word(words, 0)?)?;
        let writes = option(words, "writes")?.unwrap_or(0) as u32;
        self.cluster.node_mut(node)?.storage_mut().power_left = Some(writes);
        self.promises.may_stop.insert(node);
        Ok(())
    }

    /// `disk 2`: the snapshot and the stage, as they were written, and as a crash would leave them.
    pub(super) fn tell_disks(&mut self, words: &[&str]) -> Outcome {
        for node in self.nodes(words)? {
            let disk = self.cluster.disk(node).ok_or_else(|| format!("no node {node}"))?;
            let said = disk_in_words(disk)?;
            self.say(format!("  {node} stores {said}"));
        }
        Ok(())
    }
}

fn disk_in_words(disk: &Disk) -> Result<String, String> {
    let flushed = disk.flushed_slots()?;
    let written = slots_in_words(&disk.slots);
    Ok(match flushed == disk.slots {
        true => written,
        false => format!("{written}; flushed is {}", slots_in_words(&flushed)),
    })
}

fn slots_in_words(slots: &Slots) -> String {
    let snapshot = words::snapshot(&slots.snapshot);
    match slots.stage {
        None => snapshot,
        Some((of, held)) => format!("{snapshot}; on the stage {held} of {}", words::snapshot(&of)),
    }
}
