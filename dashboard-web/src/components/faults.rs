//! Practised failures: the banner that names them on every page, and the bands that mark them on charts.

use leptos::prelude::*;
use sagascope_api::faults::FaultStatus;
use sagascope_api::live::{Picture, Topic};
use sagascope_api::{Problem, Time, text};

use crate::api;
use crate::clock::use_clock;
use crate::components::charts::WINDOW_SECONDS;
use crate::components::marks::{clean, glyph};
use crate::connection::use_live;
use crate::geometry::{Stretch, stretch};
use crate::router::{Router, use_router};

/// What a fault in force says of itself: its name, strength and the time left.
#[derive(Clone, PartialEq)]
struct Shown {
    id: String,
    line: String,
    ends_at: Time,
    pending: bool,
}

/// The strip under the top bar, there while a fault is in force.
pub(crate) fn banner() -> AnyView {
    let live = use_live();
    let shown = Memo::new(move |_| {
        live.read(&[Topic::Faults], |picture| {
            picture
                .active_faults()
                .into_iter()
                .take(6)
                .map(shown)
                .collect::<Vec<_>>()
        })
    });
    let refused = RwSignal::new(None::<Problem>);
    view! {
        <div aria-live="polite">
            <Show when=move || !shown.read().is_empty()>
                <div class="strip practice" id="fault-banner">
                    {move || shown.get().into_iter().map(|fault| strip(fault, refused)).collect_view()}
                    {move || refused.get().map(|problem| view! { <span class="tone-bad">{clean(&problem.title)}</span> })}
                </div>
            </Show>
        </div>
    }
    .into_any()
}

fn shown(status: &FaultStatus) -> Shown {
    Shown {
        id: status.fault.id.clone(),
        line: clean(&text::fault_line(status)),
        ends_at: status.ends_at,
        pending: status.state == sagascope_conventions::FaultState::Pending,
    }
}

fn strip(fault: Shown, refused: RwSignal<Option<Problem>>) -> AnyView {
    let clock = use_clock();
    let router = use_router();
    let ends_at = fault.ends_at;
    let left = move || match clock.left(ends_at) {
        left if left.is_empty() => "ending".to_owned(),
        left => format!("{left} left"),
    };
    let id = fault.id;
    view! {
        <span class="nowrap">
            {glyph(text::FAULT, "practised fault")}
            <b class="tone-practice">{fault.line}</b>
            " · "
            {fault.pending.then_some("pending · ")}
            {left}
            " "
            <button class="plain" on:click=move |_| clear(router, Some(id.clone()), refused)>"Clear"</button>
        </span>
    }
    .into_any()
}

/// Ends one fault, or all; sends to the login page when control is refused for want of a session.
pub(crate) fn clear(router: Router, id: Option<String>, refused: RwSignal<Option<Problem>>) {
    leptos::task::spawn_local(async move {
        let path = id.map_or_else(
            || "/faults".into(),
            |id| format!("/faults/{}", crate::route::encode(&id)),
        );
        match api::delete(&path).await {
            Ok(()) => refused.set(None),
            Err(problem) if problem.status == 401 => log_in_first(router),
            Err(problem) => refused.set(Some(problem)),
        }
    });
}

/// Opens the login page, which comes back here.
pub(crate) fn log_in_first(router: Router) {
    router.go(&format!("/login?next={}", crate::route::encode(&router.here())));
}

/// Bands of the faults that hit one of `services` (all when empty) within the charts' window.
pub(crate) fn bands(picture: &Picture, services: &[&str], now: Time) -> Vec<Stretch> {
    picture
        .faults
        .values()
        .filter(|status| services.is_empty() || services.contains(&status.fault.target.service.as_str()))
        .filter_map(|status| {
            let end = if status.is_active() { now } else { status.ends_at };
            stretch(status.started_at, end, now, WINDOW_SECONDS)
        })
        .take(50)
        .collect()
}
