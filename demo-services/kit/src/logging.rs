//! What the code says through `tracing`: to standard error, and as OTLP log records tied to the work at hand.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;

use sagascope_instrument::event::{Event, Severity};
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as console};

use crate::clock::unix_nanos_now;
use crate::events::StateEvents;

/// Longest message sent.
const MAX_MESSAGE: usize = 4_096;

/// Installs both; `RUST_LOG` chooses what is said. A second call changes nothing.
pub(crate) fn start(events: StateEvents) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,shop=info"));
    let console = console::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Whoever was first (a test, an embedding program) keeps its subscriber.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(console)
        .with(Forward { events })
        .try_init();
}

struct Forward {
    events: StateEvents,
}

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        // What the way out says about itself must not travel on it.
        if ["h2", "hyper", "opentelemetry", "reqwest", "tonic", "tower"]
            .iter()
            .any(|noise| target.starts_with(noise))
        {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let line = Event::line(severity(*event.metadata().level()), message.0, unix_nanos_now());
        self.events.emit(line.with("code.module.name", target));
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG | Level::TRACE => Severity::Debug,
    }
}

/// The message, and the other fields behind it.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.0.len() > MAX_MESSAGE {
            return;
        }
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
