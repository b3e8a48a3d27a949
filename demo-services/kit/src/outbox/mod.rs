//! Messages written in the business transaction and published afterwards: committed means delivered at least once.

mod aside;
mod relay;
mod table;

pub(crate) use aside::carry_out;
pub use relay::OutboxRelay;
pub(crate) use table::TABLES;
pub(crate) use table::enqueue_with;
pub use table::{enqueue, enqueue_form};

#[cfg(test)]
mod tests;
