//! Rate, errors and durations of one thing that is called, over the last minute.

use sagascope_api::Time;
use serde::{Deserialize, Serialize};

use super::histogram::{Bucket, Histogram};
use super::window::Slices;

/// The window of rates, error shares and percentiles, seconds.
pub(super) const WINDOW_SECONDS: u64 = 60;
/// Length of a slice, seconds: also that of the sparklines.
pub(super) const SLICE_SECONDS: u64 = 10;
/// Slices of a sparkline: five minutes.
pub(super) const HISTORY_SLICES: usize = 30;

/// When something happened and when it is told, in slices: what the counters of one call have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    happened: u64,
    told: u64,
}

impl When {
    pub(super) fn of(at: Time, now: Time) -> Self {
        const SLICE_NANOS: u64 = SLICE_SECONDS * 1_000_000_000;
        Self {
            happened: at.min(now).0 / SLICE_NANOS,
            told: now.0 / SLICE_NANOS,
        }
    }
}

/// Calls and failures in one slice.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) calls: u32,
    pub(super) errors: u32,
}

/// Calls and failures by slice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Counts(Slices<Count>);

impl Counts {
    /// Over this many slices of [`SLICE_SECONDS`].
    pub(super) fn over_slices(count: usize) -> Self {
        Self(Slices::new(SLICE_SECONDS, count))
    }

    /// Counts one; false when it is older than the slices.
    pub(super) fn add(&mut self, when: When, is_error: bool) -> bool {
        let Some(count) = self.0.slice(when.happened, when.told) else {
            return false;
        };
        count.calls = count.calls.saturating_add(1);
        count.errors = count.errors.saturating_add(u32::from(is_error));
        true
    }

    /// Calls per second and share of errors over the window. `since` tells when the first could have come.
    pub(super) fn rate(&self, since: Time, now: Time) -> (f64, f64) {
        let (mut calls, mut errors) = (0_u64, 0_u64);
        for count in self.0.recent(now, WINDOW_SECONDS).flatten() {
            calls += u64::from(count.calls);
            errors += u64::from(count.errors);
        }
        let ratio = if calls == 0 { 0.0 } else { errors as f64 / calls as f64 };
        (calls as f64 / covered_seconds(since, now), ratio)
    }

    /// Counts per slice, oldest first.
    pub(super) fn history(&self, now: Time) -> Vec<Count> {
        let seconds = SLICE_SECONDS * HISTORY_SLICES as u64;
        let mut history: Vec<Count> = self
            .0
            .recent(now, seconds)
            .map(|count| count.copied().unwrap_or_default())
            .collect();
        history.reverse();
        history
    }
}

/// How much of the window has passed: its last slice is unfinished, and a young thing has not filled it.
fn covered_seconds(since: Time, now: Time) -> f64 {
    let unfinished = (SLICE_SECONDS as f64) - (now.0 % (SLICE_SECONDS * 1_000_000_000)) as f64 / 1e9;
    (WINDOW_SECONDS as f64 - unfinished)
        .min(now.seconds_since(since))
        .max(1.0)
}

/// Durations by slice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Durations(Slices<Histogram>);

impl Default for Durations {
    fn default() -> Self {
        Self(Slices::new(SLICE_SECONDS, (WINDOW_SECONDS / SLICE_SECONDS) as usize))
    }
}

impl Durations {
    pub(super) fn add(&mut self, when: When, bucket: Bucket) {
        if let Some(histogram) = self.0.slice(when.happened, when.told) {
            histogram.add(bucket);
        }
    }

    /// The 50th, 95th and 99th percentile over the window, milliseconds.
    pub(super) fn percentiles(&self, now: Time) -> [Option<f64>; 3] {
        let mut all = Histogram::default();
        for slice in self.0.recent(now, WINDOW_SECONDS).flatten() {
            all.join(slice);
        }
        [0.5, 0.95, 0.99].map(|q| all.quantile_ms(q))
    }
}
