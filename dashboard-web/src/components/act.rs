//! What a person may have services do: a button asks, a strip confirms, and the same strip says what came of it.
//!
//! The question is kept beside the rows and not in them: rows are drawn anew whenever something is heard of them.

use leptos::prelude::*;
use sagascope_api::actions::ActionDone;
use sagascope_api::experiments::ExperimentRun;
use sagascope_api::{Problem, text};
use serde_json::Value;

use crate::api;
use crate::components::faults::log_in_first;
use crate::components::marks::clean;
use crate::dom;
use crate::router::{Router, use_router};

/// Longest line of an answer.
const LINE: usize = 500;

/// Something that waits for a yes.
#[derive(Clone, PartialEq)]
pub(crate) struct Asked {
    /// The question.
    pub(crate) title: String,
    /// What will happen.
    pub(crate) effect: String,
    /// The word of the yes.
    pub(crate) yes: &'static str,
    /// What a yes sends.
    pub(crate) call: Call,
}

/// What is sent; paths begin below `/api/v1`.
#[derive(Clone, PartialEq)]
pub(crate) enum Call {
    /// Has a service do something.
    Act { path: String, body: Value },
    /// Starts an experiment.
    RunExperiment { path: String, body: Value },
    /// Ends one.
    EndRun { path: String },
}

impl Call {
    /// What came of it, as a line.
    async fn send(&self) -> Result<String, Problem> {
        match self {
            Self::Act { path, body } => api::command::<_, ActionDone>("POST", path, body)
                .await
                .map(|done| done.line()),
            Self::RunExperiment { path, body } => {
                let run = api::command::<_, ExperimentRun>("POST", path, body).await?;
                Ok(format!("{} runs.", run.summary.experiment))
            }
            Self::EndRun { path } => api::delete(path)
                .await
                .map(|()| "It was ended, and its shop with it.".to_owned()),
        }
    }
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

    /// Asks, with the cursor on the yes.
    pub(crate) fn ask(self, asked: Asked) {
        self.told.set(None);
        self.asked.set(Some(asked));
        dom::after_paint(|| dom::focus("act-yes"));
    }

    /// Takes the question back; true when there was one.
    pub(crate) fn leave(self) -> bool {
        let open = self.asked.with_untracked(Option::is_some) && !self.busy.get_untracked();
        if open {
            self.asked.set(None);
        }
        open
    }

    fn carry_out(self, router: Router) {
        let Some(asked) = self.asked.get_untracked() else {
            return;
        };
        self.busy.set(true);
        leptos::task::spawn_local(async move {
            let answer = asked.call.send().await;
            self.busy.set(false);
            self.asked.set(None);
            match answer {
                Ok(done) => self.told.set(Some((true, text::scrub(&done, LINE)))),
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
