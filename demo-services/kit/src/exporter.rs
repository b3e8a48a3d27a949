//! Where state events go: the collector, over OTLP/HTTP.

use std::time::Duration;

use http::{Method, Request, header};
use sagascope_instrument::exporter::{encode, judge};
use sagascope_instrument::{Event, LogExporter, Resource};

use crate::clock::unix_nanos_now;
use crate::transport::Transport;

/// Limit of one request.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer read; nothing in it matters.
const LONGEST: usize = 64 * 1024;

/// Sends batches of events. A cheap clone.
#[derive(Clone, Debug)]
pub struct Exporter(Way);

#[derive(Clone, Debug)]
enum Way {
    Otlp(LogExporter),
    Through {
        transport: Transport,
        url: String,
        resource: Resource,
    },
}

impl From<LogExporter> for Exporter {
    fn from(exporter: LogExporter) -> Self {
        Self(Way::Otlp(exporter))
    }
}

impl Exporter {
    /// To the OTLP/HTTP base `endpoint`, by way of `transport`.
    #[must_use]
    pub fn through(transport: Transport, endpoint: &str, resource: Resource) -> Self {
        let url = format!("{}/v1/logs", endpoint.trim_end_matches('/'));
        Self(Way::Through {
            transport,
            url,
            resource,
        })
    }

    /// Sends them in one request; `Err(true)` when another attempt may go better.
    pub(crate) async fn send(&self, events: &[Event]) -> Result<(), bool> {
        match &self.0 {
            Way::Otlp(exporter) => exporter.send(events).await.map_err(|error| error.is_retryable()),
            Way::Through { .. } if events.is_empty() => Ok(()),
            Way::Through {
                transport,
                url,
                resource,
            } => {
                let request = Request::builder()
                    .method(Method::POST)
                    .uri(url)
                    .header(header::CONTENT_TYPE, "application/x-protobuf")
                    .body(encode(resource, events, unix_nanos_now()).into())
                    .map_err(|_| false)?;
                let answer = tokio::time::timeout(LIMIT, transport.exchange(request, LONGEST)).await;
                let answer = answer.map_err(|_| true)?.map_err(|_| true)?;
                judge(answer.status().as_u16(), None).map_err(|error| error.is_retryable())
            }
        }
    }
}
