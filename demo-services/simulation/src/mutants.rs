//! Clusters that are broken on purpose: each breaks a promise, and the checker of that promise must see it.

/// What is broken.
#[derive(Clone, Copy, Debug)]
pub enum Mutant {
    /// Requests to this service with a path that ends so are answered as done, and never done.
    Swallows(&'static str, &'static str),
    /// The collector loses the last record of each larger request, and says that it has it.
    Leaks,
    /// Triggers in the database of this service undo what it does. Runs at each start, and may run again.
    Sabotages(&'static str, &'static str),
}
