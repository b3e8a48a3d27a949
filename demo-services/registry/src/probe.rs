//! Asks every instance whether it is ready, all at once, again and again.

use std::time::Duration;

use futures_util::future::join_all;

use crate::directory::Health;
use crate::http::Registry;

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(2);
/// Longest an instance may take to answer.
const LIMIT: Duration = Duration::from_millis(1_500);

/// Rounds without an end.
pub(crate) async fn forever(registry: Registry, http: reqwest::Client) {
    loop {
        round(&registry, &http).await;
        // A new instance is asked at once, so that it need not wait for its first callers.
        let _ = tokio::time::timeout(EVERY, registry.newcomer()).await;
    }
}

/// One round.
pub(crate) async fn round(registry: &Registry, http: &reqwest::Client) {
    let asked = registry
        .addresses()
        .into_iter()
        .map(|(service, instance, address)| async move {
            let well = is_ready(http, &address).await;
            match registry.probed(&service, &instance, &address, well) {
                Some(Health::Healthy) => tracing::info!(service, instance, "is well"),
                Some(Health::Unhealthy) => {
                    tracing::warn!(service, instance, "is not ready: callers are sent elsewhere")
                }
                Some(Health::Unknown) | None => {}
            }
        });
    join_all(asked).await;
}

async fn is_ready(http: &reqwest::Client, address: &str) -> bool {
    let answer = http.get(format!("{address}/health/ready")).timeout(LIMIT).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
