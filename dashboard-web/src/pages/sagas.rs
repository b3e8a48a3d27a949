//! The list of sagas, filtered in the browser, with one saga in the panel beside it.

use std::cmp::Reverse;

use leptos::prelude::*;
use sagascope_api::live::Topic;
use sagascope_api::sagas::Saga;
use sagascope_api::text;
use sagascope_conventions::SagaState;

use crate::clock::use_clock;
use crate::components::list::{List, list};
use crate::components::marks::{glyph, known};
use crate::connection::use_live;
use crate::filter::Filter;
use crate::keyboard::use_keyboard;
use crate::pages::saga;
use crate::route::{Route, encode, query_set, saga_path};
use crate::router::{Router, use_router};

/// State chips: word in the query, label, glyph.
const CHIPS: &[(&str, &str, &str)] = &[
    ("running", "running", "◐"),
    ("compensating", "compensating", "↩"),
    ("stuck", "stuck", "⚑"),
    ("failed", "failed", "✖"),
    ("compensated", "compensated", "↩"),
    ("completed", "completed", "●"),
];

/// The page.
pub(crate) fn sagas() -> AnyView {
    let router = use_router();
    let route = router.route();
    let open = Memo::new(move |_| match &*route.read() {
        Route::Sagas(id) => id.clone(),
        _ => None,
    });
    let close = move || router.go(&list_path(router));
    use_keyboard().listen(move |key| {
        let closes = key == "Escape" && open.with_untracked(Option::is_some);
        if closes {
            close();
        }
        closes
    });
    let follow = RwSignal::new(false);
    use_keyboard().listen(move |key| {
        if key == "f" {
            follow.update(|follow| *follow = !*follow);
        }
        key == "f"
    });
    view! {
        {head(router, follow)}
        <div class="split" class:open=move || open.read().is_some()>
            <section class="card list-card" aria-label="Sagas">{saga_list(router, open, follow)}</section>
            {move || open.get().map(|id| saga::panel(id, close))}
        </div>
    }
    .into_any()
}

fn head(router: Router, follow: RwSignal<bool>) -> AnyView {
    let q = router.query("q");
    let state = chosen(router);
    let chips = CHIPS
        .iter()
        .map(|(word, label, mark)| {
            let pressed = move || state.read().as_str() == *word;
            let choose = move |_| {
                router.set_query("stuck", "");
                router.set_query("state", if state.get_untracked() == *word { "" } else { word });
            };
            view! {
                <button aria-pressed=move || pressed().to_string() on:click=choose>
                    {*mark} " " {*label} " " <span class="soft">{move || count(word)}</span>
                </button>
            }
        })
        .collect_view();
    view! {
        <div class="head">
            <h1>"Sagas"</h1>
            {chips}
            <input
                type="search"
                id="filter"
                autocomplete="off"
                spellcheck="false"
                aria-label="Filter sagas"
                placeholder="filter:  step:charge  name:order  -reason:declined  id"
                prop:value=move || q.get()
                on:input:target=move |event| router.set_query("q", event.target().value().trim())
            />
            <button
                aria-pressed=move || follow.get().to_string()
                title="Let the list move with new sagas (f)"
                on:click=move |_| follow.update(|follow| *follow = !*follow)
            >
                "Follow"
            </button>
        </div>
    }
    .into_any()
}

/// The state asked for; `stuck=true` is the same as choosing the chip.
fn chosen(router: Router) -> Memo<String> {
    let (state, stuck) = (router.query("state"), router.query("stuck"));
    Memo::new(move |_| {
        if stuck.read().as_str() == "true" {
            "stuck".into()
        } else {
            state.get()
        }
    })
}

fn count(word: &str) -> String {
    let live = use_live();
    live.read(&[Topic::Overview], |picture| {
        let Some(overview) = &picture.overview else {
            return String::new();
        };
        let count = match SagaState::parse(word) {
            Some(state) => overview.sagas.get(&state).copied().unwrap_or(0),
            None => overview.stuck,
        };
        text::count(count)
    })
}

fn saga_list(router: Router, open: Memo<Option<String>>, follow: RwSignal<bool>) -> AnyView {
    let live = use_live();
    let state = chosen(router);
    let q = router.query("q");
    let name = router.query("type");
    let wanted = Memo::new(move |_| {
        let filter = Filter::parse(&q.read());
        let state = state.read();
        let name = name.read();
        live.read(&[Topic::Sagas], |picture| {
            let mut rows: Vec<(&String, &Saga)> = picture
                .sagas
                .iter()
                .filter(|(_, saga)| {
                    in_state(saga, &state) && (name.is_empty() || saga.name == *name) && filter.matches(saga)
                })
                .collect();
            rows.sort_by_key(|(_, saga)| (!saga.stuck, Reverse(saga.started_at)));
            rows.into_iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()
        })
    });
    let open_row = Callback::new(move |key: String| {
        if let Some((name, id)) = key.split_once('/') {
            router.go(&panel_path(router, name, id));
        }
    });
    view! {
        <header class="soft">
            <span id="saga-count">{move || format!("{} sagas", text::count(wanted.read().len() as u64))}</span>
            <span class="push">{move || if follow.get() { "following" } else { "newest first" }}</span>
        </header>
        {list(List {
            wanted,
            row_px: 36.0,
            follow,
            hold: Signal::derive(move || open.read().is_some()),
            question: Signal::derive(move || format!("{}\n{}\n{}", q.get(), state.get(), name.get())),
            class: "sagas",
            row: Callback::new(move |(key, top, on)| row(router, open, key, top, on)),
            open: open_row,
            empty: Signal::derive(move || {
                if q.read().is_empty() && state.read().is_empty() {
                    "No saga heard yet: they appear as services emit them.".into()
                } else {
                    "No saga matches the filter.".into()
                }
            }),
        })}
    }
    .into_any()
}

fn in_state(saga: &Saga, wanted: &str) -> bool {
    wanted.is_empty() || (wanted == "stuck" && saga.stuck) || saga.state.as_str() == wanted
}

/// Address of the list alone; its filter stays.
fn list_path(router: Router) -> String {
    let here = router.here();
    let query = here.split_once('?').map_or("", |(_, query)| query);
    format!("/sagas{}", query_set(query, "name", ""))
}

/// Address of one saga in the panel; the list keeps its filter.
fn panel_path(router: Router, name: &str, id: &str) -> String {
    let here = router.here();
    let query = here.split_once('?').map_or("", |(_, query)| query);
    format!("/sagas/{}{}", encode(id), query_set(query, "name", name))
}

fn row(router: Router, open: Memo<Option<String>>, key: String, top: f64, on: Signal<bool>) -> AnyView {
    let live = use_live();
    let saga = Memo::new(move |_| live.read(&[Topic::Sagas], |picture| picture.sagas.get(&key).cloned()));
    let (name, id) = saga
        .with_untracked(|saga| saga.as_ref().map(|saga| (saga.name.clone(), saga.id.clone())))
        .unwrap_or_default();
    let mine = id.clone();
    let href = saga_path(&name, &id);
    let go = move |event: web_sys::MouseEvent| {
        if event.button() == 0 && !event.ctrl_key() && !event.meta_key() && !event.shift_key() {
            event.prevent_default();
            router.go(&panel_path(router, &name, &id));
        }
    };
    view! {
        <a
            class="row saga-row"
            class:marked=move || on.get()
            role="listitem"
            tabindex="-1"
            href=href
            style:transform=format!("translateY({top}px)")
            aria-current=move || (open.read().as_ref() == Some(&mine)).then_some("true")
            on:click=go
        >
            {move || saga.get().map_or_else(|| view! { <span class="soft">"no longer held"</span> }.into_any(), |saga| cells(&saga))}
        </a>
    }
    .into_any()
}

fn cells(saga: &Saga) -> AnyView {
    let clock = use_clock();
    let mark = text::saga_mark(saga.state, saga.stuck);
    let word = if saga.stuck {
        "stuck".to_owned()
    } else {
        text::words(saga.state.as_str())
    };
    let step = saga.step.as_ref().map_or_else(
        || text::UNKNOWN.to_owned(),
        |step| format!("{}/{} {}", step.index + 1, saga.step_count, text::scrub(&step.name, 40)),
    );
    let attempt = saga
        .step
        .as_ref()
        .map_or(String::new(), |step| format!("try {}", step.attempt));
    let (started, ended) = (saga.started_at, saga.ended_at);
    let age = move || match ended {
        Some(ended) => text::duration(ended.seconds_since(started)),
        None => clock.age(started),
    };
    view! {
        {glyph(mark, &word)}
        <span class="mono">{text::scrub(text::short_id(&saga.id), 8)}</span>
        <span class="clip roomy">{text::scrub(&saga.name, 60)}</span>
        <span class="clip">{step} {(!saga.faults.is_empty()).then(|| glyph(text::FAULT, "touched by a fault"))}</span>
        <span class="num soft">{attempt}</span>
        <span class="num">{age}</span>
        <span class="clip soft roomy">{waiting_or_reason(saga)}</span>
    }
    .into_any()
}

fn waiting_or_reason(saga: &Saga) -> AnyView {
    let clock = use_clock();
    let Some(waiting) = saga.waiting.clone().filter(|_| !saga.state.is_final()) else {
        return saga
            .reason
            .as_deref()
            .map(|reason| text::scrub(reason, 80))
            .unwrap_or_default()
            .into_any();
    };
    let on = waiting
        .on
        .as_deref()
        .map(|on| format!(" {}", known(Some(on))))
        .unwrap_or_default();
    let until = waiting.until;
    let left = move || match until.map(|until| clock.left(until)) {
        Some(left) if !left.is_empty() => format!(" · {left}"),
        _ => String::new(),
    };
    view! { {format!("waits for {}{on}", waiting.kind.as_str())} {left} }.into_any()
}
