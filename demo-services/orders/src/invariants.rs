//! What must always hold for orders, as checks over the database.

use std::time::Duration;

use sagascope_conventions::OrderFlow;
use shop_kit::database::DatabaseError;
use shop_kit::invariants::{
    Check, Sampled, answers_are_whole, compensations_are_complete, events_happen_once, nothing_is_overtaken,
    read_models_only_go_on, rows_are_the_fold, sagas_move_on, told_is_what_happened, versions_are_whole,
};

use crate::order_store;
use crate::read_models::MODELS;

/// Sagas that the kit carries out. The first two generations break their promises on purpose.
const SAGAS: &[&str] = &[OrderFlow::Hardened.saga_name(), OrderFlow::EventSourced.saga_name()];
/// So long after its time was over a saga may stand: nobody is in a hurry when the machine is busy.
const GRACE: Duration = Duration::from_secs(60);
/// What others hear of, each once an order.
const TOLD: &[&str] = &["OrderCreated", "OrderConfirmed", "OrderCancelled"];

/// Read models with their rows of one order. Sums over orders, and the index of words, are not looked at.
const SAMPLED: &[Sampled] = &[
    Sampled {
        model: MODELS[0],
        rows: &[("order_summary", "order_id")],
    },
    Sampled {
        model: MODELS[1],
        rows: &[("customer_orders", "order_id")],
    },
    Sampled {
        model: MODELS[2],
        rows: &[("statistics_orders", "order_id")],
    },
    Sampled {
        model: MODELS[3],
        rows: &[("order_heads", "order_id"), ("order_lines", "order_id")],
    },
    Sampled {
        model: MODELS[4],
        rows: &[("order_texts", "order_id")],
    },
];

/// All of them.
///
/// # Errors
/// When no tables can be made in memory.
pub fn checks() -> Result<Vec<Check>, DatabaseError> {
    Ok(vec![
        sagas_move_on(SAGAS, GRACE),
        compensations_are_complete(SAGAS),
        events_happen_once(TOLD),
        answers_are_whole(),
        nothing_is_overtaken(),
        told_is_what_happened(order_store::TOPIC, TOLD),
        versions_are_whole(),
        rows_are_the_fold(SAMPLED, crate::SCHEMA)?,
        read_models_only_go_on(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sampled_table_is_one_of_its_read_model() {
        for Sampled { model, rows } in SAMPLED {
            for (table, _) in *rows {
                assert!(model.tables.contains(table), "{table} is not of {}", model.name);
            }
        }
    }
}
