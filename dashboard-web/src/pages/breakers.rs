//! Breakers: who refuses whom, since when and why, and who waits for it.

use std::collections::BTreeSet;

use leptos::prelude::*;
use sagascope_api::breakers::Breaker;
use sagascope_api::live::{Picture, Topic};
use sagascope_api::text;
use sagascope_conventions::BreakerState;

use crate::clock::use_clock;
use crate::components::charts::breaker_band;
use crate::components::faults::bands;
use crate::components::marks::{clean, glyph, state};
use crate::connection::{Live, use_live};
use crate::keyboard::use_keyboard;
use crate::route::{Route, encode};
use crate::router::use_router;

/// The page.
pub(crate) fn breakers() -> AnyView {
    let live = use_live();
    let router = use_router();
    let route = router.route();
    let open = Memo::new(move |_| match &*route.read() {
        Route::Breakers(id) => id.clone(),
        _ => None,
    });
    let ids = Memo::new(move |_| live.read(&[Topic::Breakers], order));
    let step = move |by: isize| {
        let ids = ids.read_untracked();
        let at = open.with_untracked(|open| open.as_ref().and_then(|id| ids.iter().position(|known| known == id)));
        let place = at
            .map_or(0, |at| at.saturating_add_signed(by))
            .min(ids.len().saturating_sub(1));
        if let Some(id) = ids.get(place) {
            router.go(&format!("/breakers/{}", encode(id)));
        }
    };
    use_keyboard().listen(move |key| {
        match key {
            "j" | "ArrowDown" => step(1),
            "k" | "ArrowUp" => step(-1),
            "Escape" if open.with_untracked(Option::is_some) => router.go("/breakers"),
            _ => return false,
        }
        true
    });
    let one = move |id: &str| live.read(&[Topic::Breakers], |picture| picture.breakers.get(id).cloned());
    view! {
        <div class="head"><h1>"Breakers"</h1><span class="soft">"bands: last five minutes; high and red is open"</span></div>
        {matrix(live)}
        <div class="split" class:open=move || open.read().is_some()>
            <section class="card list-card scrolls" aria-label="Breakers" id="breakers">
                <For each=move || ids.get() key=Clone::clone let(id)>
                    {
                        let known = id.clone();
                        let breaker = Memo::new(move |_| one(&known));
                        view! { {move || breaker.get().map(|breaker| row(&breaker, open))} }
                    }
                </For>
                <Show when=move || ids.read().is_empty()><p class="empty">"No breaker heard yet."</p></Show>
            </section>
            {move || open.get().map(|id| match one(&id) {
                Some(breaker) => panel(&breaker),
                None => view! { <section class="card panel"><p class="empty">"This breaker is not known here, or not yet."</p></section> }.into_any(),
            })}
        </div>
    }
    .into_any()
}

/// The ones that refuse calls first, then by caller and target.
fn order(picture: &Picture) -> Vec<String> {
    let mut breakers: Vec<&Breaker> = picture.breakers.values().collect();
    // The map's order stays within each group.
    breakers.sort_by_key(|breaker| match breaker.state {
        _ if !breaker.live => 3,
        Some(BreakerState::Open | BreakerState::ForcedOpen) => 0,
        Some(BreakerState::HalfOpen) => 1,
        _ => 2,
    });
    breakers
        .into_iter()
        .take(500)
        .map(|breaker| breaker.id.clone())
        .collect()
}

fn target(breaker: &Breaker) -> String {
    clean(breaker.target.as_deref().unwrap_or(&breaker.name))
}

fn word(breaker: &Breaker) -> String {
    match breaker.state {
        _ if !breaker.live => "not heard".into(),
        None => "unknown".into(),
        Some(state) => text::words(state.as_str()),
    }
}

fn mark(breaker: &Breaker) -> text::Mark {
    if breaker.live {
        text::breaker_mark(breaker.state)
    } else {
        text::NO_DATA
    }
}

/// Callers down, targets across: the worst state of the instances in each cell.
fn matrix(live: Live) -> AnyView {
    let cells = Memo::new(move |_| {
        live.read(&[Topic::Breakers], |picture| {
            picture
                .breakers
                .values()
                .take(500)
                .map(|breaker| {
                    (
                        clean(&breaker.caller),
                        target(breaker),
                        mark(breaker),
                        word(breaker),
                        breaker.id.clone(),
                    )
                })
                .collect::<Vec<_>>()
        })
    });
    let table = move || {
        let cells = cells.read();
        let callers: BTreeSet<&String> = cells.iter().map(|(caller, ..)| caller).collect();
        let targets: BTreeSet<&String> = cells.iter().map(|(_, target, ..)| target).collect();
        if callers.len() < 2 && targets.len() < 2 {
            return ().into_any();
        }
        let rows = callers
            .iter()
            .take(30)
            .map(|caller| {
                let row = targets
                    .iter()
                    .take(30)
                    .map(|target| {
                        let here = cells.iter().filter(|cell| cell.0 == **caller && cell.1 == **target);
                        let worst = here.max_by_key(|cell| (cell.2 == text::BAD, cell.2 == text::WAITING));
                        let cell = worst.map(|(_, _, mark, word, id)| {
                            view! { <a href=format!("/breakers/{}", encode(id)) aria-label=format!("{caller} to {target}: {word}")>{glyph(*mark, word)}</a> }
                        });
                        view! { <td>{cell}</td> }
                    })
                    .collect_view();
                view! { <tr><th scope="row">{(*caller).clone()}</th>{row}</tr> }
            })
            .collect_view();
        let heads = targets
            .iter()
            .take(30)
            .map(|target| view! { <th scope="col">{(*target).clone()}</th> })
            .collect_view();
        view! {
            <section class="card scroll-x" aria-label="Who calls whom through a breaker">
                <table class="matrix"><thead><tr><th>"caller \\ target"</th>{heads}</tr></thead><tbody>{rows}</tbody></table>
            </section>
        }
        .into_any()
    };
    view! { {table} }.into_any()
}

fn row(breaker: &Breaker, open: Memo<Option<String>>) -> AnyView {
    let id = breaker.id.clone();
    view! {
        <a
            class="breaker"
            href=format!("/breakers/{}", encode(&breaker.id))
            aria-current=move || (open.read().as_ref() == Some(&id)).then_some("true")
        >
            {headline(breaker)}
            {band(breaker)}
            {counters(breaker)}
        </a>
    }
    .into_any()
}

fn headline(breaker: &Breaker) -> AnyView {
    let clock = use_clock();
    let since = breaker.since;
    let age = move || since.map(|since| format!("for {}", clock.age(since)));
    let probe = breaker
        .next_probe_at
        .filter(|_| breaker.state == Some(BreakerState::Open));
    let left = move || {
        probe.map(|probe| clock.left(probe)).map(|left| {
            if left.is_empty() {
                "probe due".into()
            } else {
                format!("probe in {left}")
            }
        })
    };
    let refuses =
        (breaker.rejected_per_second > 0.0).then(|| format!("refuses {}", text::rate(breaker.rejected_per_second)));
    view! {
        <span class="facts">
            <b>{clean(&breaker.caller)} " → " {target(breaker)}</b>
            {state(mark(breaker), &word(breaker))}
            <span class="soft">{age}</span>
            <span class="tone-notice">{left}</span>
            <span class="tone-bad">{refuses}</span>
            <span class="soft mono">{text::scrub(breaker.short_instance(), 16)}</span>
        </span>
    }
    .into_any()
}

fn band(breaker: &Breaker) -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let (caller, name) = (
        breaker.caller.clone(),
        breaker.target.clone().unwrap_or_else(|| breaker.name.clone()),
    );
    let history = breaker.history.clone();
    // Redrawn with the clock, so that the band moves on while nothing changes.
    let drawn = move || {
        let now = clock.now();
        let bands = live.read_once(|picture| bands(picture, &[&name, &caller], now));
        breaker_band(&history, now, &bands)
    };
    view! { <span>{drawn}</span> }.into_any()
}

fn counters(breaker: &Breaker) -> AnyView {
    let window = &breaker.window;
    let waiting: u64 = breaker.waiting_sagas.values().sum();
    let count = |name: &'static str, n: u64, class: &'static str| {
        let class = if n > 0 { class } else { "soft" };
        view! { <span class=class>{name} " " {text::count(n)}</span> }
    };
    view! {
        <span class="facts">
            {count("ok", window.success, "")}
            {count("failed", window.failure, "tone-bad")}
            {count("slow", window.slow, "tone-notice")}
            {count("refused", window.rejected, "tone-bad")}
            {count("fallback", window.fallback, "")}
            {(waiting > 0).then(|| view! { <span class="tone-bad">{format!("{} sagas wait on it", text::count(waiting))}</span> })}
            {breaker.reason.as_deref().map(|reason| view! { <span class="soft wrap">{text::scrub(reason, 200)}</span> })}
        </span>
    }
    .into_any()
}

fn panel(breaker: &Breaker) -> AnyView {
    let clock = use_clock();
    let waiting = breaker
        .waiting_sagas
        .iter()
        .take(20)
        .map(|(name, count)| view! { <li><a href=format!("/sagas?type={}&q=waiting%3Abreaker", encode(name))>{clean(name)} ": " {text::count(*count)} " wait"</a></li> })
        .collect_view();
    let history = breaker
        .history
        .iter()
        .rev()
        .take(100)
        .map(|change| {
            let at = change.at;
            view! {
                <tr>
                    <td>{state(text::breaker_mark(Some(change.state)), &text::words(change.state.as_str()))}</td>
                    <td class="num soft">{move || format!("{} ago", clock.age(at))}</td>
                    <td class="wrap">{change.reason.as_deref().map(|reason| text::scrub(reason, 200))}</td>
                </tr>
            }
        })
        .collect_view();
    let callee = breaker.target.clone().unwrap_or_else(|| breaker.name.clone());
    view! {
        <section class="card panel" id="breaker-panel" aria-label="Breaker">
            <header>{headline(breaker)} <a class="button push" href="/breakers" aria-label="Close" title="Close (Esc)">"✕"</a></header>
            <div class="body">{band(breaker)} {counters(breaker)}</div>
            <div class="body facts">
                <span>"name " <b>{clean(&breaker.name)}</b></span>
                <span>"instance " <b class="mono">{clean(&breaker.instance)}</b></span>
                {breaker.failure_rate.map(|rate| view! { <span>"failure rate at the last change " <b>{text::percent(rate)}</b></span> })}
                <a href=format!("/traces?q={}", encode(&format!("service:{callee} status:error")))>"failed traces of " {clean(&callee)}</a>
                <a href=format!("/chaos?service={}", encode(&callee))>"practise a fault"</a>
            </div>
            {(!breaker.waiting_sagas.is_empty()).then(|| view! { <div class="body"><h3>"Who waits"</h3><ul>{waiting}</ul></div> })}
            <table><thead><tr><th>"state"</th><th class="num">"when"</th><th>"why"</th></tr></thead><tbody>{history}</tbody></table>
        </section>
    }
    .into_any()
}
