//! One saga: its flow, why it waits, what happened, and the way to everything that belongs to it.

use leptos::prelude::*;
use sagascope_api::actions::SagaAction;
use sagascope_api::live::Topic;
use sagascope_api::sagas::{SagaDetail, SagaEvent};
use sagascope_api::text::{self, Mark};
use sagascope_api::{Time, explain::Explanation};
use sagascope_conventions::SagaState;
use serde_json::json;

use crate::clock::use_clock;
use crate::components::act::{self, Acting, Asked, Call};
use crate::components::flow::flow;
use crate::components::marks::{clean, glyph, known, sentence, state, tone, trouble};
use crate::connection::{Live, use_live};
use crate::remote::Remote;
use crate::route::{correlation_path, encode, trace_path};
use crate::router::use_router;

/// Lines of history in the document; the rest is told as a number.
const EVENTS: usize = 300;

/// The panel for the saga `id`; the type's name comes from the query.
pub(crate) fn panel(id: String, close: impl Fn() + Copy + Send + 'static) -> AnyView {
    let live = use_live();
    let acting = Acting::new();
    let name = use_router().query("name");
    let path = {
        let id = id.clone();
        move || {
            let name = name.get();
            let type_of = if name.is_empty() {
                String::new()
            } else {
                format!("?name={}", encode(&name))
            };
            Some(format!("/sagas/{}{type_of}", encode(&id)))
        }
    };
    let detail = Remote::<SagaDetail>::new(path);
    let told = {
        let id = id.clone();
        Remote::<Explanation>::new(move || Some(format!("/explain/{}", encode(&id))))
    };
    // The list's row says when something changed; the detail is asked for again then.
    let changed = {
        let id = id.clone();
        Memo::new(move |_| {
            let name = name.read();
            live.read(&[Topic::Sagas], |picture| {
                let row = match name.as_str() {
                    "" => picture.sagas.values().find(|saga| saga.id == id),
                    name => picture.sagas.get(&format!("{name}/{id}")),
                };
                row.map(|saga| (saga.updated_at, saga.state))
            })
        })
    };
    Effect::new(move |before: Option<Option<(Time, _)>>| {
        let now = changed.get();
        if before.is_some_and(|before| before != now) {
            detail.refresh();
            told.refresh();
        }
        now
    });
    view! {
        <section class="card panel" id="saga-panel" aria-label="Saga">
            <header>
                <h2 class="clip">{move || detail.value.read().as_ref().map(|detail| clean(&detail.saga.name))} " " <span class="mono">{clean(&id)}</span></h2>
                {move || detail.value.read().as_ref().map(headline)}
                <button class="push" on:click=move |_| close() title="Close (Esc)" aria-label="Close">"✕"</button>
            </header>
            {move || detail.problem.get().map(|problem| view! {
                <div class="body">
                    {trouble(&problem)}
                    <button on:click=move |_| detail.refresh()>"Ask again"</button>
                </div>
            })}
            {move || detail.value.read().as_ref().map(facts)}
            {act::strip(acting)}
            {move || detail.value.read().as_ref().and_then(|detail| help(detail, acting))}
            {move || told.value.read().as_ref().map(explained)}
            {move || detail.value.read().as_ref().map(|detail| view! { <div class="body">{flow(detail)}</div> })}
            {move || detail.value.read().as_ref().map(history)}
        </section>
    }
    .into_any()
}

fn headline(detail: &SagaDetail) -> AnyView {
    let saga = &detail.saga;
    let word = if saga.stuck {
        "stuck".to_owned()
    } else {
        text::words(saga.state.as_str())
    };
    state(text::saga_mark(saga.state, saga.stuck), &word)
}

/// What a person may do about it, as long as it is not over.
fn help(detail: &SagaDetail, acting: Acting) -> Option<AnyView> {
    let saga = &detail.saga;
    let asked = |action: SagaAction, word: &str, effect, yes| Asked {
        title: format!("{word} {}?", saga.id),
        effect: String::from(effect),
        yes,
        call: Call::Act {
            path: format!("/actions/sagas/{}/{}", encode(&saga.id), action.as_str()),
            body: json!({ "name": saga.name }),
        },
    };
    let again = match saga.state {
        SagaState::Completed | SagaState::Compensated => return None,
        SagaState::Failed => "It is parked; what could not be undone is tried again from the first attempt.",
        SagaState::Running | SagaState::Compensating => "The attempt that it waits for is made now.",
    };
    let retry = asked(SagaAction::Retry, "Retry", again, "Retry");
    let back = "Every effect that it had, or may have had, is undone. Refused once its last step has begun.";
    let is_two_phase = detail.voters().next().is_some();
    let keep = "Whoever said yes keeps what it holds. Should the coordinator decide to abort, they have to undo it.";
    let commit = is_two_phase.then(|| asked(SagaAction::CommitInDoubt, "Commit without coordinator", keep, "Commit"));
    let give_back =
        "Whoever said yes gives back what it holds. Should the coordinator decide to commit, its word is broken.";
    let abort = is_two_phase.then(|| {
        asked(
            SagaAction::AbortInDoubt,
            "Abort without coordinator",
            give_back,
            "Abort",
        )
    });
    let cancel = (saga.state == SagaState::Running).then(|| asked(SagaAction::Cancel, "Turn back", back, "Turn back"));
    Some(
        view! {
            <div class="body facts" id="saga-actions">
                {act::button(acting, "Retry…", retry)}
                {cancel.map(|cancel| act::button(acting, "Turn back…", cancel))}
                {commit.map(|commit| act::button(acting, "Commit what is in doubt…", commit))}
                {abort.map(|abort| act::button(acting, "Abort what is in doubt…", abort))}
            </div>
        }
        .into_any(),
    )
}

fn facts(detail: &SagaDetail) -> AnyView {
    let clock = use_clock();
    let live = use_live();
    let saga = &detail.saga;
    let (started, ended) = (saga.started_at, saga.ended_at);
    let age = move || match ended {
        Some(ended) => format!("took {}", text::duration(ended.seconds_since(started))),
        None => format!("running for {}", clock.age(started)),
    };
    let deadline = saga.deadline.filter(|_| !saga.state.is_final()).map(|deadline| {
        let said = move || match clock.left(deadline) {
            left if left.is_empty() => format!("deadline passed {} ago", clock.age(deadline)),
            left => format!("deadline in {left}"),
        };
        view! { <span>{said}</span> }
    });
    let waiting = saga.waiting.clone().filter(|_| !saga.state.is_final()).map(|waiting| {
        let until = waiting.until;
        let left = move || {
            until
                .map(|until| clock.left(until))
                .filter(|left| !left.is_empty())
                .map(|left| format!(", {left} left"))
        };
        view! { <span>"waits for " <b>{waiting.kind.as_str()}</b> {waiting.on.as_deref().map(|on| format!(" {}", clean(on)))} {left}</span> }
    });
    let breakers = detail
        .breakers
        .iter()
        .take(5)
        .map(|id| view! { <a href=format!("/breakers/{}", encode(id)) class="tone-bad">"✖ breaker " {breaker_name(live, id)}</a> })
        .collect_view();
    view! {
        <div class="body facts">
            <span>{age}</span>
            {saga.coordination.map(|coordination| view! { <span>{coordination.as_str()}</span> })}
            {deadline}
            {waiting}
            <a href=format!("/saga-types/{}", encode(&saga.name))>"flow of all"</a>
            {saga.trace_id.as_deref().map(|id| view! { <a href=trace_path(id)>"trace " <span class="mono">{text::scrub(text::short_id(id), 8)}</span></a> })}
            {saga.correlation_id.as_deref().map(|id| view! { <a href=correlation_path(id)>"correlation " <span class="mono">{text::scrub(text::short_id(id), 8)}</span></a> })}
            {breakers}
            {(!saga.faults.is_empty()).then(|| state(text::FAULT, "touched by a practised fault"))}
            {saga.reason.as_deref().map(|reason| view! { <span class="wrap">"reason: " <b>{text::scrub(reason, 300)}</b></span> })}
        </div>
    }
    .into_any()
}

/// `orders → payments`, by the live picture or else by the parts of the id.
fn breaker_name(live: Live, id: &str) -> String {
    live.read_once(|picture| {
        picture.breakers.get(id).map(|breaker| {
            let target = breaker.target.as_deref().unwrap_or(&breaker.name);
            format!("{} → {}", clean(&breaker.caller), clean(target))
        })
    })
    .unwrap_or_else(|| {
        let parts: Vec<String> = id.split('~').take(2).map(clean).collect();
        parts.join(" → ")
    })
}

/// What happened, in a sentence, with its evidence folded away.
pub(crate) fn explained(told: &Explanation) -> AnyView {
    if told.summary.is_empty() {
        return ().into_any();
    }
    let evidence = told
        .evidence
        .iter()
        .take(30)
        .map(|piece| {
            let said = sentence(&piece.text);
            match piece
                .link
                .as_deref()
                .filter(|link| link.starts_with('/') && !link.starts_with("//"))
            {
                Some(link) => view! { <li><a href=link.to_owned()>{said}</a></li> }.into_any(),
                None => view! { <li>{said}</li> }.into_any(),
            }
        })
        .collect_view();
    view! {
        <div class="body">
            <p class="strong wrap">{sentence(&told.summary)}</p>
            {told.cause.as_deref().map(|cause| view! { <p class="wrap">"Likely cause: " {sentence(cause)}</p> })}
            {(!told.evidence.is_empty()).then(|| view! { <details><summary class="soft">"evidence"</summary><ul>{evidence}</ul></details> })}
        </div>
    }
    .into_any()
}

fn history(detail: &SagaDetail) -> AnyView {
    let started = detail.saga.started_at;
    let more = detail.events.len().saturating_sub(EVENTS);
    view! {
        <section aria-label="History">
            <div class="body"><h3>"History"</h3></div>
            <ol class="rows history" id="saga-history">{detail.events.iter().take(EVENTS).map(|event| line(event, started)).collect_view()}</ol>
            {(more > 0).then(|| view! { <p class="empty">{format!("{more} more events are not shown")}</p> })}
        </section>
    }
    .into_any()
}

fn line(event: &SagaEvent, started: Time) -> AnyView {
    let mark = event_mark(&event.name);
    let offset = event.at.seconds_since(started);
    let what = clean(event.name.strip_prefix("saga.").unwrap_or(&event.name)).replace(['.', '_'], " ");
    let attempt = event
        .attempt
        .filter(|attempt| *attempt > 1)
        .map(|attempt| format!(" · attempt {attempt}"));
    view! {
        <li>
            <span class="num soft">{format!("+{}", text::duration(offset))}</span>
            {glyph(mark, &what)}
            <span class="wrap">
                <span class=tone(mark.tone)>{what.clone()}</span>
                " "
                <b>{event.step.as_deref().map(clean)}</b>
                <span class="soft">{attempt} " · " {known(Some(&event.service))}</span>
                {event.reason.as_deref().map(|reason| view! { <span>" · " {text::scrub(reason, 300)}</span> })}
                {event.fault_id.as_ref().map(|_| glyph(text::FAULT, "a practised fault acted on it"))}
            </span>
        </li>
    }
    .into_any()
}

/// Mark of a line of history by the last word of its event.
pub(crate) fn event_mark(name: &str) -> Mark {
    let undo = name.contains("compensat");
    match name.rsplit(['.', '_']).next().unwrap_or_default() {
        "failed" | "lettered" => text::BAD,
        "retrying" | "redelivered" => text::WAITING,
        _ if undo => text::UNDO,
        "started" => text::RUNNING,
        "succeeded" | "completed" | "finished" => text::GOOD,
        "armed" | "expired" | "cleared" => text::FAULT,
        _ => text::NO_DATA,
    }
}
