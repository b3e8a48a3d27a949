//! Memory that is not needed any more goes back to the system.

/// Gives back what the allocator holds for the calling thread, also blocks that other threads have freed: an allocator
/// finds those only when the thread allocates again, which after a burst it does not.
#[allow(unsafe_code, reason = "the allocator's own function, which no safe crate offers")]
pub(crate) fn give_back() {
    // SAFETY: it takes a flag and no pointer, has no requirement on the caller, and may be called by any thread at any time
    // (mimalloc's documentation of `mi_collect`); blocks that are in use are left alone.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Number of the allocator's option of how many milliseconds memory that is free stays with the process; its header has no
/// name for it in Rust.
const PURGE_DELAY: std::ffi::c_int = 15;
/// Long enough for a burst to find its own memory again. With the allocator's default of a second, everything that was
/// free for a moment within it counts against a limit of memory.
const PURGE_DELAY_MS: std::ffi::c_long = 50;

/// To be called first of all, while there is one thread.
#[allow(unsafe_code, reason = "the allocator's own function, which no safe crate offers")]
pub(crate) fn give_back_soon() {
    // SAFETY: it takes two numbers and no pointer, and is only not to be called by two threads at a time: there is one.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) }
}
