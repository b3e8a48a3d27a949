//! What a person does to an order that nobody orchestrates: orders opens and closes it, so orders is asked.
//!
//! Another attempt is another delivery, which is the broker's to make. Turned back is what orders would confirm: it tells
//! `OrderRejected` instead, and each service undoes its own step.

use rusqlite::Connection;
use sagascope_conventions::action::{Action, ActionOutcome, SagaRef};
use sagascope_conventions::{OrderFlow, SagaState};
use shop_kit::actions::failed;
use shop_kit::broker::HttpBroker;
use shop_kit::choreography::TOPIC;
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::saga::{self, Instance};

use crate::cancel_order::request_cancellation;
use crate::order_saga::LocalError;
use crate::order_store;

const FLOW: OrderFlow = OrderFlow::Choreographed;
/// Why an order turned back.
const BY_A_PERSON: &str = "turned back by a person";

/// Carries out what is asked about choreographed orders.
pub(crate) async fn carry_out(db: Database, broker: HttpBroker, action: Action) -> ActionOutcome {
    let (turns_back, SagaRef { name, id }) = match action {
        Action::RetrySaga(saga) => (false, saga),
        Action::CancelSaga(saga) | Action::CompensateSaga(saga) => (true, saga),
        _ => return ActionOutcome::Unknown,
    };
    if name != FLOW.saga_name() {
        return ActionOutcome::Unknown;
    }
    if turns_back {
        let work = db.write(move |tx| turn_back(tx, &id));
        return work.await.unwrap_or_else(|error: LocalError| failed(&error));
    }
    let key = id.clone();
    match db.read(move |conn| unended(conn, &key)).await {
        Ok(Ok(_)) => hurry(&broker, &id).await,
        Ok(Err(outcome)) => outcome,
        Err(error) => failed(&error),
    }
}

async fn hurry(broker: &HttpBroker, id: &str) -> ActionOutcome {
    match broker.hurry(TOPIC, id).await {
        Ok(0) => refused("No delivery of it waits: its step is under way, or its service is away."),
        Ok(count) => ActionOutcome::Done {
            count,
            detail: "What it waits for is delivered once more now.".to_owned(),
        },
        Err(error) => failed(&error),
    }
}

fn turn_back(tx: &Tx<'_>, id: &str) -> Result<ActionOutcome, LocalError> {
    let instance = match unended(tx, id)? {
        Err(outcome) => return Ok(outcome),
        Ok(instance) if instance.state == SagaState::Running => instance,
        Ok(_) => return Ok(refused("The saga has turned back already.")),
    };
    let order = order_store::load(tx, id)?;
    let events = request_cancellation(&order, BY_A_PERSON)?;
    if events.is_empty() {
        return Ok(refused(
            "It is asked to turn back already, and does so when it has been shipped.",
        ));
    }
    let context = Context {
        correlation_id: instance.correlation_id,
        ..Context::fresh()
    };
    order_store::record(tx, id, &order, &events, &context)?;
    Ok(ActionOutcome::Done {
        count: 1,
        detail: "The order will not be confirmed: it turns back at its last step.".to_owned(),
    })
}

/// What orders knows of it, or why nothing can be done about it.
fn unended(conn: &Connection, id: &str) -> Result<Result<Instance, ActionOutcome>, DatabaseError> {
    let Some(instance) = saga::find(conn, FLOW.saga_name(), id)? else {
        return Ok(Err(ActionOutcome::Unknown));
    };
    Ok(match instance.state {
        SagaState::Completed => Err(refused("The saga is completed.")),
        SagaState::Compensated => Err(refused("The saga is compensated: every effect is undone.")),
        _ => Ok(instance),
    })
}

fn refused(detail: &str) -> ActionOutcome {
    ActionOutcome::Refused {
        detail: detail.to_owned(),
    }
}
