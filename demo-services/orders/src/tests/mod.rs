//! The service with answers made up for its peers: over HTTP, and the saga at every point where it can fail or be killed.

mod bus;
mod every_case;
mod fakes;
mod flows;
mod over_http;
mod saga_cases;
mod saga_crashes;
mod worked_example;
