//! One trace: waterfall, critical path, and the open span in a panel beside it.

use leptos::prelude::*;
use sagascope_api::live::Topic;
use sagascope_api::text;
use sagascope_api::traces::{Span, Trace};

use crate::components::marks::{clean, state, trouble};
use crate::components::waterfall::waterfall;
use crate::connection::use_live;
use crate::keyboard::use_keyboard;
use crate::remote::Remote;
use crate::route::{encode, saga_path, trace_path};
use crate::router::{Router, use_router};

/// Characters of a value in the document before and after a person asks for all of it.
const CUT: usize = 200;
const WHOLE: usize = 20_000;
/// Attributes and events shown for one span.
const SHOWN: usize = 200;

/// The page.
pub(crate) fn trace(id: &str) -> AnyView {
    let live = use_live();
    let router = use_router();
    live.want(Topic::Traces);
    let path = format!("/traces/{}", encode(id));
    let answer = Remote::<Trace>::new(move || Some(path.clone()));
    let changed = {
        let id = id.to_owned();
        Memo::new(move |_| {
            live.read(&[Topic::Traces], |picture| {
                picture.traces.get(&id).map(|trace| (trace.span_count, trace.complete))
            })
        })
    };
    Effect::new(move |before: Option<Option<(u64, bool)>>| {
        let now = changed.get();
        if before.is_some_and(|before| before != now) {
            answer.refresh();
        }
        now
    });
    let shown = Memo::new(move |_| answer.value.get().unwrap_or_default());
    let selected = router.query("span");
    let select = Callback::new(move |span: String| router.set_query("span", &span));
    use_keyboard().listen(move |key| {
        if key == "Escape" {
            router.go("/traces");
        }
        key == "Escape"
    });
    let open = Memo::new(move |_| {
        let selected = selected.read();
        shown.with(|trace| trace.spans.iter().find(|span| span.span_id == *selected).cloned())
    });
    view! {
        <div class="head">
            <h1>"Trace " <span class="mono">{clean(id)}</span></h1>
            {move || facts(&shown.read())}
            <button class="push" on:click=move |_| answer.refresh()>"Ask again"</button>
        </div>
        {move || answer.problem.get().map(|problem| trouble(&problem))}
        <div class="split wide-list" class:open=move || open.read().is_some()>
            <section class="card list-card" aria-label="Waterfall">{waterfall(shown, selected, select)}</section>
            {move || open.get().map(|span| panel(router, &span, select))}
        </div>
    }
    .into_any()
}

fn facts(trace: &Trace) -> AnyView {
    if trace.spans.is_empty() {
        return ().into_any();
    }
    let errors = trace.spans.iter().filter(|span| span.status == "error").count();
    let sagas = trace
        .sagas
        .iter()
        .take(5)
        .filter_map(|saga| saga.split_once('/'))
        .map(|(name, id)| view! { <a href=saga_path(name, id)>"saga " {clean(name)} " " <span class="mono">{text::scrub(text::short_id(id), 8)}</span></a> })
        .collect_view();
    let linked = trace
        .linked_traces
        .iter()
        .take(5)
        .map(|id| view! { <a href=trace_path(id)>"linked " <span class="mono">{text::scrub(text::short_id(id), 8)}</span></a> })
        .collect_view();
    view! {
        <span class="facts">
            {if trace.complete { state(text::GOOD, "complete") } else { state(text::WAITING, "incomplete, still listening") }}
            <span>{format!("{} spans", text::count(trace.spans.len() as u64))}</span>
            <span>{text::duration(trace.duration_nanos as f64 / 1e9)}</span>
            {(errors > 0).then(|| state(text::BAD, &format!("{errors} errors (e)")))}
            {(trace.omitted > 0).then(|| state(text::BAD, &format!("{} spans are left out", text::count(trace.omitted))))}
            {sagas}
            {linked}
        </span>
    }
    .into_any()
}

fn panel(router: Router, span: &Span, select: Callback<String>) -> AnyView {
    let service = span.service.clone();
    let events = span
        .events
        .iter()
        .take(SHOWN)
        .map(|event| {
            let offset = (event.time_unix_nano as f64 - span.start_unix_nano as f64) / 1e9;
            view! {
                <li>
                    <b>{clean(&event.name)}</b>
                    <span class="soft">{format!(" +{}", text::duration(offset))}</span>
                    {attributes(&event.attributes)}
                </li>
            }
        })
        .collect_view();
    let links = span
        .links
        .iter()
        .take(SHOWN)
        .map(|link| view! { <li><a href=format!("{}?span={}", trace_path(&link.trace_id), encode(&link.span_id))>"→ " <span class="mono">{clean(&link.trace_id)}</span></a></li> })
        .collect_view();
    view! {
        <section class="card panel" id="span-panel" aria-label="Span">
            <header>
                <h2 class="clip">{clean(&span.service)} " " {clean(&span.name)}</h2>
                <button class="push" on:click=move |_| select.run(String::new()) title="Close (Esc)" aria-label="Close">"✕"</button>
            </header>
            <div class="body facts">
                <span>{clean(&span.kind)}</span>
                <span><b>{text::duration(span.duration_nanos as f64 / 1e9)}</b></span>
                {(span.status == "error").then(|| state(text::BAD, "error"))}
                {(!span.status_message.is_empty()).then(|| view! { <span class="wrap">{text::scrub(&span.status_message, 300)}</span> })}
                <button class="plain" on:click=move |_| router.go(&format!("/traces?q={}", encode(&format!("service:{service}"))))>"more of this service"</button>
            </div>
            <div class="body">{attributes(&span.attributes)}</div>
            {(!span.events.is_empty()).then(|| view! { <div class="body"><h3>"Events"</h3><ul class="rows">{events}</ul></div> })}
            {(!span.links.is_empty()).then(|| view! { <div class="body"><h3>"Links"</h3><ul class="rows">{links}</ul></div> })}
        </section>
    }
    .into_any()
}

/// Keys and values from outside: text nodes only, cut in the document until a person asks for more.
fn attributes(attributes: &serde_json::Map<String, serde_json::Value>) -> AnyView {
    let rows = attributes
        .iter()
        .take(SHOWN)
        .map(|(key, value)| {
            let whole = match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let long = whole.chars().nth(CUT).is_some();
            let all = RwSignal::new(false);
            let shown = move || text::scrub(&whole, if all.get() { WHOLE } else { CUT });
            view! {
                <dt>{clean(key)}</dt>
                <dd class="mono">
                    {shown}
                    {long.then(|| view! { " " <button on:click=move |_| all.update(|all| *all = !*all)>{move || if all.get() { "less" } else { "more" }}</button> })}
                </dd>
            }
        })
        .collect_view();
    let more = attributes.len().saturating_sub(SHOWN);
    view! {
        <dl class="attributes">{rows}</dl>
        {(more > 0).then(|| view! { <p class="soft">{format!("{more} more are not shown")}</p> })}
    }
    .into_any()
}
