//! The fault board.
