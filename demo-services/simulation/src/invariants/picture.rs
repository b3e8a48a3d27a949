//! The collector's picture against the services' own logs.

use std::collections::BTreeSet;

use sagascope_api::Time;
use sagascope_api::sagas::SagaDetail;
use sagascope_conventions::StepState;
use shop_kit::saga::{Instance, Step};

use super::sagas::is_orchestrated;
use crate::evidence::{Evidence, TRANSACTION};

/// What the collector shows of each saga and each two-phase commit is what its service has stored, and it shows no other.
pub(super) fn picture_equals_the_logs(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let picture = &evidence.collector.lock().picture;
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for saga in evidence.all_sagas()? {
        match picture.saga(&saga.id, Some(&saga.name), Time(0)) {
            Some(shown) => found.extend(differences(&saga, &shown)),
            None => found.push(format!("saga {} is not shown", saga.id)),
        }
        known.insert(saga.id);
    }
    for transaction in evidence.transactions()? {
        let id = &transaction.id;
        let shown = picture.saga(id, Some(TRANSACTION), Time(0));
        let shown = shown.map(|shown| (shown.saga.state.as_str().to_owned(), shown.events.len() as u64));
        let stored = (transaction.state.clone(), transaction.sequence);
        if shown.as_ref() != Some(&stored) {
            found.push(format!("transaction {id} is {stored:?} and shown as {shown:?}"));
        }
        known.insert(transaction.id);
    }
    let mut shown = picture.sagas(|saga| !known.contains(&saga.id));
    shown.sort_by(|one, other| one.id.cmp(&other.id));
    found.extend(
        shown
            .iter()
            .map(|saga| format!("saga {} is shown and does not exist", saga.id)),
    );
    Ok(found)
}

pub(super) fn differences(stored: &Instance, shown: &SagaDetail) -> Vec<String> {
    let id = &stored.id;
    let mut pairs = vec![(
        format!("saga {id}"),
        stored.state.as_str().to_owned(),
        shown.saga.state.as_str().to_owned(),
    )];
    if is_orchestrated(stored) {
        let told = shown.events.len().to_string();
        pairs.push((format!("number of events of {id}"), stored.sequence.to_string(), told));
        pairs.extend(
            stored
                .steps
                .iter()
                .enumerate()
                .flat_map(|(index, step)| steps(id, index, step, shown)),
        );
    }
    let differ = pairs.into_iter().filter(|(_, stored, shown)| stored != shown);
    differ
        .map(|(what, stored, shown)| format!("{what} is {stored} and shown as {shown}"))
        .collect()
}

/// A step and its undo: what it is, how it is stored, how it is shown.
fn steps(id: &str, index: usize, step: &Step, shown: &SagaDetail) -> [(String, String, String); 2] {
    let tell = |state: StepState, attempts: u32| format!("{} after {attempts} attempts", state.as_str());
    let what = format!("step {} of {id}", step.name);
    let seen = shown.steps.get(index);
    let forward = seen.map(|seen| tell(seen.state, seen.attempts)).unwrap_or_default();
    let undo = step.undo.as_ref().filter(|undo| undo.state != StepState::Pending);
    let undo = undo.map(|undo| tell(undo.state, undo.attempt)).unwrap_or_default();
    let seen = seen.and_then(|seen| seen.compensation.as_ref());
    let back = seen.map(|seen| tell(seen.state, seen.attempts)).unwrap_or_default();
    [
        (what.clone(), tell(step.forward.state, step.forward.attempt), forward),
        (format!("undo of {what}"), undo, back),
    ]
}
