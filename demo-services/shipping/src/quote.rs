//! What a parcel costs: asked over the broker, answered there.

use serde::{Deserialize, Serialize};
use shop_kit::broker::{Message, schema};
use shop_kit::consumer::Subscription;
use shop_kit::context::Context;
use shop_kit::database::Tx;
use shop_kit::event_store::Upcasters;
use shop_kit::request_reply;

/// Where questions come from.
pub(crate) const QUESTIONS: Subscription = Subscription {
    group: "shipping.quotes",
    topics: &["shipping.quotes"],
    projection: None,
};

/// Price of a parcel, and of each piece in it, in cents.
const PARCEL_MINOR: i64 = 390;
const PIECE_MINOR: i64 = 15;
/// Pieces that fit into one parcel.
const PIECES: u32 = 20;

/// Payload of `QuoteWanted`.
#[derive(Debug, Deserialize)]
pub(crate) struct QuoteWanted {
    pieces: u32,
}

/// Payload of `QuoteGiven`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Quote {
    price_minor: i64,
    currency: &'static str,
    parcels: u32,
}

/// The price of so many pieces.
pub(crate) fn quote(wanted: &QuoteWanted) -> Quote {
    let parcels = wanted.pieces.div_ceil(PIECES).max(1);
    Quote {
        price_minor: i64::from(parcels) * PARCEL_MINOR + i64::from(wanted.pieces) * PIECE_MINOR,
        currency: "EUR",
        parcels,
    }
}

/// Answers one question.
pub(crate) fn answer(tx: &Tx<'_>, message: &Message, context: &Context) -> anyhow::Result<()> {
    let forms = Upcasters::new().event("QuoteWanted", &[]);
    if let Some(wanted) = schema::read(&forms, message)? {
        request_reply::reply(tx, message, "QuoteGiven", &quote(&wanted), context)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_has_its_price_and_so_has_each_piece() {
        let price = |pieces| {
            let quote = quote(&QuoteWanted { pieces });
            (quote.parcels, quote.price_minor)
        };
        assert_eq!([price(1), price(20), price(21)], [(1, 405), (1, 690), (2, 1_095)]);
        assert_eq!(price(u32::MAX).0, 214_748_365);
    }
}
