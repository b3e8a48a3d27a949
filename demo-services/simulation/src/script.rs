//! The same commands and the same mishaps for each way of an order: customers come one after the other, and what goes
//! wrong is tied to an order and a step, so that it befalls every way alike.

use std::time::Duration;

use sagascope_conventions::fault::{ArmedFault, FaultStrength, FaultTarget};
use sagascope_conventions::{Fault, FaultKind, OrderFlow};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::evidence::Evidence;
use crate::invariants::Watch;
use crate::shoppers::{Memory, Shopper};
use crate::story::Story;

/// An order is over after this time, with a broker that waits ten seconds for an answer and a breaker that is open for
/// thirty.
const LONGEST: Duration = Duration::from_secs(400);
/// Until a service runs again.
const RESTART: Duration = Duration::from_secs(3);
/// Between two looks from outside.
const LOOK: Duration = Duration::from_secs(1);

/// What happens, beside the way of the orders.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The way of every order.
    pub flow: OrderFlow,
    /// The customers' wishes follow from it.
    pub wishes: u64,
    /// What befalls the first order, the second, and so on; from the first again when there are more orders.
    pub mishaps: Vec<Vec<Mishap>>,
}

/// Something that goes wrong from the moment at which an order is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// A fault of the catalogue, for so long, or until the order has ended.
    Fault {
        /// Which.
        kind: FaultKind,
        /// Where.
        service: &'static str,
        /// Of one step only, named as over HTTP.
        operation: Option<&'static str>,
        /// How long.
        millis: Option<u64>,
    },
    /// The service dies at this of its steps, and starts again.
    Crash {
        /// Which.
        service: &'static str,
        /// Counted from the moment at which the order is placed.
        step: u64,
    },
    /// The two do not reach each other for so long.
    Parted {
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// How long.
        millis: u64,
    },
    /// Every request arrives twice, but for the long polls of consumers.
    Twice,
}

/// Plays it; what is still under way at the end of an order is said.
pub(crate) async fn play(
    script: &Script,
    orders: u32,
    (cluster, story): (&Cluster, &Story),
    memory: &Memory,
    (watched, watch): (&Evidence, &mut Watch),
) -> anyhow::Result<Vec<String>> {
    let mut unrest = Vec::new();
    for number in 1..=orders {
        let befalls = script.mishaps.get((number as usize - 1) % script.mishaps.len().max(1));
        let befalls = befalls.map(Vec::as_slice).unwrap_or_default();
        for (index, &mishap) in befalls.iter().enumerate() {
            story.tell(format_args!("order {number}: {mishap:?}"));
            begin(cluster, index, mishap);
        }
        let shopper = Shopper::new(
            number,
            script.wishes,
            Some(script.flow),
            cluster.network(),
            story.clone(),
        );
        let placed = tokio::time::timeout(LONGEST, shopper.shop(memory.clone())).await;
        let began = Instant::now();
        let under_way = "SELECT count(*) FROM sagas WHERE final = 0";
        while watched.number("orders", under_way)? > 0 && began.elapsed() < LONGEST {
            tokio::time::sleep(LOOK).await;
            watch.look(watched);
        }
        if placed.is_err() || watched.number("orders", under_way)? > 0 {
            unrest.push(format!("order {number} is not over, befallen by {befalls:?}"));
        }
        end(cluster);
        tokio::time::sleep(LOOK).await;
        if !befalls.is_empty() {
            // A breaker that one order opened must not decide about the next one: memory is emptied.
            cluster.with_node("orders", |node, _| node.kill());
            tokio::time::sleep(RESTART).await;
        }
    }
    Ok(unrest)
}

fn begin(cluster: &Cluster, index: usize, mishap: Mishap) {
    match mishap {
        Mishap::Fault {
            kind,
            service,
            operation,
            millis,
        } => {
            let remaining_ms = millis.unwrap_or(LONGEST.as_millis() as u64);
            let fault = Fault {
                id: format!("mishap-{index}"),
                target: FaultTarget {
                    service: service.to_owned(),
                    operation: operation.map(str::to_owned),
                    instance: None,
                },
                kind,
                strength: FaultStrength {
                    percent: Some(100),
                    ..FaultStrength::default()
                },
                duration_seconds: remaining_ms.div_ceil(1_000),
                seed: 1,
            };
            cluster.with_node(service, |_, faults| {
                // There is room: an order has few of them.
                faults.arm(ArmedFault { fault, remaining_ms });
            });
        }
        Mishap::Crash { service, step } => cluster.with_node(service, |node, _| node.die_after(step)),
        Mishap::Parted { one, other, millis } => {
            cluster.network().part(one, other);
            let cluster = cluster.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                cluster.network().mend(one, other);
            });
        }
        Mishap::Twice => cluster.network().twice(true),
    }
}

fn end(cluster: &Cluster) {
    cluster.network().twice(false);
    for name in cluster.running() {
        cluster.with_node(name, |node, faults| {
            node.die_after(0);
            faults.keep_only(&[]);
        });
    }
}
