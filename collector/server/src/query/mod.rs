//! Every GET of the API: reads the world under a short hold of the lock, answers JSON.

mod list;
mod logs;
mod metrics;
mod operations;
pub(crate) mod params;
mod sagas;
mod summary;
mod traces;

pub(crate) use logs::logs;
pub(crate) use metrics::{metric_range, metrics};
pub(crate) use operations::{correlation, explain};
pub(crate) use sagas::{saga, saga_type, sagas};
pub(crate) use summary::{
    breaker, breakers, dead_letters, outboxes, overview, read_models, service, service_map, services,
};
pub(crate) use traces::{trace, traces};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sagascope_store::find::Budget;

use crate::app::App;
use crate::problem::{Answer, Refusal};

/// A query ends after this time with what it has found.
const QUERY_TIME: Duration = Duration::from_secs(10);

/// Runs a query off the async threads, a few at a time. It is called off when whoever asked has gone.
async fn compute<T: Send + 'static>(
    app: &Arc<App>,
    query: impl FnOnce(&App, &Budget) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let turn = app.queries.acquire().await;
    let _turn = turn.map_err(|_| Refusal::unavailable("The collector is stopping."))?;
    let app = Arc::clone(app);
    let awaited = Awaited::default();
    let budget = Budget::new(QUERY_TIME, Arc::clone(&awaited.0));
    let task = tokio::task::spawn_blocking(move || query(&app, &budget)).await;
    drop(awaited);
    task.unwrap_or_else(|error| {
        tracing::error!(%error, "a query failed");
        Err(Refusal::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The query failed",
            "This is a defect of the collector; its log tells more.",
        ))
    })
}

/// Calls its query off when it is dropped, as it is with the request's future.
#[derive(Default)]
struct Awaited(Arc<AtomicBool>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
