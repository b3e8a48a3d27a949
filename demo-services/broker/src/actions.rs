//! What a person may have the broker do from a dashboard.

use sagascope_conventions::action::{Action, ActionOutcome};
use shop_kit::actions::failed;
use shop_kit::broker::admin::{Letters, Settled};

use crate::embedded::EmbeddedBroker;

/// Carries out what is asked about dead letters.
pub(crate) async fn carry_out(broker: EmbeddedBroker, action: Action) -> ActionOutcome {
    let (settled, done) = match action {
        Action::ReplayDeadLetters {
            destination,
            message_id,
        } => (
            broker.replay_letters(meant(destination, message_id)).await,
            "delivered once more",
        ),
        Action::PurgeDeadLetters {
            destination,
            message_id,
        } => (
            broker.purge_letters(meant(destination, message_id)).await,
            "thrown away",
        ),
        _ => return ActionOutcome::Unknown,
    };
    match settled {
        Ok(Settled { count: 0 }) => ActionOutcome::Unknown,
        Ok(Settled { count }) => ActionOutcome::Done {
            count,
            detail: match count {
                1 => format!("1 dead letter is {done}."),
                _ => format!("{count} dead letters are {done}."),
            },
        },
        Err(error) => failed(&error),
    }
}

fn meant(topic: String, message_id: Option<String>) -> Letters {
    Letters {
        topic: Some(topic),
        message_id,
        ..Letters::default()
    }
}
