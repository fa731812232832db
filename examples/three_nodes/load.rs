//! Many values, written as fast as they are answered for.

use crate::nodes::{Nodes, Outcome, PATIENCE};
use crate::store::Store;
use raft_std::Ticket;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// How many values are under way at once.
const WINDOW: usize = 64;
/// How many names they are written to, over and over, so that a snapshot stays short.
const KEYS: u32 = 100;

/// A load, while it is carried, and its progress for whoever shows it.
pub struct Load {
    pub goal: u32,
    settled: AtomicU32,
}

impl Load {
    pub const fn new(goal: u32) -> Self {
        Self { goal, settled: AtomicU32::new(0) }
    }

    /// How many have an answer by now.
    pub fn settled(&self) -> u32 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Carries it, and says how it went. It goes on through another node when one fails, and gives
    /// up when that brings nothing either: after more than what was under way has failed in a row.
    pub fn carry(&self, nodes: &Nodes) -> Outcome<String> {
        let began = Instant::now();
        let mut server = nodes.nearest()?;
        let mut under_way: VecDeque<(Instant, Ticket<Store>)> = VecDeque::new();
        let (mut lost, mut lost_in_a_row, mut number) = (0, 0, 0);
        while number < self.goal || !under_way.is_empty() {
            if number < self.goal && under_way.len() < WINDOW {
                let key = format!("load-{}", number % KEYS);
                let ticket = Nodes::begin(&server, &key, &number.to_string());
                under_way.push_back((Instant::now() + PATIENCE, ticket));
                number += 1;
                continue;
            }
            let Some((end, ticket)) = under_way.pop_front() else { break };
            match ticket.wait(end.saturating_duration_since(Instant::now())) {
                Ok(_) => lost_in_a_row = 0,
                Err(error) => {
                    (lost, lost_in_a_row) = (lost + 1, lost_in_a_row + 1);
                    if lost_in_a_row > WINDOW {
                        return Err(
                            format!("given up after {} values: {error}", self.settled()).into()
                        );
                    }
                    server = nodes.nearest()?;
                }
            }
            self.settled.fetch_add(1, Ordering::Relaxed);
        }
        let seconds = began.elapsed().as_secs_f64();
        let rate = f64::from(self.goal - lost) / seconds;
        let written = self.goal - lost;
        let rest = match lost {
            0 => String::new(),
            lost => format!("; {lost} without an answer"),
        };
        Ok(format!("{written} values in {seconds:.2} s, {rate:.0} a second{rest}"))
    }
}
