//! Looks after a cluster of kv: see `raftctl --help`.

use kv::control::{Control, HELP, Task};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let control = match read() {
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

/// What the command line says; nothing if it asks for help.
fn read() -> Result<Option<Control>, lexopt::Error> {
    let (mut words, mut options) = (Vec::new(), lexopt::Parser::from_env());
    let (mut server, mut password) =
        ("127.0.0.1:6379".to_owned(), std::env::var("KV_PASSWORD").ok());
    let (mut json, mut learner, mut count) = (false, false, None);
    while let Some(option) = options.next()? {
        match option {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long("server") => server = options.value()?.into_string()?,
            lexopt::Arg::Long("password") => password = Some(options.value()?.into_string()?),
            lexopt::Arg::Long("json") => json = true,
            lexopt::Arg::Long("learner") => learner = true,
            lexopt::Arg::Long("count") => {
                let said = options.value()?.into_string()?;
                let number = said.parse();
                count = Some(number.map_err(|_| format!("count is {said}; allowed is a number"))?);
            }
            lexopt::Arg::Value(word) => words.push(word.into_string()?),
            option => return Err(option.unexpected()),
        }
    }
    let known: Vec<_> = words.iter().map(String::as_str).collect();
    let said = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let task = match known[..] {
        ["status"] => Task::Status,
        ["watch"] => Task::Watch(count),
        ["add", client] => Task::Add { client: client.to_owned(), learner },
        ["promote", id] => Task::Lead(said(&["RAFT.PROMOTE", id])),
        ["remove", id] => Task::Lead(said(&["RAFT.REMOVE", id])),
        ["transfer"] => Task::Lead(said(&["RAFT.TRANSFER"])),
        ["transfer", id] => Task::Lead(said(&["RAFT.TRANSFER", id])),
        ["snapshot"] => Task::Here(said(&["RAFT.SNAPSHOT"])),
        [] => return Err("a command is missing".into()),
        _ => return Err(format!("{} is no command", words.join(" ")).into()),
    };
    Ok(Some(Control { server, password, json, task }))
}
