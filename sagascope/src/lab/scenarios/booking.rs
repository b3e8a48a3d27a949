//! The hotel booking saga in its three scenarios: all goes well, no room, the card is declined.

use std::time::Duration;

use sagascope_conventions::{FaultKind, FaultStrength};
use serde_json::json;

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "booking",
    title: "the hotel booking saga: the happy path, no room, a declined card",
    look_at: &[
        "no room: only the booking itself is taken back",
        "a declined card: car, room and booking are taken back, in this order",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const ROOM: &str = "hotel-1-room-2";
const ENDS_WITHIN: Duration = Duration::from_secs(30);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Cluster::start(options).await?;
    let happy = book(&cluster, "ada", ROOM, Query::Saga).await?;
    let happy_end = end(&cluster, &happy).await?;
    let taken = book(&cluster, "bob", ROOM, Query::Saga).await?;
    let taken_end = end(&cluster, &taken).await?;
    let all = FaultStrength {
        percent: Some(100),
        ..FaultStrength::default()
    };
    cluster.arm("payments", FaultKind::DeclinedCards, all, 30).await?;
    let poor = book(&cluster, "cyd", "hotel-2-room-3", Query::Saga).await?;
    let poor_end = end(&cluster, &poor).await?;
    cluster.heal().await?;

    let mut rows = Vec::new();
    for (what, id, end) in [
        ("happy path", &happy, &happy_end),
        ("no room", &taken, &taken_end),
        ("declined card", &poor, &poor_end),
    ] {
        rows.push(vec![what.to_owned(), end.clone(), undone(&cluster, id).await?]);
    }
    let (none, some) = (rows[1][2].clone(), rows[2][2].clone());
    report.tables.push(Table {
        title: "three bookings".into(),
        columns: vec!["scenario", "end", "taken back, in order"],
        rows,
    });
    report.finding(happy_end == "confirmed", format!("happy path: {happy_end}"));
    report.finding(
        taken_end == "cancelled",
        format!("no room: {taken_end}, taken back: {none}"),
    );
    report.finding(
        poor_end == "cancelled",
        format!("declined card: {poor_end}, taken back: {some}"),
    );
    let (car, room) = (some.find("car"), some.find("room"));
    report.finding(
        car.is_some() && car < room,
        "declined card: the car was taken back before the room",
    );
    let free = cluster.read("hotels", "/api/v1/audit").await?;
    report.finding(free["agrees"] != json!(false), "the hotels' books agree");
    cluster.stop().await
}

/// How a booking is to be made.
#[derive(Clone, Copy)]
pub(super) enum Query {
    Saga,
    TwoPhase,
}

/// Asks for two nights and a car; the id of the booking.
pub(super) async fn book(cluster: &Cluster, customer: &str, room: &str, query: Query) -> anyhow::Result<String> {
    let path = match query {
        Query::Saga => "/api/v1/bookings",
        Query::TwoPhase => "/api/v1/bookings?protocol=2pc",
    };
    // Far enough ahead that midnight does not matter.
    let arrival = shop_kit::day::Day::today().plus(30);
    let wish = json!({
        "customer_id": customer, "room_id": room, "arrival": arrival, "nights": 2, "car": { "class": "compact" },
    });
    let reply = cluster
        .post("booking", path, &wish, Some(&format!("lab-{customer}")))
        .await?;
    anyhow::ensure!(reply.is_success(), "booking answers {}: {}", reply.status, reply.body);
    Ok(reply.body["booking_id"].as_str().unwrap_or_default().to_owned())
}

/// Where a booking stands.
pub(super) async fn status(cluster: &Cluster, id: &str) -> Option<String> {
    let booking = cluster.read("booking", &format!("/api/v1/bookings/{id}")).await.ok()?;
    booking["status"].as_str().map(str::to_owned)
}

/// Waits for the end of a booking.
pub(super) async fn end(cluster: &Cluster, id: &str) -> anyhow::Result<String> {
    Cluster::until("the booking ends", ENDS_WITHIN, || async {
        status(cluster, id).await.filter(|status| status != "pending")
    })
    .await
}

/// Compensated steps in the order of their compensation, as the collector tells it.
async fn undone(cluster: &Cluster, id: &str) -> anyhow::Result<String> {
    let saga = Cluster::until("the collector knows the saga's end", ENDS_WITHIN, || async {
        let saga = cluster.api().saga(id, Some("booking")).await.ok()?;
        saga.saga.state.is_final().then_some(saga)
    })
    .await?;
    let mut steps: Vec<_> = saga
        .steps
        .iter()
        .filter_map(|step| {
            let undo = step.compensation.as_ref()?;
            Some((undo.ended_at, step.name.clone()))
        })
        .collect();
    steps.sort_unstable();
    let names: Vec<String> = steps.into_iter().map(|(_, name)| name).collect();
    Ok(if names.is_empty() {
        "nothing".into()
    } else {
        names.join(", ")
    })
}
