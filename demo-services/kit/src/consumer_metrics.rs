//! How far a read model is that is fed by a broker, by partition: one that lags behind shows, whatever the others do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sagascope_instrument::metrics::ProjectionMetrics;

use crate::broker::{Backlog, PartitionBacklog, Place};
use crate::clock::unix_nanos_now;
use crate::telemetry;

/// Of one read model.
pub(crate) struct ConsumerMetrics {
    name: &'static str,
    by_partition: Mutex<BTreeMap<u32, ProjectionMetrics>>,
}

impl ConsumerMetrics {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            by_partition: Mutex::default(),
        }
    }

    /// Tells where each partition stands.
    pub(crate) fn tell(&self, partitions: &[PartitionBacklog]) {
        for (partition, backlog) in by_number(partitions) {
            let age = backlog.oldest_at.map_or(0, |at| unix_nanos_now().saturating_sub(at));
            let lag = Duration::from_nanos(age).as_secs_f64();
            self.with(partition, |metrics| metrics.stands(backlog.position, backlog.head, lag));
        }
    }

    /// These were applied.
    pub(crate) fn processed(&self, places: &[Place]) {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for place in places {
            *counts.entry(place.partition).or_default() += 1;
        }
        for (partition, count) in counts {
            self.with(partition, |metrics| metrics.processed(count));
        }
    }

    fn with(&self, partition: u32, tell: impl FnOnce(&ProjectionMetrics)) {
        let mut known = self.by_partition.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = known
            .entry(partition)
            .or_insert_with(|| ProjectionMetrics::new(&telemetry::meter(), self.name, partition));
        tell(metrics);
    }
}

/// Moves partitions on by what was just settled.
pub(crate) fn settled(partitions: &mut [PartitionBacklog], places: &[Place]) {
    for at in partitions {
        let of_this = |place: &&Place| place.partition == at.partition && place.topic == at.topic;
        at.backlog.position += places.iter().filter(of_this).count() as u64;
        if at.backlog.lag() == 0 {
            at.backlog.oldest_at = None;
        }
    }
}

/// Partitions of the same number together, when there are several topics.
fn by_number(partitions: &[PartitionBacklog]) -> BTreeMap<u32, Backlog> {
    let mut together: BTreeMap<u32, Vec<PartitionBacklog>> = BTreeMap::new();
    for at in partitions {
        together.entry(at.partition).or_default().push(at.clone());
    }
    let over = |(partition, all): (u32, Vec<PartitionBacklog>)| (partition, Backlog::over(&all));
    together.into_iter().map(over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(topic: &str, partition: u32, position: u64, head: u64, oldest_at: Option<u64>) -> PartitionBacklog {
        PartitionBacklog {
            topic: topic.to_owned(),
            partition,
            backlog: Backlog {
                position,
                head,
                oldest_at,
            },
        }
    }

    #[test]
    fn each_partition_moves_by_its_own_messages() {
        let mut partitions = [at("t", 0, 1, 2, Some(5)), at("t", 1, 0, 3, Some(7))];
        let place = |partition, offset| Place {
            topic: "t".to_owned(),
            partition,
            offset,
        };
        settled(&mut partitions, &[place(0, 1), place(1, 0)]);
        assert_eq!(partitions, [at("t", 0, 2, 2, None), at("t", 1, 1, 3, Some(7))]);
    }

    #[test]
    fn topics_are_summed_by_the_number_of_the_partition() {
        let seen = by_number(&[
            at("a", 0, 1, 4, Some(9)),
            at("b", 0, 2, 2, None),
            at("a", 1, 0, 0, None),
        ]);
        let sums: Vec<_> = seen
            .iter()
            .map(|(number, all)| (*number, all.position, all.head, all.oldest_at))
            .collect();
        assert_eq!(sums, [(0, 3, 6, Some(9)), (1, 0, 0, None)]);
    }
}
