//! B07: few descriptors. The collector waits for some without spinning, and goes on when there are.

use std::net::TcpStream;
use std::time::Duration;

use crate::support::alone::Alone;
use crate::support::{eventually, processes};

const SOON: Duration = Duration::from_secs(20);

async fn takes_a_request(collector: &Alone) -> Option<()> {
    let request = reqwest::Client::new()
        .post(format!("{}/v1/traces", collector.otlp()))
        .header("content-type", "application/x-protobuf")
        .timeout(Duration::from_secs(1));
    let answer = request.send().await.ok()?;
    answer.status().is_success().then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn b07_with_64_descriptors_it_waits_without_spinning_and_recovers() {
    let mut collector = Alone::start_as(&["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"], &[]);
    collector.ready().await;
    let address = collector.otlp().replace("http://", "");
    let hundred: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(&address).expect("the backlog takes it"))
        .collect();
    eventually("it has no descriptors left", SOON, || async {
        (processes::descriptors(collector.pid()) >= 60).then_some(())
    })
    .await;
    let before = processes::cpu_seconds(collector.pid()).expect("/proc");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = processes::cpu_seconds(collector.pid()).expect("it lives") - before;
    assert!(spent < 0.5, "{spent} s of processor time in a second of waiting");
    drop(hundred);
    eventually("it takes requests again", SOON, || takes_a_request(&collector)).await;
}
