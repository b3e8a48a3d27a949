//! The shipment of one order: created once, cancelled once, and never created after it was cancelled.

use serde::Serialize;

/// A parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shipment {
    /// One shipment an order: the order's id is its key.
    pub(crate) order_id: String,
    /// Where it stands.
    pub(crate) state: ShipmentState,
    /// What the carrier calls it; `None` for a tombstone.
    pub(crate) tracking_number: Option<String>,
    /// To whom; `None` for a tombstone.
    pub(crate) customer_id: Option<String>,
    /// Pieces in it.
    pub(crate) pieces: u32,
}

/// Where a shipment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShipmentState {
    /// The carrier has it.
    Created,
    /// Called back, or cancelled before it was created.
    Cancelled,
}

impl ShipmentState {
    /// The word in the database and in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Created, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// What to ship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreateShipment {
    /// For which order.
    pub(crate) order_id: String,
    /// To whom.
    pub(crate) customer_id: String,
    /// Pieces.
    pub(crate) pieces: u32,
}

/// Why a shipment is not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 409: the undo came first.
    #[error("the shipment has been cancelled")]
    Cancelled,
    /// 409: the order is shipped to somebody else, or with other contents.
    #[error("the shipment exists with other contents")]
    OtherContents,
}

/// The shipment after a create, and whether that is news.
pub(crate) fn create(existing: Option<&Shipment>, command: CreateShipment) -> Result<(Shipment, bool), Refusal> {
    let CreateShipment {
        order_id,
        customer_id,
        pieces,
    } = command;
    match existing {
        Some(Shipment {
            state: ShipmentState::Cancelled,
            ..
        }) => Err(Refusal::Cancelled),
        Some(known) if known.customer_id.as_deref() != Some(&customer_id) || known.pieces != pieces => {
            Err(Refusal::OtherContents)
        }
        Some(known) => Ok((known.clone(), false)),
        None => {
            let tracking_number = Some(tracking_number(&order_id));
            let state = ShipmentState::Created;
            Ok((
                Shipment {
                    order_id,
                    state,
                    tracking_number,
                    customer_id: Some(customer_id),
                    pieces,
                },
                true,
            ))
        }
    }
}

/// The shipment after a cancel, and whether that is news. It cannot be refused: an unknown one becomes a tombstone.
pub(crate) fn cancel(existing: Option<&Shipment>, order_id: &str) -> (Shipment, bool) {
    let state = ShipmentState::Cancelled;
    match existing {
        Some(known) if known.state == state => (known.clone(), false),
        Some(known) => (Shipment { state, ..known.clone() }, true),
        None => {
            let order_id = order_id.to_owned();
            (
                Shipment {
                    order_id,
                    state,
                    tracking_number: None,
                    customer_id: None,
                    pieces: 0,
                },
                true,
            )
        }
    }
}

/// Carrier style: `SG`, twelve digits made from the order's id, and a check digit.
fn tracking_number(order_id: &str) -> String {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let number = order_id.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) % 1_000_000_000_000;
    let digits = format!("{number:012}");
    let check = digits
        .bytes()
        .enumerate()
        .map(|(i, d)| u32::from(d - b'0') * if i % 2 == 0 { 3 } else { 1 });
    format!("SG{digits}{}", check.sum::<u32>() % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(pieces: u32) -> CreateShipment {
        CreateShipment {
            order_id: "o-1".into(),
            customer_id: "c-1".into(),
            pieces,
        }
    }

    #[test]
    fn a_shipment_is_created_once_with_a_tracking_number() {
        let (shipment, new) = create(None, command(3)).unwrap();
        assert!(new);
        let number = shipment.tracking_number.clone().unwrap();
        assert!(number.starts_with("SG") && number.len() == 15, "{number}");
        assert_eq!(create(Some(&shipment), command(3)), Ok((shipment, false)));
    }

    #[test]
    fn other_contents_under_the_same_order_are_refused() {
        let (shipment, _) = create(None, command(3)).unwrap();
        assert_eq!(create(Some(&shipment), command(4)), Err(Refusal::OtherContents));
    }

    #[test]
    fn cancelling_is_done_once() {
        let (shipment, _) = create(None, command(3)).unwrap();
        let (cancelled, new) = cancel(Some(&shipment), "o-1");
        assert!(new && cancelled.state == ShipmentState::Cancelled);
        assert!(!cancel(Some(&cancelled), "o-1").1);
    }

    #[test]
    fn a_create_that_comes_after_its_cancel_is_refused() {
        let (tombstone, new) = cancel(None, "o-1");
        assert!(new);
        assert_eq!(create(Some(&tombstone), command(3)), Err(Refusal::Cancelled));
    }
}
