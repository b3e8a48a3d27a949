//! Orders of each kind and trips of both, and a crash at every step of every machine that has a part in it (G01, G04): no point is left out.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use shop_simulation::{CrashPoint, Options, Outcome, run};

/// Machines that have a part in an order.
const OF_AN_ORDER: [&str; 7] = [
    "orders",
    "inventory",
    "payments",
    "shipping",
    "broker",
    "notifications",
    "analytics",
];
/// Machines that have a part in a trip.
const OF_A_TRIP: [&str; 4] = ["booking", "hotels", "cars", "payments"];
/// Every `STRIDE`th step; `STRIDE=1` for all of them.
const STRIDE: u64 = 29;

fn crash((shoppers, travellers): (u32, u32), service: &'static str, step: u64) -> Outcome {
    let options = Options {
        shoppers,
        travellers,
        trouble: Some(BTreeSet::new()),
        crash_at: Some(CrashPoint { service, step }),
        trouble_seconds: 2,
        ..Options::default()
    };
    run(1, &options)
}

/// Crashes the service at step after step until a run ends before the step comes.
fn crash_everywhere(customers: (u32, u32), service: &'static str, stride: u64) -> (u64, Vec<String>) {
    let (next, broken) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let step = next.fetch_add(stride, Ordering::Relaxed);
                    let outcome = crash(customers, service, step);
                    for violation in &outcome.violations {
                        let line = format!("{service} at step {step}: {} {}", violation.invariant, violation.what);
                        broken.lock().expect("no panic in here").push(line);
                    }
                    if !outcome.crashed {
                        return;
                    }
                }
            });
        }
    });
    (next.into_inner(), broken.into_inner().expect("no panic in here"))
}

#[test]
fn an_order_survives_a_crash_at_every_step() {
    survives((3, 0), &OF_AN_ORDER);
}

#[test]
fn a_trip_survives_a_crash_at_every_step() {
    survives((0, 2), &OF_A_TRIP);
}

fn survives(customers: (u32, u32), services: &[&'static str]) {
    let stride = std::env::var("STRIDE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(STRIDE);
    for &service in services {
        let (steps, broken) = crash_everywhere(customers, service, stride);
        println!("{service}: {steps} steps, every {stride}. crashed");
        assert!(steps > 50, "{service} has a part in it");
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}
