//! Calls over real sockets, to a callee that does as the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use sagascope_conventions::BreakerState;

use super::*;
use crate::context::{CORRELATION_HEADER, Context};

/// Correlation id and idempotency key of a request.
type Heard = (Option<String>, Option<String>);

/// Answers with the statuses it was given, in order, then with 200; status 0 is no answer at all.
#[derive(Clone, Default)]
struct Callee {
    script: Arc<Mutex<VecDeque<u16>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Callee {
    fn calls(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

async fn answer(State(callee): State<Callee>, request: Request) -> Response {
    note(&callee, request.headers());
    let next = callee.script.lock().unwrap().pop_front().unwrap_or(200);
    match next {
        0 => std::future::pending().await,
        200 => axum::Json("done").into_response(),
        402 => Problem::new(StatusCode::PAYMENT_REQUIRED, "card_declined", "card declined").into_response(),
        status => StatusCode::from_u16(status).unwrap().into_response(),
    }
}

fn note(callee: &Callee, headers: &http::HeaderMap) {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(ToOwned::to_owned)
    };
    callee
        .heard
        .lock()
        .unwrap()
        .push((header(CORRELATION_HEADER), header(IDEMPOTENCY_HEADER)));
}

/// Quick, so that tests need not wait; the breaker opens after five failures.
fn profile() -> Profile {
    let mut profile = Profile::demo();
    profile.retry.base = Duration::from_millis(1);
    profile.call_timeout = Duration::from_millis(200);
    profile
}

async fn shop(script: &[u16], profile: Profile) -> (Callee, Caller) {
    let callee = Callee::default();
    callee.script.lock().unwrap().extend(script);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(callee.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    (
        callee,
        Caller::new("payments", base, http, profile, StateEvents::discard()),
    )
}

#[tokio::test]
async fn a_read_is_retried_until_it_works() {
    let (callee, caller) = shop(&[503, 500], profile()).await;
    assert_eq!(caller.get::<String>("/x").await, Ok("done".to_owned()));
    assert_eq!(callee.calls(), 3);
}

#[tokio::test]
async fn attempts_end() {
    let (callee, caller) = shop(&[503; 9], profile()).await;
    assert!(matches!(
        caller.get::<String>("/x").await,
        Err(CallError::Unavailable { status: Some(503), .. })
    ));
    assert_eq!(callee.calls(), 3);
}

#[tokio::test]
async fn a_command_is_retried_only_under_a_key_and_then_under_the_same() {
    let (callee, caller) = shop(&[503], profile()).await;
    assert!(caller.post::<_, String>("/x", &1, None).await.is_err());
    assert_eq!(callee.calls(), 1);

    let (callee, caller) = shop(&[503], profile()).await;
    assert_eq!(
        caller.post::<_, String>("/x", &1, Some("k-1")).await,
        Ok("done".to_owned())
    );
    let keys: Vec<_> = callee
        .heard
        .lock()
        .unwrap()
        .iter()
        .map(|heard| heard.1.clone())
        .collect();
    assert_eq!(keys, [Some("k-1".to_owned()), Some("k-1".to_owned())]);
}

#[tokio::test]
async fn one_attempt_is_one_attempt() {
    let (callee, caller) = shop(&[503], profile()).await;
    assert!(caller.post_once::<_, String>("/x", &1, Some("k-1")).await.is_err());
    assert_eq!(callee.calls(), 1);
}

#[tokio::test]
async fn cb_23_every_attempt_counts_since_the_breaker_stands_inside_the_retry() {
    let (callee, caller) = shop(&[503; 9], profile()).await;
    assert!(caller.get::<String>("/x").await.is_err());
    assert_eq!(caller.breaker().state(), BreakerState::Closed);
    assert!(matches!(
        caller.get::<String>("/x").await,
        Err(CallError::BreakerOpen { .. })
    ));
    assert_eq!(callee.calls(), 5, "the sixth attempt was refused before it left");
    assert_eq!(caller.breaker().state(), BreakerState::Open);
}

#[tokio::test]
async fn cb_22_the_refusal_says_when_to_come_back() {
    let (_callee, caller) = shop(&[503; 9], profile()).await;
    let (_, refused) = (caller.get::<String>("/x").await, caller.get::<String>("/x").await);
    let Err(error @ CallError::BreakerOpen { .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(error.is_retryable());
    assert!(
        error
            .retry_after()
            .is_some_and(|wait| !wait.is_zero() && wait <= profile().breaker.open_for)
    );
}

#[tokio::test]
async fn cb_24_a_declined_card_is_no_failure_and_a_missing_answer_is() {
    let (callee, caller) = shop(&[402; 20], profile()).await;
    for _ in 0..20 {
        let refused = caller.post::<_, String>("/x", &1, Some("k")).await.unwrap_err();
        assert_eq!((refused.error_type(), refused.is_retryable()), ("card_declined", false));
    }
    assert_eq!((callee.calls(), caller.breaker().state()), (20, BreakerState::Closed));

    let (_callee, caller) = shop(&[0; 9], profile()).await;
    let mut quick = Vec::new();
    for _ in 0..5 {
        quick.push(caller.post_once::<_, String>("/x", &1, None).await);
    }
    assert!(
        quick
            .iter()
            .all(|answer| matches!(answer, Err(CallError::TimedOut { .. }))),
        "{quick:?}"
    );
    assert_eq!(caller.breaker().state(), BreakerState::Open);
}

#[tokio::test]
async fn a_full_bulkhead_refuses_without_blaming_the_callee() {
    let mut narrow = profile();
    narrow.bulkheads.critical = 1;
    let (callee, caller) = shop(&[0], narrow).await;
    let inner = caller.clone();
    let stuck = tokio::spawn(async move { inner.post_once::<_, String>("/x", &1, None).await });
    while callee.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let refused = caller.post_once::<_, String>("/x", &1, None).await;
    assert!(matches!(refused, Err(CallError::BulkheadFull { .. })), "{refused:?}");
    assert!(matches!(stuck.await.unwrap(), Err(CallError::TimedOut { .. })));
    assert_eq!(caller.breaker().state(), BreakerState::Closed);
    assert_eq!(
        caller.post_once::<_, String>("/x", &1, None).await,
        Ok("done".to_owned())
    );
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_worth_another_try() {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let caller = Caller::new("payments", base, http, profile(), StateEvents::discard());
    let error = caller.post_once::<_, String>("/x", &1, None).await.unwrap_err();
    assert!(
        matches!(error, CallError::Unavailable { status: None, .. }) && error.is_retryable(),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_story_travels_with_the_call() {
    let (callee, caller) = shop(&[], profile()).await;
    let context = Context {
        correlation_id: "c-1".to_owned(),
        ..Context::default()
    };
    context::scope(context, caller.get::<String>("/x")).await.unwrap();
    assert_eq!(callee.heard.lock().unwrap()[0].0.as_deref(), Some("c-1"));
}

#[tokio::test]
async fn another_shape_than_agreed_is_malformed() {
    let (_callee, caller) = shop(&[], profile()).await;
    assert!(matches!(
        caller.get::<u32>("/x").await,
        Err(CallError::Malformed { .. })
    ));
}

#[tokio::test]
async fn calls_go_to_who_is_well_and_back_to_the_topology_when_nobody_is_reached_there() {
    let (callee, caller) = shop(&[], profile()).await;
    let live = caller.shared.base.clone();
    let to = |fixed: &str, discovered: &str| {
        let discovery = Discovery::default();
        discovery.heard_of("payments", &[discovered], Instant::now());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Caller::new("payments", fixed.to_owned(), http, profile(), StateEvents::discard()).found_by(discovery)
    };
    let dead = "http://127.0.0.1:1";
    assert_eq!(to(dead, &live).get("/").await, Ok("done".to_owned()));
    assert_eq!(
        to(&live, dead).get("/").await,
        Ok("done".to_owned()),
        "the second attempt"
    );
    assert_eq!(callee.calls(), 2);
}

#[tokio::test]
async fn a_sick_canary_has_a_breaker_of_its_own_and_orders_keep_to_their_version() {
    let (old, caller) = shop(&[], profile()).await;
    let (new, other) = shop(&[503; 99], profile()).await;
    let discovery = Discovery::default();
    let (stable, canary) = (caller.shared.base.clone(), other.shared.base.clone());
    let share = |percent| {
        let now = Instant::now();
        discovery.heard_of_canary("payments", &[&stable], Some((&canary, percent)), now);
    };
    share(50);
    let caller = caller.found_by(discovery.clone());
    let mut failed = 0;
    for n in 0..40 {
        let order = caller.routed_by(&format!("order-{n}"));
        let first = order.post_once::<_, String>("/x", &1, Some("k")).await;
        let again = order.post_once::<_, String>("/x", &1, Some("k")).await;
        assert_eq!(first.is_ok(), again.is_ok(), "a repeat goes to the same version");
        if let Err(CallError::BreakerOpen { breaker, .. }) = &again {
            assert_eq!(breaker, "payments@2");
        }
        failed += u32::from(first.is_err());
    }
    assert!((8..=32).contains(&failed), "{failed} of 40");
    assert_eq!(caller.breaker().state(), BreakerState::Closed, "the others go on");
    assert_eq!(new.calls(), 5, "then its own breaker is open");
    share(0);
    for n in 0..40 {
        let order = caller.routed_by(&format!("order-{n}"));
        assert!(
            order.post_once::<_, String>("/x", &1, Some("k")).await.is_ok(),
            "rolled back"
        );
    }
    assert_eq!(old.calls() as u32, 2 * (40 - failed) + 40);
}
