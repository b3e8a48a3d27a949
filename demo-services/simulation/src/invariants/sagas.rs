//! INV-03 and INV-04.

use std::collections::BTreeSet;

use sagascope_api::Time;
use sagascope_api::sagas::SagaDetail;
use sagascope_conventions::{OrderFlow, SagaState, StepState, events};
use shop_kit::saga::Instance;

use crate::evidence::Evidence;

/// Each order and trip that a customer was promised has a saga, or a transaction, and each saga has come to an end. No trouble here lasts so long
/// that an operator is needed.
pub(super) fn inv_03_ends(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let (sagas, transactions) = (evidence.all_sagas()?, evidence.transactions()?);
    let open = sagas.iter().filter(|saga| {
        matches!(
            saga.state,
            SagaState::Running | SagaState::Compensating | SagaState::Failed
        )
    });
    let mut found: Vec<String> = open
        .map(|saga| format!("saga {} ended as {}: {:?}", saga.id, saga.state.as_str(), saga.reason))
        .collect();
    let open = transactions.iter().filter(|transaction| !transaction.is_over());
    found.extend(open.map(|transaction| format!("transaction {} ended as {}", transaction.id, transaction.state)));
    let known = sagas.iter().map(|saga| saga.id.as_str());
    let known: BTreeSet<&str> = known
        .chain(transactions.iter().map(|transaction| transaction.id.as_str()))
        .collect();
    let promised = evidence.purchases.iter().filter_map(|purchase| purchase.id());
    found.extend(
        promised
            .filter(|id| !known.contains(id))
            .map(|id| format!("{id} was promised and is not known")),
    );
    Ok(found)
}

/// A compensated saga has undone every step that succeeded or may have, and no other, in reverse order. A completed one
/// has undone nothing.
pub(super) fn inv_04_compensations(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for saga in evidence.all_sagas()?.into_iter().filter(is_orchestrated) {
        let told = evidence
            .collector
            .lock()
            .picture
            .saga(&saga.id, Some(&saga.name), Time(0));
        for step in &saga.steps {
            let acted = step.forward.state == StepState::Succeeded || step.may_have_acted;
            let undone = step
                .undo
                .as_ref()
                .is_some_and(|undo| undo.state == StepState::Succeeded);
            let due = saga.state == SagaState::Compensated && acted;
            if undone != due {
                found.push(format!(
                    "saga {} is {}: step {} has acted: {acted}, is undone: {undone}",
                    saga.id,
                    saga.state.as_str(),
                    step.name
                ));
            }
        }
        found.extend(told.and_then(|told| out_of_order(&saga, &told)));
    }
    Ok(found)
}

/// Without an orchestrator nobody keeps all steps: what the services did shows in money and stock.
pub(super) fn is_orchestrated(saga: &Instance) -> bool {
    saga.name != OrderFlow::Choreographed.saga_name()
}

/// The undo of an earlier step that was over before that of a later one.
fn out_of_order(saga: &Instance, told: &SagaDetail) -> Option<String> {
    let undone: Vec<usize> = told
        .events
        .iter()
        .filter(|event| event.name == events::SAGA_COMPENSATION_SUCCEEDED)
        .filter_map(|event| {
            let name = event.step.as_deref()?;
            saga.steps.iter().position(|step| step.name == name)
        })
        .collect();
    let sorted = undone.windows(2).all(|pair| pair[0] > pair[1]);
    (!sorted).then(|| format!("saga {} has undone its steps in the order {undone:?}", saga.id))
}
