//! Demo shop: the gateway. The one door for shoppers: it routes, composes answers of several services, and goes on
//! selling from memory when the catalog is down.

mod active_users;
mod carts;
mod compose;
mod graph;
mod guard;
mod http;
mod identity;
mod people;
mod rate_limit;
mod shelf;
mod step_by_step;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod tests;
mod upstream;

use shop_kit::capabilities::narrowable;
use shop_kit::service::{Assembled, Readiness, Service};

use crate::guard::{Auth, Guard};
use crate::identity::Checker;
use crate::upstream::Upstream;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot start: its port is taken.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("gateway", narrowable(http::OPERATIONS, &[]))?;
    let auth = Auth::from_env()?;
    assembled(&service, auth).serve(service).await
}

/// Puts the gateway together on what `service` gives.
pub fn assemble(service: &Service) -> Assembled {
    assembled(service, Auth::default())
}

fn assembled(service: &Service, auth: Auth) -> Assembled {
    let upstream = Upstream::of(service);
    let checker = Checker::new(upstream.users.clone());
    // The page of the dashboard may ask; others as the environment says.
    let more = std::env::var("SAGASCOPE_CORS_ORIGINS").unwrap_or_default();
    let more = more.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    let origins: Vec<String> = more.map(ToOwned::to_owned).chain([service.topology.api()]).collect();
    let guard = Guard::new(auth, checker, &origins);
    Assembled::new(http::router(upstream, guard), Readiness::new())
}
