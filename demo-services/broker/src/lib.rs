//! The shop's message broker: a durable log with topics, partitions by key, consumer groups and dead letters.

mod actions;
mod admin;
mod admin_http;
mod embedded;
mod http;
pub mod invariants;
mod lane;
mod letters;
mod log;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sagascope_instrument::message_events::redelivered;
use sagascope_instrument::metrics::DeadLetterMetrics;
use shop_kit::broker::{Broker, Fetched};
use shop_kit::capabilities::{DATABASE, capabilities};
use shop_kit::clock::unix_nanos_now;
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::events::StateEvents;
use shop_kit::invariants::Watch;
use shop_kit::service::{Assembled, Readiness, Service};
use shop_kit::simulated;
use shop_kit::state_events::StateEventRelay;
use shop_kit::telemetry;
use tokio::task::JoinSet;

pub use embedded::EmbeddedBroker;
pub use lane::Settings;
pub use log::Forgotten;

/// Tells the dead letters this often.
const PULSE: Duration = Duration::from_secs(1);
/// Lets go of old messages every so many pulses.
const FORGET_EVERY: u32 = 5;

/// Runs the broker process until it is told to stop.
///
/// # Errors
/// When its database is damaged or its port is taken.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("broker", capabilities(&[&DATABASE]))?;
    assemble(&service, Settings::default())?.serve(service).await
}

/// Puts the broker together on what `service` gives.
///
/// # Errors
/// When its database is damaged.
pub fn assemble(service: &Service, settings: Settings) -> anyhow::Result<Assembled> {
    let db = Database::open(&service.database_path(), EmbeddedBroker::SCHEMA, service.faults.clone())?;
    let state_events = StateEventRelay::start(db.clone(), service.log_exporter().context("no exporter of events")?);
    let watch = Watch::over(service, &db, invariants::checks())?;
    let broker = EmbeddedBroker::new(db, settings);
    let act = broker.clone();
    service
        .actions
        .offer(move |action| actions::carry_out(act.clone(), action));
    let mut tasks = JoinSet::new();
    tasks.spawn(simulated::carry(upkeep(broker.clone())));
    let asked = broker.clone();
    let readiness = Readiness::new().on("database", move || {
        let broker = asked.clone();
        async move { Ok(broker.heads().await.map(drop)?) }
    });
    let events = service.events.clone();
    let router = http::router(broker, Arc::new(move |fetched| tell_redelivered(fetched, &events)));
    Ok(Assembled::new(router, readiness)
        .with(tasks)
        .with(watch)
        .with(state_events))
}

/// The HTTP interface of `broker`.
pub fn router(broker: EmbeddedBroker) -> axum::Router {
    http::router(broker, Arc::new(|_| {}))
}

fn tell_redelivered(fetched: &Fetched, events: &StateEvents) {
    for message in fetched.messages.iter().filter(|message| message.attempts > 1) {
        let event = redelivered(unix_nanos_now(), &message.place.topic, &message.id, message.attempts);
        let context = Context::from_headers(&message.headers);
        let event = event.correlated(&context.correlation_id);
        events.emit(match context.span_ids() {
            Some((trace, span)) => event.in_span(trace, span),
            None => event,
        });
    }
}

async fn upkeep(broker: EmbeddedBroker) {
    let metrics = DeadLetterMetrics::new(&telemetry::meter());
    let mut pulse = tokio::time::interval(PULSE);
    for beat in 1_u32.. {
        pulse.tick().await;
        match broker.letters_by_topic().await {
            Ok(letters) => letters.iter().for_each(|(topic, count)| metrics.waiting(topic, *count)),
            Err(error) => tracing::warn!(%error, "dead letters cannot be counted"),
        }
        if beat.is_multiple_of(FORGET_EVERY) {
            match broker.forget().await {
                Ok(Forgotten { lost: 0, .. }) => {}
                Ok(Forgotten { lost, .. }) => tracing::warn!(lost, "messages that nobody came for were let go"),
                Err(error) => tracing::warn!(%error, "old messages cannot be let go"),
            }
        }
    }
}
