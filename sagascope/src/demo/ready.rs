//! Is a process ready? Asked over HTTP until it says yes.

use std::time::Duration;

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A client for short questions on loopback: no proxy, nothing kept open.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    Ok(client)
}

/// Returns once `url` answers with success.
pub(crate) async fn wait(client: &reqwest::Client, url: &str) {
    loop {
        if client
            .get(url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return;
        }
        tokio::time::sleep(BETWEEN_QUESTIONS).await;
    }
}
