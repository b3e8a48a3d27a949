//! The events in the life of one saga instance, numbered in order.

use sagascope_conventions::{Coordination, WaitingFor, attributes as key, events};

use crate::event::{Event, Severity};

/// Builds the events of one instance. Each event takes the next number of `sequence`, which the emitter must keep with
/// the state of the instance, so that it goes on counting after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaEvents {
    /// `saga.name`.
    pub name: String,
    /// `saga.id`.
    pub id: String,
    /// Who decides.
    pub coordination: Coordination,
    /// Of the request that started it.
    pub correlation_id: String,
    /// Saga that started this one.
    pub parent_id: Option<String>,
    /// Number of the last event built; 0 before the first.
    pub sequence: u64,
}

/// One attempt of a step, or of its compensation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaStep<'a> {
    /// `saga.step.name`.
    pub name: &'a str,
    /// Zero-based.
    pub index: u32,
    /// One-based.
    pub attempt: u32,
}

impl SagaEvents {
    /// An instance that has told nothing yet.
    #[must_use]
    pub fn orchestrated(name: &str, id: &str, correlation_id: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: id.to_owned(),
            coordination: Coordination::Orchestration,
            correlation_id: correlation_id.to_owned(),
            parent_id: None,
            sequence: 0,
        }
    }

    /// What one participant tells of an instance that nobody orchestrates; each counts on its own.
    #[must_use]
    pub fn choreographed(name: &str, id: &str, correlation_id: &str) -> Self {
        Self {
            coordination: Coordination::Choreography,
            ..Self::orchestrated(name, id, correlation_id)
        }
    }

    /// `saga.started`, with the steps in order.
    pub fn started(&mut self, at: u64, steps: &[&str]) -> Event {
        self.next(events::SAGA_STARTED, at).with(key::SAGA_STEPS, steps)
    }

    /// `saga.step.started`; past `deadline_unix_nanos` the instance counts as stuck.
    pub fn step_started(&mut self, at: u64, step: SagaStep<'_>, deadline_unix_nanos: u64) -> Event {
        self.step(events::SAGA_STEP_STARTED, at, step)
            .with(key::SAGA_STEP_DEADLINE, deadline_unix_nanos)
    }

    /// `saga.step.succeeded`.
    pub fn step_succeeded(&mut self, at: u64, step: SagaStep<'_>) -> Event {
        self.step(events::SAGA_STEP_SUCCEEDED, at, step)
    }

    /// `saga.step.failed`: this attempt failed. `error_type` is a short stable word.
    pub fn step_failed(&mut self, at: u64, step: SagaStep<'_>, error_type: &str, reason: &str) -> Event {
        failure(self.step(events::SAGA_STEP_FAILED, at, step), error_type, reason)
    }

    /// `saga.step.retrying`: another attempt is due at `next_unix_nanos`; it waits for `waiting.0`, named `waiting.1`.
    pub fn step_retrying(
        &mut self,
        at: u64,
        step: SagaStep<'_>,
        next_unix_nanos: u64,
        waiting: (WaitingFor, &str),
        reason: &str,
    ) -> Event {
        self.step(events::SAGA_STEP_RETRYING, at, step)
            .with(key::SAGA_STEP_NEXT_ATTEMPT_AT, next_unix_nanos)
            .with(key::SAGA_STEP_WAITING_FOR, waiting.0.as_str())
            .with(key::SAGA_STEP_WAITING_ON, waiting.1)
            .with(key::SAGA_REASON, reason)
            .severity(Severity::Warn)
    }

    /// `saga.compensation.started`: the undo of `step` began.
    pub fn compensation_started(&mut self, at: u64, step: SagaStep<'_>, deadline_unix_nanos: u64) -> Event {
        self.step(events::SAGA_COMPENSATION_STARTED, at, step)
            .with(key::SAGA_STEP_DEADLINE, deadline_unix_nanos)
    }

    /// `saga.compensation.succeeded`.
    pub fn compensation_succeeded(&mut self, at: u64, step: SagaStep<'_>) -> Event {
        self.step(events::SAGA_COMPENSATION_SUCCEEDED, at, step)
    }

    /// `saga.compensation.failed`: this attempt of the undo failed.
    pub fn compensation_failed(&mut self, at: u64, step: SagaStep<'_>, error_type: &str, reason: &str) -> Event {
        failure(
            self.step(events::SAGA_COMPENSATION_FAILED, at, step),
            error_type,
            reason,
        )
    }

    /// `saga.completed`.
    pub fn completed(&mut self, at: u64) -> Event {
        self.next(events::SAGA_COMPLETED, at)
    }

    /// `saga.compensated`, with what made it turn back.
    pub fn compensated(&mut self, at: u64, reason: &str) -> Event {
        self.next(events::SAGA_COMPENSATED, at)
            .with(key::SAGA_REASON, reason)
            .severity(Severity::Warn)
    }

    /// `saga.failed`: an undo could not be done.
    pub fn failed(&mut self, at: u64, reason: &str) -> Event {
        self.next(events::SAGA_FAILED, at)
            .with(key::SAGA_REASON, reason)
            .severity(Severity::Error)
    }

    fn step(&mut self, name: &'static str, at: u64, step: SagaStep<'_>) -> Event {
        self.next(name, at)
            .with(key::SAGA_STEP_NAME, step.name)
            .with(key::SAGA_STEP_INDEX, step.index)
            .with(key::SAGA_STEP_ATTEMPT, step.attempt)
    }

    fn next(&mut self, name: &'static str, at: u64) -> Event {
        self.sequence += 1;
        Event::new(name, at)
            .with(key::SAGA_NAME, self.name.as_str())
            .with(key::SAGA_ID, self.id.as_str())
            .with(key::SAGA_COORDINATION, self.coordination.as_str())
            .with(key::SAGA_SEQUENCE, self.sequence)
            .with_some(key::SAGA_PARENT_ID, self.parent_id.as_deref())
            .correlated(&self.correlation_id)
    }
}

fn failure(event: Event, error_type: &str, reason: &str) -> Event {
    event
        .with(key::ERROR_TYPE, error_type)
        .with(key::SAGA_REASON, reason)
        .severity(Severity::Warn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Value;

    const CHARGE: SagaStep<'_> = SagaStep {
        name: "charge",
        index: 2,
        attempt: 1,
    };

    #[test]
    fn events_of_an_instance_are_numbered_in_order() {
        let mut saga = SagaEvents::orchestrated("order", "o-1", "c-1");
        let told = [
            saga.started(1, &["reserve", "charge"]),
            saga.step_started(2, CHARGE, 9),
            saga.step_failed(3, CHARGE, "timeout", "no answer"),
            saga.step_retrying(3, CHARGE, 5, (WaitingFor::Retry, "charge"), "no answer"),
            saga.compensation_started(4, CHARGE, 9),
            saga.compensation_failed(5, CHARGE, "timeout", "no answer"),
            saga.compensation_succeeded(6, CHARGE),
            saga.compensated(7, "no answer"),
        ];
        for (place, event) in told.iter().enumerate() {
            assert_eq!(
                event.attribute(key::SAGA_SEQUENCE),
                Some(&Value::Int(place as i64 + 1)),
                "{}",
                event.name
            );
            assert_eq!(event.attribute(key::SAGA_ID), Some(&Value::from("o-1")));
            assert_eq!(event.attribute(key::CORRELATION_ID), Some(&Value::from("c-1")));
        }
    }

    #[test]
    fn counting_goes_on_from_the_number_kept() {
        let mut saga = SagaEvents {
            sequence: 41,
            ..SagaEvents::orchestrated("order", "o-1", "")
        };
        assert_eq!(saga.completed(1).attribute(key::SAGA_SEQUENCE), Some(&Value::Int(42)));
    }
}
