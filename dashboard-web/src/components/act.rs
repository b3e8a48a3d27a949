//! What a person may have services do: a button asks, a strip confirms, and the same strip says what came of it.
//!
//! The question is kept beside the rows and not in them: rows are drawn anew whenever something is heard of them.

use leptos::prelude::*;
use sagascope_api::actions::ActionDone;
use sagascope_api::text;
use serde_json::Value;

use crate::api;
use crate::components::faults::log_in_first;
use crate::components::marks::clean;
use crate::router::{Router, use_router};

/// Longest line of an answer.
const LINE: usize = 500;

/// Something that waits for a yes.
#[derive(Clone, PartialEq)]
pub(crate) struct Asked {
    /// The question.
    pub(crate) title: String,
    /// What will happen.
    pub(crate) effect: &'static str,
    /// The word of the yes.
    pub(crate) yes: &'static str,
    /// Below `/api/v1`.
    pub(crate) path: String,
    /// The request.
    pub(crate) body: Value,
}

/// What is asked on a page, and what came of the last question.
#[derive(Clone, Copy)]
pub(crate) struct Acting {
    asked: RwSignal<Option<Asked>>,
    busy: RwSignal<bool>,
    told: RwSignal<Option<(bool, String)>>,
}

impl Acting {
    pub(crate) fn new() -> Self {
        Self {
            asked: RwSignal::new(None),
            busy: RwSignal::new(false),
            told: RwSignal::new(None),
        }
    }

    fn ask(self, asked: Asked) {
        self.told.set(None);
        self.asked.set(Some(asked));
    }

    fn carry_out(self, router: Router) {
        let Some(asked) = self.asked.get_untracked() else {
            return;
        };
        self.busy.set(true);
        leptos::task::spawn_local(async move {
            let answer = api::command::<_, ActionDone>("POST", &asked.path, &asked.body).await;
            self.busy.set(false);
            self.asked.set(None);
            match answer {
                Ok(done) => self.told.set(Some((true, text::scrub(&done.line(), LINE)))),
                Err(problem) if problem.status == 401 => log_in_first(router),
                Err(problem) => {
                    let line = format!("{}: {}", problem.title, problem.detail);
                    self.told.set(Some((false, text::scrub(&line, LINE))));
                }
            }
        });
    }
}

/// A button that asks.
pub(crate) fn button(acting: Acting, word: &'static str, asked: Asked) -> AnyView {
    view! { <button on:click=move |_| acting.ask(asked.clone())>{word}</button> }.into_any()
}

/// The strip with the question or the answer.
pub(crate) fn strip(acting: Acting) -> AnyView {
    let router = use_router();
    let question = move || {
        acting.asked.get().map(|asked| {
            view! {
                <div class="strip" id="act-question" role="group" aria-label="Confirm">
                    <b>{clean(&asked.title)}</b> " " {asked.effect} " "
                    <button id="act-yes" disabled=move || acting.busy.get() on:click=move |_| acting.carry_out(router)>{asked.yes}</button>
                    " "
                    <button class="plain" disabled=move || acting.busy.get() on:click=move |_| acting.asked.set(None)>"Leave it"</button>
                </div>
            }
        })
    };
    let answer = move || {
        acting.told.get().map(|(good, line)| {
            let class = if good { "strip tone-good" } else { "strip tone-bad" };
            view! { <div class=class id="act-answer">{line}</div> }
        })
    };
    view! { <div aria-live="polite">{question} {answer}</div> }.into_any()
}
