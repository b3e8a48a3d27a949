//! OTLP/JSON into the protobuf message that says the same, which is what the log keeps.
//!
//! A model of our own: ids are hex of either case, whole numbers come as digits or text, `null` stands for what is absent,
//! `"NaN"` and `"Infinity"` are numbers, base64 may lack its padding, unknown fields are passed over. Enum names and
//! snake_case keys are not OTLP/JSON: the first are refused, the second unknown.

mod logs;
mod metrics;
mod traces;
mod values;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use sagascope_store::Signal;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::aside::aside;
use super::{CHECK_ASIDE, NotTaken, body};

/// Objects in one request. Each takes hundreds of bytes once read, however short it is written.
const OBJECTS: usize = 500_000;
/// About what one takes while the request is read.
const OBJECT_BYTES: usize = 200;

/// What reading takes beside the text, about.
pub(super) fn weight(json: &[u8]) -> usize {
    objects(json).saturating_mul(OBJECT_BYTES)
}

fn objects(json: &[u8]) -> usize {
    json.iter().filter(|byte| **byte == b'{').count()
}

/// The protobuf message; large ones are read off the async threads.
pub(super) async fn to_protobuf(signal: Signal, json: Bytes) -> Result<Bytes, NotTaken> {
    if json.len() <= CHECK_ASIDE {
        return convert(signal, &json);
    }
    let task = aside(move || convert(signal, &json)).await;
    task.map_err(|error| NotTaken::Malformed(body::short(&error)))?
}

pub(super) fn convert(signal: Signal, json: &[u8]) -> Result<Bytes, NotTaken> {
    if objects(json) > OBJECTS {
        return Err(NotTaken::TooLarge(format!(
            "the request holds more than {OBJECTS} objects"
        )));
    }
    let message = match signal {
        Signal::Traces => {
            let request: traces::Request = read(json)?;
            ExportTraceServiceRequest {
                resource_spans: values::all(request.resource_spans),
            }
            .encode_to_vec()
        }
        Signal::Logs => {
            let request: logs::Request = read(json)?;
            ExportLogsServiceRequest {
                resource_logs: values::all(request.resource_logs),
            }
            .encode_to_vec()
        }
        Signal::Metrics => {
            let request: metrics::Request = read(json)?;
            ExportMetricsServiceRequest {
                resource_metrics: values::all(request.resource_metrics),
            }
            .encode_to_vec()
        }
    };
    Ok(message.into())
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, NotTaken> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    // Its limit counts lists too and is lower than protobuf's; messages count their own depth.
    deserializer.disable_recursion_limit();
    values::Object::<T>::deserialize(&mut deserializer)
        .and_then(|request| deserializer.end().map(|()| request.0))
        .map_err(|error| NotTaken::Malformed(body::short(&error)))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
