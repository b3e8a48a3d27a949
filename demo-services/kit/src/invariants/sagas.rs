//! INV-03 and INV-04: sagas that a runner carries out.

use std::time::Duration;

use rusqlite::Connection;
use sagascope_conventions::{Invariant, SagaState, StepState};

use super::{Check, Moment};
use crate::database::DatabaseError;
use crate::saga::{Instance, Progress};
use crate::sql::{json, unsigned};

/// Unended instances looked at, the oldest.
const UNENDED: u32 = 1_000;
/// Ended ones, the newest: they do not change any more.
const ENDED: u32 = 200;

/// None stands still: an attempt is under way, or the next is due, or it was so a `grace` ago at most.
#[must_use]
pub fn sagas_move_on(names: &'static [&'static str], grace: Duration) -> Check {
    let grace = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX);
    Check::with(Invariant::SagasEnd, move |conn, at| {
        let mut found = Vec::new();
        for name in names {
            let unended = select(conn, name, "final = 0 ORDER BY number", UNENDED)?;
            found.extend(unended.iter().filter_map(|saga| stands_still(saga, at, grace)));
        }
        Ok(found)
    })
}

fn stands_still((instance, started_at): &(Instance, u64), at: Moment, grace: u64) -> Option<String> {
    let steps = instance.steps.iter();
    let ways = steps
        .flat_map(|step| [Some(&step.forward), step.undo.as_ref()])
        .flatten();
    let sign = |progress: &Progress| match progress.state {
        StepState::Running => progress.deadline,
        StepState::Retrying => progress.due,
        // How long ago the last one ended is not kept; it cannot have been longer than the time that it had.
        StepState::Pending | StepState::Succeeded | StepState::Failed => progress.deadline.max(progress.due),
    };
    let last = ways.map(sign).fold((*started_at).max(at.since), u64::max);
    let overdue = at.now.saturating_sub(last);
    (overdue > grace).then(|| {
        let (state, seconds) = (instance.state, overdue / 1_000_000_000);
        format!("saga {} is {state}, and nothing was due for {seconds} s", instance.id)
    })
}

/// A compensated saga has undone each step that took effect or may have, and no other; the last one is undone first. A
/// completed one has undone nothing.
#[must_use]
pub fn compensations_are_complete(names: &'static [&'static str]) -> Check {
    Check::with(Invariant::Compensations, move |conn, _| {
        let mut found = Vec::new();
        for name in names {
            let mut sagas = select(conn, name, "final = 0 ORDER BY number", UNENDED)?;
            sagas.extend(select(conn, name, "final = 1 ORDER BY number DESC", ENDED)?);
            found.extend(sagas.iter().flat_map(|(instance, _)| undone_wrongly(instance)));
        }
        Ok(found)
    })
}

/// What is wrong with what an instance has undone.
fn undone_wrongly(instance: &Instance) -> Vec<String> {
    let tell = |what: String| format!("saga {} is {}: {what}", instance.id, instance.state);
    let mut found: Vec<String> = instance
        .steps
        .iter()
        .filter_map(|step| {
            let acted = step.forward.state == StepState::Succeeded || step.may_have_acted;
            let undo = step.undo.as_ref().map(|undo| undo.state);
            let is_right = match instance.state {
                SagaState::Running | SagaState::Completed => undo.is_none(),
                SagaState::Compensating | SagaState::Failed => undo.is_some() == acted,
                SagaState::Compensated => acted && undo == Some(StepState::Succeeded) || !acted && undo.is_none(),
            };
            let (acted, undo) = (
                if acted { "has acted" } else { "has not acted" },
                undo.map_or("not undone", undo_word),
            );
            (!is_right).then(|| tell(format!("{} {acted} and is {undo}", step.name)))
        })
        .collect();
    let undos: Vec<(&str, &Progress)> = instance
        .steps
        .iter()
        .filter_map(|step| Some((step.name.as_str(), step.undo.as_ref()?)))
        .collect();
    let too_early = undos.windows(2).find(|pair| {
        let [(_, earlier), (_, later)] = pair else { return false };
        matches!(earlier.state, StepState::Running | StepState::Retrying)
            && !matches!(later.state, StepState::Succeeded | StepState::Failed)
    });
    if let Some([(earlier, _), (later, _)]) = too_early {
        found.push(tell(format!("{earlier} is undone before {later}")));
    }
    found
}

const fn undo_word(state: StepState) -> &'static str {
    match state {
        StepState::Succeeded => "undone",
        StepState::Failed => "given up",
        StepState::Pending | StepState::Running | StepState::Retrying => "being undone",
    }
}

fn select(conn: &Connection, name: &str, which: &str, limit: u32) -> Result<Vec<(Instance, u64)>, DatabaseError> {
    let sql = format!("SELECT instance, started_at FROM sagas WHERE name = ? AND {which} LIMIT ?");
    let mut query = conn.prepare_cached(&sql)?;
    let mut rows = query.query((name, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((json(row, 0)?, unsigned(row, 1)?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{LATER, found, made};
    use super::*;
    use crate::saga::{Policy, StepDefinition, StepFailure};
    use serde_json::json;

    const STEPS: [StepDefinition; 2] = [
        StepDefinition {
            name: "reserve",
            deadline: Duration::from_secs(10),
        },
        StepDefinition {
            name: "charge",
            deadline: Duration::from_secs(10),
        },
    ];
    const SECOND: u64 = 1_000_000_000;

    fn database() -> Connection {
        made("CREATE TABLE sagas (number INTEGER PRIMARY KEY, name, id UNIQUE, final, instance, started_at)")
    }

    fn keep(conn: &Connection, instance: &Instance, started_at: u64) {
        let text = serde_json::to_string(instance).expect("has a form");
        let row = (
            "order",
            &instance.id,
            instance.state.is_final(),
            text,
            started_at as i64,
        );
        conn.execute(
            "INSERT OR REPLACE INTO sagas (name, id, final, instance, started_at) VALUES (?, ?, ?, ?, ?)",
            row,
        )
        .expect("kept");
    }

    fn begun(now: u64) -> Instance {
        let (mut instance, _) = Instance::start("order", "o-1", "c", &STEPS, json!({}), now);
        instance.begin(now);
        instance
    }

    /// The first step succeeded and the second was refused, so it turned back, and undid the first.
    fn compensated() -> Instance {
        let policy = Policy::until_done(crate::profile::Profile::demo().retry);
        let mut instance = begun(0);
        instance.finish(Ok(json!({})), 0, &policy, 0.0);
        instance.begin(0);
        instance.finish(Err(StepFailure::refused("declined", "no")), 0, &policy, 0.0);
        instance.begin(0);
        instance.finish(Ok(json!({})), 0, &policy, 0.0);
        assert_eq!(instance.state, SagaState::Compensated);
        instance
    }

    #[test]
    fn inv_03_a_saga_that_nobody_carries_on_is_found() {
        let conn = database();
        let mut check = sagas_move_on(&["order"], Duration::from_secs(60));
        let now = LATER.now;
        keep(&conn, &begun(now - 65 * SECOND), now - 65 * SECOND);
        assert_eq!(
            found(&mut check, &conn),
            [] as [String; 0],
            "its deadline passed less than a minute ago"
        );
        keep(&conn, &begun(now - 75 * SECOND), now - 75 * SECOND);
        assert_eq!(
            found(&mut check, &conn),
            ["saga o-1 is running, and nothing was due for 65 s"]
        );
        let restarted = Moment {
            since: now - SECOND,
            ..LATER
        };
        assert_eq!(
            check.look(&conn, restarted).expect("looks"),
            [] as [String; 0],
            "it was the process that stood"
        );
        keep(&conn, &compensated(), 0);
        assert_eq!(found(&mut check, &conn), [] as [String; 0], "it has ended");
    }

    #[test]
    fn inv_04_what_is_undone_too_little_too_much_or_too_early_is_found() {
        let conn = database();
        let mut check = compensations_are_complete(&["order"]);
        keep(&conn, &compensated(), 0);
        assert_eq!(found(&mut check, &conn), [] as [String; 0]);

        let mut forgotten = compensated();
        forgotten.steps[0].undo = None;
        keep(&conn, &forgotten, 0);
        assert_eq!(
            found(&mut check, &conn),
            ["saga o-1 is compensated: reserve has acted and is not undone"]
        );

        let mut too_much = compensated();
        too_much.steps[1].undo = too_much.steps[0].undo.clone();
        keep(&conn, &too_much, 0);
        assert_eq!(
            found(&mut check, &conn),
            ["saga o-1 is compensated: charge has not acted and is undone"]
        );

        let mut too_early = compensated();
        too_early.state = SagaState::Compensating;
        too_early.steps[1].may_have_acted = true;
        if let Some(undo) = &mut too_early.steps[0].undo {
            undo.state = StepState::Running;
        }
        too_early.steps[1].undo = Some(too_early.steps[1].forward.clone());
        if let Some(undo) = &mut too_early.steps[1].undo {
            undo.state = StepState::Retrying;
        }
        keep(&conn, &too_early, 0);
        assert_eq!(
            found(&mut check, &conn),
            ["saga o-1 is compensating: reserve is undone before charge"]
        );
    }
}
