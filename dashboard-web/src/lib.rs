//! The web dashboard.
