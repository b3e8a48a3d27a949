//! Every GET of the API: reads the world under a short hold of the lock, answers JSON.

mod list;
mod logs;
mod operations;
pub(crate) mod params;
mod sagas;
mod summary;
mod traces;

pub(crate) use logs::logs;
pub(crate) use operations::{correlation, explain};
pub(crate) use sagas::{saga, saga_type, sagas};
pub(crate) use summary::{
    breaker, breakers, dead_letters, outboxes, overview, read_models, service, service_map, services,
};
pub(crate) use traces::{trace, traces};

use crate::app::App;
use crate::problem::{Answer, Refusal};

/// Runs a query that may take a while off the async threads, a few at a time.
async fn compute<T: Send + 'static>(
    app: &std::sync::Arc<App>,
    query: impl FnOnce(&App) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let turn = app.queries.acquire().await;
    let _turn = turn.map_err(|_| Refusal::unavailable("The collector is stopping."))?;
    let app = std::sync::Arc::clone(app);
    let task = tokio::task::spawn_blocking(move || query(&app)).await;
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
