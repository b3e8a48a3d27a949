//! INV-02 for rooms and cars, and what was seen of trips.

use std::collections::{BTreeMap, BTreeSet};

use sagascope_conventions::{SagaState, StepState};
use shop_kit::saga::{Instance, Step};

use crate::evidence::Evidence;

/// A room, or a car, as it is kept for a booking.
struct Kept {
    id: String,
    state: String,
    /// Which room, or which class.
    what: String,
    /// The first day, counted from 1970, and how many.
    days: std::ops::Range<i64>,
    total_minor: i64,
}

/// When all is over, exactly the confirmed bookings have their room and their car, on their days and at the price that
/// they pay; a car that was optional may be missing. Nothing is held for anybody else.
pub(super) fn inv_02_rooms_and_cars(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = nothing_is_promised_twice(evidence)?;
    if !evidence.runs("booking") {
        return Ok(found);
    }
    let by_id =
        |kept: Vec<Kept>| -> BTreeMap<String, Kept> { kept.into_iter().map(|kept| (kept.id.clone(), kept)).collect() };
    let (mut rooms, mut cars) = (by_id(rooms(evidence)?), by_id(cars(evidence)?));
    for booking in evidence
        .bookings()?
        .iter()
        .filter(|booking| booking.status == "confirmed")
    {
        let (id, wish) = (&booking.id, &booking.wish);
        let (room, car) = (rooms.remove(id), cars.remove(id));
        let nights = wish["nights"].as_i64().unwrap_or(0);
        let is_right = |kept: &Kept, what: &serde_json::Value| {
            kept.state == "confirmed" && *what == kept.what.as_str() && kept.days.end - kept.days.start == nights
        };
        if !room.as_ref().is_some_and(|room| is_right(room, &wish["room_id"])) {
            found.push(format!("booking {id} is confirmed and its room is not"));
        }
        let wanted = &wish["car"];
        let is_right = match &car {
            Some(car) => is_right(car, &wanted["class"]),
            None => wanted.is_null() || wanted["optional"] == true,
        };
        if !is_right {
            found.push(format!("booking {id} is confirmed and its car is not"));
        }
        let price: i64 = room.iter().chain(&car).map(|kept| kept.total_minor).sum();
        if booking.total_minor != Some(price) {
            found.push(format!(
                "booking {id} costs {:?}, room and car {price}",
                booking.total_minor
            ));
        }
    }
    let left = rooms.values().chain(cars.values());
    found.extend(left.map(|kept| {
        format!(
            "{} is {} for {}, which is not confirmed",
            kept.what, kept.state, kept.id
        )
    }));
    Ok(found)
}

/// The part that holds at every moment: no room has two guests in a night, and no more cars are out than there are.
pub(super) fn nothing_is_promised_twice(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    if !evidence.runs("booking") {
        return Ok(found);
    }
    let fleet = evidence.rows("cars", "SELECT class, cars FROM fleet", |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let fleet: BTreeMap<String, u32> = fleet.into_iter().collect();
    for (kept, many) in [(rooms(evidence)?, None), (cars(evidence)?, Some(fleet))] {
        let mut by_day: BTreeMap<(&str, i64), BTreeSet<&str>> = BTreeMap::new();
        for one in &kept {
            for day in one.days.clone() {
                by_day.entry((&one.what, day)).or_default().insert(&one.id);
            }
        }
        for ((what, day), holders) in by_day {
            let most = many.as_ref().map_or(1, |many| many.get(what).copied().unwrap_or(0));
            if holders.len() > most as usize {
                found.push(format!(
                    "{what} is promised to {holders:?} on day {day}, and there are {most}"
                ));
            }
        }
    }
    Ok(found)
}

fn rooms(evidence: &Evidence) -> anyhow::Result<Vec<Kept>> {
    kept(
        evidence,
        "hotels",
        "SELECT reservation_id, state, room_id, arrival, nights, total_minor FROM reservations WHERE state <> 'released'",
    )
}

fn cars(evidence: &Evidence) -> anyhow::Result<Vec<Kept>> {
    kept(
        evidence,
        "cars",
        "SELECT reservation_id, state, class, first_day, days, total_minor FROM reservations WHERE state <> 'released'",
    )
}

fn kept(evidence: &Evidence, service: &'static str, sql: &str) -> anyhow::Result<Vec<Kept>> {
    evidence.rows(service, sql, |row| {
        let (first, count): (i64, i64) = (row.get(3)?, row.get(4)?);
        Ok(Kept {
            id: row.get(0)?,
            state: row.get(1)?,
            what: row.get(2)?,
            days: first..first + count,
            total_minor: row.get(5)?,
        })
    })
}

/// Something that happens to trips and that the runs must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scene {
    /// A saga: all went well.
    AllWell,
    /// A saga: no room was free.
    NoRoom,
    /// A saga: no car was free, and the room was given back.
    NoCarAndRoomUndone,
    /// A saga: an undo failed, and was tried again until it was done.
    UndoneAtLast,
    /// A two-phase commit: committed.
    Committed,
    /// A two-phase commit: aborted.
    Aborted,
}

impl Scene {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::AllWell,
        Self::NoRoom,
        Self::NoCarAndRoomUndone,
        Self::UndoneAtLast,
        Self::Committed,
        Self::Aborted,
    ];
}

/// What was seen of trips.
pub(crate) fn scenes(evidence: &Evidence) -> anyhow::Result<BTreeMap<Scene, usize>> {
    let mut seen: BTreeMap<Scene, usize> = BTreeMap::new();
    let sagas = evidence.all_sagas()?;
    let trips = sagas.iter().filter(|saga| saga.name == "booking");
    let transactions = evidence.transactions()?;
    let ends = transactions
        .iter()
        .filter_map(|transaction| match transaction.decision.as_deref() {
            Some("commit") => Some(Scene::Committed),
            Some("abort") => Some(Scene::Aborted),
            _ => None,
        });
    for scene in trips.flat_map(scenes_of).chain(ends) {
        *seen.entry(scene).or_default() += 1;
    }
    Ok(seen)
}

fn scenes_of(saga: &Instance) -> Vec<Scene> {
    let step = |name: &str| saga.steps.iter().find(|step| step.name == name);
    let failed = |name: &str| step(name).is_some_and(|step| step.forward.state == StepState::Failed);
    let is_undone = |step: &Step| {
        step.undo
            .as_ref()
            .is_some_and(|undo| undo.state == StepState::Succeeded)
    };
    let in_many_attempts = |step: &Step| is_undone(step) && step.undo.as_ref().is_some_and(|undo| undo.attempt > 1);
    [
        (Scene::AllWell, saga.state == SagaState::Completed),
        (Scene::NoRoom, failed("room")),
        (
            Scene::NoCarAndRoomUndone,
            failed("car") && step("room").is_some_and(is_undone),
        ),
        (Scene::UndoneAtLast, saga.steps.iter().any(in_many_attempts)),
    ]
    .into_iter()
    .filter_map(|(scene, is_seen)| is_seen.then_some(scene))
    .collect()
}
