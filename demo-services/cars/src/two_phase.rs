//! The car rental as a participant of a two-phase commit: a yes locks a car until the decision.

use serde::Deserialize;
use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::Tx;
use shop_kit::day::Day;
use shop_kit::problem::Problem;
use shop_kit::two_phase::{Participant, Vote};

use crate::commands;
use crate::http::Cars;
use crate::reservation::{Rental, ReservationState};

/// Body of the question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    class: String,
    from: Day,
    days: u32,
}

impl Participant for Cars {
    type Wish = Wish;
    type Checked = Rental;

    async fn check(&self, _: &str, wish: Wish) -> Result<Rental, Problem> {
        let Wish { class, from, days } = wish;
        let rental = Rental { class, from, days };
        self.ask_depot(&rental).await?;
        Ok(rental)
    }

    fn prepare(&self, tx: &Tx<'_>, id: &str, rental: Rental, context: &Context) -> Result<Vote, Problem> {
        let words = format!("one {}, {} days from {}", rental.class, rental.days, rental.from);
        let reservation = commands::reserve_car(tx, id, rental, ReservationState::Prepared, context)?;
        Ok(Vote {
            holds: (reservation.state == ReservationState::Prepared).then_some(words),
            answer: json!(reservation),
        })
    }

    fn commit(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem> {
        commands::confirm_car(tx, id, context)?;
        Ok(())
    }

    fn abort(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem> {
        commands::release_car(tx, id, context)?;
        Ok(())
    }
}
