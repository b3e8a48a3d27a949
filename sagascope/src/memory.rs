//! Memory that is not needed any more goes back to the system.

/// Gives back what the allocator holds for the calling thread, also blocks that other threads have freed: an allocator
/// finds those only when the thread allocates again, which after a burst it does not.
#[allow(unsafe_code, reason = "the allocator's own function, which no safe crate offers")]
pub(crate) fn give_back() {
    // SAFETY: it takes a flag and no pointer, has no requirement on the caller, and may be called by any thread at any time
    // (mimalloc's documentation of `mi_collect`); blocks that are in use are left alone.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
