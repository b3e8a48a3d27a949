//! Told each second: the share of each canary, where it stands, and the calls that it is judged by.

use std::time::Duration;

use sagascope_conventions::CanaryState;
use sagascope_instrument::metrics::CanaryMetrics;
use shop_kit::telemetry;

use crate::http::Registry;

/// A gauge that is not repeated is soon not believed.
const EVERY: Duration = Duration::from_secs(1);

/// Tells without an end.
pub(crate) async fn forever(registry: Registry) {
    let metrics = CanaryMetrics::new(&telemetry::meter());
    loop {
        tell(&registry, &metrics);
        tokio::time::sleep(EVERY).await;
    }
}

fn tell(registry: &Registry, metrics: &CanaryMetrics) {
    let now = registry.elapsed();
    for (service, canary) in registry.canaries().iter_mut() {
        let lately = canary.lately(now);
        let canary_of = metrics.of(service, &canary.version);
        canary_of.share(canary.percent);
        for state in CanaryState::ALL {
            canary_of.state(state.as_str(), *state == canary.state);
        }
        for (track, tally) in [("stable", lately.stable), ("canary", lately.canary)] {
            canary_of.calls(track, tally.calls, tally.errors);
        }
    }
}
