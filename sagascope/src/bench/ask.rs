//! How long questions take, over HTTP as a dashboard asks them.

use std::time::{Duration, Instant};

use sagascope_load::{Histogram, Mix, Random, Signal, trace_id};
use serde::Serialize;

/// Questions of each kind.
const QUESTIONS: u32 = 50;
/// Not measured: the first ones open the connection and warm what is cold.
const WARM_UP: u32 = 3;
/// A question that takes longer counts as this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Quantiles of a kind of waiting, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Waits {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) longest_ms: f64,
    pub(super) times: u64,
    /// Without the answer that was expected.
    pub(super) missed: u64,
}

impl Waits {
    pub(super) fn of(histogram: &Histogram, missed: u64) -> Self {
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            p50_ms: millis(histogram.quantile(0.5)),
            p99_ms: millis(histogram.quantile(0.99)),
            longest_ms: millis(histogram.longest()),
            times: histogram.count(),
            missed,
        }
    }
}

/// What was sent, so that it can be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) seed: u64,
    /// Numbers of the requests that held spans are below this.
    pub(super) requests: u64,
    /// Traces of a request.
    pub(super) traces: u32,
    pub(super) mix: Mix,
}

impl Sent {
    /// The id of some trace that was sent.
    fn some_trace(&self, random: &mut Random) -> String {
        // The first request of a round holds spans.
        let mut number = random.below(self.requests);
        while self.mix.signal(number) != Signal::Traces && number > 0 {
            number -= 1;
        }
        let trace = u32::try_from(random.below(u64::from(self.traces))).unwrap_or(0);
        hex(&trace_id(self.seed, number, trace))
    }
}

/// The questions of the table of goals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Answers {
    pub(super) trace_by_id: Waits,
    pub(super) newest_errors: Waits,
    pub(super) attribute_filter: Waits,
}

/// Asks them all.
pub(super) async fn all(api: &str, sent: Sent) -> anyhow::Result<Answers> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let mut random = Random::new(sent.seed ^ 0xa5);
    let by_id = || format!("{api}/api/v1/traces/{}", sent.some_trace(&mut random));
    let trace_by_id = ask(&client, by_id, "\"span_id\"").await;
    let errors = format!("{api}/api/v1/traces?q=status:error&limit=50");
    let newest_errors = ask(&client, || errors.clone(), "\"trace_id\"").await;
    let mut random = Random::new(sent.seed ^ 0x5a);
    let of_customer = || {
        let customer = random.below(10_000);
        format!("{api}/api/v1/traces?q=customer.id:u-{customer:08}&limit=50")
    };
    let attribute_filter = ask(&client, of_customer, "\"trace_id\"").await;
    Ok(Answers {
        trace_by_id,
        newest_errors,
        attribute_filter,
    })
}

/// Asks one kind of question; an answer without the `mark` is a miss.
async fn ask(client: &reqwest::Client, mut question: impl FnMut() -> String, mark: &str) -> Waits {
    let mut histogram = Histogram::default();
    let mut missed = 0;
    for turn in 0..WARM_UP + QUESTIONS {
        let url = question();
        let began = Instant::now();
        let found = text(client, &url).await.is_some_and(|text| text.contains(mark));
        if turn >= WARM_UP {
            histogram.record(began.elapsed());
            missed += u64::from(!found);
        }
    }
    Waits::of(&histogram, missed)
}

/// The body of a success.
pub(super) async fn text(client: &reqwest::Client, url: &str) -> Option<String> {
    let answer = client.get(url).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    answer.text().await.ok()
}

pub(super) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
