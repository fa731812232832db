//! How deep a call goes: the stack below the caller is painted, and then looked at for the lowest
//! place where the paint is gone.

use core::arch::asm;

/// What is painted: deeper than any call may go.
const PAINTED_BYTES: usize = 8 * 1024;
const PAINT: u32 = 0x5AFE_C0DE;

unsafe extern "C" {
    /// Where the statics end, by cortex-m-rt's linker script.
    static _stack_end: u32;
}

/// The kinds of calls into the core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Format,
    Recover,
    Advance,
    Receive,
    Propose,
    Flush,
    Transmit,
    Apply,
    PollEvent,
    Status,
    Read,
    Transfer,
    Change,
}

impl Call {
    pub const ALL: [Self; 13] = [
        Self::Format,
        Self::Recover,
        Self::Advance,
        Self::Receive,
        Self::Propose,
        Self::Flush,
        Self::Transmit,
        Self::Apply,
        Self::PollEvent,
        Self::Status,
        Self::Read,
        Self::Transfer,
        Self::Change,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Recover => "recover",
            Self::Advance => "advance",
            Self::Receive => "receive",
            Self::Propose => "propose",
            Self::Flush => "flush",
            Self::Transmit => "transmit",
            Self::Apply => "apply",
            Self::PollEvent => "poll_event",
            Self::Status => "status",
            Self::Read => "read",
            Self::Transfer => "transfer",
            Self::Change => "change",
        }
    }
}

/// The deepest that the calls of each kind went.
pub struct Gauge {
    deepest: [usize; Call::ALL.len()],
}

impl Gauge {
    pub const fn new() -> Self {
        Self { deepest: [0; Call::ALL.len()] }
    }

    /// Makes the call, and notes how far below this frame the stack was touched.
    #[inline(never)]
    pub fn measure<R>(&mut self, call: Call, work: impl FnOnce() -> R) -> R {
        let bottom = paint();
        let result = enter(work);
        let top = stack_pointer();
        let untouched = (bottom..top).step_by(size_of::<u32>());
        // SAFETY: between the statics and this frame, aligned, and RAM.
        let is_paint = |&at: &usize| unsafe { (at as *const u32).read_volatile() } == PAINT;
        let untouched = untouched.take_while(is_paint).count() * size_of::<u32>();
        assert!(untouched > 0, "deeper than what was painted");
        let deepest = &mut self.deepest[call as usize];
        *deepest = (*deepest).max(top - bottom - untouched);
        result
    }

    pub const fn deepest(&self, call: Call) -> usize {
        self.deepest[call as usize]
    }
}

/// What lies in a frame of its own, so that nothing of it counts as the caller's.
#[inline(never)]
fn enter<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[inline(always)]
fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Paints what lies below the caller's frame; gives where the paint begins.
#[inline(always)]
fn paint() -> usize {
    let top = stack_pointer();
    let bottom = top - PAINTED_BYTES;
    assert!(bottom >= (&raw const _stack_end).addr(), "no room to paint");
    // SAFETY: nothing lies there: the statics end below, no interrupt is on, and these few
    // instructions call nothing. `top` is aligned to words as every frame is.
    unsafe {
        asm!(
            "2:",
            "stm {at}!, {{{paint}}}",
            "cmp {at}, {top}",
            "blo 2b",
            at = inout(reg) bottom => _,
            top = in(reg) top,
            paint = in(reg) PAINT,
            options(nostack),
        );
    }
    bottom
}
