//! Pieces of screen that pages share.

pub(crate) mod act;
pub(crate) mod charts;
pub(crate) mod faults;
pub(crate) mod flow;
pub(crate) mod help;
pub(crate) mod list;
pub(crate) mod marks;
pub(crate) mod palette;
pub(crate) mod top;
pub(crate) mod type_flow;
pub(crate) mod waterfall;
