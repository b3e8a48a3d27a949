//! Hotels as a participant of a two-phase commit: a yes locks the nights until the decision.

use serde::Deserialize;
use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::Tx;
use shop_kit::day::Day;
use shop_kit::problem::Problem;
use shop_kit::two_phase::{Participant, Vote};

use crate::commands;
use crate::http::Hotels;
use crate::reservation::{Refusal, ReservationState, Stay};

/// Body of the question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    room_id: String,
    arrival: Day,
    nights: u32,
}

impl Participant for Hotels {
    type Wish = Wish;
    type Checked = (Stay, Option<Refusal>);

    async fn check(&self, _: &str, wish: Wish) -> Result<(Stay, Option<Refusal>), Problem> {
        let Wish {
            room_id,
            arrival,
            nights,
        } = wish;
        let stay = Stay {
            room_id,
            arrival,
            nights,
        };
        let refused = self.ask_reception(&stay).await?;
        Ok((stay, refused))
    }

    fn prepare(
        &self,
        tx: &Tx<'_>,
        id: &str,
        (stay, refused): Self::Checked,
        context: &Context,
    ) -> Result<Vote, Problem> {
        let words = format!("{}, {} nights from {}", stay.room_id, stay.nights, stay.arrival);
        let promise = ReservationState::Prepared;
        Ok(match commands::reserve_once(tx, id, stay, promise, refused, context)? {
            Ok(reservation) => Vote::Yes {
                holds: (reservation.state == promise).then_some(words),
                answer: json!(reservation),
            },
            Err(refusal) => Vote::No(refusal),
        })
    }

    fn commit(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem> {
        commands::confirm_room(tx, id, context)?;
        Ok(())
    }

    fn abort(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem> {
        commands::release_room(tx, id, context)?;
        Ok(())
    }
}
