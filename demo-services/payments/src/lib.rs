//! Demo shop: payments.
mod cards;
mod charge;
mod ledger;
mod payment;
mod refund;
