//! The service's part in orders that travel by messages: the same commands as over HTTP.

use serde::Deserialize;
use serde_json::Value;
use shop_kit::context::Context;
use shop_kit::database::Tx;
use shop_kit::idempotency::Answer;
use shop_kit::order_commands::Command;
use shop_kit::participant::Participant;
use shop_kit::problem::Problem;
use shop_kit::request::{check_id, decoded};

use crate::commands;
use crate::http::{Inventory, Reserve};
use crate::reservation::Refusal;

/// Content of a command about a reservation that exists.
#[derive(Debug, Deserialize)]
struct Reserved {
    reservation_id: String,
}

impl Participant for Inventory {
    /// Why nothing is set aside, for a reservation.
    type Found = Option<Refusal>;

    async fn ask(&self, command: Command, body: &Value) -> Result<Option<Refusal>, Problem> {
        match command {
            Command::ReserveItems => self.set_aside(&decoded(body.clone())?).await,
            _ => check_id("reservation_id", &decoded::<Reserved>(body.clone())?.reservation_id).map(|()| None),
        }
    }

    fn carry_out(
        tx: &Tx<'_>,
        command: Command,
        _: &str,
        body: Value,
        refused: Option<Refusal>,
        context: &Context,
    ) -> Result<Answer, Problem> {
        // The reservation's id makes every command repeatable; no other key is needed.
        let reservation = match command {
            Command::ReserveItems => {
                let Reserve { reservation_id, lines } = decoded(body)?;
                return commands::reserve_once(tx, &reservation_id, lines, refused, context);
            }
            Command::SellItems => commands::confirm_goods(tx, &decoded::<Reserved>(body)?.reservation_id, context),
            Command::ReleaseItems => commands::release_goods(tx, &decoded::<Reserved>(body)?.reservation_id, context),
            other => return Err(other.not_ours()),
        };
        Ok(Answer {
            status: 201,
            body: serde_json::json!(reservation?),
        })
    }
}
