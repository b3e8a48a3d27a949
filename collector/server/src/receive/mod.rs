//! OTLP comes in: by gRPC and by HTTP, into the log, then to the one loop.
//!
//! Body → bounds → check → log → answer → the loop. The check builds nothing: rows are read after the answer. The answer
//! goes out when the log says that the request is durable, as far as `--durability` asks for it.

mod answer;
mod aside;
mod body;
pub(crate) mod budget;
#[cfg(test)]
mod fuzz_tests;
mod grpc;
mod http;
mod json;
mod sender;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use sagascope_api::Time;
use sagascope_core::wire::{self, Verdict, WireError};
use sagascope_store::{AppendError, Frame, Signal};
use tokio::sync::oneshot;

use crate::app::{self, App, count};
use crate::pipeline::Durable;

pub(crate) use grpc::router as grpc_router;
pub(crate) use http::{forbidden, router as http_router};

use body::BodyError;
use budget::{Exhausted, Share};

/// Requests above this are checked off the async threads.
const CHECK_ASIDE: usize = 128 << 10;

/// Memory that the rows of one request may take.
const WEIGHT_MAX: u64 = 256 << 20;
/// And not more than so many times what all requests under way may have.
const ROWS_OF_BUDGET: u64 = 2;

/// What became of a request that was taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Records refused.
    pub(crate) rejected: u64,
    /// Why, and what of the others is not kept whole; with nothing refused a warning, as OTLP has it.
    pub(crate) reason: String,
}

/// Why a request was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Never send it again.
    Malformed(String),
    /// Never send it again: not in this form.
    Unsupported(String),
    /// Never send it again: it is too large.
    TooLarge(String),
    /// Send it again later.
    Later(String),
    /// It came too slowly; send it again later.
    Slow(String),
}

impl NotTaken {
    /// Every refusal by either protocol is counted here, when it is answered, and nowhere else.
    fn count(&self, app: &App) {
        count(match self {
            Self::Malformed(_) | Self::Unsupported(_) => &app.counters.malformed,
            Self::TooLarge(_) => &app.counters.oversized,
            Self::Later(_) | Self::Slow(_) => &app.counters.pushed_back,
        });
    }
}

impl From<BodyError> for NotTaken {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::TooLarge(_) => Self::TooLarge(message),
            BodyError::Busy => Self::Later(message),
            BodyError::Encoding => Self::Unsupported(message),
            BodyError::Broken(_) => Self::Malformed(message),
            BodyError::Slow(_) => Self::Slow(message),
        }
    }
}

/// Takes one protobuf request: returns once it is durable.
pub(crate) async fn take(app: &Arc<App>, signal: Signal, message: Bytes, mut share: Share) -> Result<Taken, NotTaken> {
    share
        .belongs_to(sender::service(&message))
        .map_err(|Exhausted| NotTaken::Later("too much of this service is under way".into()))?;
    let received_at = app::now();
    let prepare = {
        let message = message.clone();
        let rows_max = WEIGHT_MAX.min(app.budget.total() as u64 * ROWS_OF_BUDGET);
        move || prepare(signal, &message, received_at, rows_max)
    };
    let (verdict, frame) = if message.len() > CHECK_ASIDE {
        let task = aside::aside(prepare).await;
        task.map_err(|error| NotTaken::Malformed(body::short(&error)))??
    } else {
        prepare()?
    };
    let reason = verdict.message();
    let Verdict {
        accepted,
        rejected,
        cut,
        ..
    } = verdict;
    let counters = app.counters.of(signal);
    if accepted > 0 {
        append(app, frame, (signal, accepted), received_at, message, share).await?;
    }
    counters.accepted.fetch_add(accepted, Ordering::Relaxed);
    counters.rejected.fetch_add(rejected, Ordering::Relaxed);
    counters.cut.fetch_add(cut, Ordering::Relaxed);
    Ok(Taken { rejected, reason })
}

fn prepare(signal: Signal, message: &Bytes, received_at: Time, rows_max: u64) -> Result<(Verdict, Frame), NotTaken> {
    let verdict = wire::check(signal, message).map_err(|error| match error {
        WireError::Malformed(_) => NotTaken::Malformed(body::short(&error)),
    })?;
    if verdict.weight > rows_max {
        let most = rows_max >> 20;
        return Err(NotTaken::TooLarge(format!(
            "the rows of the request would take more than {most} MiB"
        )));
    }
    let frame = Frame::encode(signal, received_at, message).map_err(|error| NotTaken::TooLarge(body::short(&error)))?;
    Ok((verdict, frame))
}

/// Appends and waits; the writer thread hands the durable request on to the loop, in the order of the log.
async fn append(
    app: &Arc<App>,
    frame: Frame,
    (signal, acknowledged): (Signal, u64),
    received_at: Time,
    bytes: Bytes,
    share: Share,
) -> Result<(), NotTaken> {
    let (answer, answered) = oneshot::channel();
    let (intake, freshness) = (app.intake.clone(), Arc::clone(&app.freshness));
    let later = |error: &AppendError| NotTaken::Later(error.to_string());
    app.wal
        .append(frame, move |outcome| {
            let durable = outcome.as_ref().ok().map(|position| Durable {
                signal,
                received_at,
                bytes,
                acknowledged: Some(acknowledged),
                position: *position,
                _share: Some(share),
            });
            if durable.is_some() {
                freshness.acknowledge();
            }
            // A client that went away does not wait for its answer.
            let _ = answer.send(outcome);
            if durable.is_some_and(|durable| intake.blocking_send(durable).is_err()) {
                tracing::debug!("stopping: the request is in the log and shows after the next start");
            }
        })
        .map_err(|error| later(&error))?;
    match answered.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(later(&error)),
        Err(_) => Err(later(&AppendError::Closed)),
    }
}
