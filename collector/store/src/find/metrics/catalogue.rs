//! Which metrics there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sagascope_api::Time;
use sagascope_api::metrics::{Metric, MetricKind, MetricWarning, Temporality};
use sagascope_core::block::PointBlock;
use sagascope_core::rows::Temporality as Counting;
use sagascope_core::search::Query;

use super::warnings::{joined, warning};
use crate::find::budget::Budget;
use crate::find::parts::{Parts, PointPart, newest_first};

/// Metrics of one answer.
const METRICS_MAX: usize = 10_000;
/// Attribute keys and services shown of one metric, each.
const WORDS_MAX: usize = 256;
/// Rows between two looks at the budget.
const STRIDE: usize = 4_096;

/// Metrics by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// A name that is sent in several ways is there once for each.
    pub metrics: Vec<Metric>,
    /// A limit ended the work before all was looked at.
    pub truncated: bool,
}

/// Ways in which a name is sent.
type Key = (String, MetricKind, Temporality, bool, String);

#[derive(Default)]
struct Entry {
    description: String,
    attributes: BTreeSet<String>,
    services: BTreeSet<String>,
    last_seen: Time,
}

/// The metrics of which a point in the range matches, in order of name.
#[must_use]
pub fn catalogue(parts: &Parts, query: &Query, range: (Time, Time), budget: &Budget) -> Catalogue {
    let mut entries = BTreeMap::new();
    let mut truncated = false;
    for (_, part) in newest_first(&parts.points, PointPart::times, range) {
        part.candidates(None, query, range, &mut |block| {
            truncated = !add(&mut entries, block, query, range, budget);
            !truncated
        });
        if truncated {
            break;
        }
    }
    let mut metrics: Vec<Metric> = entries.into_iter().map(|(key, entry)| entry.metric(key)).collect();
    for same in metrics.chunk_by_mut(|a, b| a.name == b.name) {
        let warnings = differences(same);
        same.iter_mut().for_each(|metric| metric.warnings.clone_from(&warnings));
    }
    Catalogue { metrics, truncated }
}

/// False when a limit was reached.
fn add(
    entries: &mut BTreeMap<Key, Entry>,
    block: &PointBlock,
    query: &Query,
    (from, to): (Time, Time),
    budget: &Budget,
) -> bool {
    let mut select = query.over_points(block);
    let mut newest: Vec<Option<Time>> = vec![None; block.metrics.len()];
    let (mut shapes, mut senders) = (HashSet::new(), HashSet::new());
    for row in 0..block.len() {
        if row % STRIDE == 0 && budget.is_spent() {
            return false;
        }
        let at = block.at[row];
        if at < from || at >= to || !select.matches(row) {
            continue;
        }
        let metric = block.metric[row];
        if let Some(newest) = newest.get_mut(metric as usize) {
            *newest = (*newest).max(Some(at));
        }
        shapes.insert((metric, block.attributes[row].shape));
        senders.insert((metric, block.resource[row]));
    }
    let text = |string| block.tables.strings.get(string).to_owned();
    let keys: Vec<Key> = (block.metrics.iter())
        .map(|metric| {
            let kind = metric.kind;
            let counting = counting(kind.temporality());
            (
                text(metric.name),
                kind.word(),
                counting,
                kind.is_monotonic(),
                text(metric.unit),
            )
        })
        .collect();
    for (n, newest) in newest.iter().enumerate() {
        let Some(newest) = *newest else { continue };
        if entries.len() >= METRICS_MAX && !entries.contains_key(&keys[n]) {
            return false;
        }
        let entry = entries.entry(keys[n].clone()).or_default();
        if newest >= entry.last_seen {
            entry.last_seen = newest;
            entry.description = text(block.metrics[n].description);
        }
    }
    for (metric, shape) in shapes {
        if let Some(entry) = entries.get_mut(&keys[metric as usize]) {
            let members = block.tables.values.shapes.get(shape);
            members
                .iter()
                .for_each(|(key, _)| put(&mut entry.attributes, text(*key)));
        }
    }
    for (metric, sender) in senders {
        if let Some(entry) = entries.get_mut(&keys[metric as usize]) {
            put(
                &mut entry.services,
                block.tables.resource_at(sender).service().to_owned(),
            );
        }
    }
    true
}

fn put(words: &mut BTreeSet<String>, word: String) {
    if words.len() < WORDS_MAX {
        words.insert(word);
    }
}

const fn counting(temporality: Counting) -> Temporality {
    match temporality {
        Counting::Unspecified => Temporality::Unspecified,
        Counting::Delta => Temporality::Delta,
        Counting::Cumulative => Temporality::Cumulative,
    }
}

impl Entry {
    fn metric(self, (name, kind, temporality, monotonic, unit): Key) -> Metric {
        Metric {
            name,
            unit,
            description: self.description,
            kind,
            temporality,
            monotonic,
            attributes: self.attributes.into_iter().collect(),
            services: self.services.into_iter().collect(),
            last_seen: self.last_seen,
            warnings: Vec::new(),
        }
    }
}

/// How those of one name differ.
fn differences(same: &[Metric]) -> Vec<MetricWarning> {
    let words = |word: fn(&Metric) -> &str| same.iter().map(word).collect::<BTreeSet<_>>();
    let kinds = words(|metric| metric.kind.as_str());
    let units = words(|metric| &metric.unit);
    let temporalities = words(|metric| metric.temporality.as_str());
    let told = [
        ("several_kinds", "kinds", kinds.clone()),
        ("several_units", "units", units),
        ("several_temporalities", "temporalities", temporalities),
    ];
    let told = told.into_iter().filter(|(code, _, words)| {
        // Other kinds count in other ways; that is no second warning.
        words.len() > 1 && (*code != "several_temporalities" || kinds.len() == 1)
    });
    told.map(|(code, what, words)| warning(code, format!("It is sent in several {what}: {}.", joined(&words))))
        .collect()
}
