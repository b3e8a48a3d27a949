//! Small charts: thin lines, few marks, the band of a practised fault behind.

use leptos::prelude::*;
use sagascope_api::Time;
use sagascope_api::breakers::BreakerChange;
use sagascope_api::text;
use sagascope_conventions::BreakerState;

use crate::components::marks::fill;
use crate::geometry::{self, Stretch};

/// Every chart shows this much time.
pub(crate) const WINDOW_SECONDS: f64 = 300.0;

/// Width and height of a chart in its own units; it stretches to its place.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 40.0;

/// A line over the last five minutes, with a second one in red, and bands behind.
pub(crate) fn line(class: &'static str, label: String, values: &[f32], errors: &[f32], bands: &[Stretch]) -> AnyView {
    let top = geometry::top(values, geometry::top(errors, 0.001));
    let points = geometry::line(values, top, WIDTH, HEIGHT);
    let red = errors
        .iter()
        .any(|value| *value > 0.0)
        .then(|| geometry::line(errors, top, WIDTH, HEIGHT));
    view! {
        <svg class=class viewBox="0 0 300 40" preserveAspectRatio="none" role="img" aria-label=label>
            {bands.iter().map(band).collect_view()}
            <line class="axis" x1="0" y1="40" x2="300" y2="40"></line>
            <polyline points=points></polyline>
            {red.map(|points| view! { <polyline class="errors" points=points></polyline> })}
        </svg>
    }
    .into_any()
}

fn band(stretch: &Stretch) -> AnyView {
    let width = ((stretch.to - stretch.from) * WIDTH).max(1.0);
    view! {
        <rect class="band" x=format!("{:.1}", stretch.from * WIDTH) y="0" width=format!("{width:.1}") height="40"></rect>
    }
    .into_any()
}

/// The same, taller, with its greatest value told.
pub(crate) fn chart(label: String, peak: String, values: &[f32], errors: &[f32], bands: &[Stretch]) -> AnyView {
    view! {
        <div class="chart-box">
            <span class="peak">{peak}</span>
            {line("chart", label, values, errors, bands)}
        </div>
    }
    .into_any()
}

/// A breaker's states over the last five minutes: colour and, where open, full height.
pub(crate) fn breaker_band(history: &[BreakerChange], now: Time, bands: &[Stretch]) -> AnyView {
    let ends = history.iter().skip(1).map(|change| change.at).chain([now]);
    let pieces = history
        .iter()
        .zip(ends)
        .filter_map(|(change, end)| Some((change, geometry::stretch(change.at, end, now, WINDOW_SECONDS)?)))
        .map(|(change, stretch)| piece(change, stretch))
        .collect_view();
    view! {
        <svg class="state-band" viewBox="0 0 300 40" preserveAspectRatio="none" role="img" aria-label="states over the last five minutes">
            <rect class="fill-dim" x="0" y="30" width="300" height="10"></rect>
            {pieces}
            {bands.iter().map(band).collect_view()}
        </svg>
    }
    .into_any()
}

fn piece(change: &BreakerChange, stretch: Stretch) -> AnyView {
    let (y, height) = match change.state {
        BreakerState::Open | BreakerState::ForcedOpen => ("0", "40"),
        BreakerState::HalfOpen => ("15", "25"),
        BreakerState::Closed | BreakerState::Disabled => ("30", "10"),
    };
    let class = fill(text::breaker_mark(Some(change.state)).tone);
    let width = ((stretch.to - stretch.from) * WIDTH).max(1.0);
    view! {
        <rect class=class x=format!("{:.1}", stretch.from * WIDTH) y=y width=format!("{width:.1}") height=height>
            <title>{text::words(change.state.as_str())}</title>
        </rect>
    }
    .into_any()
}

/// A horizontal gauge, 0 to 1.
pub(crate) fn gauge(share: f64, class: &'static str) -> AnyView {
    let width = format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0);
    view! { <div class=format!("gauge {class}")><i style:width=width></i></div> }.into_any()
}
