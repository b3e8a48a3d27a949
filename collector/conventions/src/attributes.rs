//! Attribute keys. Times in attributes are RFC 3339 strings or unix nanoseconds as integers; both are understood.

/// Ties everything that one request from outside caused; travels as W3C baggage and as `X-Correlation-ID`.
pub const CORRELATION_ID: &str = "correlation.id";
/// The message or command that directly caused this one.
pub const CAUSATION_ID: &str = "causation.id";
/// OpenTelemetry's own name for a correlation id on messages; read as [`CORRELATION_ID`].
pub const CONVERSATION_ID: &str = "messaging.message.conversation_id";

/// Resource: the service.
pub const SERVICE_NAME: &str = "service.name";
/// Resource: one process of the service.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// Resource: its version.
pub const SERVICE_VERSION: &str = "service.version";
/// Span: the service a client span calls.
pub const SERVICE_PEER_NAME: &str = "service.peer.name";
/// Span or event: host of what is called or protected.
pub const SERVER_ADDRESS: &str = "server.address";
/// What went wrong, as a short stable word.
pub const ERROR_TYPE: &str = "error.type";

/// Saga instance id; an instance is keyed by ([`SAGA_NAME`], [`SAGA_ID`]).
pub const SAGA_ID: &str = "saga.id";
/// Saga type, such as `order`.
pub const SAGA_NAME: &str = "saga.name";
/// `orchestration` or `choreography`.
pub const SAGA_COORDINATION: &str = "saga.coordination";
/// Counts up per emitter and instance; decides which of two events is newer.
pub const SAGA_SEQUENCE: &str = "saga.sequence";
/// Ordered list of step names, on `saga.started`.
pub const SAGA_STEPS: &str = "saga.steps";
/// Step name.
pub const SAGA_STEP_NAME: &str = "saga.step.name";
/// Zero-based place of the step.
pub const SAGA_STEP_INDEX: &str = "saga.step.index";
/// One-based attempt of the step (or of its compensation).
pub const SAGA_STEP_ATTEMPT: &str = "saga.step.attempt";
/// Time by which the step should end; passing it makes the instance stuck.
pub const SAGA_STEP_DEADLINE: &str = "saga.step.deadline";
/// Time of the next attempt, on `saga.step.retrying`.
pub const SAGA_STEP_NEXT_ATTEMPT_AT: &str = "saga.step.next_attempt_at";
/// `timer`, `message`, `retry`, `breaker`, `outbox` or `person`.
pub const SAGA_STEP_WAITING_FOR: &str = "saga.step.waiting_for";
/// Name of what is waited for.
pub const SAGA_STEP_WAITING_ON: &str = "saga.step.waiting_on";
/// Why it failed, was refused or is compensating.
pub const SAGA_REASON: &str = "saga.reason";
/// Final state, on the span of the whole saga: lets the picture be drawn from spans alone.
pub const SAGA_STATE: &str = "saga.state";
/// Instance id of the saga that started this one.
pub const SAGA_PARENT_ID: &str = "saga.parent.id";

/// Breaker name, unique in its process.
pub const CIRCUIT_BREAKER_NAME: &str = "circuit_breaker.name";
/// State entered.
pub const CIRCUIT_BREAKER_STATE: &str = "circuit_breaker.state";
/// State left.
pub const CIRCUIT_BREAKER_PREVIOUS_STATE: &str = "circuit_breaker.previous_state";
/// Counts up per breaker and instance.
pub const CIRCUIT_BREAKER_SEQUENCE: &str = "circuit_breaker.sequence";
/// Why the state changed.
pub const CIRCUIT_BREAKER_REASON: &str = "circuit_breaker.reason";
/// Share of failures in the window, 0 to 1.
pub const CIRCUIT_BREAKER_FAILURE_RATE: &str = "circuit_breaker.failure_rate";
/// When an open breaker lets the next probe through.
pub const CIRCUIT_BREAKER_NEXT_PROBE_AT: &str = "circuit_breaker.next_probe_at";
/// Metric attribute: `success`, `failure`, `slow`, `rejected` or `fallback`.
pub const OUTCOME: &str = "outcome";

/// Read model name.
pub const PROJECTION_NAME: &str = "projection.name";
/// Read model partition.
pub const PROJECTION_PARTITION: &str = "projection.partition";
/// Outbox name.
pub const OUTBOX_NAME: &str = "outbox.name";
/// Bulkhead name.
pub const BULKHEAD_NAME: &str = "bulkhead.name";
/// Retry policy name.
pub const RETRY_NAME: &str = "retry.name";

/// Topic or queue.
pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
/// Message id.
pub const MESSAGING_MESSAGE_ID: &str = "messaging.message.id";
/// Broker kind.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// `send`, `receive`, `process` …
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
/// Consumer group.
pub const MESSAGING_CONSUMER_GROUP_NAME: &str = "messaging.consumer.group.name";
/// Why a message was given up.
pub const DEAD_LETTER_REASON: &str = "dead_letter.reason";
/// What became of it: `replayed`, `purged` or `handled`.
pub const DEAD_LETTER_OUTCOME: &str = "dead_letter.outcome";
/// Deliveries before it was given up.
pub const DEAD_LETTER_ATTEMPTS: &str = "dead_letter.attempts";

/// Invariant, such as `INV-01`.
pub const INVARIANT_ID: &str = "invariant.id";
/// What must hold, in one sentence.
pub const INVARIANT_STATEMENT: &str = "invariant.statement";
/// Violations found in the look that an event tells of.
pub const INVARIANT_VIOLATIONS: &str = "invariant.violations";
/// One violation, with ids and numbers.
pub const INVARIANT_EVIDENCE: &str = "invariant.evidence";

/// Fault that acted on this span or event.
pub const FAULT_ID: &str = "fault.id";
/// Its kind.
pub const FAULT_KIND: &str = "fault.kind";

/// HTTP method.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// HTTP route template.
pub const HTTP_ROUTE: &str = "http.route";
/// HTTP status.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Database kind.
pub const DB_SYSTEM_NAME: &str = "db.system.name";

/// Resource: how often a supervisor has restarted this service, 0 at first.
pub const SERVICE_RESTART_COUNT: &str = "service.restart.count";
/// Version of a canary.
pub const CANARY_VERSION: &str = "canary.version";
/// Where a canary stands: `running`, `rolled_back` or `promoted`.
pub const CANARY_STATE: &str = "canary.state";
/// Percent of the requests that a canary gets.
pub const CANARY_SHARE: &str = "canary.share";
/// Why a canary has this share.
pub const CANARY_REASON: &str = "canary.reason";
/// Who decided the share: a `person`, or the `numbers`.
pub const CANARY_DECIDED_BY: &str = "canary.decided_by";
/// Which of the two versions: `stable` or `canary`.
pub const CANARY_TRACK: &str = "canary.track";
