//! What metric points measured: growth of what counts up, and percentiles of histograms.

mod growth;
mod spread;

pub use growth::{Added, Growth, Reading, growth};
pub use spread::Spread;
