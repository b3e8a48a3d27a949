//! Read models have no side effects: while one applies an event, or is emptied, nothing else can be caused.

use std::cell::Cell;

use crate::database::DatabaseError;

thread_local! {
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which is to have no effect but on its own tables.
pub(crate) fn forbidden<T>(work: impl FnOnce() -> T) -> T {
    /// Also when `work` panics: the thread goes on with other work.
    struct Lift(bool);
    impl Drop for Lift {
        fn drop(&mut self) {
            FORBIDDEN.set(self.0);
        }
    }
    let _lift = Lift(FORBIDDEN.replace(true));
    work()
}

/// Asked by whatever is an effect on others.
///
/// # Errors
/// When a read model is at work.
pub(crate) fn allowed(what: &'static str) -> Result<(), DatabaseError> {
    if FORBIDDEN.get() {
        return Err(DatabaseError::SideEffect(what));
    }
    Ok(())
}
