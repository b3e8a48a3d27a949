//! The shop and the collector's picture in one process on paused time: a seed gives the same run to the event.
//!
//! A run has two phases. First there is trouble: the network loses, repeats and delays messages, machines die at any
//! await, disks are slow, clocks are off, and faults of the catalogue act; each seed has its own mix. Then everything is
//! healed, and the cluster has to come to rest. What is left in the databases, in the collector's picture and in the
//! memory of the customers is judged from outside: see [`invariants`].

mod cluster;
mod collector;
mod evidence;
mod invariants;
mod mutants;
mod network;
mod run;
mod script;
mod shoppers;
mod story;
mod transaction;
mod trouble;
mod weather;

pub use invariants::{Breach, Scene, Traces, Violation, names};
pub use mutants::Mutant;
pub use network::Loss;
pub use run::{CrashPoint, Options, Outcome, coverage_gaps, run, run_all};
pub use script::{Mishap, Script};
pub use transaction::{Ending, Trial, attempt};
pub use trouble::Trouble;
