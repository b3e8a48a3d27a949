//! Sends requests, by gRPC or HTTP, and reads what the answer means.

mod grpc;
mod http;

use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use crate::shop::Signal;

/// A request without an answer for this long is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf bodies.
    Http,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// Where requests go, such as `http://127.0.0.1:4317`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address, of the port that speaks the protocol.
    pub url: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The compression.
    pub compression: Compression,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken, but for so many records.
    Accepted {
        /// Records that were not taken, and are not to be sent again.
        rejected: u64,
    },
    /// Not now; to be sent again after a while.
    PushedBack {
        /// The while, when the answer says.
        after: Option<Duration>,
    },
    /// Never to be sent again.
    Refused(String),
    /// No answer, or one that cannot be read.
    Lost(String),
}

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address is none.
    #[error("`{0}` is no address to send to; it should look like http://127.0.0.1:4317")]
    Address(String),
    /// Nobody answers there.
    #[error("cannot connect to {url}: {why}")]
    Connect {
        /// The address.
        url: String,
        /// What the system says.
        why: String,
    },
}

/// One connection.
#[derive(Debug)]
pub struct Sender(Way);

#[derive(Debug)]
enum Way {
    Grpc(grpc::Connection),
    Http(http::Connection),
}

impl Sender {
    /// Connects.
    pub async fn connect(target: &Target) -> Result<Self, SendError> {
        let way = match target.protocol {
            Protocol::Grpc => Way::Grpc(grpc::Connection::open(target).await?),
            Protocol::Http => Way::Http(http::Connection::open(target)?),
        };
        Ok(Self(way))
    }

    /// Sends one encoded request and waits for its answer.
    pub async fn send(&mut self, signal: Signal, message: Bytes) -> Verdict {
        let answer = async {
            match &mut self.0 {
                Way::Grpc(connection) => connection.send(signal, message).await,
                Way::Http(connection) => connection.send(signal, message).await,
            }
        };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| Verdict::Lost(format!("no answer within {} s", PATIENCE.as_secs())))
    }
}

/// Partial success has the same numbers in all three signals, so one reading is enough.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// What the body of a success says.
fn success(body: &[u8]) -> Verdict {
    match Answer::decode(body) {
        Ok(answer) => Verdict::Accepted {
            rejected: answer
                .partial_success
                .map_or(0, |partial| u64::try_from(partial.rejected).unwrap_or(0)),
        },
        Err(error) => Verdict::Lost(format!("a success whose body cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};

    use super::*;

    #[test]
    fn a_success_tells_what_was_rejected() {
        assert_eq!(success(b""), Verdict::Accepted { rejected: 0 });
        let partial = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: 7,
                error_message: "seven".into(),
            }),
        };
        assert_eq!(success(&partial.encode_to_vec()), Verdict::Accepted { rejected: 7 });
        assert!(matches!(success(b"\xff"), Verdict::Lost(_)));
    }
}
