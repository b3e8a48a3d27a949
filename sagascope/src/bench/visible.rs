//! How long after the answer a trace can be queried, and how long after its sending it reaches an open dashboard.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use sagascope_load::{Histogram, Mix, Sender, Signal, Target, Templates, Verdict, trace_id};
use tokio::time::timeout;

use super::ask::{Waits, hex, text};
use super::watch::Lookout;

/// Traces sent one after another.
const PROBES: u64 = 100;
const SPANS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(5);

/// What was seen.
pub(super) struct Seen {
    /// From the sending until the answer, with nothing else to do.
    pub(super) answered: Waits,
    /// From the answer until a query finds it.
    pub(super) by_query: Waits,
    /// From the sending until it is pushed.
    pub(super) pushed: Waits,
}

/// Sends traces and looks for each. `first` is the number of the first, so that no id comes twice.
pub(super) async fn measure(api: &str, target: &Target, seed: u64, first: u64) -> anyhow::Result<Seen> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let lookout = Lookout::open(api).await?;
    let mut sender = Sender::connect(target).await?;
    let templates = Templates::new(seed, SPANS, Mix::TRACES);
    let mut answered = Histogram::default();
    let (mut by_query, mut pushed) = (Histogram::default(), Histogram::default());
    let (mut not_found, mut not_pushed) = (0, 0);
    for number in first..first + PROBES {
        let Some(template) = templates.of(Signal::Traces, number) else {
            continue;
        };
        let mut buffer = BytesMut::new();
        template.fill(&mut buffer, seed, number, now_nanos());
        let id = hex(&trace_id(seed, number, 0));
        let coming = lookout.expect(id.clone());
        let began = Instant::now();
        let verdict = sender.send(Signal::Traces, buffer.freeze()).await;
        answered.record(began.elapsed());
        anyhow::ensure!(
            matches!(verdict, Verdict::Accepted { .. }),
            "a trace was not accepted: {verdict:?}"
        );
        match found(&client, &format!("{api}/api/v1/traces/{id}")).await {
            Some(took) => by_query.record(took),
            None => not_found += 1,
        }
        match timeout(PATIENCE, coming).await {
            Ok(Ok(moment)) => pushed.record(moment.saturating_duration_since(began)),
            _ => not_pushed += 1,
        }
    }
    Ok(Seen {
        answered: Waits::of(&answered, 0),
        by_query: Waits::of(&by_query, not_found),
        pushed: Waits::of(&pushed, not_pushed),
    })
}

/// Asks until there is an answer.
async fn found(client: &reqwest::Client, url: &str) -> Option<Duration> {
    let answered = Instant::now();
    while answered.elapsed() < PATIENCE {
        if text(client, url).await.is_some() {
            return Some(answered.elapsed());
        }
        tokio::task::yield_now().await;
    }
    None
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
