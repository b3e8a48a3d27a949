//! The collector as its clients meet it: real bytes on ports of its own.

mod connections;
mod control;
mod intake;
mod live;
mod restart;
mod rig;
mod security;
