//! What a person does to an instance: have it try again now, or turn back.
//!
//! The change is made in the database under the same guard as a runner's own, so that whichever comes second sees the
//! other. A row beside it wakes the runner: a wait is cut short, and an instance that was parked is taken up again.

use crate::clock::unix_nanos_now;
use rusqlite::{Connection, params};
use sagascope_conventions::action::{Action, ActionOutcome, SagaRef};
use sagascope_conventions::{SagaState, StepState};
use sagascope_instrument::Event;

use super::SagaDefinition;
use super::machine::{Instance, Progress};
use super::store;
use crate::actions;
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::sql::{Headers, json, signed, unsigned};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS saga_operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    saga INTEGER NOT NULL,
    revived INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
";

/// The table whose rows wake runners.
pub(super) const TABLE: &str = "saga_operations";
/// Operations kept to be looked at.
const KEPT: i64 = 1_000;
/// Why an instance turned back.
const BY_A_PERSON: &str = "turned back by a person";

/// What is done to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The next attempt is due now; what was parked is tried again.
    Retry,
    /// Turn back, as long as the last step has not begun.
    Cancel,
    /// Turn back, whatever it is at; what was parked is tried again.
    Compensate,
}

impl Operation {
    fn of(action: Action) -> Option<(Self, SagaRef)> {
        match action {
            Action::RetrySaga(saga) => Some((Self::Retry, saga)),
            Action::CancelSaga(saga) => Some((Self::Cancel, saga)),
            Action::CompensateSaga(saga) => Some((Self::Compensate, saga)),
            _ => None,
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Retry => "The saga tries again now.",
            Self::Cancel | Self::Compensate => "The saga turns back.",
        }
    }
}

/// Carries out what is asked about instances of this type.
pub(crate) async fn carry_out<D: SagaDefinition>(
    db: Database,
    definition: std::sync::Arc<D>,
    action: Action,
) -> ActionOutcome {
    let Some((operation, saga)) = Operation::of(action).filter(|(_, saga)| saga.name == D::NAME) else {
        return ActionOutcome::Unknown;
    };
    let work = db.write(move |tx| operate(tx, &*definition, &saga.id, operation));
    work.await
        .unwrap_or_else(|error: anyhow::Error| actions::failed(&format!("{error:#}")))
}

/// Does it, and tells of it, in the transaction at hand.
///
/// # Errors
/// When the database fails.
pub fn operate<D: SagaDefinition>(
    tx: &Tx<'_>,
    definition: &D,
    id: &str,
    operation: Operation,
) -> anyhow::Result<ActionOutcome> {
    let found = tx
        .prepare_cached("SELECT number, instance, headers FROM sagas WHERE name = ? AND id = ?")?
        .query_and_then(params![D::NAME, id], |row| {
            Ok::<_, DatabaseError>((unsigned(row, 0)?, json::<Instance>(row, 1)?, json::<Headers>(row, 2)?))
        })?
        .next()
        .transpose()?;
    let Some((number, mut instance, headers)) = found else {
        return Ok(ActionOutcome::Unknown);
    };
    let (expected, was_final) = (instance.sequence, instance.state.is_final());
    let now = unix_nanos_now();
    let told = match instance.operate(operation, now) {
        Ok(told) => told,
        Err(detail) => return Ok(ActionOutcome::Refused { detail }),
    };
    // Nothing was told yet, and still nobody may go on from what stood before.
    instance.sequence = instance.sequence.max(expected + 1);
    let saved = store::save(tx, &instance, expected, told)?;
    anyhow::ensure!(saved, "the saga moved on at the same time");
    if instance.state.is_final() {
        definition.finished(tx, &instance, &Context::from_headers(&headers))?;
    }
    tx.prepare_cached("INSERT INTO saga_operations (name, saga, revived, at) VALUES (?, ?, ?, ?)")?
        .execute(params![
            D::NAME,
            signed(number),
            was_final && !instance.state.is_final(),
            signed(now)
        ])?;
    tx.prepare_cached("DELETE FROM saga_operations WHERE number <= (SELECT max(number) FROM saga_operations) - ?")?
        .execute([KEPT])?;
    Ok(ActionOutcome::Done {
        count: 1,
        detail: operation.done().to_owned(),
    })
}

/// The newest operation there is.
pub(super) fn newest(conn: &Connection) -> Result<u64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT coalesce(max(number), 0) FROM saga_operations")?;
    Ok(query.query_row([], |row| unsigned(row, 0))?)
}

/// Instances that were final and are not any more, since the operation `after`: their numbers.
pub(super) fn revived(conn: &Connection, name: &str, after: u64) -> Result<Vec<u64>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT DISTINCT saga FROM saga_operations WHERE name = ? AND number > ? AND revived = 1 ORDER BY saga",
    )?;
    let numbers = query.query_map(params![name, signed(after)], |row| unsigned(row, 0))?;
    Ok(numbers.collect::<Result<_, _>>()?)
}

impl Instance {
    /// What a person asks for; the refusal in words when the state of things does not allow it.
    pub(super) fn operate(&mut self, operation: Operation, now: u64) -> Result<Vec<Event>, String> {
        match (operation, self.state) {
            (_, SagaState::Completed) => Err("The saga is completed.".to_owned()),
            (_, SagaState::Compensated) => Err("The saga is compensated: every effect is undone.".to_owned()),
            (Operation::Retry | Operation::Compensate, SagaState::Failed) => {
                self.take_up_parked();
                Ok(Vec::new())
            }
            (Operation::Cancel, SagaState::Failed) => {
                Err("The saga has turned back already and is parked; retry it.".to_owned())
            }
            (Operation::Retry, SagaState::Running | SagaState::Compensating) => self.hurry(),
            (Operation::Cancel | Operation::Compensate, SagaState::Compensating) => {
                Err("The saga has turned back already.".to_owned())
            }
            (Operation::Cancel, SagaState::Running) if self.last_step_has_begun() => Err(
                "The last step has begun, so the saga ends as it is meant to; compensate it to undo all the same."
                    .to_owned(),
            ),
            (Operation::Cancel | Operation::Compensate, SagaState::Running) => Ok(self.turn_back_by_hand(now)),
        }
    }

    /// Undos that were given up begin anew.
    fn take_up_parked(&mut self) {
        self.state = SagaState::Compensating;
        for undo in self.steps.iter_mut().filter_map(|step| step.undo.as_mut()) {
            if undo.state == StepState::Failed {
                *undo = Progress::PENDING;
            }
        }
    }

    fn hurry(&mut self) -> Result<Vec<Event>, String> {
        let halves = self
            .steps
            .iter_mut()
            .flat_map(|step| std::iter::once(&mut step.forward).chain(step.undo.as_mut()));
        let mut hurried = false;
        for progress in halves.filter(|progress| progress.state == StepState::Retrying) {
            progress.due = 0;
            hurried = true;
        }
        if hurried {
            Ok(Vec::new())
        } else {
            Err("The saga waits for no attempt: its step is under way.".to_owned())
        }
    }

    fn last_step_has_begun(&self) -> bool {
        self.steps
            .last()
            .is_some_and(|step| step.forward.state != StepState::Pending)
    }

    fn turn_back_by_hand(&mut self, now: u64) -> Vec<Event> {
        for step in &mut self.steps {
            // Its answer will not be heard any more.
            step.may_have_acted |= step.forward.state == StepState::Running;
        }
        self.turn_back(BY_A_PERSON);
        self.settle(now).into_iter().collect()
    }
}
