//! Go anywhere: pages, what is known by name, and any pasted id.

use leptos::prelude::*;
use sagascope_api::live::Picture;

use crate::components::marks::clean;
use crate::connection::use_live;
use crate::dom;
use crate::keyboard::use_keyboard;
use crate::route::{NAVIGATION, correlation_path, encode, saga_path, trace_path};
use crate::router::use_router;

/// One place to go to.
#[derive(Clone, PartialEq)]
struct Choice {
    title: String,
    kind: &'static str,
    url: String,
}

/// Most places offered.
const SHOWN: usize = 14;

/// The palette; `open` is cleared to close it.
pub(crate) fn palette(open: RwSignal<bool>) -> AnyView {
    let live = use_live();
    let router = use_router();
    let text = RwSignal::new(String::new());
    let at = RwSignal::new(0_usize);
    let choices = Memo::new(move |_| live.read_once(|picture| find(picture, text.read().trim())));
    let go = move |choice: Option<Choice>| {
        if let Some(choice) = choice {
            open.set(false);
            router.go(&choice.url);
        }
    };
    use_keyboard().listen(move |key| {
        let last = choices.read_untracked().len().saturating_sub(1);
        match key {
            "Escape" | "Ctrl+k" => open.set(false),
            "ArrowDown" => at.update(|at| *at = (*at + 1).min(last)),
            "ArrowUp" => at.update(|at| *at = at.saturating_sub(1)),
            "Enter" => go(choices.read_untracked().get(at.get_untracked()).cloned()),
            _ => {}
        }
        true
    });
    // As it comes into the page, not a frame later: what is typed right after the shortcut belongs to it.
    let field = NodeRef::<leptos::html::Input>::new();
    field.on_load(|_| dom::focus_field("palette-text"));
    view! {
        <div class="over" on:click=move |_| open.set(false)>
            <div class="sheet" role="dialog" aria-modal="true" aria-label="Go to" id="palette" on:click=|event| event.stop_propagation()>
                <input
                    node_ref=field
                    id="palette-text"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    aria-label="Page, service, breaker, or an id"
                    placeholder="Page, service, breaker, or paste an id"
                    on:input:target=move |event| {
                        text.set(event.target().value());
                        at.set(0);
                    }
                />
                <div class="rows" role="listbox">
                    {move || {
                        choices
                            .get()
                            .into_iter()
                            .enumerate()
                            .map(|(n, choice)| {
                                let target = choice.clone();
                                view! {
                                    <button
                                        class="choice"
                                        role="option"
                                        tabindex="-1"
                                        aria-selected=move || (at.get() == n).to_string()
                                        on:click=move |_| go(Some(target.clone()))
                                    >
                                        <span class="clip">{clean(&choice.title)}</span>
                                        <span class="push soft">{choice.kind}</span>
                                    </button>
                                }
                            })
                            .collect_view()
                    }}
                </div>
            </div>
        </div>
    }
    .into_any()
}

fn find(picture: &Picture, text: &str) -> Vec<Choice> {
    let wanted = text.to_lowercase();
    let mut found = Vec::new();
    let mut offer = |title: String, kind: &'static str, url: String| {
        if found.len() < SHOWN && title.to_lowercase().contains(&wanted) {
            found.push(Choice { title, kind, url });
        }
    };
    for (_, path, title) in NAVIGATION {
        offer((*title).to_owned(), "page", (*path).to_owned());
    }
    for kind in picture.overview.iter().flat_map(|overview| &overview.saga_types) {
        offer(
            kind.name.clone(),
            "saga flow",
            format!("/saga-types/{}", encode(&kind.name)),
        );
    }
    for service in picture.services.keys() {
        offer(
            service.clone(),
            "service's traces",
            format!("/traces?q={}", encode(&format!("service:{service}"))),
        );
    }
    for breaker in picture.breakers.values() {
        let target = breaker.target.as_deref().unwrap_or(&breaker.name);
        offer(
            format!("{} → {target}", breaker.caller),
            "breaker",
            format!("/breakers/{}", encode(&breaker.id)),
        );
    }
    if text.chars().count() >= 4 {
        for saga in picture.sagas.values().filter(|saga| saga.id.starts_with(text)).take(5) {
            offer(
                format!("{} {}", saga.name, saga.id),
                "saga",
                saga_path(&saga.name, &saga.id),
            );
        }
        let correlates = picture
            .sagas
            .values()
            .any(|saga| saga.correlation_id.as_deref() == Some(text));
        found.extend(pasted(text, correlates));
    }
    found
}

/// What a pasted id may be. A known correlation comes first; otherwise a trace id is told by its shape.
fn pasted(id: &str, correlates: bool) -> Vec<Choice> {
    let choice = |title: &str, kind, url| Choice {
        title: format!("{title} {id}"),
        kind,
        url,
    };
    if id.len() > 200 || id.contains(char::is_whitespace) {
        return vec![choice(
            "Search traces for",
            "search",
            format!("/traces?q={}", encode(&id.chars().take(500).collect::<String>())),
        )];
    }
    let trace = choice("Trace", "by id", trace_path(&id.to_lowercase()));
    let saga = choice("Saga", "by id", format!("/sagas/{}", encode(id)));
    let correlation = choice("Correlation", "by id", correlation_path(id));
    if !correlates && id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        vec![trace, correlation, saga]
    } else {
        vec![correlation, saga, trace]
    }
}
