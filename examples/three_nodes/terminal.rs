//! The terminal itself: taken over for the dashboard, and given back however that ends.

use crate::dashboard::Dashboard;
use crate::nodes::{Nodes, Outcome};
use crate::screen::View;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::{self, stdout};
use std::panic;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// Where the nodes listen, from this port on, unless others do.
const FIRST_PORT: u16 = 8000;
/// How often the picture is drawn anew while nobody types.
const REFRESH: Duration = Duration::from_millis(100);

/// The key that ends it.
const QUIT: KeyEvent = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);

/// Whether the terminal is to be given back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Shows the dashboard until somebody quits.
pub fn run(directory: &Path) -> Outcome<()> {
    let mut dashboard = Dashboard::new(Nodes::found(directory, FIRST_PORT)?);
    restore_before_panics(dashboard.reporter());
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register(signal, Arc::clone(&ended))?;
    }
    let _taken = Taken::new()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    let mut next_key = |_: &View| {
        // Whoever asks for the end from outside gets what the keyboard would give.
        if ended.load(Ordering::SeqCst) { Ok(Some(QUIT)) } else { next_key() }
    };
    dashboard.run(&mut terminal, &mut next_key)
}

/// The next key, if there is one soon.
fn next_key() -> io::Result<Option<KeyEvent>> {
    if !event::poll(REFRESH)? {
        return Ok(None);
    }
    match event::read()? {
        Event::Key(key) => Ok(Some(key)),
        _ => Ok(None),
    }
}

/// A terminal that shows no echo and another screen. Dropping it gives the old one back.
struct Taken;

impl Taken {
    fn new() -> io::Result<Self> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        // If the next step fails, this one is undone.
        let taken = Self;
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    // Twice would put the cursor where it was before a panic's words, and hide those.
    if TAKEN.swap(false, Ordering::SeqCst) {
        // There is no other terminal to complain on.
        execute!(stdout(), LeaveAlternateScreen, cursor::Show).ok();
        disable_raw_mode().ok();
    }
}

/// Has this thread's last words stand on the screen that stays. Those of other threads are told by
/// the dashboard, which goes on.
fn restore_before_panics(reporter: Sender<String>) {
    let (own, usual) = (thread::current().id(), panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        if thread::current().id() == own {
            restore();
            usual(panic);
        } else {
            // Nobody listens any more when everything ends.
            reporter.send(panic.to_string().replace('\n', " ")).ok();
        }
    }));
}
