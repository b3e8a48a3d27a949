//! gRPC, with messages that are encoded already.

use std::error::Error;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::{Compression, SendError, Target, Verdict, success};
use crate::shop::Signal;

#[derive(Debug)]
pub(super) struct Connection(Grpc<Channel>);

impl Connection {
    pub(super) async fn open(target: &Target) -> Result<Self, SendError> {
        let endpoint = Endpoint::from_shared(target.url.clone()).map_err(|_| SendError::Address(target.url.clone()))?;
        let channel = endpoint.connect().await.map_err(|error| SendError::Connect {
            url: target.url.clone(),
            why: deepest(&error),
        })?;
        let grpc = Grpc::new(channel);
        Ok(Self(match target.compression {
            Compression::None => grpc,
            Compression::Gzip => grpc.send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => grpc.send_compressed(CompressionEncoding::Zstd),
        }))
    }

    pub(super) async fn send(&mut self, signal: Signal, message: Bytes) -> Verdict {
        let path = PathAndQuery::from_static(match signal {
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        });
        if let Err(error) = self.0.ready().await {
            return Verdict::Lost(deepest(&error));
        }
        match self.0.unary(Request::new(message), path, Encoded).await {
            Ok(answer) => success(answer.get_ref()),
            Err(status) => verdict(&status),
        }
    }
}

/// As the OTLP specification reads codes.
fn verdict(status: &Status) -> Verdict {
    if status.source().is_some() {
        return Verdict::Lost(deepest(status));
    }
    let after = status.get_details_retry_info().map(|info| info.retry_delay);
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Verdict::PushedBack { after: after.flatten() },
        Code::ResourceExhausted if after.is_some() => Verdict::PushedBack { after: after.flatten() },
        _ => Verdict::Refused(format!("{:?}: {}", status.code(), status.message())),
    }
}

/// The cause beneath all others, which is the one that helps.
fn deepest(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(item.len());
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn codes_mean_what_the_specification_says() {
        let second = Duration::from_secs(1);
        let with = |code| Status::with_error_details(code, "later", ErrorDetails::with_retry_info(Some(second)));
        for code in [Code::Unavailable, Code::ResourceExhausted] {
            assert_eq!(verdict(&with(code)), Verdict::PushedBack { after: Some(second) });
        }
        let plain = |code| verdict(&Status::new(code, "why"));
        assert_eq!(plain(Code::Unavailable), Verdict::PushedBack { after: None });
        for code in [
            Code::ResourceExhausted,
            Code::InvalidArgument,
            Code::Unimplemented,
            Code::Internal,
        ] {
            assert!(
                matches!(plain(code), Verdict::Refused(why) if why.ends_with("why")),
                "{code:?}"
            );
        }
    }
}
