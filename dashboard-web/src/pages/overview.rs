//! What needs a person now, then services, sagas, read models, what must always hold, and the collector itself.

use leptos::prelude::*;
use sagascope_api::attention::{Attention, attention};
use sagascope_api::canaries::Canary;
use sagascope_api::invariants::{Invariant, InvariantCounts};
use sagascope_api::live::Topic;
use sagascope_api::overview::{SagaTypeSummary, SignalCounts};
use sagascope_api::read_models::{self, WholeModel};
use sagascope_api::services::Service;
use sagascope_api::text::Mark;
use sagascope_api::{Time, text};
use sagascope_conventions::{InvariantState, SagaState};

use crate::clock::use_clock;
use crate::components::charts;
use crate::components::faults::bands;
use crate::components::marks::{clean, glyph, tone};
use crate::connection::use_live;
use crate::route::encode;

/// The page.
pub(crate) fn overview() -> AnyView {
    view! {
        <h1 class="head">"Overview"</h1>
        {needs()}
        {canaries()}
        <div class="grid">
            <div class="column">{services()} {invariants()}</div>
            <div class="column">{sagas()} {models()} {intake()}</div>
        </div>
    }
    .into_any()
}

fn needs() -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let topics = [
        Topic::Services,
        Topic::Breakers,
        Topic::Sagas,
        Topic::ReadModels,
        Topic::DeadLetters,
        Topic::Invariants,
        Topic::Canaries,
        Topic::Overview,
    ];
    let all = Memo::new(move |_| {
        let now = clock.now();
        live.read(&topics, |picture| {
            picture.overview.is_some().then(|| attention(picture, now))
        })
    });
    view! {
        <section class="card" aria-label="Needs a person" id="needs">
            <header><h2>"Needs a person"</h2></header>
            {move || match all.get() {
                None => view! { <p class="empty">"Nothing heard from the collector yet."</p> }.into_any(),
                Some(all) if all.is_empty() => {
                    view! { <p class="empty"><span class="tone-good">"● "</span>"Nothing. Every service is heard, breakers are closed, read models keep up."</p> }.into_any()
                }
                Some(all) => view! { <ul class="rows needs">{all.into_iter().take(12).map(need).collect_view()}</ul> }.into_any(),
            }}
        </section>
    }
    .into_any()
}

fn need(what: Attention) -> AnyView {
    view! {
        <li>
            <a href=safe_link(&what.link)>
                {glyph(what.mark, what.kind)}
                <span class="soft">{what.kind}</span>
                <b class="clip">{clean(&what.subject)}</b>
                <span class=tone(what.mark.tone)>{clean(&what.state)}</span>
                <span class="soft wrap">{text::scrub(&what.detail, 300)}</span>
            </a>
        </li>
    }
    .into_any()
}

/// Links carry names from outside: only paths of this page are followed, and blanks are escaped.
fn safe_link(link: &str) -> String {
    if link.starts_with('/') && !link.starts_with("//") {
        link.replace(' ', "%20").replace('#', "%23")
    } else {
        "/".into()
    }
}

/// New versions that get a share of the requests; nothing without one.
fn canaries() -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let rows = Memo::new(move |_| {
        live.read(&[Topic::Canaries], |picture| {
            picture.canaries.values().cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <Show when=move || !rows.read().is_empty()>
            <section class="card" aria-label="Canaries" id="canaries">
                <header><h2>"Canaries"</h2><span class="soft push">"new version beside the stable one · calls of the last while"</span></header>
                {move || {
                    let now = clock.now();
                    rows.get().iter().take(CANARIES).map(|row| canary_row(row, now)).collect_view()
                }}
            </section>
        </Show>
    }
    .into_any()
}

/// Canaries shown.
const CANARIES: usize = 20;

fn canary_row(canary: &Canary, now: Time) -> AnyView {
    let mark = text::canary_mark(canary.state);
    let state = text::canary_state(canary);
    let is_worse = text::canary_is_worse(canary);
    let who = text::canary_decider(canary);
    let since = canary
        .since
        .map(|since| format!("{} by {who}", text::ago(now.seconds_since(since))));
    let reason = canary
        .reason
        .as_deref()
        .filter(|_| canary.by_itself)
        .map(|reason| text::scrub(reason, 300));
    view! {
        <div class="canary-row">
            {glyph(mark, &state)}
            <b>{clean(&canary.service)} " " {clean(&canary.version)}</b>
            <span class=tone(mark.tone)>{state.clone()}</span>
            {charts::gauge(f64::from(canary.percent) / 100.0, tone(mark.tone))}
            <span class={if is_worse { "tone-bad" } else { "tone-good" }}>{text::canary_calls(canary.canary)}</span>
            <span class="soft">"stable " {text::canary_calls(canary.stable)}</span>
            <span class="soft wrap story">{since} {reason.map(|reason| format!(": {reason}"))}</span>
        </div>
    }
    .into_any()
}

fn services() -> AnyView {
    let live = use_live();
    let names = Memo::new(move |_| {
        live.read(&[Topic::Services], |picture| {
            picture.services.keys().cloned().collect::<Vec<_>>()
        })
    });
    let row = move |name: String| {
        let service = Memo::new(move |_| live.read(&[Topic::Services], |picture| picture.services.get(&name).cloned()));
        view! { {move || service.get().map(|service| service_row(&service))} }
    };
    view! {
        <section class="card" aria-label="Services" id="services">
            <header><h2>"Services"</h2><span class="soft push">"last minute · line: last 5 min"</span></header>
            <div class="scroll-x">
                <table class="services">
                    <thead>
                        <tr>
                            <th>"service"</th>
                            <th class="num wide">"inst."</th>
                            <th class="num">"rate"</th>
                            <th class="num">"errors"</th>
                            <th class="num">"p95"</th>
                            <th class="wide">"calls and errors"</th>
                        </tr>
                    </thead>
                    <tbody><For each=move || names.get() key=Clone::clone let(name)>{row(name)}</For></tbody>
                </table>
            </div>
            <Show when=move || names.read().is_empty()><p class="empty">"No service heard yet."</p></Show>
        </section>
    }
    .into_any()
}

fn service_row(service: &Service) -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let name = service.name.clone();
    let (mark, word) = match service {
        service if !service.up => (text::BAD, "silent"),
        service if service.error_ratio >= 0.05 => (text::BAD, "failing"),
        service if service.error_ratio > 0.0 => (text::WAITING, "some errors"),
        _ => (text::GOOD, "up"),
    };
    let bands = live.read_once(|picture| bands(picture, &[&service.name], clock.now_once()));
    let errors = if service.error_ratio >= 0.05 {
        "num tone-bad"
    } else {
        "num"
    };
    let restarts = (service.restarts > 0).then(|| format!(" ↻ {}", service.restarts));
    view! {
        <tr>
            <td class="nowrap">
                {glyph(mark, word)}
                <a title=clean(&name) href=format!("/traces?q={}", encode(&format!("service:{name}")))>{text::scrub(&name, 28)}</a>
                {(!service.faults.is_empty()).then(|| glyph(text::FAULT, "practised fault in force"))}
                <span class="soft" title="restarts">{restarts}</span>
            </td>
            <td class="num wide">{format!("×{}", service.instances)}</td>
            <td class="num">{text::rate(service.rate_per_second)}</td>
            <td class=errors>{text::percent(service.error_ratio)}</td>
            <td class="num">{text::millis(service.p95_ms)}</td>
            <td class="spark-cell wide">
                {charts::line("spark", format!("calls to {}", clean(&name)), &service.rate_history, &service.error_history, &bands)}
            </td>
        </tr>
    }
    .into_any()
}

/// Types of sagas shown.
const SAGA_TYPES: usize = 20;

fn sagas() -> AnyView {
    let live = use_live();
    let kinds = Memo::new(move |_| {
        live.read(&[Topic::Overview], |picture| {
            picture
                .overview
                .as_ref()
                .map(|overview| overview.saga_types.clone())
                .unwrap_or_default()
        })
    });
    view! {
        <section class="card types" aria-label="Sagas">
            <header><h2>"Sagas"</h2><a class="push soft" href="/sagas">"all"</a></header>
            <div class="saga-types">{move || kinds.get().iter().take(SAGA_TYPES).map(saga_type).collect_view()}</div>
            <Show when=move || { kinds.read().len() > SAGA_TYPES }>
                <p class="empty">{move || format!("+{} more", kinds.read().len() - SAGA_TYPES)}</p>
            </Show>
            <Show when=move || kinds.read().is_empty()><p class="empty">"No saga heard yet."</p></Show>
        </section>
    }
    .into_any()
}

fn saga_type(kind: &SagaTypeSummary) -> AnyView {
    let of = |state: SagaState| kind.states.get(&state).copied().unwrap_or(0);
    let (undoing, undone) = (of(SagaState::Compensating), of(SagaState::Compensated));
    let tally = |mark: Mark, count: u64, words: String| {
        let class = if count == 0 { "tone-dim" } else { tone(mark.tone) };
        view! { <span class=format!("tally {class}") title=words>{format!("{} {}", mark.glyph, text::count(count))}</span> }
    };
    view! {
        <a href=format!("/saga-types/{}", encode(&kind.name))>
            <b class="clip" title=clean(&kind.name)>{clean(&kind.name)}</b>
            {tally(text::RUNNING, of(SagaState::Running), "running".into())}
            {tally(text::GOOD, of(SagaState::Completed), "completed".into())}
            {tally(text::UNDO, undoing + undone, format!("{undoing} compensating, {undone} compensated"))}
            {tally(text::BAD, of(SagaState::Failed), "failed".into())}
            {tally(text::STUCK, kind.stuck, "stuck".into())}
            <span class="soft num roomy">{text::rate(kind.started_per_second)}</span>
            <span class="soft num">{format!("p95 {}", text::millis(kind.p95_ms))}</span>
        </a>
    }
    .into_any()
}

fn models() -> AnyView {
    let live = use_live();
    let models = Memo::new(move |_| {
        live.read(&[Topic::ReadModels], |picture| {
            read_models::whole(picture.read_models.values())
        })
    });
    view! {
        <section class="card" aria-label="Read models">
            <header><h2>"Read models"</h2><a class="push soft" href="/read-models">"all"</a></header>
            {move || {
                let models = models.get();
                let most = models.iter().filter_map(|model| model.lag_events).max().unwrap_or(0).max(50);
                models.iter().take(MODELS).map(|model| model_row(model, most)).collect_view()
            }}
            <Show when=move || { models.read().len() > MODELS }>
                <p class="empty">{move || format!("+{} more", models.read().len() - MODELS)}</p>
            </Show>
            <Show when=move || models.read().is_empty()><p class="empty">"No read model heard yet."</p></Show>
        </section>
    }
    .into_any()
}

/// Read models shown.
const MODELS: usize = 30;

fn model_row(model: &WholeModel, most: u64) -> AnyView {
    let mark = text::projection_mark(model.state);
    let events = model
        .lag_events
        .map_or_else(|| text::UNKNOWN.into(), |events| format!("{} ev", text::count(events)));
    let seconds = model.lag_seconds.map_or_else(|| text::UNKNOWN.into(), text::duration);
    let partitions = (model.partitions > 1).then(|| {
        let told = format!("{} partitions; shown as its worst", model.partitions);
        view! { <span class="soft" title=told>{format!(" ×{}", model.partitions)}</span> }
    });
    view! {
        <div class="model-row">
            {glyph(mark, &text::words(model.state.as_str()))}
            <span class="clip">{clean(&model.service)}"/"{clean(&model.name)}{partitions}</span>
            {charts::gauge(model.lag_events.unwrap_or(0) as f64 / most as f64, tone(mark.tone))}
            <span class="num">{events}</span>
            <span class="num">{seconds}</span>
        </div>
    }
    .into_any()
}

/// Invariants shown.
const INVARIANTS: usize = 100;

fn invariants() -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let rows = Memo::new(move |_| {
        live.read(&[Topic::Invariants], |picture| {
            let mut rows: Vec<Invariant> = picture.invariants.values().cloned().collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.state));
            rows
        })
    });
    let summary = move || {
        let (mark, words) = text::invariants(InvariantCounts::of(rows.read().iter()));
        view! { <span class="push">{glyph(mark, &words)} <span class=tone(mark.tone)>{words.clone()}</span></span> }
    };
    view! {
        <section class="card" aria-label="Invariants" id="invariants">
            <header><h2>"What must always hold"</h2>{summary}</header>
            <div class="scroll-x">
                <table>
                    <thead><tr><th>"invariant"</th><th>"seen by"</th><th>"what"</th><th class="num wide">"looked"</th></tr></thead>
                    <tbody>{move || {
                        let now = clock.now();
                        rows.get().iter().take(INVARIANTS).map(|row| invariant_row(row, now)).collect_view()
                    }}</tbody>
                </table>
            </div>
            <Show when=move || rows.read().is_empty()><p class="empty">"Nobody has looked yet."</p></Show>
        </section>
    }
    .into_any()
}

fn invariant_row(row: &Invariant, now: Time) -> AnyView {
    let mark = text::invariant_mark(row.state);
    let word = match row.state {
        InvariantState::Holds => "holds".to_owned(),
        InvariantState::NoData => "not looked at".to_owned(),
        InvariantState::Violated => format!("{} found", text::count(row.violations)),
    };
    let evidence = row.evidence.iter().map(|evidence| {
        view! { <div class="tone-bad wrap">{text::scrub(&evidence.text, 300)}</div> }
    });
    view! {
        <tr>
            <td class="nowrap">{glyph(mark, &word)} {clean(&row.id)}</td>
            <td class="nowrap">{clean(&row.service)}</td>
            <td>{text::scrub(&row.statement, 300)} {evidence.collect_view()}</td>
            <td class="num wide soft">{text::ago(now.seconds_since(row.looked_at))}</td>
        </tr>
    }
    .into_any()
}

fn intake() -> AnyView {
    let live = use_live();
    let signal = |name: &'static str, counts: SignalCounts| {
        let class = |n: u64| if n > 0 { "num tone-bad" } else { "num soft" };
        view! {
            <tr>
                <td>{name}</td>
                <td class="num">{text::rate(counts.per_second)}</td>
                <td class="num">{text::count(counts.accepted)}</td>
                <td class=class(counts.rejected)>{text::count(counts.rejected)}</td>
                <td class=class(counts.dropped)>{text::count(counts.dropped)}</td>
            </tr>
        }
    };
    let body = move || {
        live.read(&[Topic::Overview], |picture| {
            let overview = picture.overview.as_ref()?;
            let ingest = &overview.ingest;
            let storage = &overview.storage;
            Some(view! {
                <div class="scroll-x"><table>
                    <thead>
                        <tr><th>"intake"</th><th class="num">"now"</th><th class="num">"accepted"</th><th class="num">"refused"</th><th class="num">"dropped"</th></tr>
                    </thead>
                    <tbody>{signal("spans", ingest.spans)} {signal("logs", ingest.logs)} {signal("points", ingest.points)}</tbody>
                </table></div>
                <div class="body facts soft">
                    <span>"store " <b>{text::bytes(storage.bytes)}</b> " of " {text::bytes(storage.cap_bytes)}</span>
                    {storage.oldest.map(|since| view! {
                        <span title=format!("{} spans and {} log records in memory, not sealed yet", text::count(storage.held_spans), text::count(storage.held_logs))>
                            "oldest " <b>{text::ago(overview.now.seconds_since(since))}</b>
                        </span>
                    })}
                    <span>"durability " <b>{clean(&overview.durability)}</b></span>
                    <span>"up " <b>{text::age(overview.uptime_seconds)}</b></span>
                    <span>"watchers " <b>{overview.watchers}</b></span>
                    <span>"version " <b>{clean(&overview.version)}</b></span>
                </div>
            })
        })
    };
    view! { <section class="card" aria-label="Collector"><header><h2>"Collector"</h2></header>{body}</section> }
        .into_any()
}
