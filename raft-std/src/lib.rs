//! Threads, UDP sockets and files around [`raft-core`](https://docs.rs/raft-core): not built yet.
