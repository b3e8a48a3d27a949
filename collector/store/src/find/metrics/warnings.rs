//! What bends the numbers of an answer, said in words.

use std::collections::BTreeSet;

use sagascope_api::metrics::{Function, MetricWarning};
use sagascope_core::rows::{MetricKind, Temporality};

use super::steps::are_alike;
use super::streams::Stream;

/// What was noticed on the way to an answer.
#[derive(Debug)]
pub(super) struct Notes {
    function: Function,
    kind: MetricKind,
    other_kinds: BTreeSet<&'static str>,
    other_units: BTreeSet<String>,
    temporalities: BTreeSet<&'static str>,
    pub(super) resets: u64,
    pub(super) unlike: u64,
    /// Files could not be read.
    pub(super) unread: bool,
}

impl Notes {
    pub(super) fn new(function: Function) -> Self {
        Self {
            function,
            kind: MetricKind::Gauge,
            other_kinds: BTreeSet::new(),
            other_units: BTreeSet::new(),
            temporalities: BTreeSet::new(),
            resets: 0,
            unlike: 0,
            unread: false,
        }
    }

    /// Notes how a stream is sent; `kind` and `unit` are those of the answer.
    pub(super) fn stream(&mut self, stream: &Stream, kind: MetricKind, unit: &str) {
        self.kind = kind;
        if !are_alike(stream.kind, kind) {
            self.other_kinds.insert(stream.kind.word().as_str());
            return;
        }
        if *stream.unit != *unit {
            self.other_units.insert(stream.unit.to_string());
        }
        if !matches!(stream.kind, MetricKind::Gauge | MetricKind::Summary) {
            self.temporalities.insert(match stream.kind.temporality() {
                Temporality::Delta => "delta",
                Temporality::Cumulative => "cumulative",
                Temporality::Unspecified => "unspecified",
            });
        }
    }

    pub(super) fn finish(self) -> Vec<MetricWarning> {
        let word = self.kind.word().as_str();
        let is_summary = self.kind == MetricKind::Summary && self.function.quantile().is_some();
        let all = [
            self.unread.then(|| {
                let detail = "Files that hold some of the range cannot be read; what is in them is missing.";
                warning("unreadable_files", detail.to_owned())
            }),
            (!self.other_kinds.is_empty()).then(|| {
                let others = joined(&self.other_kinds);
                warning(
                    "several_kinds",
                    format!("It is also sent as {others}; shown is what came as {word}, its newest kind."),
                )
            }),
            (!self.other_units.is_empty()).then(|| {
                let others = joined(&self.other_units);
                warning(
                    "several_units",
                    format!("Some senders use another unit ({others}); numbers are shown as they came."),
                )
            }),
            (self.temporalities.len() > 1).then(|| {
                let all = joined(&self.temporalities);
                warning(
                    "several_temporalities",
                    format!("It is sent as {all}; growth is reckoned for each as it counts."),
                )
            }),
            (self.resets > 0).then(|| {
                warning(
                    "counter_reset",
                    format!(
                        "The counting began anew {} times; growth goes on from there.",
                        self.resets
                    ),
                )
            }),
            (self.unlike > 0).then(|| {
                let detail = format!(
                    "Buckets changed {} times; what was added just then is unknown.",
                    self.unlike
                );
                warning("buckets_changed", detail)
            }),
            (self.kind == MetricKind::Gauge && self.function == Function::Rate)
                .then(|| warning("no_rate", "A gauge does not count, so it has no rate.".to_owned())),
            is_summary.then(|| {
                let detail = "Percentiles of summaries cannot be joined; the greatest of a series is shown.";
                warning("summary_percentiles", detail.to_owned())
            }),
        ];
        all.into_iter().flatten().collect()
    }
}

pub(super) fn warning(code: &str, detail: String) -> MetricWarning {
    MetricWarning {
        code: code.to_owned(),
        detail,
    }
}

pub(super) fn joined<T: AsRef<str>>(words: &BTreeSet<T>) -> String {
    let shown = words.iter().take(8).map(|word| match word.as_ref() {
        "" => "none",
        word => word,
    });
    shown.collect::<Vec<_>>().join(", ")
}
