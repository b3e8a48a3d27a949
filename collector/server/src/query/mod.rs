//! Every GET of the API. Lists of the picture are read under a short hold of the lock; searches take the head's blocks and
//! the sealed files under it, and look through them without it, a few at a time.

mod list;
mod logs;
mod metrics;
mod operations;
pub(crate) mod params;
mod sagas;
mod summary;
mod traces;
mod turns;

pub(crate) use logs::logs;
pub(crate) use metrics::{metric_range, metrics};
pub(crate) use operations::{correlation, explain};
pub(crate) use sagas::{saga, saga_type, sagas};
pub(crate) use summary::{
    breaker, breakers, canaries, dead_letters, invariants, outboxes, overview, read_models, service, service_map,
    services,
};
pub(crate) use traces::{trace, traces};

pub(crate) use turns::Turns;

use std::sync::Arc;

use sagascope_store::find::{Budget, Parts};

use crate::app::{App, count};
use crate::problem::Answer;

/// Whether the answer lacks what could not be read; such answers are counted.
fn is_incomplete(app: &App, parts: &Parts) -> bool {
    let is_incomplete = parts.is_incomplete();
    if is_incomplete {
        count(&app.counters.incomplete_answers);
    }
    is_incomplete
}

/// Runs a query that may take a while when it is its turn.
async fn compute<T: Send + 'static>(
    app: &Arc<App>,
    query: impl FnOnce(&App, &Budget) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let computing = Arc::clone(app);
    app.queries.run(move |budget| query(&computing, budget)).await
}
