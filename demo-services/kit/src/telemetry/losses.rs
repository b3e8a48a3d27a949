//! Counts the spans that never reach the collector: the SDK itself says so only when the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use sagascope_conventions::events::metrics as name;

/// Counts of one process; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicU64,
    no_room: AtomicU64,
    not_taken: AtomicU64,
}

/// Spans lost since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The queue was full.
    pub(crate) no_room: u64,
    /// The collector was away or refused them.
    pub(crate) not_taken: u64,
}

impl Losses {
    /// So far.
    pub(crate) fn lost(&self) -> Lost {
        Lost {
            no_room: self.counts.no_room.load(Ordering::Relaxed),
            not_taken: self.counts.not_taken.load(Ordering::Relaxed),
        }
    }

    /// Shows them as a counter with the other metrics of the process.
    pub(super) fn expose(&self) {
        let losses = self.clone();
        super::meter()
            .u64_observable_counter(name::TELEMETRY_LOST)
            .with_callback(move |counter| {
                let Lost { no_room, not_taken } = losses.lost();
                for (reason, lost) in [("no_room", no_room), ("not_taken", not_taken)] {
                    counter.observe(
                        lost,
                        &[KeyValue::new("signal", "spans"), KeyValue::new("reason", reason)],
                    );
                }
            })
            .build();
    }

    /// A place in the queue, or a loss.
    fn enter(&self, room: u64) -> bool {
        let next = |waiting| (waiting < room).then_some(waiting + 1);
        let entered = self
            .counts
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok();
        if !entered {
            self.counts.no_room.fetch_add(1, Ordering::Relaxed);
        }
        entered
    }

    fn leave(&self, spans: u64) {
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
    }
}

/// Lets spans into the queue of `inner`, which must hold more than `room`, as long as there is room.
#[derive(Debug)]
pub(super) struct Gate<P> {
    pub(super) inner: P,
    pub(super) room: u64,
    pub(super) losses: Losses,
}

impl<P: SpanProcessor> SpanProcessor for Gate<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        // What is not sampled is not queued.
        if span.span_context.is_sampled() && self.losses.enter(self.room) {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what leaves the queue, and what of it was not taken.
#[derive(Debug)]
pub(super) struct Exit<E> {
    pub(super) inner: E,
    pub(super) losses: Losses,
}

impl<E: SpanExporter> SpanExporter for Exit<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        self.losses.leave(spans);
        let exported = self.inner.export(batch).await;
        if exported.is_err() {
            self.losses.counts.not_taken.fetch_add(spans, Ordering::Relaxed);
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Says that a batch has come, then waits for the answer to give.
    #[derive(Debug)]
    struct Collector {
        came: Sender<usize>,
        answers: Mutex<Receiver<bool>>,
    }

    impl SpanExporter for Collector {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.came.send(batch.len()).expect("the test listens");
            let taken = self.answers.lock().expect("lock").recv().unwrap_or(true);
            if taken {
                Ok(())
            } else {
                Err(OTelSdkError::InternalFailure("away".into()))
            }
        }
    }

    #[test]
    fn spans_without_room_and_spans_not_taken_are_counted() {
        let losses = Losses::default();
        let (came, batches) = channel();
        let (answer, answers) = channel();
        let answers = Mutex::new(answers);
        let inner = Exit {
            inner: Collector { came, answers },
            losses: losses.clone(),
        };
        let gate = Gate {
            inner: BatchSpanProcessor::builder(inner).build(),
            room: 3,
            losses: losses.clone(),
        };
        let provider = SdkTracerProvider::builder().with_span_processor(gate).build();
        let tracer = provider.tracer("test");
        let end_some = |spans: usize| (0..spans).for_each(|_| drop(tracer.start("work")));

        end_some(1);
        let flushing = std::thread::spawn({
            let provider = provider.clone();
            move || provider.force_flush()
        });
        assert_eq!(batches.recv(), Ok(1), "the first batch is out, the queue is empty");
        end_some(5);
        assert_eq!(
            losses.lost(),
            Lost {
                no_room: 2,
                not_taken: 0
            }
        );
        answer.send(false).expect("asked");
        drop(answer);
        flushing.join().expect("ended").ok();
        provider.force_flush().expect("the rest is taken");
        assert_eq!(
            losses.lost(),
            Lost {
                no_room: 2,
                not_taken: 1
            }
        );
        end_some(3);
        assert_eq!(losses.lost().no_room, 2, "there is room again");
    }
}
