//! Is this service ready? What it depends on is asked, each with its answer time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use crate::clock::rfc3339_now;

/// Longest a dependency may take to answer.
const LIMIT: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send + Sync>;

/// What must answer before the service is ready.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    timestamp: String,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Dependency {
    name: &'static str,
    status: &'static str,
    response_time_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Readiness {
    /// Ready at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Depends on `name`, which is well when `check` says so.
    #[must_use]
    pub fn on<F, W>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// Answers `GET /health/ready`.
    pub(super) async fn answer(&self, stopping: bool) -> Response {
        let mut dependencies = Vec::with_capacity(self.checks.len());
        for (name, check) in &self.checks {
            dependencies.push(ask(name, check).await);
        }
        let down = dependencies.iter().any(|dependency| dependency.status != "UP");
        let status = match (stopping, down) {
            (true, _) => "OUT_OF_SERVICE",
            (false, true) => "DOWN",
            (false, false) => "UP",
        };
        let code = if status == "UP" {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (
            code,
            Json(Health {
                status,
                timestamp: rfc3339_now(),
                dependencies,
            }),
        )
            .into_response()
    }
}

/// Answers `GET /health/live`: the process is up.
pub(super) fn live() -> Response {
    Json(Health {
        status: "UP",
        timestamp: rfc3339_now(),
        dependencies: Vec::new(),
    })
    .into_response()
}

async fn ask(name: &'static str, check: &Check) -> Dependency {
    let started = Instant::now();
    let reason = match tokio::time::timeout(LIMIT, check()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_) => Some(format!("no answer within {} ms", LIMIT.as_millis())),
    };
    let status = if reason.is_none() { "UP" } else { "DOWN" };
    Dependency {
        name,
        status,
        response_time_ms: started.elapsed().as_secs_f64() * 1e3,
        reason,
    }
}
