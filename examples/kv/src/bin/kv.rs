//! A node of a replicated key-value store: see `kv --help`.

fn main() -> std::process::ExitCode {
    kv::process::run(std::env::args_os())
}
