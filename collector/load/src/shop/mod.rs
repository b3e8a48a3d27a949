//! A shop's telemetry: which requests there are, in which mix.

mod attributes;
mod journeys;
mod logs;
mod metrics;
mod steps;
mod traces;

use crate::random::Random;
use crate::template::Template;

/// Different requests of a signal; after that many the same come again, with other ids, times and words.
const VARIANTS: u64 = 16;

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metric points.
    Metrics,
}

/// Which signals are sent: of so many requests in a row, how many hold what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Requests of spans.
    pub traces: u32,
    /// Requests of log records.
    pub logs: u32,
    /// Requests of metric points.
    pub metrics: u32,
}

impl Mix {
    /// Spans alone.
    pub const TRACES: Self = Self {
        traces: 1,
        logs: 0,
        metrics: 0,
    };

    /// The signal of the request with this number; the same for the same number.
    #[must_use]
    pub const fn signal(self, number: u64) -> Signal {
        let round = self.traces as u64 + self.logs as u64 + self.metrics as u64;
        let place = if round == 0 { 0 } else { number % round };
        if place < self.traces as u64 || round == 0 {
            Signal::Traces
        } else if place < self.traces as u64 + self.logs as u64 {
            Signal::Logs
        } else {
            Signal::Metrics
        }
    }
}

/// Encoded requests to choose from.
#[derive(Debug)]
pub struct Templates {
    traces: Vec<Template>,
    logs: Vec<Template>,
    metrics: Vec<Template>,
}

impl Templates {
    /// Makes the requests of a seed, each of `batch` records.
    #[must_use]
    pub fn new(seed: u64, batch: u32, mix: Mix) -> Self {
        let mut random = Random::new(seed);
        let mut variants = |wanted: bool, make: fn(&mut Random, u32) -> Template| {
            let number = if wanted { VARIANTS } else { 0 };
            (0..number).map(|_| make(&mut random, batch)).collect()
        };
        Self {
            traces: variants(mix.logs + mix.metrics == 0 || mix.traces > 0, traces::request),
            logs: variants(mix.logs > 0, logs::request),
            metrics: variants(mix.metrics > 0, metrics::request),
        }
    }

    /// The request to fill for this number; nothing when the mix has none of the signal.
    #[must_use]
    pub fn of(&self, signal: Signal, number: u64) -> Option<&Template> {
        let variants = match signal {
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
            Signal::Metrics => &self.metrics,
        };
        let variant = number.checked_rem(variants.len() as u64)?;
        variants.get(usize::try_from(variant).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_gives_each_signal_its_share() {
        let mix = Mix {
            traces: 4,
            logs: 2,
            metrics: 1,
        };
        let count = |signal| (0..70).filter(|&number| mix.signal(number) == signal).count();
        assert_eq!(
            (count(Signal::Traces), count(Signal::Logs), count(Signal::Metrics)),
            (40, 20, 10)
        );
        assert_eq!(Mix::TRACES.signal(u64::MAX), Signal::Traces);
    }

    #[test]
    fn what_is_not_in_the_mix_is_not_made() {
        let templates = Templates::new(1, 8, Mix::TRACES);
        assert!(templates.of(Signal::Traces, 1_000).is_some());
        assert!(templates.of(Signal::Logs, 0).is_none());
    }
}
