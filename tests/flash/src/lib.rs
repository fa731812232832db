//! The storage in flash, on trial.
//!
//! * `chip.rs` of the simulator: a flash that keeps to its rules and counts; `cut.rs`: what a power
//!   cut leaves in it
//! * `steps.rs`: what a node may do with its storage; `held.rs`: what it must hold then
//! * `history.rs`: one life of a storage, and what may be found wherever it ends
//! * `cuts.rs`: the power fails everywhere, in every way, also in the start after that
//! * `rot.rs`: bytes rot, one by one; sectors stick; what never was a storage is taken for one
//! * `fuzz/`: any calls in any order, with any faults
//! * `boards.rs`: the chips that all of this is tried on

pub mod boards;
pub mod cuts;
pub mod fuzz;
pub mod held;
pub mod history;
pub mod lives;
pub mod rot;
pub mod steps;

pub use raft_simulator::{chip, cut};

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a trial. A panic in it is an outcome, told like any other: a chip panics when a rule is
/// broken.
pub fn quietly<T>(trial: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(trial));
    QUIET.set(outer);
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}
