//! The fault stream against a collector of the test, over real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::HeaderMap;
use sagascope_conventions::action::{Action, ActionOutcome, ActionReport};
use sagascope_conventions::fault::{
    ArmedFault, FaultAcknowledgement, FaultCommand, FaultRegistration, FaultState, FaultStrength,
};
use sagascope_conventions::{Fault, FaultKind, FaultTarget, FlowMix, OrderFlow};
use tokio::sync::{broadcast, watch};

use super::Switchboard;
use super::stream::{Station, listen};
use crate::actions::Actions;
use crate::capabilities::capabilities;
use crate::events::StateEvents;

/// Limit of every wait for an outcome.
const DEADLINE: Duration = Duration::from_secs(20);

/// What was registered, and under which authorisation.
type Registered = (FaultRegistration, Option<String>);

#[derive(Clone)]
struct Collector {
    commands: broadcast::Sender<FaultCommand>,
    registered: Arc<Mutex<Vec<Registered>>>,
    acknowledged: Arc<Mutex<Vec<FaultAcknowledgement>>>,
    reported: Arc<Mutex<Vec<ActionReport>>>,
}

impl Collector {
    fn router(&self) -> Router {
        Router::new()
            .route("/api/v1/faults/register", post(register))
            .route("/api/v1/faults/stream", get(stream))
            .route("/api/v1/faults/acknowledgements", post(acknowledge))
            .route("/api/v1/actions/reports", post(report))
            .with_state(self.clone())
    }

    fn states(&self) -> Vec<(String, FaultState)> {
        self.acknowledged
            .lock()
            .unwrap()
            .iter()
            .map(|told| (told.id.clone(), told.state))
            .collect()
    }
}

async fn register(State(collector): State<Collector>, headers: HeaderMap, Json(told): Json<FaultRegistration>) {
    let token = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned);
    collector.registered.lock().unwrap().push((told, token));
}

async fn acknowledge(State(collector): State<Collector>, Json(told): Json<FaultAcknowledgement>) {
    collector.acknowledged.lock().unwrap().push(told);
}

async fn report(State(collector): State<Collector>, Json(told): Json<ActionReport>) {
    collector.reported.lock().unwrap().push(told);
}

async fn stream(State(collector): State<Collector>) -> impl IntoResponse {
    let commands = collector.commands.subscribe();
    let lines = futures_util::stream::unfold(commands, |mut commands| async move {
        let command = commands.recv().await.ok()?;
        let line = format!(": alive\n\ndata: {}\n\n", serde_json::to_string(&command).unwrap());
        Some((Ok::<_, std::convert::Infallible>(line), commands))
    });
    (
        [("content-type", "text/event-stream")],
        axum::body::Body::from_stream(lines),
    )
}

struct Line {
    collector: Collector,
    board: Switchboard,
    actions: Actions,
    rate: watch::Receiver<f64>,
    server: tokio::task::JoinHandle<()>,
}

async fn connected() -> Line {
    let collector = Collector {
        commands: broadcast::channel(16).0,
        registered: Arc::default(),
        acknowledged: Arc::default(),
        reported: Arc::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let router = collector.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let actions = Actions::default();
    let (board, (rate, changes)) = (Switchboard::idle(), watch::channel(20.0));
    tokio::spawn(listen(Station {
        service: "payments",
        instance: "payments-1".to_owned(),
        capabilities: capabilities(&[]),
        api,
        token: Some("secret".to_owned()),
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        board: board.clone(),
        actions: actions.clone(),
        events: StateEvents::discard(),
        rate,
        flows: watch::channel(FlowMix::default()).0,
        crash_mark: std::env::temp_dir().join("never-written"),
    }));
    let commands = collector.commands.clone();
    until("the stream is open", || commands.receiver_count() > 0).await;
    Line {
        collector,
        board,
        actions,
        rate: changes,
        server,
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

fn armed(id: &str, remaining_ms: u64) -> ArmedFault {
    let target = FaultTarget {
        service: "payments".to_owned(),
        ..FaultTarget::default()
    };
    let fault = Fault {
        id: id.to_owned(),
        target,
        kind: FaultKind::OutOfStock,
        strength: FaultStrength::default(),
        duration_seconds: 30,
        seed: 1,
    };
    ArmedFault { fault, remaining_ms }
}

impl Line {
    fn send(&self, command: FaultCommand) {
        self.collector.commands.send(command).unwrap();
    }

    async fn holds(&self, id: &str, wanted: bool) {
        until("the switchboard follows", || self.board.holds(id) == wanted).await;
    }
}

#[tokio::test]
async fn it_registers_with_its_token_and_what_it_can_do() {
    let line = connected().await;
    let registered = line.collector.registered.lock().unwrap();
    let (told, token) = &registered[0];
    assert_eq!(
        (told.service.as_str(), token.as_deref()),
        ("payments", Some("Bearer secret"))
    );
    assert!(
        told.capabilities
            .iter()
            .any(|capability| capability.kind == FaultKind::Crash)
    );
}

#[tokio::test]
async fn what_a_person_asks_is_done_and_reported() {
    let line = connected().await;
    line.actions.offer(|action| async move {
        match action {
            Action::RebuildReadModel { name } if name == "summary" => ActionOutcome::Done {
                count: 1,
                detail: "It starts from zero.".to_owned(),
            },
            _ => ActionOutcome::Unknown,
        }
    });
    for (id, name) in [("a-1", "summary"), ("a-2", "nothing")] {
        let (id, name) = (id.to_owned(), name.to_owned());
        let action = Action::RebuildReadModel { name };
        line.send(FaultCommand::Act { id, action });
    }
    until("both are reported", || {
        line.collector.reported.lock().unwrap().len() == 2
    })
    .await;
    let mut reported = line.collector.reported.lock().unwrap().clone();
    reported.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(matches!(reported[0].outcome, ActionOutcome::Done { count: 1, .. }));
    assert_eq!(
        (reported[0].service.as_str(), reported[0].instance.as_str()),
        ("payments", "payments-1")
    );
    assert_eq!(reported[1].outcome, ActionOutcome::Unknown);
}

#[tokio::test]
async fn faults_come_go_and_are_acknowledged() {
    let line = connected().await;
    line.send(FaultCommand::Sync {
        faults: vec![armed("a", 30_000)],
    });
    line.send(FaultCommand::Arm {
        fault: armed("b", 30_000),
    });
    line.holds("b", true).await;
    assert!(line.board.active(FaultKind::OutOfStock).is_some());
    line.send(FaultCommand::Clear { id: "b".to_owned() });
    line.holds("b", false).await;
    line.send(FaultCommand::Sync { faults: Vec::new() });
    line.holds("a", false).await;
    let told = || line.collector.states();
    until("all is acknowledged", || told().len() == 4).await;
    let (a, b) = ("a".to_owned(), "b".to_owned());
    assert_eq!(
        told(),
        [
            (a.clone(), FaultState::Active),
            (b.clone(), FaultState::Active),
            (b, FaultState::Cleared),
            (a, FaultState::Cleared)
        ]
    );
}

#[tokio::test]
async fn a_fault_ends_by_itself_when_the_collector_takes_no_calls() {
    let line = connected().await;
    line.send(FaultCommand::Arm { fault: armed("a", 300) });
    line.holds("a", true).await;
    line.server.abort();
    line.holds("a", false).await;
}

#[tokio::test]
async fn a_fault_for_another_instance_is_not_taken() {
    let line = connected().await;
    let mut other = armed("other", 30_000);
    other.fault.target.instance = Some("payments-2".to_owned());
    line.send(FaultCommand::Arm { fault: other });
    line.send(FaultCommand::Arm {
        fault: armed("mine", 30_000),
    });
    line.holds("mine", true).await;
    assert!(!line.board.holds("other"));
}

#[tokio::test]
async fn the_rate_of_the_shoppers_follows() {
    let mut line = connected().await;
    line.send(FaultCommand::Traffic {
        orders_per_second: 50.0,
        flows: FlowMix::only(OrderFlow::Sync),
    });
    let changed = tokio::time::timeout(DEADLINE, line.rate.wait_for(|&rate| rate > 20.0)).await;
    assert_eq!(*changed.unwrap().unwrap(), 50.0);
}
