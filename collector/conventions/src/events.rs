//! Names of log events (`event_name`) and of metrics.

/// A saga instance began.
pub const SAGA_STARTED: &str = "saga.started";
/// One attempt of a step began.
pub const SAGA_STEP_STARTED: &str = "saga.step.started";
/// The step is done.
pub const SAGA_STEP_SUCCEEDED: &str = "saga.step.succeeded";
/// The attempt failed.
pub const SAGA_STEP_FAILED: &str = "saga.step.failed";
/// Another attempt is due at `saga.step.next_attempt_at`.
pub const SAGA_STEP_RETRYING: &str = "saga.step.retrying";
/// The undo of a step began.
pub const SAGA_COMPENSATION_STARTED: &str = "saga.compensation.started";
/// The undo is done.
pub const SAGA_COMPENSATION_SUCCEEDED: &str = "saga.compensation.succeeded";
/// One attempt of the undo failed.
pub const SAGA_COMPENSATION_FAILED: &str = "saga.compensation.failed";
/// Final: every step is done.
pub const SAGA_COMPLETED: &str = "saga.completed";
/// Final: every effect is undone.
pub const SAGA_COMPENSATED: &str = "saga.compensated";
/// Final: an undo could not be done; a person is needed.
pub const SAGA_FAILED: &str = "saga.failed";

/// A breaker changed its state.
pub const CIRCUIT_BREAKER_STATE_CHANGED: &str = "circuit_breaker.state_changed";

/// A read model starts from zero.
pub const PROJECTION_REBUILD_STARTED: &str = "projection.rebuild.started";
/// A read model has caught up after a rebuild.
pub const PROJECTION_REBUILD_FINISHED: &str = "projection.rebuild.finished";
/// A read model could not apply an event.
pub const PROJECTION_FAILED: &str = "projection.failed";

/// A message was given up and set aside.
pub const MESSAGE_DEAD_LETTERED: &str = "message.dead_lettered";
/// What was given up is no dead letter any more: replayed, purged, or handled after all (`dead_letter.outcome`).
pub const MESSAGE_DEAD_LETTER_SETTLED: &str = "message.dead_letter.settled";
/// A message was delivered again.
pub const MESSAGE_REDELIVERED: &str = "message.redelivered";

/// A service took a fault.
pub const FAULT_ARMED: &str = "fault.armed";
/// A person ended a fault.
pub const FAULT_CLEARED: &str = "fault.cleared";
/// A fault reached its end.
pub const FAULT_EXPIRED: &str = "fault.expired";

/// An invariant does not hold: a violation not seen at the look before (`invariant.evidence`).
pub const INVARIANT_VIOLATED: &str = "invariant.violated";
/// An invariant that did not hold holds again.
pub const INVARIANT_RESTORED: &str = "invariant.restored";

/// A canary has another share (`canary.share`), for a reason.
pub const CANARY_CHANGED: &str = "canary.changed";
/// A service has no canary any more.
pub const CANARY_REMOVED: &str = "canary.removed";

/// Metric names.
pub mod metrics {
    /// Gauge, 1 for the state in force, 0 for the others (attribute `circuit_breaker.state`).
    pub const CIRCUIT_BREAKER_STATE: &str = "circuit_breaker.state";
    /// Counter with `outcome`.
    pub const CIRCUIT_BREAKER_CALLS: &str = "circuit_breaker.calls";
    /// Gauge: last position applied.
    pub const PROJECTION_POSITION: &str = "projection.position";
    /// Gauge: last position there is.
    pub const PROJECTION_HEAD: &str = "projection.head";
    /// Gauge: head − position.
    pub const PROJECTION_LAG_EVENTS: &str = "projection.lag.events";
    /// Gauge, seconds: age of the oldest event not yet applied.
    pub const PROJECTION_LAG_TIME: &str = "projection.lag.time";
    /// Counter: events applied.
    pub const PROJECTION_EVENTS_PROCESSED: &str = "projection.events.processed";
    /// Gauge: rows not yet published.
    pub const OUTBOX_PENDING: &str = "outbox.pending";
    /// Gauge, seconds: age of the oldest of them.
    pub const OUTBOX_OLDEST_AGE: &str = "outbox.oldest.age";
    /// Counter: rows published.
    pub const OUTBOX_PUBLISHED: &str = "outbox.published";
    /// Counter: failed attempts to publish.
    pub const OUTBOX_FAILED: &str = "outbox.failed";
    /// Gauge: letters waiting (attribute `messaging.destination.name`).
    pub const DEAD_LETTER_COUNT: &str = "dead_letter.count";
    /// Gauge: calls inside.
    pub const BULKHEAD_IN_USE: &str = "bulkhead.in_use";
    /// Gauge: calls that fit.
    pub const BULKHEAD_CAPACITY: &str = "bulkhead.capacity";
    /// Counter: calls refused because it was full.
    pub const BULKHEAD_REJECTED: &str = "bulkhead.rejected";
    /// Counter: attempts made.
    pub const RETRY_ATTEMPTS: &str = "retry.attempts";
    /// Counter: retries not made, because the budget of the caller was used up.
    pub const RETRY_REFUSED: &str = "retry.refused";
    /// Gauge: violations found at the last look, 0 when it holds (attributes `invariant.id` and `invariant.statement`).
    pub const INVARIANT_VIOLATIONS: &str = "invariant.violations";
    /// Counter: looks taken. While it stands still, nothing is known.
    pub const INVARIANT_LOOKS: &str = "invariant.looks";
    /// Gauge, percent: share of a service's requests that its canary gets.
    pub const CANARY_SHARE: &str = "canary.share";
    /// Gauge, 1 for the state in force, 0 for the others (attribute `canary.state`).
    pub const CANARY_STATE: &str = "canary.state";
    /// Gauge: calls that a canary is judged by (attribute `canary.track`: `stable` or `canary`).
    pub const CANARY_CALLS: &str = "canary.calls";
    /// Gauge: how many of them failed.
    pub const CANARY_ERRORS: &str = "canary.errors";
    /// Counter: telemetry lost before it was sent (attributes `signal` and `reason`).
    pub const TELEMETRY_LOST: &str = "telemetry.lost";
}
