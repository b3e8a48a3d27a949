//! Percentiles of what was measured.

use std::time::Duration;

/// The value that `percent` of the sorted values do not exceed (nearest rank); `None` of nothing.
pub(super) fn percentile(values: &mut [Duration], percent: usize) -> Option<Duration> {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

/// `12 ms`, or a dash when nothing was measured.
pub(super) fn millis(value: Option<Duration>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| format!("{:.0} ms", value.as_secs_f64() * 1e3),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut values: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        for (percent, expected) in [(50, 50), (95, 95), (99, 99), (100, 100), (0, 1)] {
            assert_eq!(percentile(&mut values, percent), Some(Duration::from_millis(expected)));
        }
        assert_eq!(percentile(&mut [], 50), None);
        assert_eq!(millis(None), "–");
        assert_eq!(millis(Some(Duration::from_micros(12_600))), "13 ms");
    }
}
