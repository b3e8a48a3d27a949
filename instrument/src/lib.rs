//! Emits the Sagascope conventions through the OpenTelemetry API.
