//! The frame's fixed parts: top bar, word about the connection, navigation.

use leptos::prelude::*;
use sagascope_api::attention::attention;
use sagascope_api::live::Topic;
use sagascope_api::text;
use sagascope_conventions::SagaState;

use crate::clock::use_clock;
use crate::components::faults;
use crate::components::marks::{clean, tone};
use crate::connection::{Link, use_live};
use crate::dom;
use crate::route::NAVIGATION;
use crate::router::use_router;
use crate::theme::Theme;

/// A stream that says nothing for this long is shown as silent.
const QUIET_MS: f64 = 5_000.0;

/// The bar with what matters on every page.
pub(crate) fn top_bar(theme: RwSignal<Theme>, palette: RwSignal<bool>, help: RwSignal<bool>) -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let orders = move || {
        live.read(&[Topic::Overview], |picture| {
            let overview = picture.overview.as_ref()?;
            let started: f64 = overview.saga_types.iter().map(|kind| kind.started_per_second).sum();
            Some(format!("{} sagas/s", text::rate(started).trim_end_matches("/s")))
        })
    };
    let profile = move || {
        live.read(&[Topic::Overview], |picture| {
            let demo = picture.overview.as_ref()?.demo.as_ref()?;
            let summary = clean(&demo.summary);
            Some(view! { <span class="stat wide" title=summary>"profile " <b>{clean(&demo.profile)}</b></span> })
        })
    };
    let needs = Memo::new(move |_| {
        let topics = [
            Topic::Services,
            Topic::Breakers,
            Topic::Sagas,
            Topic::ReadModels,
            Topic::DeadLetters,
        ];
        live.read(&topics, |picture| attention(picture, clock.now_once()).len())
    });
    view! {
        <header class="top">
            <div class="bar">
                <a class="brand" href="/">"Sagascope"</a>
                {connection_word()}
                <span class="stat wide"><b>{orders}</b></span>
                {profile}
                <span class="push"></span>
                <a class="stat" href="/" id="needs-count" title="what needs a person">
                    {move || match needs.get() {
                        0 => view! { <span class="tone-good">"● all well"</span> }.into_any(),
                        n => view! { <b class="tone-bad">{format!("✖ {n}")} <span class="wide">{if n == 1 { " needs you" } else { " need you" }}</span></b> }.into_any(),
                    }}
                </a>
                <button on:click=move |_| palette.set(true) title="Go anywhere (Ctrl-K)">"Go to…"</button>
                <button
                    title="Theme (t)" aria-label=move || format!("theme: {}", theme.get().as_str())
                    on:click=move |_| {
                        theme.update(|theme| *theme = theme.next());
                        theme.get_untracked().apply();
                    }
                >
                    "◐" <span class="wide">" " {move || theme.get().as_str()}</span>
                </button>
                <button class="wide" on:click=move |_| help.set(true) title="Keys (?)" aria-label="Keys">"?"</button>
            </div>
            {connection_strip()}
            {faults::banner()}
        </header>
    }
    .into_any()
}

/// `live`, `silent`, `connecting`, `not connected`: never live by looks alone.
fn connection_word() -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let word = Memo::new(move |_| {
        clock.now();
        match live.link() {
            Link::Open if live.silent_ms() > QUIET_MS => (
                text::WAITING,
                format!("silent for {}", text::age(live.silent_ms() / 1e3)),
            ),
            Link::Open => (text::GOOD, "live".to_owned()),
            Link::Connecting(0) => (text::WAITING, "connecting".to_owned()),
            Link::Connecting(_) => (text::WAITING, "connecting again".to_owned()),
            Link::Waiting { .. } => (text::BAD, "not connected".to_owned()),
        }
    });
    view! {
        <span id="connection" role="status" class=move || format!("clip {}", tone(word.read().0.tone))>
            {move || format!("{} {}", word.read().0.glyph, word.read().1)}
        </span>
    }
    .into_any()
}

/// While not connected: how old the picture is, and when the next attempt comes.
fn connection_strip() -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let down = Memo::new(move |_| match live.link() {
        Link::Waiting { failures, .. } | Link::Connecting(failures) => failures > 0,
        Link::Open => false,
    });
    let next = move || {
        clock.now();
        match live.link() {
            Link::Waiting { retry_at_ms, .. } => {
                format!(
                    "next attempt in {:.0} s",
                    ((retry_at_ms - dom::now_ms()) / 1e3).ceil().max(0.0)
                )
            }
            _ => "trying now".to_owned(),
        }
    };
    let since = move || {
        live.read(&[Topic::Overview], |picture| {
            picture.overview.as_ref().map_or_else(String::new, |overview| {
                format!(
                    "What you see is {} old; ",
                    text::age(clock.now().seconds_since(overview.now))
                )
            })
        })
    };
    view! {
        <Show when=move || down.get()>
            <div class="strip down" id="disconnected" role="alert">
                <b class="tone-bad">"✖ Not connected."</b>
                <span>{since}{next}</span>
                <button on:click=move |_| live.retry_now()>"Try now"</button>
            </div>
        </Show>
    }
    .into_any()
}

/// The navigation with a number where something needs a look.
pub(crate) fn navigation() -> AnyView {
    let live = use_live();
    let section = {
        let route = use_router().route();
        Memo::new(move |_| route.read().section())
    };
    let count = move |path: &'static str| {
        live.read(&[Topic::Overview, Topic::Faults], |picture| {
            let overview = picture.overview.as_ref()?;
            let number = match path {
                "/sagas" => overview.stuck + overview.sagas.get(&SagaState::Failed).copied().unwrap_or(0),
                "/breakers" => overview.open_breakers,
                "/read-models" => overview.stalled_models + overview.dead_letters,
                "/chaos" => picture.active_faults().len() as u64,
                _ => 0,
            };
            (number > 0).then(|| text::count(number))
        })
    };
    view! {
        <nav class="nav" aria-label="Views">
            {NAVIGATION
                .iter()
                .map(|(key, path, title)| {
                    let class = if *path == "/chaos" { "badge tone-practice" } else { "badge tone-bad" };
                    view! {
                        <a href=*path aria-current=move || (section.get() == *path).then_some("page")>
                            {*title}
                            <span class=class>{move || count(path)}</span>
                            <kbd>{key.to_string()}</kbd>
                        </a>
                    }
                })
                .collect_view()}
        </nav>
    }
    .into_any()
}
