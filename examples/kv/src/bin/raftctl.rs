//! Looks after a cluster of kv: see `raftctl --help`.

use kv::control::{Control, HELP};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let control = match Control::read(std::env::args_os().skip(1)) {
        Ok(Some(control)) => control,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("raftctl: {error}; see raftctl --help");
            return ExitCode::from(2);
        }
    };
    let mut gone = false;
    let tell = &mut |text: &str| gone |= writeln!(std::io::stdout(), "{text}").is_err();
    match control.run(tell) {
        Ok(()) if gone => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raftctl: {error}");
            ExitCode::FAILURE
        }
    }
}
