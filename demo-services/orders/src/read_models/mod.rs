//! Read models over the order events: built for the questions asked, never consulted for a decision.
//!
//! `summary` and `by_customer` are simple views, `statistics` an aggregated one, `lines` is joined with local copies of
//! products and customers, `search` is an index of words.

pub(crate) mod by_customer;
pub(crate) mod lines;
pub(crate) mod search;
pub(crate) mod statistics;
pub(crate) mod summary;

use shop_kit::projection::ReadModel;

/// All of them.
pub(crate) const MODELS: &[ReadModel] = &[
    ReadModel::new(summary::NAME, &["order_summary"], summary::apply),
    ReadModel::new(by_customer::NAME, &["customer_orders"], by_customer::apply),
    ReadModel {
        carried: statistics::carried,
        ..ReadModel::new(
            statistics::NAME,
            &["statistics_orders", "order_statistics"],
            statistics::apply,
        )
    },
    ReadModel::new(lines::NAME, &["order_heads", "order_lines"], lines::apply),
    ReadModel::new(search::NAME, &["order_words", "order_texts"], search::apply),
];

/// Their tables.
pub(crate) const SCHEMA: [&str; 5] = [
    lines::SCHEMA,
    summary::SCHEMA,
    by_customer::SCHEMA,
    statistics::SCHEMA,
    search::SCHEMA,
];

/// Statements that remove an order that ended long ago.
pub(crate) const LET_GO: [&str; 7] = [
    lines::LET_GO[0],
    lines::LET_GO[1],
    summary::LET_GO,
    by_customer::LET_GO,
    statistics::LET_GO,
    search::LET_GO[0],
    search::LET_GO[1],
];
