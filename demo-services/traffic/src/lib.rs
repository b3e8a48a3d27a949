//! Demo shop: the shoppers. They look around, order, and some wait for the end; how many orders a second is a dial.
//!
//! An open loop: orders are due by the clock, whatever the shop answers, but only so many may be under way; what would
//! be more is skipped and counted, so that a shop that is down is not buried when it comes back.

mod members;
mod pace;
mod shopper;
mod telemetry;
mod trip;

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use shop_kit::capabilities;
use shop_kit::service::{Readiness, Service};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::members::Members;
use crate::pace::Pace;
use crate::shopper::Shop;
use crate::telemetry::Orders;

/// Orders under way at once.
const MAX_IN_FLIGHT: usize = 128;
/// How often due orders are looked for.
const TICK: Duration = Duration::from_millis(10);

/// Runs the shoppers until they are told to stop.
///
/// # Errors
/// When the service cannot start: its port is taken.
pub async fn run() -> anyhow::Result<()> {
    // Nobody asks the shoppers for anything: only a crash means something here.
    let service = Service::start("traffic", capabilities::process())?;
    let members = Members::default();
    let enrolment = tokio::spawn(members::enrol(members.clone(), service.clone()));
    let shoppers = tokio::spawn(shop_forever(service.clone(), members));
    let served = service.serve(axum::Router::new(), Readiness::new()).await;
    enrolment.abort();
    shoppers.abort();
    served
}

async fn shop_forever(service: Service, members: Members) {
    let mut dice = StdRng::seed_from_u64(service.seed());
    let shop = Shop::new(service.caller("gateway"), members, Arc::clone(&service.instance));
    let (orders, places) = (Orders::new(), Arc::new(Semaphore::new(MAX_IN_FLIGHT)));
    let (rate, flows) = (service.requested_rate(), service.requested_flows());
    let mut pace = Pace::new(*rate.borrow(), Instant::now());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let due = pace.due(*rate.borrow(), Instant::now());
        for _ in 0..due {
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                orders.skipped();
                continue;
            };
            let (shop, orders, dice) = (shop.clone(), orders.clone(), StdRng::from_rng(&mut dice));
            let flows = *flows.borrow();
            tokio::spawn(async move {
                orders.ended(shop.visit(dice, flows).await);
                drop(place);
            });
        }
    }
}
