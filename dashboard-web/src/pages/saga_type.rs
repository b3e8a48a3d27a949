//! The flow of a saga type: where its instances are, and where they are lost.

use leptos::prelude::*;
use sagascope_api::live::Topic;
use sagascope_api::sagas::SagaType;
use sagascope_api::text;
use sagascope_conventions::SagaState;

use crate::components::marks::{clean, state, trouble};
use crate::components::type_flow::{caption, type_flow};
use crate::connection::use_live;
use crate::remote::Remote;
use crate::route::encode;

/// The page.
pub(crate) fn saga_type(name: &str) -> AnyView {
    let live = use_live();
    let path = format!("/saga-types/{}", encode(name));
    let kind = Remote::<SagaType>::new(move || Some(path.clone()));
    Effect::new(move |before: Option<()>| {
        live.read(&[Topic::Overview], |_| ());
        if before.is_some() {
            kind.refresh();
        }
    });
    view! {
        <div class="head">
            <h1>"Flow of " {clean(name)}</h1>
            <a class="button push" href=format!("/sagas?type={}", encode(name))>"Its sagas"</a>
        </div>
        {move || kind.problem.get().map(|problem| trouble(&problem))}
        {move || kind.value.read().as_ref().map(graph)}
    }
    .into_any()
}

fn graph(kind: &SagaType) -> AnyView {
    let tallies = SagaState::ALL
        .iter()
        .map(|each| {
            let count = kind.states.get(each).copied().unwrap_or(0);
            let word = format!("{} {}", text::count(count), text::words(each.as_str()));
            state(text::saga_mark(*each, false), &word)
        })
        .collect_view();
    view! {
        <section class="card">
            <header class="facts">{tallies} <span class="soft">{format!("p50 {} · p95 {}", text::millis(kind.p50_ms), text::millis(kind.p95_ms))}</span></header>
            <div class="body">{type_flow(kind)}</div>
            <p class="empty">{caption(kind)}</p>
        </section>
    }
    .into_any()
}
