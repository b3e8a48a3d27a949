//! One business operation: everything that carries its correlation id, in causal order.

use leptos::prelude::*;
use sagascope_api::correlations::Correlation;
use sagascope_api::explain::Explanation;
use sagascope_api::live::Topic;
use sagascope_api::logs::LogRow;
use sagascope_api::{Time, text};

use crate::components::marks::{clean, glyph, known, trouble};
use crate::connection::use_live;
use crate::pages::saga::{event_mark, explained};
use crate::pages::traces;
use crate::remote::Remote;
use crate::route::{encode, saga_path, trace_path};

/// Records in the document.
const SHOWN: usize = 500;

/// The page.
pub(crate) fn correlation(id: &str) -> AnyView {
    let live = use_live();
    let path = format!("/correlations/{}", encode(id));
    let found = Remote::<Correlation>::new(move || Some(path.clone()));
    let path = format!("/explain/{}", encode(id));
    let told = Remote::<Explanation>::new(move || Some(path.clone()));
    // Asked for again while one of its sagas still changes.
    let mine = id.to_owned();
    let newest = Memo::new(move |_| {
        live.read(&[Topic::Sagas], |picture| {
            picture
                .sagas
                .values()
                .filter(|saga| saga.correlation_id.as_ref() == Some(&mine))
                .map(|saga| saga.updated_at)
                .max()
        })
    });
    Effect::new(move |before: Option<Option<Time>>| {
        let now = newest.get();
        if before.is_some_and(|before| before != now) {
            found.refresh();
            told.refresh();
        }
        now
    });
    view! {
        <div class="head">
            <h1>"Correlation " <span class="mono">{clean(id)}</span></h1>
            <button class="push" on:click=move |_| { found.refresh(); told.refresh(); }>"Ask again"</button>
        </div>
        {move || found.problem.get().map(|problem| trouble(&problem))}
        {move || told.value.read().as_ref().map(|told| view! { <section class="card">{explained(told)}</section> })}
        {move || found.value.read().as_ref().map(whole)}
    }
    .into_any()
}

fn whole(found: &Correlation) -> AnyView {
    let started = found.started_at.unwrap_or_default();
    let took = found.ended_at.map(|ended| text::duration(ended.seconds_since(started)));
    let sagas = found
        .sagas
        .iter()
        .take(50)
        .map(|saga| {
            let mark = text::saga_mark(saga.state, saga.stuck);
            view! {
                <li class="body">
                    <a href=saga_path(&saga.name, &saga.id)>
                        {glyph(mark, &text::words(saga.state.as_str()))}
                        {clean(&saga.name)} " " <span class="mono">{clean(&saga.id)}</span>
                    </a>
                    " " <span class="soft">{known(saga.reason.as_deref())}</span>
                </li>
            }
        })
        .collect_view();
    let found_traces = found
        .traces
        .iter()
        .take(100)
        .map(|trace| view! { <div><a class="row trace-row flat" href=trace_path(&trace.trace_id)>{traces::cells(trace)}</a></div> })
        .collect_view();
    let more = (found.logs.len().saturating_sub(SHOWN)) as u64 + found.omitted;
    view! {
        <section class="card">
            <div class="body facts">
                <span>"services " <b>{text::scrub(&found.services.iter().take(20).cloned().collect::<Vec<_>>().join(" · "), 300)}</b></span>
                {took.map(|took| view! { <span>"first to last sign " <b>{took}</b></span> })}
            </div>
        </section>
        <div class="grid">
            <section class="card" aria-label="In causal order">
                <header><h2>"In causal order"</h2></header>
                <ol class="rows history">{found.logs.iter().take(SHOWN).map(|log| line(log, started)).collect_view()}</ol>
                {(more > 0).then(|| view! { <p class="empty">{format!("{} more records are not shown", text::count(more))}</p> })}
                {found.logs.is_empty().then(|| view! { <p class="empty">"No record carries it."</p> })}
            </section>
            <div class="column">
                <section class="card" aria-label="Sagas"><header><h2>"Sagas"</h2></header><ul class="rows">{sagas}</ul></section>
                <section class="card" aria-label="Traces"><header><h2>"Traces"</h2></header>{found_traces}</section>
            </div>
        </div>
    }
    .into_any()
}

fn line(log: &LogRow, started: Time) -> AnyView {
    let (mark, what) = match &log.event_name {
        Some(name) => (event_mark(name), clean(name)),
        None if log.severity >= 17 => (text::BAD, text::scrub(&log.body, 300)),
        None => (text::NO_DATA, text::scrub(&log.body, 300)),
    };
    let step = log
        .attributes
        .get("saga.step.name")
        .and_then(|step| step.as_str())
        .map(clean);
    view! {
        <li>
            <span class="num soft">{format!("+{}", text::duration(log.at.seconds_since(started)))}</span>
            {glyph(mark, "")}
            <span class="wrap">
                <b>{clean(&log.service)}</b>
                " "
                {what}
                " "
                <span>{step}</span>
                {log.trace_id.as_deref().map(|id| view! { " " <a class="soft" href=trace_path(id)>"trace"</a> })}
            </span>
        </li>
    }
    .into_any()
}
