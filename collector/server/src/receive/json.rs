//! OTLP/JSON.

use bytes::Bytes;
use sagascope_store::Signal;

use super::NotTaken;

/// The protobuf message that says the same.
pub(super) async fn to_protobuf(_signal: Signal, _json: Bytes) -> Result<Bytes, NotTaken> {
    Err(NotTaken::Malformed("JSON is not read yet".into()))
}
