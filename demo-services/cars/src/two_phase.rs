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
use crate::reservation::{Refusal, Rental, ReservationState};

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
    type Checked = (Rental, Option<Refusal>);

    async fn check(&self, _: &str, wish: Wish) -> Result<(Rental, Option<Refusal>), Problem> {
        let Wish { class, from, days } = wish;
        let rental = Rental { class, from, days };
        let refused = self.ask_depot(&rental).await?;
        Ok((rental, refused))
    }

    fn prepare(
        &self,
        tx: &Tx<'_>,
        id: &str,
        (rental, refused): Self::Checked,
        context: &Context,
    ) -> Result<Vote, Problem> {
        let words = format!("one {}, {} days from {}", rental.class, rental.days, rental.from);
        let promise = ReservationState::Prepared;
        Ok(
            match commands::reserve_once(tx, id, rental, promise, refused, context)? {
                Ok(reservation) => Vote::Yes {
                    holds: (reservation.state == promise).then_some(words),
                    answer: json!(reservation),
                },
                Err(refusal) => Vote::No(refusal),
            },
        )
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
