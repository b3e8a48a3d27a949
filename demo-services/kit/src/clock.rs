//! What time it is. One place to ask, so that a simulation can answer: see [`crate::simulated`].
//!
//! Durations are measured with `tokio::time::Instant`, which follows a simulation by itself.

use crate::simulated;

/// Nanoseconds since the unix epoch.
#[must_use]
pub fn unix_nanos_now() -> u64 {
    simulated::unix_nanos_now().unwrap_or_else(sagascope_instrument::event::unix_nanos_now)
}

/// Now in RFC 3339, with milliseconds, such as `2026-01-31T08:15:00.125Z`.
#[must_use]
pub fn rfc3339_now() -> String {
    // Past the year 9999 there is nothing to write; the epoch then says that something is wrong.
    let now = jiff::Timestamp::from_nanosecond(i128::from(unix_nanos_now())).unwrap_or_default();
    format!("{now:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_simulation_it_is_the_wall_clock() {
        let before = sagascope_instrument::event::unix_nanos_now();
        assert!(unix_nanos_now() >= before);
        assert!(rfc3339_now().ends_with('Z') && rfc3339_now().len() == "2026-01-31T08:15:00.125Z".len());
    }
}
