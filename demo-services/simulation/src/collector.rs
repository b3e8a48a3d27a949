//! The collector's picture, fed with the bytes that the services send.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;
use sagascope_api::Time;
use sagascope_conventions::attributes as words;
use sagascope_core::block::{LogBlock, SpanBlock, SpanRef};
use sagascope_core::projections::{Limits, Projections};
use sagascope_core::rows::{SpanId, TraceId};
use sagascope_core::wire;
use shop_kit::clock::unix_nanos_now;

/// A cheap clone.
#[derive(Clone)]
pub(crate) struct Collector {
    inner: Arc<Mutex<Inner>>,
}

/// What came in, and what it showed.
pub(crate) struct Inner {
    pub(crate) picture: Projections,
    pub(crate) counts: Counts,
    away: bool,
    /// A mutant: the last row of each larger request is lost without a word.
    leaks: bool,
    /// Every span that came, once.
    pub(crate) spans: Spans,
}

/// Spans by their ids.
pub(crate) type Spans = BTreeMap<SpanKey, SeenSpan>;

/// A span that the collector has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpanKey {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}

/// What INV-12 asks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenSpan {
    pub(crate) name: String,
    pub(crate) parent: Option<SpanId>,
    pub(crate) links: Vec<SpanKey>,
    /// Name and id of the saga that it is about, as its attributes say.
    pub(crate) saga: Option<(String, String)>,
}

impl SeenSpan {
    fn of(span: SpanRef<'_>) -> (SpanKey, Self) {
        let attributes = span.attributes();
        let text = |key| attributes.text(key).map(str::to_owned);
        let seen = Self {
            name: span.name().to_owned(),
            parent: span.parent_span_id(),
            links: span
                .links()
                .map(|link| SpanKey {
                    trace: link.trace_id(),
                    span: link.span_id(),
                })
                .collect(),
            saga: text(words::SAGA_NAME).zip(text(words::SAGA_ID)),
        };
        let key = SpanKey {
            trace: span.trace_id(),
            span: span.span_id(),
        };
        (key, seen)
    }
}

/// Records at the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// That the requests held, counted by another reader.
    pub(crate) sent: u64,
    /// That became rows.
    pub(crate) stored: u64,
    /// That could not.
    pub(crate) rejected: u64,
    /// That were sent back while the collector was away.
    pub(crate) shed: u64,
}

impl Collector {
    pub(crate) fn new(leaks: bool) -> Self {
        let inner = Inner {
            picture: Projections::new(Limits::default()),
            counts: Counts::default(),
            away: false,
            leaks,
            spans: BTreeMap::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Takes nothing, or everything again.
    pub(crate) fn away(&self, away: bool) {
        self.lock().away = away;
    }

    /// Answers a request as the collector would.
    pub(crate) fn take(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = if request.uri().path().ends_with("/traces") {
            self.take_spans(request.body())
        } else {
            self.take_logs(request.body())
        };
        response
    }

    fn take_spans(&self, body: &Bytes) -> StatusCode {
        let mut inner = self.lock();
        let (mut block, now) = (SpanBlock::default(), Time(unix_nanos_now()));
        let Ok(verdict) = wire::read_spans(body, now, &mut block) else {
            return StatusCode::BAD_REQUEST;
        };
        let rows = block.len() as u64;
        inner.counts.sent += rows + verdict.rejected;
        if inner.away {
            inner.counts.shed += rows + verdict.rejected;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        inner.counts.stored += rows;
        inner.counts.rejected += verdict.rejected;
        inner.spans.extend(block.rows().map(SeenSpan::of));
        inner.picture.apply_spans(&block, 0..block.len(), now);
        StatusCode::OK
    }

    fn take_logs(&self, body: &Bytes) -> StatusCode {
        let mut inner = self.lock();
        let Ok(request) = ExportLogsServiceRequest::decode(body.clone()) else {
            return StatusCode::BAD_REQUEST;
        };
        let scopes = request.resource_logs.iter().flat_map(|logs| &logs.scope_logs);
        let records = scopes.map(|logs| logs.log_records.len() as u64).sum::<u64>();
        inner.counts.sent += records;
        if inner.away {
            inner.counts.shed += records;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let (mut block, now) = (LogBlock::default(), Time(unix_nanos_now()));
        match wire::read_logs(body, now, &mut block) {
            Ok(verdict) => {
                let rows = block.len() - usize::from(inner.leaks && block.len() > 1);
                inner.counts.stored += rows as u64;
                inner.counts.rejected += verdict.rejected;
                inner.picture.apply_logs(&block, 0..rows, now);
                StatusCode::OK
            }
            Err(_) => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
