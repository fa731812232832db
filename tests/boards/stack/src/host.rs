//! What the image says to whoever runs the emulator: lines of text, and how it ended.

use core::fmt::Write;
use core::panic::PanicInfo;
use cortex_m_semihosting::debug::{self, EXIT_FAILURE, EXIT_SUCCESS};
use cortex_m_semihosting::hio;

/// The emulator's standard output, or nothing.
pub struct Console(Option<hio::HostStream>);

impl Write for Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.as_mut().map_or(Ok(()), |stream| stream.write_str(text))
    }
}

pub fn console() -> Console {
    Console(hio::hstdout().ok())
}

/// Ends the emulator.
pub fn exit(well: bool) -> ! {
    debug::exit(if well { EXIT_SUCCESS } else { EXIT_FAILURE });
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    writeln!(console(), "{info}").ok();
    exit(false)
}
