//! The services behind the gateway, and how their refusals reach the client.

use http::StatusCode;
use serde_json::Value;
use shop_kit::caller::{CallError, Caller};
use shop_kit::problem::Problem;
use shop_kit::service::Service;

/// One caller a service, each with its own breaker and bulkhead.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) catalog: Caller,
    pub(crate) orders: Caller,
    pub(crate) payments: Caller,
    pub(crate) shipping: Caller,
    pub(crate) booking: Caller,
    pub(crate) users: Caller,
    pub(crate) cart: Caller,
}

impl Upstream {
    /// Callers of this gateway.
    pub(crate) fn of(service: &Service) -> Self {
        Self {
            catalog: service.caller("catalog"),
            orders: service.caller("orders"),
            payments: service.caller("payments"),
            shipping: service.caller("shipping"),
            booking: service.caller("booking"),
            users: service.caller("users"),
            cart: service.caller("cart"),
        }
    }
}

/// Reads from a service; what it refused is passed on as it said it.
pub(crate) async fn get(service: &Caller, path: &str) -> Result<Value, Problem> {
    service.get(path).await.map_err(problem)
}

/// The answer for a call that failed: the service's own refusal, or that it cannot be reached now.
pub(crate) fn problem(error: CallError) -> Problem {
    match error {
        CallError::Refused { status, problem } => Problem { status, ..problem },
        CallError::TimedOut { .. } => {
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "timed_out", "no answer in time").detail("try again")
        }
        CallError::Malformed { .. } => Problem::new(
            StatusCode::BAD_GATEWAY,
            "bad_answer",
            "a service answered what it should not",
        ),
        other => Problem::unavailable(other.reason()),
    }
}
