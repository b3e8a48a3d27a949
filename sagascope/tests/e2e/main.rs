//! The real binary as real processes: the shop under trouble, the terminal, the browser.
//!
//! `SAGASCOPE_BIN` names another binary to test, such as the release build; every test has its own folder and ports.

mod bench;
mod browser;
mod canary;
mod command_line;
mod crash;
mod damaged_databases;
mod faults;
mod lab;
mod lifecycle;
mod limits;
mod memory;
mod overload;
mod recovery;
mod sdk;
mod support;
mod terminal;
