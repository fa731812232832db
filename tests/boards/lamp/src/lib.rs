//! The machine that every image here runs: one lamp, which can be switched and labelled.
//!
//! Small, so that what is measured is the core; and one of its two commands borrows from the log.
#![no_std]

use raft_core::{LoadError, Loader, Machine, Saver};
use serde::{Deserialize, Serialize};

/// What can be done to a lamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command<'a> {
    /// Lights it, or not.
    Switch(bool),
    /// Says what it is for.
    Label(&'a str),
}

/// A lamp, out and without a label at first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Lamp {
    lit: bool,
    label_bytes: usize,
}

impl Lamp {
    /// Whether it is lit.
    pub const fn is_lit(&self) -> bool {
        self.lit
    }

    /// How long its label is.
    pub const fn label_bytes(&self) -> usize {
        self.label_bytes
    }
}

impl Machine for Lamp {
    type Command<'a> = Command<'a>;
    type Output = bool;

    fn apply(&mut self, command: Command<'_>) -> bool {
        match command {
            Command::Switch(lit) => self.lit = lit,
            Command::Label(label) => self.label_bytes = label.len(),
        }
        self.lit
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&(self.lit, self.label_bytes));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        (self.lit, self.label_bytes) = loader.value()?;
        Ok(())
    }
}
