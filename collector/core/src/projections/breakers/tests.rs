use super::*;
use crate::rows::Value;
use crate::testing::{at, counter, event, gauge, log_block, point_block, text};

struct Picture {
    breakers: Breakers,
    services: Services,
    sagas: Sagas,
    names: Names,
}

impl Picture {
    fn new() -> Self {
        Self {
            breakers: Breakers::new(100),
            services: Services::new(100),
            sagas: Sagas::new(100),
            names: Names::default(),
        }
    }

    fn hear(&mut self, process: &str, seconds: f64) {
        let block = log_block(&[event(process, seconds, "any", &[])]);
        self.services
            .hear(block.row(0).resource(), at(seconds), &mut self.names);
    }

    fn change(&mut self, process: &str, seconds: f64, sequence: i64, state: &str) {
        let pairs = [
            ("circuit_breaker.name", text("payments")),
            ("circuit_breaker.state", text(state)),
            ("circuit_breaker.sequence", Value::Int(sequence)),
            ("circuit_breaker.reason", text(&format!("because {sequence}"))),
            ("service.peer.name", text("payments")),
        ];
        let log = event(process, seconds, "circuit_breaker.state_changed", &pairs);
        self.breakers
            .apply_log(log_block(std::slice::from_ref(&log)).row(0), &mut self.names);
    }

    fn poll(&mut self, seconds: f64, in_force: &str) {
        for state in ["closed", "open", "half_open"] {
            let pairs = [
                ("circuit_breaker.name", text("payments")),
                ("circuit_breaker.state", text(state)),
            ];
            let value = if state == in_force { 1.0 } else { 0.0 };
            let point = gauge("orders", seconds, "circuit_breaker.state", value, &pairs);
            self.breakers.apply_point(
                point_block(std::slice::from_ref(&point)).row(0),
                at(seconds),
                &mut self.names,
            );
        }
    }

    fn calls(&mut self, seconds: f64, outcome: &str, total: f64) {
        let pairs = [("circuit_breaker.name", text("payments")), ("outcome", text(outcome))];
        let point = counter("orders", seconds, "circuit_breaker.calls", total, &pairs);
        self.breakers.apply_point(
            point_block(std::slice::from_ref(&point)).row(0),
            at(seconds),
            &mut self.names,
        );
    }

    fn rows(&self, seconds: f64) -> Vec<Breaker> {
        self.breakers.rows(&self.services, &self.sagas, at(seconds))
    }

    fn take(&mut self, seconds: f64, rates: bool) -> Option<(Vec<Breaker>, Vec<String>)> {
        self.breakers
            .take_changes(&self.services, &self.sagas, at(seconds), rates)
    }
}

#[test]
fn changes_join_by_number_in_any_order_and_once() {
    let changes = [
        (1.0, 1, "open"),
        (0.5, 2, "half_open"),
        (0.6, 3, "open"),
        (0.7, 4, "half_open"),
        (9.0, 5, "closed"),
    ];
    let mut straight = Picture::new();
    let mut other = Picture::new();
    for (seconds, sequence, state) in changes {
        straight.change("orders", seconds, sequence, state);
    }
    for (seconds, sequence, state) in changes.into_iter().rev().chain(changes) {
        other.change("orders", seconds, sequence, state);
    }
    assert_eq!(straight.rows(10.0), other.rows(10.0));
    let row = &straight.rows(10.0)[0];
    assert_eq!((row.state, row.since), (Some(BreakerState::Closed), Some(at(9.0))));
    assert_eq!(row.reason.as_deref(), Some("because 5"));
    assert_eq!(row.history.len(), 5);
    assert_eq!(
        (row.id.as_str(), row.target.as_deref()),
        ("orders~payments~1", Some("payments"))
    );
}

#[test]
fn the_rate_that_opened_it_holds_until_it_closes() {
    let mut picture = Picture::new();
    let mut rate_after = |sequence: i64, state: &str, rate: Option<f64>| {
        let mut pairs = vec![
            ("circuit_breaker.name", text("payments")),
            ("circuit_breaker.state", text(state)),
            ("circuit_breaker.sequence", Value::Int(sequence)),
        ];
        if let Some(rate) = rate {
            pairs.push(("circuit_breaker.failure_rate", Value::Double(rate)));
        }
        let log = event("orders", sequence as f64, "circuit_breaker.state_changed", &pairs);
        picture
            .breakers
            .apply_log(log_block(std::slice::from_ref(&log)).row(0), &mut picture.names);
        picture.rows(sequence as f64)[0].failure_rate
    };
    assert_eq!(rate_after(1, "open", Some(1.0)), Some(1.0));
    assert_eq!(rate_after(2, "half_open", None), Some(1.0));
    assert_eq!(rate_after(3, "open", None), Some(1.0));
    assert_eq!(rate_after(4, "closed", None), None);
    assert_eq!(rate_after(5, "open", None), None);
}

#[test]
fn the_gauge_stands_in_where_events_are_silent_or_lost() {
    let mut picture = Picture::new();
    picture.poll(1.0, "closed");
    picture.poll(2.0, "open");
    let row = &picture.rows(3.0)[0];
    assert_eq!((row.state, row.since), (Some(BreakerState::Open), Some(at(1.0))));
    picture.change("orders", 3.0, 1, "half_open");
    picture.poll(4.0, "open");
    assert_eq!(
        picture.rows(4.0)[0].state,
        Some(BreakerState::HalfOpen),
        "the event wins"
    );
    picture.poll(20.0, "closed");
    assert_eq!(
        picture.rows(20.0)[0].state,
        Some(BreakerState::Closed),
        "its end was not heard of"
    );
}

#[test]
fn calls_are_counted_over_a_minute() {
    let mut picture = Picture::new();
    picture.calls(1.0, "success", 10.0);
    picture.calls(2.0, "success", 15.0);
    picture.calls(2.0, "success", 15.0);
    picture.calls(2.0, "rejected", 20.0);
    picture.calls(2.0, "dancing", 20.0);
    let row = &picture.rows(3.0)[0];
    assert_eq!((row.window.success, row.window.rejected, row.state), (15, 20, None));
    assert_eq!(row.rejected_per_second, 4.0);
    let later = &picture.rows(30.0)[0];
    assert_eq!((later.window.success, later.rejected_per_second), (15, 0.0));
    assert_eq!(picture.rows(100.0)[0].window, BreakerWindow::default());
}

#[test]
fn the_history_is_bounded() {
    let mut picture = Picture::new();
    for n in 0..1_000 {
        picture.change(
            "orders",
            f64::from(n),
            i64::from(n),
            if n % 2 == 0 { "open" } else { "closed" },
        );
    }
    let row = &picture.rows(1_000.0)[0];
    assert_eq!((row.history.len(), row.history[0].at), (HISTORY_MAX, at(800.0)));
}

#[test]
fn a_replaced_process_takes_its_breakers_with_it_after_a_minute() {
    let mut picture = Picture::new();
    picture.hear("orders#a", 0.0);
    picture.change("orders#a", 0.0, 1, "open");
    assert!(picture.rows(9.0)[0].live);
    assert!(!picture.rows(11.0)[0].live);
    picture.breakers.tick(&picture.services, at(100.0));
    assert_eq!(
        picture.rows(100.0).len(),
        1,
        "a service that is merely down keeps its breaker"
    );
    picture.hear("orders#b", 101.0);
    picture.change("orders#b", 101.0, 1, "closed");
    picture.breakers.tick(&picture.services, at(102.0));
    let (rows, removed) = picture.take(102.0, true).unwrap();
    assert_eq!(removed, ["orders~payments~a"]);
    assert_eq!((rows.len(), rows[0].instance.as_str()), (1, "b"));
}

#[test]
fn watchers_hear_of_states_at_once_and_of_numbers_when_rates_are_due() {
    let mut picture = Picture::new();
    picture.change("orders", 1.0, 1, "open");
    assert_eq!(picture.take(1.0, false).unwrap().0.len(), 1);
    picture.calls(2.0, "rejected", 5.0);
    assert_eq!(picture.take(2.0, false), None);
    assert_eq!(picture.take(2.0, true).unwrap().0[0].window.rejected, 5);
    assert_eq!(picture.take(2.0, true), None);
}

#[test]
fn hostile_names_give_ids_that_fit_a_path() {
    assert_eq!(id("a/b", "c d?", "é"), "a-b~c-d-~-");
}
