//! What a person may have services do: settle dead letters, rebuild read models, help sagas on.

use sagascope_api::Time;
use sagascope_api::actions::{LetterAction, LettersRequest, SagaAction};
use sagascope_api::read_models::DeadLetter;
use sagascope_api::text::{self, Tone};
use sagascope_conventions::SagaState;

use super::App;
use super::overlay::{Confirm, Overlay, Then};
use super::place::Place;
use crate::event::Question;

/// Longest name that a question shows.
const NAME: usize = 40;

impl App {
    fn selected_letter(&self) -> Option<&DeadLetter> {
        let id = self.read_models.selected()?.strip_prefix("letter/")?;
        self.known.picture().dead_letters.get(id)
    }

    pub(super) fn inspect(&mut self, now: Time) {
        if self.place == Place::Overview {
            self.overlay = Some(Overlay::Invariants { top: 0 });
            return;
        }
        match self.selected_letter().map(|letter| letter.id.clone()) {
            Some(id) => self.overlay = Some(Overlay::Letter(id)),
            None => self.say(Tone::Info, "select a dead letter to inspect it", now),
        }
    }

    pub(super) fn settle_letter(&mut self, action: LetterAction, now: Time) {
        if self.refuse_control(now) {
            return;
        }
        let Some(letter) = self.selected_letter() else {
            return self.say(Tone::Info, "select a dead letter first", now);
        };
        let (id, from) = (text::scrub(&letter.id, NAME), text::scrub(&letter.destination, NAME));
        let request = LettersRequest {
            destination: letter.destination.clone(),
            id: Some(letter.id.clone()),
        };
        let (title, effect, yes) = match action {
            LetterAction::Replay => (
                format!("Replay {id} of {from}?"),
                "It is delivered once more to whoever gave it up. Handled already, it has no second effect.",
                "replay",
            ),
            LetterAction::Purge => (
                format!("Purge {id} of {from}?"),
                "It is thrown away for good: what it asked for never happens.",
                "purge",
            ),
        };
        self.confirm(title, effect, yes, Question::Letters(action, request));
    }

    pub(super) fn rebuild(&mut self, now: Time) {
        if self.refuse_control(now) {
            return;
        }
        let key = self.read_models.selected().and_then(|row| row.strip_prefix("model/"));
        let Some(model) = key.and_then(|key| self.known.picture().read_models.get(key)) else {
            return self.say(Tone::Info, "select a read model first", now);
        };
        let title = format!(
            "Rebuild {} of {}?",
            text::scrub(&model.name, NAME),
            text::scrub(&model.service, NAME)
        );
        let question = Question::Rebuild(model.service.clone(), model.name.clone());
        let effect = "It is emptied and filled again from its events; until then it shows less. Nothing is sent twice.";
        self.confirm(title, effect, "rebuild", question);
    }

    pub(super) fn act_on_saga(&mut self, action: SagaAction, now: Time) {
        if self.refuse_control(now) {
            return;
        }
        let Some(key) = self.shown_saga() else {
            return self.say(Tone::Info, "select a saga first", now);
        };
        let state = self.known.picture().sagas.get(&key.text()).map(|saga| saga.state);
        let id = text::scrub(&key.id, NAME);
        let (title, effect, yes) = match action {
            SagaAction::Retry if state == Some(SagaState::Failed) => (
                format!("Retry {id}?"),
                "It is parked; what could not be undone is tried again from the first attempt.",
                "retry",
            ),
            SagaAction::Retry => (
                format!("Retry {id}?"),
                "The attempt that it waits for is made now.",
                "retry",
            ),
            SagaAction::Cancel | SagaAction::Compensate => (
                format!("Turn {id} back?"),
                "Every effect that it had, or may have had, is undone. Refused once its last step has begun.",
                "turn back",
            ),
            SagaAction::CommitInDoubt => (
                format!("Commit {id} without its coordinator?"),
                "Whoever said yes keeps what it holds. Should the coordinator decide to abort, they have to undo it.",
                "commit",
            ),
            SagaAction::AbortInDoubt => (
                format!("Abort {id} without its coordinator?"),
                "Whoever said yes gives back what it holds. Should the coordinator decide to commit, its word is broken.",
                "abort",
            ),
        };
        self.confirm(title, effect, yes, Question::Act(action, key));
    }

    pub(super) fn confirm(&mut self, title: String, effect: &str, yes: &'static str, question: Question) {
        self.overlay = Some(Overlay::Confirm(Confirm {
            title,
            effect: effect.to_owned(),
            yes,
            then: Then::Ask(question),
        }));
    }
}
