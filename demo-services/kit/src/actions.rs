//! What a person may have a running service do: each part of the service offers what it can.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use sagascope_conventions::action::{Action, ActionOutcome};

type Doing = Pin<Box<dyn Future<Output = ActionOutcome> + Send>>;
type Handler = Arc<dyn Fn(Action) -> Doing + Send + Sync>;

/// What the parts of a service can do. A cheap clone.
#[derive(Clone, Default)]
pub struct Actions {
    handlers: Arc<Mutex<Vec<Handler>>>,
}

impl Actions {
    /// From now on `handler` is asked too. It answers [`ActionOutcome::Unknown`] to what is not its own.
    pub fn offer<H, F>(&self, handler: H)
    where
        H: Fn(Action) -> F + Send + Sync + 'static,
        F: Future<Output = ActionOutcome> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |action| Box::pin(handler(action)));
        self.handlers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(handler);
    }

    /// Asks each part; the first that knows the thing decides.
    pub async fn carry_out(&self, action: Action) -> ActionOutcome {
        let handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for handler in handlers {
            match handler(action.clone()).await {
                ActionOutcome::Unknown => {}
                outcome => return outcome,
            }
        }
        ActionOutcome::Unknown
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actions")
    }
}

/// It could not be done, because of this.
#[must_use]
pub fn failed(error: &impl fmt::Display) -> ActionOutcome {
    ActionOutcome::Failed {
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuild(name: &str) -> Action {
        Action::RebuildReadModel { name: name.into() }
    }

    fn done(detail: &str) -> ActionOutcome {
        ActionOutcome::Done {
            count: 1,
            detail: detail.into(),
        }
    }

    #[tokio::test]
    async fn the_part_that_knows_the_thing_decides() {
        let actions = Actions::default();
        for name in ["summary", "by_customer"] {
            actions.offer(move |action| async move {
                if action == rebuild(name) {
                    done(name)
                } else {
                    ActionOutcome::Unknown
                }
            });
        }
        assert_eq!(actions.carry_out(rebuild("by_customer")).await, done("by_customer"));
        assert_eq!(actions.carry_out(rebuild("search")).await, ActionOutcome::Unknown);
    }
}
