//! An image that links only if no panic can be reached from anything that raft-core offers.
//!
//! It makes every call with inputs that the compiler can't know, and its panic handler calls a
//! function that exists nowhere: while a single panic is left, the linker can't do without it.
//!
//! * `input.rs`: numbers and bytes that the compiler can't know
//! * `node.rs`: a node, from its storage's formatting to its end
//! * `sessions.rs`: a node with sessions
//! * `flash.rs`: storage in flash, without a node
//! * `parts.rs`: what can be used without a node: log, wire, envelope, sets
//! * `serial.rs`: both ends of a serial line

#![no_std]
#![no_main]

mod flash;
mod input;
mod node;
mod parts;
mod serial;
mod sessions;

use self::input::Input;
use core::panic::PanicInfo;
use cortex_m_rt::entry;

const MEMORY_BYTES: usize = 4096;

#[entry]
fn main() -> ! {
    static mut LOG: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut IMAGE: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut JOURNAL: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut ONE: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut OTHER: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut SPARE: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];

    let mut input = Input::new();
    node::live(&mut input, LOG, IMAGE, JOURNAL, [ONE, OTHER]);
    loop {
        flash::keep(&mut input, SPARE);
        parts::log(&mut input, SPARE);
        parts::wire(&mut input);
        parts::envelope(&mut input);
        serial::live(&mut input);
        parts::sets(&mut input);
        #[cfg(feature = "planted")]
        planted(&mut input, SPARE);
    }
}

/// What a careless line looks like.
#[cfg(feature = "planted")]
fn planted(input: &mut Input, bytes: &[u8]) {
    core::hint::black_box(bytes[input.word() as usize]);
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_is_reachable() -> !;
    }
    // SAFETY: an image that could make this call does not link.
    unsafe { a_panic_is_reachable() }
}
