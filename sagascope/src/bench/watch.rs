//! Open live streams: some that only cost the collector something, one that tells when a trace was pushed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Longest id that is looked for.
const OVERLAP: usize = 64;

/// Streams that are read and forgotten, until dropped.
pub(super) struct Watchers(JoinSet<()>);

impl Watchers {
    /// Opens so many, of all topics.
    pub(super) async fn open(api: &str, number: u32) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut streams = JoinSet::new();
        for _ in 0..number {
            let mut stream = open(&client, &format!("{api}/api/v1/live")).await?;
            streams.spawn(async move { while let Ok(Some(_)) = stream.chunk().await {} });
        }
        Ok(Self(streams))
    }

    /// How many are still open.
    pub(super) fn open_now(&mut self) -> usize {
        while self.0.try_join_next().is_some() {}
        self.0.len()
    }
}

/// Tells when a text came by in the stream of traces.
pub(super) struct Lookout {
    wanted: Arc<Mutex<Option<Wanted>>>,
    _reader: JoinSet<()>,
}

struct Wanted {
    text: String,
    seen: oneshot::Sender<Instant>,
}

impl Lookout {
    pub(super) async fn open(api: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut stream = open(&client, &format!("{api}/api/v1/live?topics=traces")).await?;
        let wanted = Arc::new(Mutex::new(None));
        let mut reader = JoinSet::new();
        let shared = Arc::clone(&wanted);
        reader.spawn(async move {
            let mut tail = Vec::new();
            while let Ok(Some(chunk)) = stream.chunk().await {
                let now = Instant::now();
                tail.extend_from_slice(&chunk);
                tell(&shared, &tail, now);
                // A text may lie across two chunks.
                let keep = tail.len().saturating_sub(OVERLAP);
                tail.drain(..keep);
            }
        });
        Ok(Self {
            wanted,
            _reader: reader,
        })
    }

    /// Gets the moment at which the text comes by, from now on.
    pub(super) fn expect(&self, text: String) -> oneshot::Receiver<Instant> {
        let (seen, moment) = oneshot::channel();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Wanted { text, seen });
        moment
    }
}

fn tell(wanted: &Mutex<Option<Wanted>>, bytes: &[u8], now: Instant) {
    let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
    let came = wanted.as_ref().is_some_and(|wanted| {
        let text = wanted.text.as_bytes();
        bytes.windows(text.len().max(1)).any(|window| window == text)
    });
    if came && let Some(wanted) = wanted.take() {
        // Whoever asked may have given up.
        let _ = wanted.seen.send(now);
    }
}

async fn open(client: &reqwest::Client, url: &str) -> anyhow::Result<reqwest::Response> {
    let stream = client.get(url).send().await?.error_for_status()?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_told_and_once() {
        let (seen, mut moment) = oneshot::channel();
        let wanted = Mutex::new(Some(Wanted {
            text: "abc".into(),
            seen,
        }));
        tell(&wanted, b"ab", Instant::now());
        tell(&wanted, b"xxabd", Instant::now());
        assert!(moment.try_recv().is_err());
        tell(&wanted, b"xxabcx", Instant::now());
        assert!(moment.try_recv().is_ok());
        assert!(wanted.lock().unwrap().is_none());
    }
}
