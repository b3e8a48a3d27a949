//! The metrics of the conventions, over the OpenTelemetry API.
//!
//! Each struct is made once per thing it measures (one breaker, one read model …) with the meter of the program;
//! gauges are recorded by the owner whenever their value changes or is looked at.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};
use sagascope_conventions::events::metrics as name;
use sagascope_conventions::{BreakerState, Invariant, attributes as key};

/// Of one breaker.
#[derive(Clone, Debug)]
pub struct BreakerMetrics {
    state: Gauge<u64>,
    calls: Counter<u64>,
    name: String,
    peer: String,
}

impl BreakerMetrics {
    /// `peer` is the service it protects.
    #[must_use]
    pub fn new(meter: &Meter, breaker: &str, peer: &str) -> Self {
        Self {
            state: meter.u64_gauge(name::CIRCUIT_BREAKER_STATE).build(),
            calls: meter.u64_counter(name::CIRCUIT_BREAKER_CALLS).build(),
            name: breaker.to_owned(),
            peer: peer.to_owned(),
        }
    }

    /// 1 for the state in force, 0 for the others.
    pub fn state(&self, in_force: BreakerState) {
        for &state in BreakerState::ALL {
            let attributes = self.attributes(KeyValue::new(key::CIRCUIT_BREAKER_STATE, state.as_str()));
            self.state.record(u64::from(state == in_force), &attributes);
        }
    }

    /// One call; `outcome` is `success`, `failure`, `slow`, `rejected` or `fallback`.
    pub fn call(&self, outcome: &'static str) {
        self.calls
            .add(1, &self.attributes(KeyValue::new(key::OUTCOME, outcome)));
    }

    fn attributes(&self, extra: KeyValue) -> [KeyValue; 3] {
        [
            KeyValue::new(key::CIRCUIT_BREAKER_NAME, self.name.clone()),
            KeyValue::new(key::SERVICE_PEER_NAME, self.peer.clone()),
            extra,
        ]
    }
}

/// Of one read model (one partition of it).
#[derive(Clone, Debug)]
pub struct ProjectionMetrics {
    position: Gauge<u64>,
    head: Gauge<u64>,
    lag_events: Gauge<u64>,
    lag_seconds: Gauge<f64>,
    processed: Counter<u64>,
    attributes: [KeyValue; 2],
}

impl ProjectionMetrics {
    /// `partition` is `0` where there is one.
    #[must_use]
    pub fn new(meter: &Meter, projection: &str, partition: u32) -> Self {
        Self {
            position: meter.u64_gauge(name::PROJECTION_POSITION).build(),
            head: meter.u64_gauge(name::PROJECTION_HEAD).build(),
            lag_events: meter.u64_gauge(name::PROJECTION_LAG_EVENTS).build(),
            lag_seconds: meter.f64_gauge(name::PROJECTION_LAG_TIME).with_unit("s").build(),
            processed: meter.u64_counter(name::PROJECTION_EVENTS_PROCESSED).build(),
            attributes: [
                KeyValue::new(key::PROJECTION_NAME, projection.to_owned()),
                KeyValue::new(key::PROJECTION_PARTITION, partition.to_string()),
            ],
        }
    }

    /// Where it stands; `lag_seconds` is the age of the oldest event not yet applied.
    pub fn stands(&self, position: u64, head: u64, lag_seconds: f64) {
        self.position.record(position, &self.attributes);
        self.head.record(head, &self.attributes);
        self.lag_events.record(head.saturating_sub(position), &self.attributes);
        self.lag_seconds.record(lag_seconds, &self.attributes);
    }

    /// So many more were applied.
    pub fn processed(&self, events: u64) {
        self.processed.add(events, &self.attributes);
    }
}

/// Of one outbox.
#[derive(Clone, Debug)]
pub struct OutboxMetrics {
    pending: Gauge<u64>,
    oldest_age: Gauge<f64>,
    published: Counter<u64>,
    failed: Counter<u64>,
    attributes: [KeyValue; 1],
}

impl OutboxMetrics {
    /// For the outbox of that name.
    #[must_use]
    pub fn new(meter: &Meter, outbox: &str) -> Self {
        Self {
            pending: meter.u64_gauge(name::OUTBOX_PENDING).build(),
            oldest_age: meter.f64_gauge(name::OUTBOX_OLDEST_AGE).with_unit("s").build(),
            published: meter.u64_counter(name::OUTBOX_PUBLISHED).build(),
            failed: meter.u64_counter(name::OUTBOX_FAILED).build(),
            attributes: [KeyValue::new(key::OUTBOX_NAME, outbox.to_owned())],
        }
    }

    /// What waits, and for how long already.
    pub fn waiting(&self, pending: u64, oldest_age_seconds: f64) {
        self.pending.record(pending, &self.attributes);
        self.oldest_age.record(oldest_age_seconds, &self.attributes);
    }

    /// So many more were published.
    pub fn published(&self, rows: u64) {
        self.published.add(rows, &self.attributes);
    }

    /// So many attempts failed.
    pub fn failed(&self, attempts: u64) {
        self.failed.add(attempts, &self.attributes);
    }
}

/// Of one bulkhead.
#[derive(Clone, Debug)]
pub struct BulkheadMetrics {
    in_use: Gauge<u64>,
    capacity: Gauge<u64>,
    rejected: Counter<u64>,
    attributes: [KeyValue; 1],
}

impl BulkheadMetrics {
    /// For the bulkhead of that name.
    #[must_use]
    pub fn new(meter: &Meter, bulkhead: &str) -> Self {
        Self {
            in_use: meter.u64_gauge(name::BULKHEAD_IN_USE).build(),
            capacity: meter.u64_gauge(name::BULKHEAD_CAPACITY).build(),
            rejected: meter.u64_counter(name::BULKHEAD_REJECTED).build(),
            attributes: [KeyValue::new(key::BULKHEAD_NAME, bulkhead.to_owned())],
        }
    }

    /// How full it is.
    pub fn stands(&self, in_use: u64, capacity: u64) {
        self.in_use.record(in_use, &self.attributes);
        self.capacity.record(capacity, &self.attributes);
    }

    /// A call did not fit.
    pub fn rejected(&self) {
        self.rejected.add(1, &self.attributes);
    }
}

/// Attempts of one retry policy.
#[derive(Clone, Debug)]
pub struct RetryMetrics {
    attempts: Counter<u64>,
    refused: Counter<u64>,
    attributes: [KeyValue; 1],
}

impl RetryMetrics {
    /// For the policy of that name.
    #[must_use]
    pub fn new(meter: &Meter, retry: &str) -> Self {
        Self {
            attempts: meter.u64_counter(name::RETRY_ATTEMPTS).build(),
            refused: meter.u64_counter(name::RETRY_REFUSED).build(),
            attributes: [KeyValue::new(key::RETRY_NAME, retry.to_owned())],
        }
    }

    /// One more attempt.
    pub fn attempt(&self) {
        self.attempts.add(1, &self.attributes);
    }

    /// A retry was not made: the budget is used up.
    pub fn refused(&self) {
        self.refused.add(1, &self.attributes);
    }
}

/// Telemetry that was lost before it could be sent.
#[derive(Clone, Debug)]
pub struct LossMetrics {
    lost: Counter<u64>,
}

impl LossMetrics {
    /// For every signal of a process.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self {
            lost: meter.u64_counter(name::TELEMETRY_LOST).build(),
        }
    }

    /// So many more of `signal` (such as `spans`) were lost, for a `reason` of one word.
    pub fn lost(&self, signal: &'static str, reason: &'static str, count: u64) {
        self.lost.add(
            count,
            &[KeyValue::new("signal", signal), KeyValue::new("reason", reason)],
        );
    }
}

/// Of new versions on trial.
#[derive(Clone, Debug)]
pub struct CanaryMetrics {
    share: Gauge<u64>,
    state: Gauge<u64>,
    calls: Gauge<u64>,
    errors: Gauge<u64>,
}

impl CanaryMetrics {
    /// For every canary that a registry knows.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self {
            share: meter.u64_gauge(name::CANARY_SHARE).build(),
            state: meter.u64_gauge(name::CANARY_STATE).build(),
            calls: meter.u64_gauge(name::CANARY_CALLS).build(),
            errors: meter.u64_gauge(name::CANARY_ERRORS).build(),
        }
    }

    /// Of one of them: a version of the service `peer`.
    #[must_use]
    pub fn of(&self, peer: &str, version: &str) -> OneCanary<'_> {
        OneCanary {
            metrics: self,
            peer: peer.to_owned(),
            version: version.to_owned(),
        }
    }
}

/// See [`CanaryMetrics::of`].
#[derive(Clone, Debug)]
pub struct OneCanary<'a> {
    metrics: &'a CanaryMetrics,
    peer: String,
    version: String,
}

impl OneCanary<'_> {
    /// Percent of the requests.
    pub fn share(&self, percent: u8) {
        self.metrics.share.record(u64::from(percent), &self.attributes(None));
    }

    /// 1 for the state in force, 0 for the others.
    pub fn state(&self, state: &'static str, in_force: bool) {
        let attributes = self.attributes(Some(KeyValue::new(key::CANARY_STATE, state)));
        self.metrics.state.record(u64::from(in_force), &attributes);
    }

    /// What is decided by; `track` is `stable` or `canary`.
    pub fn calls(&self, track: &'static str, calls: u64, errors: u64) {
        let attributes = self.attributes(Some(KeyValue::new(key::CANARY_TRACK, track)));
        self.metrics.calls.record(calls, &attributes);
        self.metrics.errors.record(errors, &attributes);
    }

    fn attributes(&self, extra: Option<KeyValue>) -> Vec<KeyValue> {
        let about = [
            KeyValue::new(key::SERVICE_PEER_NAME, self.peer.clone()),
            KeyValue::new(key::CANARY_VERSION, self.version.clone()),
        ];
        about.into_iter().chain(extra).collect()
    }
}

/// Letters that wait in one destination.
#[derive(Clone, Debug)]
pub struct DeadLetterMetrics {
    count: Gauge<u64>,
}

impl DeadLetterMetrics {
    /// For every destination of a broker.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self {
            count: meter.u64_gauge(name::DEAD_LETTER_COUNT).build(),
        }
    }

    /// So many letters wait in `destination`.
    pub fn waiting(&self, destination: &str, letters: u64) {
        let attributes = [KeyValue::new(key::MESSAGING_DESTINATION_NAME, destination.to_owned())];
        self.count.record(letters, &attributes);
    }
}

/// Of one invariant, as one service sees it.
#[derive(Clone, Debug)]
pub struct InvariantMetrics {
    violations: Gauge<u64>,
    looks: Counter<u64>,
    attributes: [KeyValue; 2],
}

impl InvariantMetrics {
    /// For this invariant.
    #[must_use]
    pub fn new(meter: &Meter, invariant: Invariant) -> Self {
        Self {
            violations: meter.u64_gauge(name::INVARIANT_VIOLATIONS).build(),
            looks: meter.u64_counter(name::INVARIANT_LOOKS).build(),
            attributes: [
                KeyValue::new(key::INVARIANT_ID, invariant.as_str()),
                KeyValue::new(key::INVARIANT_STATEMENT, invariant.statement()),
            ],
        }
    }

    /// A look was taken and found so many violations.
    pub fn looked(&self, violations: usize) {
        self.violations.record(violations as u64, &self.attributes);
        self.looks.add(1, &self.attributes);
    }
}
