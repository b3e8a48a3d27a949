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
use crate::reservation::{ReservationState, Stay};

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
    type Checked = Stay;

    async fn check(&self, _: &str, wish: Wish) -> Result<Stay, Problem> {
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
        self.ask_reception(&stay).await?;
        Ok(stay)
    }

    fn prepare(&self, tx: &Tx<'_>, id: &str, stay: Stay, context: &Context) -> Result<Vote, Problem> {
        let words = format!("{}, {} nights from {}", stay.room_id, stay.nights, stay.arrival);
        let reservation = commands::reserve_room(tx, id, stay, ReservationState::Prepared, context)?;
        Ok(Vote {
            holds: (reservation.state == ReservationState::Prepared).then_some(words),
            answer: json!(reservation),
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
