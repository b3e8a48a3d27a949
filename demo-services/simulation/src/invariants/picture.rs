//! The collector's picture against the services' own logs.

use std::collections::BTreeSet;

use sagascope_api::Time;
use sagascope_api::sagas::SagaDetail;
use sagascope_conventions::StepState;
use shop_kit::saga::Instance;

use crate::evidence::Evidence;

/// What the collector shows of each saga is what orders has stored, and it shows no other.
pub(super) fn picture_equals_the_logs(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let picture = &evidence.collector.lock().picture;
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for saga in evidence.sagas()? {
        match picture.saga(&saga.id, Some(&saga.name), Time(0)) {
            Some(shown) => found.extend(differences(&saga, &shown)),
            None => found.push(format!("saga {} is not shown", saga.id)),
        }
        known.insert(saga.id);
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

fn differences(stored: &Instance, shown: &SagaDetail) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, stored: String, shown: String| {
        if stored != shown {
            found.push(format!("{what} is {stored} and shown as {shown}"));
        }
    };
    let id = &stored.id;
    compare(
        &format!("saga {id}"),
        stored.state.as_str().to_owned(),
        shown.saga.state.as_str().to_owned(),
    );
    compare(
        &format!("number of events of {id}"),
        stored.sequence.to_string(),
        shown.events.len().to_string(),
    );
    for (index, step) in stored.steps.iter().enumerate() {
        let what = format!("step {} of {id}", step.name);
        let Some(seen) = shown.steps.get(index) else {
            compare(&what, "known".to_owned(), "nothing".to_owned());
            continue;
        };
        let forward = format!(
            "{} after {} attempts",
            step.forward.state.as_str(),
            step.forward.attempt
        );
        compare(
            &what,
            forward,
            format!("{} after {} attempts", seen.state.as_str(), seen.attempts),
        );
        let undo = step.undo.as_ref().filter(|undo| undo.state != StepState::Pending);
        let undo = undo.map(|undo| format!("{} after {} attempts", undo.state.as_str(), undo.attempt));
        let seen = seen.compensation.as_ref();
        let seen = seen.map(|undo| format!("{} after {} attempts", undo.state.as_str(), undo.attempts));
        compare(
            &format!("undo of {what}"),
            undo.unwrap_or_default(),
            seen.unwrap_or_default(),
        );
    }
    found
}
