//! A service put together: what it serves, and the parts that must live as long as it does.

use std::any::Any;
use std::fmt;

use axum::Router;

use super::{Readiness, Service};

/// What the `assemble` function of each service answers. Its tasks end when this is dropped.
pub struct Assembled {
    /// Its routes, without health and what goes around each request.
    pub router: Router,
    /// What must answer before it is ready.
    pub readiness: Readiness,
    parts: Vec<Box<dyn Any + Send>>,
}

impl fmt::Debug for Assembled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembled").finish_non_exhaustive()
    }
}

impl Assembled {
    /// Nothing but routes.
    #[must_use]
    pub fn new(router: Router, readiness: Readiness) -> Self {
        Self {
            router,
            readiness,
            parts: Vec::new(),
        }
    }

    /// With something that must live as long: a consumer, a projection, a saga runner.
    #[must_use]
    pub fn with(mut self, part: impl Any + Send) -> Self {
        self.parts.push(Box::new(part));
        self
    }

    /// Serves until `service` is told to stop; then the parts end.
    ///
    /// # Errors
    /// See [`Service::serve`].
    pub async fn serve(self, service: Service) -> anyhow::Result<()> {
        let Self {
            router,
            readiness,
            parts,
        } = self;
        let served = service.serve(router, readiness).await;
        drop(parts);
        served
    }

    /// Its routes as they are served, and the parts to keep alive meanwhile. For whoever brings a server of their own.
    pub fn into_routes(self, service: &Service) -> (Router, impl Any + Send) {
        (service.routes(self.router, self.readiness), self.parts)
    }
}
