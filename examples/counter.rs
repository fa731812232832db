//! A replicated counter, of which three run: `cargo run --example counter -- 1`, and with 2 and 3
//! in two more terminals. Each adds five, and says what the total is.

use raft_std::{ClusterId, LoadError, Loader, Machine, Memory, NodeId, Saver, Server};

#[derive(Default)]
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
    let id: u8 = std::env::args().nth(1).unwrap_or_default().parse()?;
    let all = [1, 2, 3].map(NodeId);
    let address = |id: NodeId| format!("127.0.0.1:{}", 7000 + u16::from(id.0));
    let mut setup = Server::new(NodeId(id), &address(NodeId(id))).found(ClusterId(7), &all);
    for peer in all.into_iter().filter(|peer| peer.0 != id) {
        setup = setup.peer(peer, &address(peer));
    }
    let storage = Memory::new(4 << 20, 4096).map_err(|error| format!("{error:?}"))?;
    let server = setup.patience(std::time::Duration::from_secs(60)).start(storage, Counter(0))?;
    let total = server.propose(&5)?; // returns when it is applied
    println!("{total}, then {}", server.read(|counter| counter.0)?); // linearizable
    std::thread::sleep(std::time::Duration::from_secs(60));
    Ok(())
}
