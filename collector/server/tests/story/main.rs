//! The collector as its clients meet it: real bytes on ports of its own.

mod actions;
mod connections;
mod control;
mod experiments;
mod invariants;
mod live;
mod metrics;
mod overload;
mod protocol;
mod restart;
mod rig;
mod sealing;
mod security;
mod visible;
