//! A node as a process: it starts as its words say, and ends when it is asked to or has to.

use crate::options::{Options, Wanted, help};
use crate::program::Program;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Why the process ends.
enum End {
    /// Somebody asked for it.
    Asked,
    /// The node has stopped by itself.
    Stopped,
}

/// Is a node until the end. The first word is the program's name.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = match Options::read(words) {
        Ok(Wanted::Run(options)) => options,
        Ok(Wanted::Help) => {
            print!("{}", help());
            return ExitCode::SUCCESS;
        }
        Ok(Wanted::Version) => {
            println!("kv {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("kv: {error}");
            return ExitCode::from(2);
        }
    };
    crate::lines::begin(options.log);
    match until_the_end(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kv: {error}");
            ExitCode::FAILURE
        }
    }
}

fn until_the_end(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (ended, end) = channel();
    // Heard from here on, so that nobody who asks for the end in the beginning is missed.
    hear_signals(ended.clone())?;
    let program = Program::start(options)?;
    if options.prepare {
        program.shut_down();
        return Ok(ExitCode::SUCCESS);
    }
    let events = program.events();
    thread::Builder::new().name("watch".to_owned()).spawn(move || {
        // They end when the node does. Whether they were read in time does not matter.
        while events.recv().is_ok() {}
        ended.send(End::Stopped).ok();
    })?;
    if matches!(end.recv()?, End::Asked) {
        program.shut_down();
        return Ok(ExitCode::SUCCESS);
    }
    let why = program.stopped().map_or("it was not said why".to_owned(), |why| why.to_string());
    Err(format!("the node has stopped: {why}").into())
}

fn hear_signals(ended: Sender<End>) -> std::io::Result<()> {
    let mut asked = false;
    each_signal(move || {
        // Whoever asks twice does not want to wait.
        if std::mem::replace(&mut asked, true) {
            std::process::exit(1);
        }
        ended.send(End::Asked).ok();
    })
}

/// Calls this for each signal that asks for the end.
#[cfg(unix)]
fn each_signal(mut call: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let hear = move || signals.forever().for_each(|_| call());
    thread::Builder::new().name("signals".to_owned()).spawn(hear).map(drop)
}

/// Where signals can't be waited for, it is looked for them.
#[cfg(not(unix))]
fn each_signal(mut call: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
    let came = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&came))?;
    }
    let look = move || loop {
        if came.swap(false, Ordering::SeqCst) {
            call();
        }
        thread::sleep(std::time::Duration::from_millis(100));
    };
    thread::Builder::new().name("signals".to_owned()).spawn(look).map(drop)
}
