//! A service as its clients see it, without a collector.

use anyhow::anyhow;
use axum::body::Body;
use http::{Request, StatusCode};
use sagascope_conventions::fault::{ArmedFault, FaultStrength};
use sagascope_conventions::{Fault, FaultKind, FaultTarget};
use tower::ServiceExt;

use super::*;
use crate::context::{self, CORRELATION_HEADER};

fn quiet() -> Service {
    Service::quiet("payments", Settings::default()).unwrap()
}

/// Answers with the correlation id that the handler sees.
fn routes(service: &Service, readiness: Readiness) -> Router {
    let tell = || async { context::current().correlation_id };
    let router = Router::new().route("/charges/{id}", get(tell).post(tell));
    service.routes(router, readiness)
}

async fn ask(router: Router, method: &str, path: &str) -> (StatusCode, String, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CORRELATION_HEADER, "c-1");
    let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let id = headers
        .get(CORRELATION_HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap();
    (status, id, String::from_utf8(body.to_vec()).unwrap())
}

fn fault(kind: FaultKind, operation: &str) -> ArmedFault {
    let target = FaultTarget {
        service: "payments".to_owned(),
        operation: Some(operation.to_owned()),
        instance: None,
    };
    let strength = FaultStrength {
        percent: Some(100),
        ..FaultStrength::default()
    };
    let fault = Fault {
        id: "f-1".to_owned(),
        target,
        kind,
        strength,
        duration_seconds: 30,
        seed: 1,
    };
    ArmedFault {
        fault,
        remaining_ms: 30_000,
    }
}

#[tokio::test]
async fn the_correlation_id_goes_in_and_comes_out() {
    let (status, id, seen) = ask(routes(&quiet(), Readiness::new()), "GET", "/charges/7").await;
    assert_eq!((status, id.as_str(), seen.as_str()), (StatusCode::OK, "c-1", "c-1"));
}

#[tokio::test]
async fn an_injected_error_hits_its_route_and_nothing_else() {
    let service = quiet();
    service.faults.arm(fault(FaultKind::ErrorRate, "POST /charges/{id}"));
    let router = routes(&service, Readiness::new());
    let (hit, _, body) = ask(router.clone(), "POST", "/charges/7").await;
    assert_eq!(hit, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("injected_fault") && body.contains("f-1"), "{body}");
    assert_eq!(ask(router.clone(), "GET", "/charges/7").await.0, StatusCode::OK);
    assert_eq!(ask(router, "GET", "/health/live").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_hanging_request_holds_up_no_other() {
    let service = quiet();
    service.faults.arm(fault(FaultKind::Hang, "POST /charges/{id}"));
    let router = routes(&service, Readiness::new());
    let hanging = tokio::spawn(ask(router.clone(), "POST", "/charges/7"));
    assert_eq!(ask(router, "GET", "/charges/7").await.0, StatusCode::OK);
    assert!(!hanging.is_finished());
    hanging.abort();
}

#[tokio::test]
async fn readiness_names_what_is_down_and_ends_with_the_service() {
    let service = quiet();
    let down = Readiness::new().on("database", || async { Err(anyhow!("disk is gone")) });
    let (status, _, body) = ask(routes(&service, down), "GET", "/health/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("DOWN") && body.contains("disk is gone"), "{body}");

    let well = || Readiness::new().on("database", || async { Ok(()) });
    assert_eq!(
        ask(routes(&service, well()), "GET", "/health/ready").await.0,
        StatusCode::OK
    );
    service.stop();
    let (status, _, body) = ask(routes(&service, well()), "GET", "/health/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("OUT_OF_SERVICE"), "{body}");
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_flag_that_moves_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let own = Topology::new(0).port("payments").unwrap();
    let settings = Settings {
        port_base: port - own,
        ..Settings::default()
    };
    let service = Service::quiet("payments", settings).unwrap();
    let error = service.serve(Router::new(), Readiness::new()).await.unwrap_err();
    let told = format!("{error:#}");
    assert!(
        told.contains(&port.to_string()) && told.contains("--port-base"),
        "{told}"
    );
}
