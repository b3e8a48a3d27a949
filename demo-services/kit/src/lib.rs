//! Once for all services: durable state, messaging, resilience, telemetry, faults.
