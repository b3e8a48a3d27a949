//! The dashboard driven by scripted events, and looked at as a whole.

mod actions;
pub(crate) mod fixture;
mod hand;
mod lab;
mod measure;
mod screens;
mod story;
