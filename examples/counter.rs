//! A replicated counter, of which three run: `cargo run --example counter -- 1 found`, and with 2
//! and 3 in two more terminals; from the second time on without `found`. Each adds five, and says
//! what the total is.

use raft_std::{ClusterId, LoadError, Loader, Machine, NodeId, Saver, Server, Wal, WalOptions};
use std::time::Duration;

#[derive(Clone, Default)]
struct Counter(i64);

impl Machine for Counter {
    type Command<'a> = i64;
    type Output = i64;

    fn apply(&mut self, amount: i64) -> i64 {
        self.0 += amount;
        self.0
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.0);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        self.0 = loader.value()?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let id: u8 = arguments.first().map_or("", String::as_str).parse()?;
    let all = [1, 2, 3].map(NodeId);
    let address = |id: NodeId| format!("127.0.0.1:{}", 7000 + u16::from(id.0));
    let mut setup = Server::new(NodeId(id), &address(NodeId(id)));
    for peer in all.into_iter().filter(|peer| peer.0 != id) {
        setup = setup.peer(peer, &address(peer));
    }
    if arguments.get(1).is_some_and(|word| word == "found") {
        setup = setup.found(ClusterId(7), &all); // once in the cluster's life
    }
    let files =
        Wal::open(std::env::temp_dir().join(format!("counter-{id}")), WalOptions::default());
    let server = setup.patience(Duration::from_secs(60)).start(files?, Counter(0))?;
    let total = server.propose(&5)?; // returns when it is applied
    println!("{total}, then {}", server.read(|counter| counter.0)?); // linearizable
    std::thread::sleep(Duration::from_secs(60)); // a node for the other two
    Ok(())
}
