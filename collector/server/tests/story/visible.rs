//! An answer has all that was acknowledged before its question.

use crate::rig::{Rig, one, request, span};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_in_the_next_answer() {
    let rig = Rig::start().await;
    for round in 1..=4_u128 {
        // Behind a request that keeps the loop busy for a while.
        let many = (1..=20_000).map(|id| span(round, id)).collect();
        let sent = [request(many), one(round + 100)];
        for request in sent {
            assert_eq!(rig.send_spans(&request).send().await.unwrap().status(), 200);
        }
        let path = format!("/api/v1/traces/{:032x}", round + 100);
        let answer = rig.client.get(rig.api(&path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "round {round}");
    }
}
