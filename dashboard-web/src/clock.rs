//! One clock for every age and countdown on the page.

use std::time::Duration;

use leptos::prelude::*;
use sagascope_api::{Time, text};

use crate::dom;

/// How often ages and countdowns move.
const TICK: Duration = Duration::from_millis(500);
/// A smaller difference to the collector's clock is the network's, not the clock's.
const SKEW_MS: f64 = 2_000.0;

/// The collector's time, as well as this machine can tell it.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    now: RwSignal<Time>,
    ahead_ms: StoredValue<f64>,
}

impl Clock {
    /// Starts it; once per page.
    pub(crate) fn install() -> Self {
        let clock = Self {
            now: RwSignal::new(Time::from_millis(dom::now_ms())),
            ahead_ms: StoredValue::new(0.0),
        };
        provide_context(clock);
        // For the page's whole life.
        let _ = set_interval_with_handle(move || clock.tick(), TICK);
        clock
    }

    /// Now; whoever reads it is run again at each tick.
    pub(crate) fn now(self) -> Time {
        self.now.get()
    }

    /// Now, read once.
    pub(crate) fn now_once(self) -> Time {
        self.now.get_untracked()
    }

    /// Takes the collector's clock from a message that has just come.
    pub(crate) fn heard(self, collector: Time) {
        let ahead_ms = collector.0 as f64 / 1e6 - dom::now_ms();
        self.ahead_ms
            .set_value(if ahead_ms.abs() > SKEW_MS { ahead_ms } else { 0.0 });
    }

    /// Age of a moment, as text.
    pub(crate) fn age(self, at: Time) -> String {
        text::age(self.now().seconds_since(at))
    }

    /// Time left until a moment, in whole seconds; empty once it has passed.
    pub(crate) fn left(self, until: Time) -> String {
        let seconds = until.seconds_since(self.now());
        if seconds <= 0.0 {
            return String::new();
        }
        text::duration(seconds.round().max(1.0)).replace(".00 s", " s")
    }

    fn tick(self) {
        self.now
            .set(Time::from_millis(dom::now_ms() + self.ahead_ms.get_value()));
    }
}

/// The clock of this page.
pub(crate) fn use_clock() -> Clock {
    expect_context()
}
