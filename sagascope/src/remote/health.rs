//! `sagascope health`: for containers and scripts, which ask by exit code.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::cli::HealthOptions;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Ends well when the collector, or the service at the address given, is ready.
pub(crate) async fn run(options: HealthOptions) -> anyhow::Result<()> {
    let url = question(&options.url);
    let http = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;
    let answer = http
        .get(&url)
        .send()
        .await
        .with_context(|| format!("{url} does not answer"))?;
    ensure!(answer.status().is_success(), "{url} answers {}", answer.status());
    Ok(())
}

/// An address without a path means the collector there.
fn question(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    match after_scheme.trim_end_matches('/').contains('/') {
        true => url.to_owned(),
        false => format!("{}/readyz", url.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_means_the_collector() {
        assert_eq!(question("http://127.0.0.1:4319"), "http://127.0.0.1:4319/readyz");
        assert_eq!(question("http://127.0.0.1:4319/"), "http://127.0.0.1:4319/readyz");
        assert_eq!(
            question("http://127.0.0.1:4330/health/ready"),
            "http://127.0.0.1:4330/health/ready"
        );
    }
}
