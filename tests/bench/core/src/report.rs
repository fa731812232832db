//! Everything that this program measures by itself, each number under a name.

use crate::callgrind;
use crate::datagrams;
use crate::workload::{FEW_COMMITS, MANY_COMMITS, Workload};

/// One number; budgets go by its name.
pub struct Measurement {
    pub name: String,
    pub value: f64,
}

/// What one look gave, or a message that says what is in its way.
pub type Measured = Result<Vec<Measurement>, String>;

/// Prints the numbers of the core, one a line.
pub fn print() -> Result<(), String> {
    for Measurement { name, value } in measure()? {
        println!("{name} = {value:.1}");
    }
    Ok(())
}

/// Measures the core.
pub fn measure() -> Measured {
    callgrind::expect_release()?;
    let named = |name: &str, value| Measurement { name: name.to_string(), value };
    let sizes = datagrams::measure();
    let [batches, one_at_a_time] = Workload::ALL;
    Ok(vec![
        named("commit_batched_instructions", batches.instructions_per_commit()?),
        named("commit_single_instructions", one_at_a_time.instructions_per_commit()?),
        named("commit_batched_wire_bytes", wire_bytes_per_commit(batches)),
        named("commit_single_wire_bytes", wire_bytes_per_commit(one_at_a_time)),
        named("heartbeat_bytes", sizes.heartbeat as f64),
        named("heartbeat_answer_bytes", sizes.heartbeat_answer as f64),
        named("append_bytes", sizes.append as f64),
        named("acknowledgement_bytes", sizes.acknowledgement as f64),
        named("further_entry_bytes", sizes.further_entry as f64),
    ])
}

/// The bytes of all datagrams that all nodes send for one commit.
fn wire_bytes_per_commit(workload: Workload) -> f64 {
    let more = workload.run(MANY_COMMITS) - workload.run(FEW_COMMITS);
    more as f64 / (MANY_COMMITS - FEW_COMMITS) as f64
}
