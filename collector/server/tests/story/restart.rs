//! What was acknowledged is there after any end.

use std::fs;

use crate::rig::{Rig, one};

#[tokio::test(flavor = "multi_thread")]
async fn c01_a_kill_loses_nothing_acknowledged() {
    let mut rig = Rig::start().await;
    for round in 1..=3_u128 {
        for n in 0..20 {
            let response = rig.send_spans(&one(round * 100 + n)).send().await.unwrap();
            assert_eq!(response.status(), 200);
        }
        rig = rig.kill_and_restart().await;
        rig.traces(round as usize * 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_a_torn_tail_is_cut_and_the_rest_is_there() {
    let rig = Rig::start().await;
    for n in 1..=3 {
        rig.send_spans(&one(n)).send().await.unwrap();
    }
    let path = rig.data_dir().join("wal/00000000000000000001.wal");
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..content.len() - 7]).unwrap();
    let rig = rig.kill_and_restart().await;
    rig.traces(2).await;
    assert_eq!(rig.send_spans(&one(9)).send().await.unwrap().status(), 200);
    rig.traces(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c05_a_flipped_byte_costs_one_record() {
    let rig = Rig::start().await;
    for n in 1..=3 {
        rig.send_spans(&one(n)).send().await.unwrap();
    }
    let path = rig.data_dir().join("wal/00000000000000000001.wal");
    let mut content = fs::read(&path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&path, content).unwrap();
    let rig = rig.kill_and_restart().await;
    rig.traces(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_collector_on_the_same_folder_is_told_what_to_do() {
    let rig = Rig::start().await;
    let config = sagascope_server::Config {
        ports: sagascope_server::Ports {
            grpc: 0,
            http: 0,
            api: 0,
        },
        ..sagascope_server::Config::new(rig.data_dir())
    };
    let refused = sagascope_server::Collector::start(config)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("--data-dir"), "{refused}");

    let taken = rig.collector.addresses().api.port();
    let config = sagascope_server::Config {
        ports: sagascope_server::Ports {
            grpc: 0,
            http: 0,
            api: taken,
        },
        ..sagascope_server::Config::new(rig.data_dir())
    };
    let refused = sagascope_server::Collector::start(config)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains(&taken.to_string()) && refused.contains("--port-base"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_and_keeps_all() {
    let rig = Rig::start().await;
    rig.send_spans(&one(1)).send().await.unwrap();
    let (token, url) = (rig.collector.token().to_owned(), rig.collector.login_url());
    assert!(url.ends_with(&token));
    let rig = rig.kill_and_restart().await;
    assert_eq!(rig.collector.token(), token, "the token is kept");
    crate::rig::soon("the end", rig.collector.stop()).await;
}
