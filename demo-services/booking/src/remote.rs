//! The services that booking calls, behind a seam so that tests can answer for them.

use std::future::Future;

use serde_json::Value;
use shop_kit::caller::{CallError, Caller};
use shop_kit::service::Service;

/// Whom to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// Rooms.
    Hotels,
    /// Cars.
    Cars,
    /// Money.
    Payments,
}

/// One call each; JSON in and out.
pub(crate) trait Remote: Send + Sync + 'static {
    /// Commands; one attempt, since the saga counts and persists each. `key` makes a repeat harmless.
    fn post(
        &self,
        peer: Peer,
        path: &str,
        key: &str,
        body: &Value,
    ) -> impl Future<Output = Result<Value, CallError>> + Send;
}

/// Real calls, each peer with its own breaker and bulkhead.
#[derive(Clone)]
pub(crate) struct Peers {
    hotels: Caller,
    cars: Caller,
    payments: Caller,
}

impl Peers {
    /// Callers of this service.
    pub(crate) fn of(service: &Service) -> Self {
        Self {
            hotels: service.caller("hotels"),
            cars: service.caller("cars"),
            payments: service.caller("payments"),
        }
    }
}

impl Remote for Peers {
    async fn post(&self, peer: Peer, path: &str, key: &str, body: &Value) -> Result<Value, CallError> {
        let caller = match peer {
            Peer::Hotels => &self.hotels,
            Peer::Cars => &self.cars,
            Peer::Payments => &self.payments,
        };
        caller.post_once(path, body, Some(key)).await
    }
}
