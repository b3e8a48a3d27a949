//! The phase of trouble: one episode after the other, until everything is healed.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sagascope_conventions::fault::{ArmedFault, FaultStrength, FaultTarget};
use sagascope_conventions::{Fault, FaultKind};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{Cluster, SERVICES};
use crate::network::COLLECTOR;
use crate::story::Story;
use crate::trouble::{Trouble, targets};

/// Between two episodes, milliseconds.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 200..=1_500;
/// How long an episode lasts, milliseconds.
const EPISODE_MS: std::ops::RangeInclusive<u64> = 500..=4_000;

/// See the module.
pub(crate) struct Weather {
    cluster: Cluster,
    story: Story,
    dice: StdRng,
    enabled: BTreeSet<Trouble>,
    ends: JoinSet<()>,
    episodes: u64,
}

impl Weather {
    pub(crate) fn new(seed: u64, cluster: Cluster, story: Story, enabled: BTreeSet<Trouble>) -> Self {
        Self {
            cluster,
            story,
            dice: StdRng::seed_from_u64(seed ^ 0x7765_6174_6865_7200),
            enabled,
            ends: JoinSet::new(),
            episodes: 0,
        }
    }

    /// Makes trouble for so long, and then heals everything.
    pub(crate) async fn rage(mut self, length: Duration) {
        self.cluster.network().weather(self.enabled.iter().copied());
        let episodic: Vec<Trouble> = self.enabled.iter().copied().filter(|kind| !kind.is_weather()).collect();
        let end = Instant::now() + length;
        while Instant::now() < end {
            tokio::time::sleep(self.some(PAUSE_MS)).await;
            if !episodic.is_empty() {
                let kind = episodic[self.dice.random_range(0..episodic.len())];
                self.make(kind);
            }
        }
        self.heal();
    }

    fn heal(&mut self) {
        self.ends.abort_all();
        let cluster = &self.cluster;
        cluster.network().heal();
        cluster.collector().away(false);
        for name in cluster.running() {
            cluster.with_node(name, |node, faults| {
                node.skew(0);
                node.slow_disk(Duration::ZERO);
                if self.enabled.contains(&Trouble::CrashMidWork) {
                    node.die_after(0);
                }
                faults.keep_only(&[]);
            });
        }
        self.story.tell("everything is healed");
    }

    fn make(&mut self, kind: Trouble) {
        self.episodes += 1;
        let running = self.cluster.running();
        if running.is_empty() {
            return;
        }
        let name = running[self.dice.random_range(0..running.len())];
        match kind {
            Trouble::Partition => self.part(),
            Trouble::Crash => {
                self.story.trouble(kind, name);
                self.cluster.with_node(name, |node, _| node.kill());
            }
            Trouble::CrashMidWork => {
                let steps = self.dice.random_range(1..=300);
                self.story.trouble(kind, format_args!("{name} after {steps} steps"));
                self.cluster.with_node(name, |node, _| node.die_after(steps));
            }
            Trouble::SlowDisk => {
                let most = Duration::from_millis(self.dice.random_range(10..=250));
                self.story.trouble(kind, format_args!("{name} up to {most:?}"));
                self.cluster.with_node(name, |node, _| node.slow_disk(most));
                self.later(move |cluster| cluster.with_node(name, |node, _| node.slow_disk(Duration::ZERO)));
            }
            Trouble::ClockSkew => {
                let millis: i64 = self.dice.random_range(-5_000..=5_000);
                self.story.trouble(kind, format_args!("{name} by {millis} ms"));
                self.cluster.with_node(name, |node, _| node.skew(millis * 1_000_000));
            }
            Trouble::CollectorAway => {
                self.story.trouble(kind, "it takes nothing");
                self.cluster.collector().away(true);
                self.later(|cluster| cluster.collector().away(false));
            }
            Trouble::Fault(kind) => self.arm(kind),
            // These come with each message.
            Trouble::LostRequest | Trouble::LostAnswer | Trouble::Duplicate | Trouble::Overtaken | Trouble::CutOff => {}
        }
    }

    fn part(&mut self) {
        let places: Vec<&'static str> = SERVICES.into_iter().chain([COLLECTOR, "shopper"]).collect();
        let one = places[self.dice.random_range(0..places.len())];
        let other = places[self.dice.random_range(0..places.len())];
        if one == other {
            return;
        }
        self.story.trouble(Trouble::Partition, format_args!("{one} | {other}"));
        self.cluster.network().part(one, other);
        self.later(move |cluster| cluster.network().mend(one, other));
    }

    fn arm(&mut self, kind: FaultKind) {
        let targets = targets(kind);
        let service = targets[self.dice.random_range(0..targets.len())];
        let seconds = self.dice.random_range(1..=6);
        let fault = Fault {
            id: format!("fault-{}", self.episodes),
            target: FaultTarget {
                service: service.to_owned(),
                operation: None,
                instance: None,
            },
            kind,
            strength: FaultStrength {
                percent: Some(self.dice.random_range(20..=100)),
                delay_ms: Some(self.dice.random_range(50..=1_800)),
                ..FaultStrength::default()
            },
            duration_seconds: seconds,
            seed: self.dice.random(),
        };
        self.story
            .tell(format_args!("{} is armed in {service} for {seconds} s", kind.as_str()));
        let armed = ArmedFault {
            fault,
            remaining_ms: seconds * 1_000,
        };
        self.cluster.with_node(service, |_, faults| {
            // There is room: it holds far more than can be armed at once.
            faults.arm(armed);
        });
    }

    fn later(&mut self, act: impl FnOnce(&Cluster) + Send + 'static) {
        let (cluster, wait) = (self.cluster.clone(), self.some(EPISODE_MS));
        self.ends.spawn(async move {
            tokio::time::sleep(wait).await;
            act(&cluster);
        });
    }

    fn some(&mut self, millis: std::ops::RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.dice.random_range(millis))
    }
}
