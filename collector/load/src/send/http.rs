//! HTTP with protobuf bodies.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, Url};

use super::{Compression, SendError, Target, Verdict, success};
use crate::shop::Signal;

#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    base: Url,
    compression: Compression,
}

impl Connection {
    pub(super) fn open(target: &Target) -> Result<Self, SendError> {
        let wrong = || SendError::Address(target.url.clone());
        let base = Url::parse(&target.url).map_err(|_| wrong())?;
        // One request at a time: so one connection.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(1).build();
        Ok(Self {
            client: client.map_err(|_| wrong())?,
            base,
            compression: target.compression,
        })
    }

    pub(super) async fn send(&mut self, signal: Signal, message: Bytes) -> Verdict {
        let path = match signal {
            Signal::Traces => "/v1/traces",
            Signal::Logs => "/v1/logs",
            Signal::Metrics => "/v1/metrics",
        };
        let mut url = self.base.clone();
        url.set_path(path);
        let request = self.client.post(url).header(CONTENT_TYPE, "application/x-protobuf");
        let request = match compressed(self.compression, message) {
            Ok((None, body)) => request.body(body),
            Ok((Some(encoding), body)) => request.header(CONTENT_ENCODING, encoding).body(body),
            Err(error) => return Verdict::Lost(error.to_string()),
        };
        match request.send().await {
            Ok(response) => verdict(response).await,
            Err(error) => Verdict::Lost(error.to_string()),
        }
    }
}

fn compressed(compression: Compression, message: Bytes) -> std::io::Result<(Option<&'static str>, Bytes)> {
    Ok(match compression {
        Compression::None => (None, message),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&message)?;
            (Some("gzip"), encoder.finish()?.into())
        }
        Compression::Zstd => (Some("zstd"), zstd::bulk::compress(&message, 1)?.into()),
    })
}

/// As the OTLP specification reads status codes.
async fn verdict(response: Response) -> Verdict {
    let status = response.status();
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(error) => return Verdict::Lost(error.to_string()),
    };
    match status {
        StatusCode::OK => success(&body),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Verdict::PushedBack { after },
        _ => Verdict::Refused(format!("status {status}")),
    }
}
