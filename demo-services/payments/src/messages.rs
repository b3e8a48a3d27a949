//! The service's part in orders that travel by messages: the same commands as over HTTP.

use serde_json::Value;
use shop_kit::context::Context;
use shop_kit::database::Tx;
use shop_kit::idempotency::Answer;
use shop_kit::order_commands::Command;
use shop_kit::participant::Participant;
use shop_kit::problem::Problem;
use shop_kit::request::decoded;

use crate::cards::Card;
use crate::commands::{charge_order, refund_order};
use crate::http::{Payments, check_refund};

impl Participant for Payments {
    /// The bank's answer, for a charge.
    type Found = Option<Card>;

    async fn ask(&self, command: Command, body: &Value) -> Result<Option<Card>, Problem> {
        match command {
            Command::ChargePayment => self.authorise(&decoded(body.clone())?).await.map(Some),
            Command::RefundPayment => check_refund(&decoded(body.clone())?).map(|()| None),
            other => Err(other.not_ours()),
        }
    }

    fn carry_out(
        tx: &Tx<'_>,
        command: Command,
        key: &str,
        body: Value,
        card: Option<Card>,
        context: &Context,
    ) -> Result<Answer, Problem> {
        match (command, card) {
            (Command::ChargePayment, Some(card)) => charge_order(tx, key, decoded(body)?, card, context),
            (Command::RefundPayment, None) => refund_order(tx, key, decoded(body)?, context),
            (other, _) => Err(other.not_ours()),
        }
    }
}
