//! The collector's picture, fed with the bytes that the services send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;
use sagascope_api::Time;
use sagascope_core::block::LogBlock;
use sagascope_core::projections::{Limits, Projections};
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
        *response.status_mut() = self.status(request.body());
        response
    }

    fn status(&self, body: &Bytes) -> StatusCode {
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
