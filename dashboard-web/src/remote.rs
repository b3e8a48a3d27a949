//! An answer of the API that is asked for again while it is on screen, and keeps its last value meanwhile.

use std::time::Duration;

use leptos::prelude::*;
use sagascope_api::Problem;
use serde::de::DeserializeOwned;

use crate::api;

/// Not asked more often than this, however many reasons to ask there are.
const PAUSE: Duration = Duration::from_millis(400);

/// The answer to one question.
pub(crate) struct Remote<T: Send + Sync + 'static> {
    /// Last answer to the question as it stands.
    pub value: RwSignal<Option<T>>,
    /// Why there is none, or why the last one is old.
    pub problem: RwSignal<Option<Problem>>,
    state: StoredValue<Asking>,
    path: Signal<Option<String>>,
}

impl<T: Send + Sync + 'static> Clone for Remote<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Send + Sync + 'static> Copy for Remote<T> {}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Asking {
    /// Nobody asks.
    #[default]
    Idle,
    /// Under way, or within the pause after an answer.
    Busy,
    /// Asked for again meanwhile.
    Again,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Remote<T> {
    /// Asks for `path` (below `/api/v1`) whenever it changes; `None` asks nothing.
    pub(crate) fn new(path: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        let path = Memo::new(move |_| path());
        let remote = Self {
            value: RwSignal::new(None),
            problem: RwSignal::new(None),
            state: StoredValue::new(Asking::Idle),
            path: path.into(),
        };
        Effect::new(move |_| {
            path.track();
            remote.value.set(None);
            remote.problem.set(None);
            remote.refresh();
        });
        remote
    }

    /// Asks again, now or once the pause is over.
    pub(crate) fn refresh(self) {
        match self.state.try_get_value() {
            Some(Asking::Idle) => self.ask(),
            Some(_) => self.state.set_value(Asking::Again),
            None => {}
        }
    }

    fn ask(self) {
        let Some(Some(path)) = self.path.try_get_untracked() else {
            return;
        };
        self.state.set_value(Asking::Busy);
        leptos::task::spawn_local(async move {
            let answer = api::get::<T>(&path).await;
            self.take(&path, answer);
            set_timeout(move || self.rest_over(), PAUSE);
        });
    }

    /// Keeps the answer, unless the question has changed or the view is gone.
    fn take(self, path: &str, answer: Result<T, Problem>) {
        if self.path.try_get_untracked().flatten().as_deref() != Some(path) {
            self.state.try_update_value(|state| *state = Asking::Again);
            return;
        }
        match answer {
            Ok(value) => {
                self.problem.try_set(None);
                self.value.try_set(Some(value));
            }
            Err(problem) => {
                self.problem.try_set(Some(problem));
            }
        }
    }

    fn rest_over(self) {
        let again = self.state.try_get_value() == Some(Asking::Again);
        if self.state.try_update_value(|state| *state = Asking::Idle).is_some() && again {
            self.ask();
        }
    }
}
