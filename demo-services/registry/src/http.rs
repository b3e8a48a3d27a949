//! The service's HTTP interface.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::{StatusCode, Uri};
use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use shop_kit::clock;
use shop_kit::database::{Database, DatabaseError};
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::canary::Canary;
use crate::canary_http::{self, Share};
use crate::directory::{Directory, Health, Instance, Kind};
use crate::store;

/// Shortest and longest time that a registration is good for.
const TTL_SECONDS: std::ops::RangeInclusive<u64> = 1..=300;

/// The directory, shared between requests and probes.
#[derive(Clone)]
pub(crate) struct Registry {
    directory: Arc<Mutex<Directory>>,
    canaries: Arc<Mutex<BTreeMap<String, Canary>>>,
    db: Database,
    /// Whoever holds it writes what is in force to the database.
    keeping: Arc<tokio::sync::Mutex<()>>,
    newcomers: Arc<Notify>,
    began: Instant,
}

impl Registry {
    /// Begins with the rules that the process before it left.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn open(db: Database) -> Result<Self, DatabaseError> {
        let canaries = db.read(store::load).await?;
        Ok(Self {
            directory: Arc::default(),
            canaries: Arc::new(Mutex::new(canaries)),
            db,
            keeping: Arc::default(),
            newcomers: Arc::default(),
            began: Instant::now(),
        })
    }

    /// Keeps what is in force for `service`. A change takes force before it is kept, since a sick canary must not wait for
    /// a slow disk, and is answered after; writers take turns and write what then stands, so the last has the last word.
    ///
    /// # Errors
    /// When the database fails; what was to be told is told with the next change.
    pub(crate) async fn keep(&self, service: &str) -> Result<(), DatabaseError> {
        let _turn = self.keeping.lock().await;
        let (rule, fresh) = match self.canaries().get_mut(service) {
            Some(canary) => {
                let fresh = std::mem::take(&mut canary.fresh);
                (Some(canary.clone()), fresh)
            }
            None => (None, Vec::new()),
        };
        let (name, told) = (service.to_owned(), fresh.clone());
        let written = self.db.write(move |tx| match &rule {
            Some(rule) => store::keep(tx, &name, rule, &told),
            None => store::forget(tx, &name, clock::unix_nanos_now()),
        });
        let written = written.await;
        if written.is_err()
            && let Some(canary) = self.canaries().get_mut(service)
        {
            canary.fresh.splice(0..0, fresh);
        }
        written
    }

    /// Service, instance and address of all that should be asked.
    pub(crate) fn addresses(&self) -> Vec<(String, String, String)> {
        let now = self.began.elapsed();
        let mut directory = self.lock();
        directory.forget_the_silent(now);
        let all = directory.all(now);
        all.map(|(service, name, instance)| (service.to_owned(), name.to_owned(), instance.address.clone()))
            .collect()
    }

    /// Notes an answer to a probe.
    pub(crate) fn probed(&self, service: &str, instance: &str, address: &str, well: bool) -> Option<Health> {
        self.lock().probed(service, instance, address, well)
    }

    /// Resolves when somebody registered that has not been asked yet.
    pub(crate) async fn newcomer(&self) {
        self.newcomers.notified().await;
    }

    /// Time since it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Canaries by service.
    pub(crate) fn canaries(&self) -> MutexGuard<'_, BTreeMap<String, Canary>> {
        self.canaries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a canary of this version run?
    pub(crate) fn has_canary(&self, service: &str, version: &str) -> bool {
        let is_meant = |(of, _, instance): (&str, &str, &Instance)| {
            of == service && instance.kind.is_canary && instance.kind.version == version
        };
        self.lock().all(self.elapsed()).any(is_meant)
    }

    fn lock(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "GET /api/v1/registry",
    "GET /api/v1/registry/{service}",
    "PUT /api/v1/registry/{service}/{instance}",
    "POST /api/v1/canaries/{service}/outcomes",
];

/// Every route.
pub(crate) fn router(registry: Registry) -> Router {
    Router::new()
        .route("/api/v1/registry", get(everything))
        .route("/api/v1/registry/{service}", get(healthy))
        .route("/api/v1/registry/{service}/{instance}", put(register).delete(leave))
        .merge(canary_http::router())
        .with_state(registry)
}

/// Body of a registration, and of each heartbeat after it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    address: String,
    #[serde(default)]
    version: String,
    /// It gets requests only as far as a canary rule gives it some.
    #[serde(default)]
    canary: bool,
    ttl_seconds: u64,
}

/// An instance as it is shown.
#[derive(Debug, Serialize)]
struct InstanceView {
    instance: String,
    address: String,
    version: String,
    canary: bool,
    health: Health,
}

/// `GET /api/v1/registry/{service}`.
#[derive(Debug, Serialize)]
struct ServiceView {
    service: String,
    instances: Vec<InstanceView>,
}

/// `GET /api/v1/registry`: all instances with their health.
#[derive(Debug, Serialize)]
struct Everything {
    services: BTreeMap<String, Vec<InstanceView>>,
    /// Shares of canaries.
    canaries: BTreeMap<String, Share>,
}

async fn register(
    State(registry): State<Registry>,
    Path((service, instance)): Path<(String, String)>,
    Body(registration): Body<Registration>,
) -> Result<StatusCode, Problem> {
    check_id("service", &service)?;
    check_id("instance", &instance)?;
    if !registration.version.is_empty() {
        check_id("version", &registration.version)?;
    }
    check_address(&registration.address)?;
    if !TTL_SECONDS.contains(&registration.ttl_seconds) {
        let (least, most) = (TTL_SECONDS.start(), TTL_SECONDS.end());
        return Err(Problem::bad_field("ttl_seconds", format!("give {least} to {most}")));
    }
    let ttl = Duration::from_secs(registration.ttl_seconds);
    let kind = Kind {
        version: registration.version,
        is_canary: registration.canary,
    };
    let now = registry.began.elapsed();
    let mut directory = registry.lock();
    directory
        .register((&service, &instance), (&registration.address, kind), ttl, now)
        .map_err(|full| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "full", &full.to_string())
                .detail("wait until others are gone")
        })?;
    if directory
        .all(now)
        .any(|(_, _, instance)| instance.health == Health::Unknown)
    {
        registry.newcomers.notify_one();
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn leave(
    State(registry): State<Registry>,
    Path((service, instance)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    match registry.lock().leave(&service, &instance) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("instance", &instance)),
    }
}

async fn healthy(State(registry): State<Registry>, Path(service): Path<String>) -> Result<Json<ServiceView>, Problem> {
    check_id("service", &service)?;
    let directory = registry.lock();
    let instances = directory
        .healthy(&service, registry.began.elapsed())
        .into_iter()
        .map(|(name, instance)| view(name, instance))
        .collect();
    Ok(Json(ServiceView { service, instances }))
}

async fn everything(State(registry): State<Registry>) -> Json<Everything> {
    let directory = registry.lock();
    let mut services: BTreeMap<String, Vec<InstanceView>> = BTreeMap::new();
    for (service, name, instance) in directory.all(registry.began.elapsed()) {
        services
            .entry(service.to_owned())
            .or_default()
            .push(view(name, instance));
    }
    drop(directory);
    let canaries = canary_http::shares(&registry.canaries());
    Json(Everything { services, canaries })
}

fn view(name: &str, instance: &Instance) -> InstanceView {
    InstanceView {
        instance: name.to_owned(),
        address: instance.address.clone(),
        version: instance.kind.version.clone(),
        canary: instance.kind.is_canary,
        health: instance.health,
    }
}

/// The registry asks what it is told about: only services of this machine, so that nobody has it ask elsewhere.
fn check_address(address: &str) -> Result<(), Problem> {
    let uri: Option<Uri> = address.parse().ok();
    let is_ours = uri.is_some_and(|uri| {
        let host = uri.host().unwrap_or_default();
        let loopback = host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: IpAddr| ip.is_loopback());
        uri.scheme_str() == Some("http")
            && loopback
            && uri.port_u16().is_some_and(|port| port > 0)
            && format!("http://{host}:{}", uri.port_u16().unwrap_or_default()) == address
    });
    if is_ours {
        return Ok(());
    }
    Err(Problem::bad_field(
        "address",
        "give a loopback address with its port, such as http://127.0.0.1:4334",
    ))
}
