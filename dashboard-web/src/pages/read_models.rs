//! Read models with their lag, outboxes with their backlog, dead letters with their reason.

use leptos::prelude::*;
use sagascope_api::actions::LetterAction;
use sagascope_api::live::Topic;
use sagascope_api::read_models::{DeadLetter, Outbox, ReadModel};
use sagascope_api::text;
use sagascope_conventions::ProjectionState;
use serde_json::json;

use crate::clock::use_clock;
use crate::components::act::{self, Acting, Asked, Call};
use crate::components::charts;
use crate::components::faults::bands;
use crate::components::marks::{clean, glyph, known, state};
use crate::connection::use_live;
use crate::geometry;
use crate::route::{correlation_path, encode, trace_path};

/// Rows of each kind in the document.
const SHOWN: usize = 200;

/// The page.
pub(crate) fn read_models() -> AnyView {
    let acting = Acting::new();
    view! {
        <div class="head"><h1>"Read models"</h1><span class="soft">"lag in seconds over the last five minutes"</span></div>
        {act::strip(acting)}
        {models(acting)}
        <div class="grid">{outboxes()} {letters(acting)}</div>
    }
    .into_any()
}

fn models(acting: Acting) -> AnyView {
    let live = use_live();
    let keys = Memo::new(move |_| {
        live.read(&[Topic::ReadModels], |picture| {
            picture.read_models.keys().take(SHOWN).cloned().collect::<Vec<_>>()
        })
    });
    let row = move |key: String| {
        let model =
            Memo::new(move |_| live.read(&[Topic::ReadModels], |picture| picture.read_models.get(&key).cloned()));
        view! { {move || model.get().map(|model| model_row(&model, acting))} }
    };
    view! {
        <section class="card" aria-label="Read models" id="read-models">
            <For each=move || keys.get() key=Clone::clone let(key)>{row(key)}</For>
            <Show when=move || keys.read().is_empty()><p class="empty">"No read model heard yet."</p></Show>
        </section>
    }
    .into_any()
}

fn model_row(model: &ReadModel, acting: Acting) -> AnyView {
    let live = use_live();
    let clock = use_clock();
    let number = |value: Option<u64>| value.map_or_else(|| text::UNKNOWN.to_owned(), text::count);
    let eta = match (model.state, model.eta_seconds) {
        (ProjectionState::CaughtUp, _) => text::UNKNOWN.to_owned(),
        (_, Some(seconds)) => format!("~{}", text::duration(seconds)),
        (ProjectionState::NoData, None) => text::UNKNOWN.to_owned(),
        (_, None) => "∞".to_owned(),
    };
    let stalled = model
        .stalled_since
        .filter(|_| model.state == ProjectionState::Stalled)
        .map(|since| {
            view! { <span class="tone-bad">{move || format!("no progress for {}", clock.age(since))}</span> }
        });
    let partition = (!model.partition.is_empty()).then(|| format!(" · partition {}", clean(&model.partition)));
    let bands = live.read_once(|picture| bands(picture, &[&model.service], clock.now_once()));
    let peak = format!(
        "peak {}",
        text::duration(f64::from(geometry::top(&model.lag_history, 0.0)))
    );
    let updated = model.updated_at;
    view! {
        <div class="model">
            <div>
                <div class="facts">
                    <b>{clean(&model.service)} "/" {clean(&model.name)}</b>
                    <span class="soft">{partition}</span>
                    {state(text::projection_mark(model.state), &text::words(model.state.as_str()))}
                    {stalled}
                    {act::button(acting, "Rebuild…", rebuild(model))}
                </div>
                <div class="facts soft">
                    <span>"position " <b>{number(model.position)}</b></span>
                    <span>"head " <b>{number(model.head)}</b></span>
                    <span>"behind " <b>{number(model.lag_events)}</b> " events"</span>
                    <span>"lag " <b>{model.lag_seconds.map_or_else(|| text::UNKNOWN.into(), text::duration)}</b></span>
                    <span>"drains " <b>{model.drain_per_second.map_or_else(|| text::UNKNOWN.into(), text::rate)}</b></span>
                    <span>"caught up in " <b>{eta}</b></span>
                    <span>{move || format!("reported {} ago", clock.age(updated))}</span>
                </div>
            </div>
            {charts::chart(format!("lag of {}", clean(&model.name)), peak, &model.lag_history, &[], &bands)}
        </div>
    }
    .into_any()
}

fn rebuild(model: &ReadModel) -> Asked {
    Asked {
        title: format!("Rebuild {} of {}?", model.name, model.service),
        effect: "It is emptied and filled again from its events; until then it shows less. Nothing is sent twice."
            .into(),
        yes: "Rebuild",
        call: Call::Act {
            path: format!(
                "/actions/read-models/{}/{}/rebuild",
                encode(&model.service),
                encode(&model.name)
            ),
            body: json!({}),
        },
    }
}

fn outboxes() -> AnyView {
    let live = use_live();
    let all = Memo::new(move |_| {
        live.read(&[Topic::Outboxes], |picture| {
            picture.outboxes.values().take(SHOWN).cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <section class="card" aria-label="Outboxes" id="outboxes">
            <header><h2>"Outboxes"</h2></header>
            <div class="scroll-x">
                <table>
                    <thead><tr><th>"outbox"</th><th class="num">"pending"</th><th class="num">"oldest"</th><th class="num">"published"</th><th class="num">"failed"</th></tr></thead>
                    <tbody>{move || all.get().iter().map(outbox_row).collect_view()}</tbody>
                </table>
            </div>
            <Show when=move || all.read().is_empty()><p class="empty">"No outbox heard yet."</p></Show>
        </section>
    }
    .into_any()
}

fn outbox_row(outbox: &Outbox) -> AnyView {
    let old = outbox.oldest_age_seconds.filter(|_| outbox.pending != Some(0));
    let (mark, word) = match old {
        Some(age) if age >= 5.0 => (text::BAD, "not relayed"),
        Some(age) if age >= 1.0 => (text::WAITING, "behind"),
        _ if outbox.pending.is_none() => (text::NO_DATA, "no data"),
        _ => (text::GOOD, "relayed"),
    };
    view! {
        <tr>
            <td class="nowrap">{glyph(mark, word)} {clean(&outbox.service)} "/" {clean(&outbox.name)}</td>
            <td class="num">{outbox.pending.map_or_else(|| text::UNKNOWN.into(), text::count)}</td>
            <td class="num">{old.map_or_else(|| text::UNKNOWN.into(), text::duration)}</td>
            <td class="num">{outbox.published_per_second.map_or_else(|| text::UNKNOWN.into(), text::rate)}</td>
            <td class={if outbox.failed > 0 { "num tone-bad" } else { "num soft" }}>{text::count(outbox.failed)}</td>
        </tr>
    }
    .into_any()
}

fn letters(acting: Acting) -> AnyView {
    let live = use_live();
    let all = Memo::new(move |_| {
        live.read(&[Topic::DeadLetters], |picture| {
            let mut letters: Vec<_> = picture.dead_letters.values().cloned().collect();
            letters.sort_by_key(|letter| std::cmp::Reverse(letter.at));
            letters.truncate(SHOWN);
            letters
        })
    });
    view! {
        <section class="card" aria-label="Dead letters" id="dead-letters">
            <header><h2>"Dead letters"</h2><span class="soft push">{move || text::count(all.read().len() as u64)}</span></header>
            <div class="scroll-x"><table><tbody>{move || all.get().iter().map(|letter| letter_row(letter, acting)).collect_view()}</tbody></table></div>
            <Show when=move || all.read().is_empty()><p class="empty">"None."</p></Show>
        </section>
    }
    .into_any()
}

fn settle(letter: &DeadLetter, action: LetterAction) -> Asked {
    let (word, effect, yes) = match action {
        LetterAction::Replay => (
            "Replay",
            "It is delivered once more to whoever gave it up. Handled already, it has no second effect.",
            "Replay",
        ),
        LetterAction::Purge => (
            "Purge",
            "It is thrown away for good: what it asked for never happens.",
            "Purge",
        ),
    };
    Asked {
        title: format!("{word} {} of {}?", letter.id, letter.destination),
        effect: String::from(effect),
        yes,
        call: Call::Act {
            path: format!("/actions/dead-letters/{}", action.as_str()),
            body: json!({ "destination": letter.destination, "id": letter.id }),
        },
    }
}

fn letter_row(letter: &DeadLetter, acting: Acting) -> AnyView {
    let clock = use_clock();
    let at = letter.at;
    let attempts = letter.attempts.map(|attempts| format!(" after {attempts} deliveries"));
    view! {
        <tr>
            <td>
                {glyph(text::BAD, "dead letter")}
                <b>{clean(&letter.destination)}</b>
                " · "
                {clean(&letter.service)}
                <div class="wrap">{known(letter.reason.as_deref())} <span class="soft">{attempts}</span></div>
                <div class="facts soft">
                    <span class="mono">{clean(&letter.id)}</span>
                    {act::button(acting, "Replay…", settle(letter, LetterAction::Replay))}
                    {act::button(acting, "Purge…", settle(letter, LetterAction::Purge))}
                    {letter.trace_id.as_deref().map(|id| view! { <a href=trace_path(id)>"trace"</a> })}
                    {letter.correlation_id.as_deref().map(|id| view! { <a href=correlation_path(id)>"correlation"</a> })}
                </div>
            </td>
            <td class="num soft">{move || clock.age(at)}</td>
        </tr>
    }
    .into_any()
}
