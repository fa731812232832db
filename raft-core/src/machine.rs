//! The state machine that a log drives: the part that is the application's own.
//!
//! The core knows of commands only that they are bytes; what they mean is known here.

use crate::snapshot::{LoadError, Loader, Saver};
use serde::{Deserialize, Serialize};

/// What the cluster replicates. Every node applies the same commands in the same order, so a
/// machine must do the same everywhere: no clocks, no random numbers, no addresses of its own.
pub trait Machine {
    /// What a client asks for, encoded once into the log and borrowed back out of it.
    type Command<'a>: Serialize + Deserialize<'a>;
    /// What came of it.
    type Output;

    /// The format that [`save`](Machine::save) writes. Whoever changes what is saved counts it up.
    const FORMAT: u16 = 0;

    /// What else must be the same on every node, as one number: of the sizes of tables, say. Nodes
    /// are told in [`Config::machine_shape`](crate::Config::machine_shape).
    const SHAPE: u32 = 0;

    /// Whether whoever drives the node has the machine saved beside it, from a
    /// [`Draft`](crate::Draft). Then the node takes no snapshot by itself.
    const SAVED_BESIDE: bool = false;

    /// Does what the command says.
    fn apply(&mut self, command: Self::Command<'_>) -> Self::Output;

    /// Writes the whole state: the same bytes for the same state, on every node and each time. A
    /// node calls it twice, first to measure and then to store, and what one node began to send of
    /// it another may go on with.
    fn save(&self, saver: &mut Saver<'_>);

    /// Becomes what was saved, in this format or an earlier one that it still knows; else it says
    /// [`LoadError::Format`]. After an error the node applies nothing more to this machine.
    fn restore(&mut self, loader: &mut Loader<'_>, format: u16) -> Result<(), LoadError>;

    /// Writes the command that this node wants applied and does not know of that it was: for
    /// [`Sessions`](crate::Sessions). `None` if there is none.
    #[doc(hidden)]
    fn forward(&self, _: &mut [u8]) -> Option<usize> {
        None
    }

    /// Which one that is: another number for another one, and zero for what comes before one.
    #[doc(hidden)]
    fn forwards(&self) -> Option<u32> {
        None
    }

    /// Whether it is known what became of the last one, and nobody has asked.
    #[doc(hidden)]
    fn has_outcome(&self) -> bool {
        false
    }
}

/// One command that the machine has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Applied<O> {
    /// Where it stands in the log: the position that proposing it returned, if it was this one.
    pub position: crate::types::Position,
    /// What the machine answered.
    pub output: O,
}
