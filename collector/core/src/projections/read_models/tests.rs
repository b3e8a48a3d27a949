use super::*;
use crate::testing::{at, counter, event, gauge, log_block, point_block, text};

#[derive(Debug)]
struct Picture {
    models: ReadModels,
    rebuilds: Rebuilds,
    names: Names,
}

impl Picture {
    fn new() -> Self {
        Self {
            models: ReadModels::new(10),
            rebuilds: Rebuilds::default(),
            names: Names::default(),
        }
    }

    fn stands(&mut self, process: &str, seconds: f64, position: f64, head: f64, lag_seconds: f64) {
        let name = [("projection.name", text("daily_sales"))];
        for (metric, value) in [
            ("projection.position", position),
            ("projection.head", head),
            ("projection.lag.events", head - position),
            ("projection.lag.time", lag_seconds),
        ] {
            let point = gauge(process, seconds, metric, value, &name);
            self.models.apply_point(
                point_block(std::slice::from_ref(&point)).row(0),
                at(seconds),
                &mut self.names,
            );
        }
    }

    fn row(&self, seconds: f64) -> ReadModel {
        let rows = self.models.rows(&self.rebuilds, at(seconds));
        assert_eq!(rows.len(), 1);
        rows[0].clone()
    }

    fn state(&self, seconds: f64) -> ProjectionState {
        self.row(seconds).state
    }

    fn rebuild(&mut self, seconds: f64, what: &str) {
        let log = event(
            "analytics",
            seconds,
            &format!("projection.rebuild.{what}"),
            &[("projection.name", text("daily_sales"))],
        );
        self.rebuilds
            .apply_log(log_block(std::slice::from_ref(&log)).row(0), &mut self.names);
    }
}

#[test]
fn a_model_is_caught_up_behind_stalled_or_silent() {
    let mut picture = Picture::new();
    picture.stands("analytics", 1.0, 100.0, 100.0, 0.0);
    assert_eq!(picture.state(1.0), ProjectionState::CaughtUp);
    picture.stands("analytics", 2.0, 100.0, 103.0, 0.04);
    assert_eq!(
        picture.state(2.0),
        ProjectionState::CaughtUp,
        "a few events, milliseconds old"
    );
    for n in 3..12 {
        let n = f64::from(n);
        picture.stands("analytics", n, 100.0, 100.0 + 10.0 * n, n - 1.0);
    }
    assert_eq!(picture.state(5.0), ProjectionState::Behind);
    let stalled = picture.row(11.0);
    assert_eq!(
        (stalled.state, stalled.stalled_since),
        (ProjectionState::Stalled, Some(at(1.0)))
    );
    assert_eq!((stalled.lag_events, stalled.eta_seconds), (Some(110), None));
    let silent = picture.row(30.0);
    assert_eq!(
        (silent.state, silent.lag_events, silent.lag_seconds),
        (ProjectionState::NoData, None, None)
    );
}

#[test]
fn a_model_that_gains_tells_when_it_will_be_there() {
    let mut picture = Picture::new();
    for n in 1..=10 {
        let n = f64::from(n);
        picture.stands("analytics", n, 60.0 * n, 1_000.0 + 10.0 * n, 20.0);
    }
    let row = picture.row(10.0);
    assert_eq!(row.state, ProjectionState::Behind);
    assert!((row.drain_per_second.unwrap() - 60.0).abs() < 1e-6);
    assert!((row.eta_seconds.unwrap() - 500.0 / 50.0).abs() < 1e-6);
}

#[test]
fn another_process_continues_the_row() {
    let mut picture = Picture::new();
    picture.stands("analytics#a", 1.0, 100.0, 200.0, 9.0);
    picture.stands("analytics#b", 3.0, 120.0, 200.0, 8.0);
    assert_eq!(picture.row(3.0).position, Some(120));
}

#[test]
fn late_and_repeated_readings_change_nothing() {
    let mut picture = Picture::new();
    picture.stands("analytics", 2.0, 50.0, 60.0, 3.0);
    let before = picture.row(3.0);
    picture.stands("analytics", 2.0, 50.0, 60.0, 3.0);
    picture.stands("analytics", 1.0, 10.0, 60.0, 3.0);
    let after = picture.row(3.0);
    assert_eq!((before.position, before.lag_events), (after.position, after.lag_events));
}

#[test]
fn a_rebuild_is_told_apart_from_lag() {
    let mut picture = Picture::new();
    picture.rebuild(5.0, "finished");
    picture.rebuild(1.0, "started");
    picture.stands("analytics", 2.0, 10.0, 600.0, 30.0);
    assert_eq!(picture.state(2.0), ProjectionState::Behind, "that rebuild is over");
    picture.rebuild(6.0, "started");
    picture.stands("analytics", 7.0, 20.0, 600.0, 30.0);
    assert_eq!(picture.state(7.0), ProjectionState::Replaying);
}

#[test]
fn the_counter_of_applied_events_gives_the_drain() {
    let mut picture = Picture::new();
    let name = [("projection.name", text("daily_sales"))];
    let point = counter("analytics", 1.0, "projection.events.processed", 50.0, &name);
    picture.models.apply_point(
        point_block(std::slice::from_ref(&point)).row(0),
        at(2.0),
        &mut picture.names,
    );
    assert_eq!(
        picture.state(2.0),
        ProjectionState::NoData,
        "no lag was told, so none is claimed"
    );
    picture.stands("analytics", 2.0, 10.0, 600.0, 30.0);
    assert_eq!(picture.row(2.0).drain_per_second, Some(5.0));
}

#[test]
fn watchers_hear_of_a_stall_at_once() {
    let mut picture = Picture::new();
    picture.stands("analytics", 1.0, 10.0, 20.0, 5.0);
    assert!(picture.models.take_changes(&picture.rebuilds, at(1.0), false).is_some());
    assert!(picture.models.take_changes(&picture.rebuilds, at(2.0), false).is_none());
    let (rows, _) = picture.models.take_changes(&picture.rebuilds, at(7.0), false).unwrap();
    assert_eq!(rows[0].state, ProjectionState::Stalled);
}
