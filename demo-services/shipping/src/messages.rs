//! The service's part in orders that travel by messages: the same commands as over HTTP.

use serde::Deserialize;
use serde_json::{Value, json};
use shop_kit::context::Context;
use shop_kit::database::Tx;
use shop_kit::idempotency::Answer;
use shop_kit::order_commands::Command;
use shop_kit::participant::Participant;
use shop_kit::problem::Problem;
use shop_kit::request::{check_id, decoded};

use crate::http::{Shipping, call_back, ship_order};

/// Content of a cancellation.
#[derive(Debug, Deserialize)]
struct Cancelled {
    order_id: String,
}

impl Participant for Shipping {
    type Found = ();

    async fn ask(&self, command: Command, body: &Value) -> Result<(), Problem> {
        match command {
            Command::ShipOrder => self.book(&decoded(body.clone())?).await,
            Command::CancelShipment => check_id("order_id", &decoded::<Cancelled>(body.clone())?.order_id),
            other => Err(other.not_ours()),
        }
    }

    fn carry_out(
        tx: &Tx<'_>,
        command: Command,
        _: &str,
        body: Value,
        (): (),
        context: &Context,
    ) -> Result<Answer, Problem> {
        // The order's id makes every command repeatable; no other key is needed.
        let shipment = match command {
            Command::ShipOrder => ship_order(tx, decoded(body)?, context)?,
            Command::CancelShipment => call_back(tx, &decoded::<Cancelled>(body)?.order_id, context)?,
            other => return Err(other.not_ours()),
        };
        Ok(Answer {
            status: 201,
            body: json!(shipment),
        })
    }
}
