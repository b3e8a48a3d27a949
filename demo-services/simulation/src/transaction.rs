//! One trip by two-phase commit, on machines of its own, and what befalls it: so small that every case can be tried.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use sagascope_api::Time;
use sagascope_conventions::fault::{ArmedFault, FaultStrength, FaultTarget};
use sagascope_conventions::{Fault, FaultKind};
use serde_json::{Value, json};
use shop_kit::clock::unix_nanos_now;
use shop_kit::simulated::Simulation;
use shop_kit::topology::Topology;
use shop_kit::transport::Transport;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::evidence::{Evidence, TRANSACTION};
use crate::invariants::{self, Violation};
use crate::network::Loss;
use crate::run::{CrashPoint, EPOCH_UNIX_NANOS, Options, on_paused_time};
use crate::shoppers::{Memory, Shopper};
use crate::story::Story;

/// Machines that have a part in it.
const MACHINES: [&str; 5] = ["broker", "payments", "hotels", "cars", "booking"];
/// Of these, who votes.
const PARTICIPANTS: [&str; 3] = ["hotels", "cars", "payments"];
/// Between two looks from outside.
const LOOK: Duration = Duration::from_millis(100);
/// It must be over so long after everybody is back.
const REST: Duration = Duration::from_secs(60);

/// What befalls the trip.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// A death at a point of the log of a service: there is one right before and one right after each commit.
    pub crash: Option<CrashPoint>,
    /// How long whoever died stays away; as long as usual when it is zero.
    pub away: Duration,
    /// A message that is lost.
    pub loss: Option<Loss>,
    /// Every request arrives twice.
    pub twice: bool,
    /// No car is free, so that cars vote no.
    pub no_car: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// `commit` or `abort`.
    pub decision: Option<String>,
    /// The death that was asked for came.
    pub crashed: bool,
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// What was seen while the coordinator was away and all participants were in doubt.
    pub blocked: Option<Blocked>,
}

/// Everybody has voted, and nobody is there to decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// Participants that show the transaction among their doubts.
    pub shown_by: BTreeSet<&'static str>,
    /// How somebody else who wants the same room is answered.
    pub others: (u16, String),
    /// The collector says that it is stuck, sooner or later.
    pub stuck: bool,
    /// Looks at which somebody was not in doubt any more.
    pub gave_up: usize,
}

/// Tries one case.
///
/// # Panics
/// When this machine has no room for a few small files.
#[must_use]
pub fn attempt(trial: &Trial) -> Ending {
    on_paused_time(live(trial)).expect("a cluster in temporary files")
}

async fn live(trial: &Trial) -> anyhow::Result<Ending> {
    let _simulation = Simulation::start(1, EPOCH_UNIX_NANOS);
    let folder = tempfile::Builder::new().prefix("shop-simulation-").tempdir()?;
    let (story, memory) = (Story::begin(), Memory::default());
    let cluster = Cluster::new(1, folder.path(), story.clone(), &Options::default());
    cluster.start(&MACHINES).await?;
    befall(&cluster, trial);
    let traveller = Shopper::traveller_with(wish(), cluster.network(), story);
    let shopping = tokio::spawn(traveller.shop(memory.clone()));

    let mut watched = Watched {
        evidence: Evidence::new(folder.path(), cluster.collector().clone(), Vec::new()),
        operator: cluster.network().transport("operator"),
        ending: Ending::default(),
    };
    let began = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let is_away = !cluster.running().contains(&"booking");
        watched.look(is_away).await?;
        let unrest = watched.evidence.unrest()?;
        if shopping.is_finished() && unrest.is_empty() {
            break;
        }
        if began.elapsed() > REST + trial.away {
            watched.broken("INV-03", vec![format!("no rest: {unrest:?}")]);
            break;
        }
    }
    let mut ending = watched.ending;
    ending.crashed = trial.crash.is_some_and(|point| cluster.starts(point.service) > 1);
    cluster.stop();
    let evidence = Evidence::new(folder.path(), cluster.collector().clone(), memory.purchases());
    ending.violations.extend(invariants::check_trips(&evidence));
    ending.decision = evidence.transactions()?.into_iter().find_map(|known| known.decision);
    Ok(ending)
}

fn wish() -> Value {
    json!({
        "customer_id": "customer-1",
        "room_id": "hotel-1-room-2",
        "arrival": "2026-06-10",
        "nights": 2,
        "car": { "class": "van", "optional": false },
    })
}

fn befall(cluster: &Cluster, trial: &Trial) {
    cluster.network().twice(trial.twice);
    if let Some(loss) = trial.loss {
        cluster.network().lose(loss);
    }
    if trial.no_car {
        cluster.with_node("cars", |_, faults| {
            // There is room: it is the only one.
            faults.arm(sold_out());
        });
    }
    if let Some(CrashPoint { service, step }) = trial.crash {
        cluster.with_node(service, |node, _| node.die_at_commit(step));
        if !trial.away.is_zero() {
            cluster.stay_away(service, trial.away);
        }
    }
}

fn sold_out() -> ArmedFault {
    let fault = Fault {
        id: "sold-out".to_owned(),
        target: FaultTarget {
            service: "cars".to_owned(),
            operation: None,
            instance: None,
        },
        kind: FaultKind::OutOfStock,
        strength: FaultStrength::default(),
        duration_seconds: 3_600,
        seed: 1,
    };
    ArmedFault {
        fault,
        remaining_ms: 3_600_000,
    }
}

/// Looked at from outside while it goes on.
struct Watched {
    evidence: Evidence,
    operator: Transport,
    ending: Ending,
}

impl Watched {
    async fn look(&mut self, coordinator_is_away: bool) -> anyhow::Result<()> {
        let found = invariants::all_or_nothing(&self.evidence)?;
        self.broken("2PC", found);
        if !coordinator_is_away {
            return Ok(());
        }
        let Some(transaction) = self.evidence.transactions()?.into_iter().next() else {
            return Ok(());
        };
        let mut in_doubt = 0;
        for service in PARTICIPANTS {
            in_doubt += self.evidence.number(service, "SELECT count(*) FROM in_doubt")?;
        }
        let all_are = in_doubt == PARTICIPANTS.len() as i64;
        if transaction.decision.is_none() && all_are && self.ending.blocked.is_none() {
            self.ending.blocked = Some(Blocked {
                shown_by: self.shown_by(&transaction.id).await,
                others: self.somebody_else().await,
                ..Blocked::default()
            });
        }
        if let Some(blocked) = &mut self.ending.blocked {
            blocked.gave_up += usize::from(!all_are);
            let (mut collector, now) = (self.evidence.collector.lock(), Time(unix_nanos_now()));
            // As the collector does when time passes and nothing comes.
            collector.picture.tick(now);
            let shown = collector.picture.saga(&transaction.id, Some(TRANSACTION), now);
            blocked.stuck |= shown.is_some_and(|shown| shown.saga.stuck);
        }
        Ok(())
    }

    async fn shown_by(&self, id: &str) -> BTreeSet<&'static str> {
        let mut shown_by = BTreeSet::new();
        for service in PARTICIPANTS {
            let (_, doubts) = self.ask(service, "GET", "/api/v1/in-doubt", &Value::Null).await;
            if doubts["items"][0]["transaction_id"] == id {
                shown_by.insert(service);
            }
        }
        shown_by
    }

    async fn somebody_else(&self) -> (u16, String) {
        let mut body = json!({ "reservation_id": "somebody-else" });
        for field in ["room_id", "arrival", "nights"] {
            body[field] = wish()[field].take();
        }
        let (status, problem) = self.ask("hotels", "POST", "/api/v1/reservations", &body).await;
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn ask(&self, service: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let base = Topology::new(shop_kit::service::Settings::default().port_base)
            .url(service)
            .unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        let answer = self.operator.exchange(request, 1 << 20);
        match tokio::time::timeout(Duration::from_secs(2), answer).await {
            Ok(Ok(answer)) => (
                answer.status().as_u16(),
                serde_json::from_slice(answer.body()).unwrap_or_default(),
            ),
            _ => (0, Value::Null),
        }
    }

    /// Of the same kind only the first is kept.
    fn broken(&mut self, invariant: &'static str, found: Vec<String>) {
        let known = &mut self.ending.violations;
        if known.iter().all(|violation| violation.invariant != invariant) {
            known.extend(found.into_iter().map(|what| Violation { invariant, what }));
        }
    }
}
