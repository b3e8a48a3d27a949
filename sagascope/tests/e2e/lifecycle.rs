//! Starting, stopping and starting again: nothing is left running, nothing is forgotten.

use std::time::Duration;

use rustix::process::Signal;
use sagascope_api::client::SagaQuery;
use sagascope_conventions::SagaState;

use crate::support::demo::{Demo, sagas};
use crate::support::{eventually, processes};

const SOON: Duration = Duration::from_secs(30);

async fn none_left(pids: &[u32]) {
    eventually("every child has ended", Duration::from_secs(5), || async {
        (!pids.iter().any(|pid| processes::is_alive(*pid))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_stop_leaves_no_process() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let mut demo = Demo::start(&["--rate", "5"]).await;
        let children = processes::children_of(demo.pid());
        assert_eq!(
            children.len(),
            1 + shop_kit::topology::SERVICES.len(),
            "collector and services"
        );
        demo.signal(signal);
        let status = demo.gone().await;
        assert_eq!(
            status.success(),
            signal != Signal::KILL,
            "{signal:?}: {status}\n{}",
            demo.output()
        );
        none_left(&children).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_goes_on_from_the_same_data() {
    let mut first = Demo::start(&["--rate", "10"]).await;
    first
        .overview("five sagas complete", SOON, |now| sagas(now, SagaState::Completed) >= 5)
        .await;
    let token = first.token();
    let seen = first
        .client()
        .sagas(&SagaQuery {
            state: Some("completed".into()),
            ..SagaQuery::default()
        })
        .await
        .unwrap();
    let one = seen.items.first().expect("one of the five").id.clone();
    first.signal(Signal::INT);
    assert!(first.gone().await.success());

    let second = first.again(&["--rate", "10"]).await;
    assert_eq!(second.token(), token, "links and scripts keep working");
    let known = second
        .client()
        .saga(&one, None)
        .await
        .expect("the saga of the first life is known");
    assert_eq!(known.saga.state, SagaState::Completed);
    second
        .overview("new sagas complete", SOON, |now| sagas(now, SagaState::Completed) >= 10)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_demo_on_the_same_folder_is_refused() {
    let first = Demo::start(&["--rate", "0"]).await;
    let output = std::process::Command::new(crate::support::binary())
        .args([
            "demo",
            "--headless",
            "--port-base",
            &(first.base() + 30).to_string(),
            "--data-dir",
        ])
        .arg(first.folder())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("already runs"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_is_started_again_and_shown_as_restarted() {
    let demo = Demo::start(&["--rate", "5"]).await;
    let before = demo.process("shipping").await;
    processes::signal(before, Signal::KILL);
    eventually("shipping is another process", SOON, || async {
        demo.process_now("shipping").filter(|pid| *pid != before)
    })
    .await;
    let client = demo.client();
    eventually("the restart is shown", SOON, || async {
        let services = client.services().await.ok()?.items;
        services
            .into_iter()
            .find(|service| service.name == "shipping" && service.restarts >= 1 && service.up)
    })
    .await;
}
