//! The service with its peers played by a small world in memory.

mod fakes;
mod over_http;
mod saga_cases;
mod saga_crashes;
mod two_phase_cases;
mod two_phase_crashes;
