//! One run from its seed, and many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use sagascope_conventions::OrderFlow;
use shop_kit::broker::{Broker, HttpBroker};
use shop_kit::simulated::Simulation;
use shop_kit::topology::Topology;
use shop_kit::transport::{Broken, Transport};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::evidence::Evidence;
use crate::invariants::{self, Breach, Scene, Traces, Violation, Watch};
use crate::mutants::Mutant;
use crate::script::{self, Script};
use crate::shoppers::{Memory, Shopper, WHOLE};
use crate::story::Story;
use crate::trouble::{Trouble, swarm};
use crate::weather::Weather;

/// 2026-01-05 12:00 UTC: the day does not change within a run.
pub(crate) const EPOCH_UNIX_NANOS: u64 = 1_767_614_400 * 1_000_000_000;
/// The phase of trouble.
const TROUBLE_SECONDS: u64 = 12;
/// Everything must be at rest so long after it was healed.
const REST: Duration = Duration::from_secs(60);
/// Between two looks from outside.
const LOOK: Duration = Duration::from_secs(1);

/// What a run is made of, beside its seed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Customers, one order each.
    pub shoppers: u32,
    /// Customers, one trip each; none in a script.
    pub travellers: u32,
    /// Kinds of trouble; `None` for those that the seed gives.
    pub trouble: Option<BTreeSet<Trouble>>,
    /// A cluster that is broken on purpose.
    pub mutant: Option<Mutant>,
    /// One crash at an exact step, beside the trouble.
    pub crash_at: Option<CrashPoint>,
    /// A script instead of free customers and weather.
    pub script: Option<Script>,
    /// The ways of orders among which customers choose.
    pub flows: Vec<OrderFlow>,
    /// How long the phase of trouble is, in seconds of the run.
    pub trouble_seconds: u64,
}

/// The `step`th step that any task of a service makes.
#[derive(Clone, Copy, Debug)]
pub struct CrashPoint {
    /// Which service.
    pub service: &'static str,
    /// Counted from 1, from the moment at which all services run.
    pub step: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shoppers: 14,
            travellers: 6,
            trouble: None,
            mutant: None,
            crash_at: None,
            script: None,
            flows: WHOLE.to_vec(),
            trouble_seconds: TROUBLE_SECONDS,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Over every line of the story: equal for equal runs.
    pub hash: u64,
    /// The story.
    pub lines: Vec<String>,
    /// Kinds of trouble that it was to have.
    pub enabled: BTreeSet<Trouble>,
    /// Kinds of trouble that came, and how often.
    pub seen: BTreeMap<Trouble, u64>,
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// Sagas of orders by their last state.
    pub sagas: BTreeMap<&'static str, usize>,
    /// What was seen of trips, and how often.
    pub trips: BTreeMap<Scene, usize>,
    /// Where the business stands in the end: each customer's order, and each shelf. Ids and times are left out.
    pub business: Vec<String>,
    /// Promises that the two oldest generations of an order do not make, and how often they would have broken them.
    pub breaches: BTreeMap<Breach, usize>,
    /// How whole the traces of the sagas are.
    pub traces: Traces,
    /// The crash that was asked for came.
    pub crashed: bool,
    /// Time from the healing to the rest, seconds of the run.
    pub rest_after_seconds: f64,
}

/// Runs a seed.
///
/// # Panics
/// When this machine has no room for a few small files.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Outcome {
    on_paused_time(live(seed, options)).expect("a cluster in temporary files")
}

/// Runs it on one thread whose clock jumps to the next moment at which something is due.
pub(crate) fn on_paused_time<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(life)
}

/// Runs many seeds on a thread per core; hands each outcome to `each`.
pub fn run_all(seeds: std::ops::Range<u64>, options: &Options, each: impl Fn(Outcome) + Send) {
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = Mutex::new(each);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = run(seed, options);
                    each.lock().unwrap_or_else(PoisonError::into_inner)(outcome);
                }
            });
        }
    });
}

/// Kinds of trouble that some run was to have, and that never came in any of them.
#[must_use]
pub fn coverage_gaps(outcomes: &[Outcome]) -> Vec<Trouble> {
    let enabled: BTreeSet<Trouble> = outcomes
        .iter()
        .flat_map(|outcome| outcome.enabled.iter().copied())
        .collect();
    let came = |kind: &Trouble| {
        outcomes
            .iter()
            .any(|outcome| outcome.seen.get(kind).is_some_and(|&times| times > 0))
    };
    enabled.into_iter().filter(|kind| !came(kind)).collect()
}

async fn live(seed: u64, options: &Options) -> anyhow::Result<Outcome> {
    let _simulation = Simulation::start(seed, EPOCH_UNIX_NANOS);
    let folder = tempfile::Builder::new().prefix("shop-simulation-").tempdir()?;
    let (story, memory) = (Story::begin(), Memory::default());
    let enabled = options.trouble.clone().unwrap_or_else(|| swarm(seed));
    let kinds: Vec<String> = enabled.iter().map(|kind| kind.name()).collect();
    story.tell(format_args!("seed {seed}: {}", kinds.join(", ")));
    let cluster = Cluster::new(seed, folder.path(), story.clone(), options);
    cluster.start(&Cluster::services(options)).await?;
    let length = Duration::from_secs(options.trouble_seconds);
    if let Some(CrashPoint { service, step }) = options.crash_at {
        cluster.with_node(service, |node, _| node.die_after(step));
    }

    let mut shoppers = JoinSet::new();
    let watched = Evidence::new(folder.path(), cluster.collector().clone(), Vec::new());
    let mut watch = Watch::default();
    let mut unrest = Vec::new();
    if let Some(script) = &options.script {
        let cast = (&cluster, &story);
        unrest = script::play(script, options.shoppers, cast, &memory, (&watched, &mut watch)).await?;
    } else {
        let spread = |number: u32, of: u32| length.mul_f64(f64::from(number) / f64::from(of + 1));
        let ordering = (1..=options.shoppers).map(|number| {
            let shopper = Shopper::new(number, seed, None, cluster.network(), story.clone());
            (shopper.among(&options.flows), spread(number, options.shoppers))
        });
        let travelling = (1..=options.travellers).map(|number| {
            let traveller = Shopper::traveller(number, seed, cluster.network(), story.clone());
            (traveller, spread(number, options.travellers))
        });
        for (shopper, wait) in ordering.chain(travelling) {
            let memory = memory.clone();
            shoppers.spawn(async move {
                tokio::time::sleep(wait).await;
                shopper.shop(memory).await;
            });
        }
        let weather = Weather::new(seed, cluster.clone(), story.clone(), enabled.clone());
        let mut weather = tokio::spawn(weather.rage(length));
        while !weather.is_finished() {
            tokio::time::sleep(LOOK).await;
            watch.look(&watched);
        }
        (&mut weather).await?;
    }

    let healed = Instant::now();
    unrest.extend(rest(&cluster, &watched, &mut watch, &mut shoppers, healed).await?);
    let rest_after_seconds = healed.elapsed().as_secs_f64();
    let before_rebuild = invariants::dump(&watched)?;
    if unrest.is_empty() {
        let rebuilt = rebuild(&cluster, &watched).await;
        unrest.extend(rebuilt.err().map(|error| format!("{error:#}")));
    }
    let after_rebuild = invariants::dump(&watched)?;
    let crashed = options.crash_at.is_some_and(|point| cluster.starts(point.service) > 1);
    let lost_spans = cluster.lost_spans();
    cluster.stop();
    let mut evidence = Evidence::new(folder.path(), cluster.collector().clone(), memory.purchases());
    (evidence.before_rebuild, evidence.after_rebuild) = (before_rebuild, after_rebuild);
    evidence.lost_spans = lost_spans;
    let mut violations = watch.into_violations();
    violations.extend(unrest.into_iter().map(|what| Violation {
        invariant: "INV-03",
        what: format!("no rest after {} s: {what}", REST.as_secs()),
    }));
    violations.extend(if invariants::are_whole(&options.flows) {
        invariants::check_all(&evidence)
    } else {
        invariants::check_oldest(&evidence)
    });
    let mut sagas: BTreeMap<&'static str, usize> = BTreeMap::new();
    for saga in evidence.sagas()? {
        story.tell(format_args!(
            "saga {} {} after {} events",
            saga.id,
            saga.state.as_str(),
            saga.sequence
        ));
        *sagas.entry(saga.state.as_str()).or_default() += 1;
    }
    for violation in &violations {
        story.tell(format_args!("{} {}", violation.invariant, violation.what));
    }
    Ok(Outcome {
        seed,
        hash: story.hash(),
        lines: story.lines(),
        enabled,
        seen: story.seen(),
        violations,
        sagas,
        trips: invariants::scenes(&evidence)?,
        business: business(&evidence)?,
        breaches: invariants::breaches(&evidence)?,
        traces: invariants::traces(&evidence)?,
        crashed,
        rest_after_seconds,
    })
}

/// What a customer and a stock-taker see when all is over.
fn business(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let sagas: BTreeMap<String, _> = evidence
        .sagas()?
        .into_iter()
        .map(|saga| (saga.id.clone(), saga))
        .collect();
    let mut lines = Vec::new();
    for purchase in &evidence.purchases {
        let Some(saga) = purchase.id().and_then(|id| sagas.get(id)) else {
            continue;
        };
        let paid = format!(
            "SELECT coalesce(sum(iif(kind = 'CHARGE', amount_minor, -amount_minor)), 0) FROM transactions WHERE order_id = '{}'",
            saga.id
        );
        let (paid, reason) = (
            evidence.number("payments", &paid)?,
            saga.reason.as_deref().unwrap_or_default(),
        );
        let sent = format!(
            "SELECT iif(count(*) > 0, 'sent', 'none') FROM shipments WHERE order_id = '{}' AND state = 'created'",
            saga.id
        );
        let parcel: Vec<String> = evidence.rows("shipping", &sent, |row| row.get(0))?;
        lines.push(format!(
            "{} {} paid {paid} parcel {} because {reason}",
            purchase.key,
            saga.state.as_str(),
            parcel.concat()
        ));
    }
    lines.extend(evidence.rows(
        "inventory",
        "SELECT product_id, on_hand, reserved, sold FROM shelves",
        |row| {
            let (product, pieces): (String, [i64; 3]) = (row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?]);
            Ok(format!("{product} {pieces:?}"))
        },
    )?);
    lines.sort();
    Ok(lines)
}

/// Has every read model of orders built again from its events, and waits for the end of it.
async fn rebuild(cluster: &Cluster, watched: &Evidence) -> anyhow::Result<()> {
    let topology = Topology::new(shop_kit::service::Settings::default().port_base);
    let base = topology.url("orders").context("orders has an address")?;
    let transport = cluster.network().transport("operator");
    let names: Vec<String> = watched.rows("orders", "SELECT name FROM projections ORDER BY name", |row| row.get(0))?;
    for name in names {
        ask_until_done(&transport, &format!("{base}/api/v1/read-models/{name}/rebuild")).await?;
    }
    let began = Instant::now();
    while !watched.unrest()?.is_empty() && began.elapsed() < REST {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Posts until there is an answer: the machine may be starting again.
async fn ask_until_done(transport: &Transport, url: &str) -> anyhow::Result<()> {
    let mut answer = Err(Broken::Unreachable);
    for _ in 0..20 {
        let request = http::Request::post(url).body(bytes::Bytes::new())?;
        answer = tokio::time::timeout(LOOK, transport.exchange(request, 1 << 20))
            .await
            .unwrap_or(Err(Broken::Cut));
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!("{url} answers {answer:?}")
}

/// Waits until nothing is under way; answers what still is when that takes too long. An operator puts dead letters back.
async fn rest(
    cluster: &Cluster,
    watched: &Evidence,
    watch: &mut Watch,
    shoppers: &mut JoinSet<()>,
    healed: Instant,
) -> anyhow::Result<Vec<String>> {
    let topology = Topology::new(shop_kit::service::Settings::default().port_base);
    let base = topology.url("broker").context("the broker has an address")?;
    let broker = HttpBroker::through(cluster.network().transport("operator"), &base);
    loop {
        tokio::time::sleep(LOOK).await;
        watch.look(watched);
        while let Some(ended) = shoppers.try_join_next() {
            ended?;
        }
        let mut unrest = watched.unrest()?;
        if !shoppers.is_empty() {
            unrest.push(format!("{} customers wait", shoppers.len()));
        }
        if unrest.is_empty() || healed.elapsed() > REST {
            return Ok(unrest);
        }
        for letter in broker.dead_letters(100).await.unwrap_or_default() {
            // Twice, as people do; the second time there is no such letter any more. When the broker is away, it comes
            // round again.
            for _ in 0..2 {
                let _ = broker.replay(letter.id).await;
            }
        }
    }
}
