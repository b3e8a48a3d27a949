//! Traces: the newest live, or those a search finds.

use std::cmp::Reverse;
use std::collections::HashMap;

use leptos::prelude::*;
use sagascope_api::Page;
use sagascope_api::live::Topic;
use sagascope_api::text;
use sagascope_api::traces::TraceSummary;

use crate::clock::use_clock;
use crate::components::list::{List, list};
use crate::components::marks::{clean, glyph, trouble};
use crate::connection::use_live;
use crate::keyboard::use_keyboard;
use crate::remote::Remote;
use crate::route::{encode, trace_path};
use crate::router::use_router;

/// Traces asked for in one search.
const FOUND: usize = 200;

/// The page.
pub(crate) fn traces() -> AnyView {
    let live = use_live();
    let router = use_router();
    let q = router.query("q");
    live.want(Topic::Traces);
    let found = Remote::<Page<TraceSummary>>::new(move || {
        let q = q.get();
        (!q.is_empty()).then(|| format!("/traces?limit={FOUND}&q={}", encode(&q)))
    });
    let rows = Memo::new(move |_| {
        let mut rows: Vec<TraceSummary> = if q.read().is_empty() {
            live.read(&[Topic::Traces], |picture| picture.traces.values().cloned().collect())
        } else {
            found
                .value
                .read()
                .as_ref()
                .map(|page| page.items.clone())
                .unwrap_or_default()
        };
        rows.sort_by_key(|trace| Reverse(trace.started_at));
        rows
    });
    let by_id = Memo::new(move |_| {
        rows.read()
            .iter()
            .map(|row| (row.trace_id.clone(), row.clone()))
            .collect::<HashMap<_, _>>()
    });
    let follow = RwSignal::new(false);
    use_keyboard().listen(move |key| {
        if key == "f" {
            follow.update(|follow| *follow = !*follow);
        }
        key == "f"
    });
    view! {
        <div class="head">
            <h1>"Traces"</h1>
            <input
                type="search"
                id="filter"
                autocomplete="off"
                spellcheck="false"
                aria-label="Search traces"
                placeholder="search:  service:payments  status:error  duration>200ms  saga.name:order"
                prop:value=move || q.get()
                on:change:target=move |event| router.set_query("q", event.target().value().trim())
            />
            <button on:click=move |_| found.refresh() disabled=move || q.read().is_empty()>"Search again"</button>
            <button
                aria-pressed=move || follow.get().to_string()
                title="Let the list move with new traces (f)"
                on:click=move |_| follow.update(|follow| *follow = !*follow)
            >
                "Follow"
            </button>
        </div>
        {move || found.problem.get().map(|problem| trouble(&problem))}
        <section class="card list-card" aria-label="Traces" style:flex="1">
            <header class="soft">
                {move || format!("{} traces", text::count(rows.read().len() as u64))}
                <span class="push">{move || if q.read().is_empty() { "live, newest first" } else { "search" }}</span>
            </header>
            {list(List {
                wanted: Memo::new(move |_| rows.read().iter().map(|row| row.trace_id.clone()).collect()),
                row_px: 36.0,
                follow,
                hold: Signal::stored(false),
                question: q.into(),
                class: "traces",
                row: Callback::new(move |(key, top, on)| row(by_id, key, top, on)),
                open: Callback::new(move |id: String| router.go(&trace_path(&id))),
                empty: Signal::derive(move || {
                    if q.read().is_empty() { "No trace heard yet.".into() } else { "No trace matches the search.".into() }
                }),
            })}
        </section>
    }
    .into_any()
}

fn row(by_id: Memo<HashMap<String, TraceSummary>>, id: String, top: f64, on: Signal<bool>) -> AnyView {
    let href = trace_path(&id);
    // A held row keeps its last content when the picture lets its trace go.
    let trace = Memo::new(move |last: Option<&Option<TraceSummary>>| {
        by_id.read().get(&id).cloned().or_else(|| last.cloned().flatten())
    });
    view! {
        <a
            class="row trace-row"
            class:marked=move || on.get()
            role="listitem"
            tabindex="-1"
            href=href
            style:transform=format!("translateY({top}px)")
        >
            {move || trace.get().map(|trace| cells(&trace))}
        </a>
    }
    .into_any()
}

/// The columns of one trace.
pub(crate) fn cells(trace: &TraceSummary) -> AnyView {
    let clock = use_clock();
    let (mark, word) = match trace {
        trace if trace.error_count > 0 => (text::BAD, "with errors"),
        trace if !trace.complete => (text::WAITING, "incomplete"),
        _ => (text::GOOD, "complete"),
    };
    let errors = (trace.error_count > 0).then(|| format!("✖ {}", text::count(trace.error_count)));
    let started = trace.started_at;
    view! {
        {glyph(mark, word)}
        <span class="clip">
            <b>{clean(&trace.root.service)}</b>
            " "
            {clean(&trace.root.name)}
            {(!trace.faults.is_empty()).then(|| glyph(text::FAULT, "touched by a fault"))}
        </span>
        <span class="num">{text::duration(trace.duration_nanos as f64 / 1e9)}</span>
        <span class="num tone-bad roomy">{errors}</span>
        <span class="num soft roomy">{format!("{} spans", text::count(trace.span_count))}</span>
        <span class="clip soft roomy">{text::scrub(&trace.services.iter().take(12).cloned().collect::<Vec<_>>().join(" · "), 120)}</span>
        <span class="num soft">{move || clock.age(started)}</span>
    }
    .into_any()
}
