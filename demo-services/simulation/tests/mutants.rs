//! No checker is blind: for each promise there is a cluster that breaks it, and its checker says so.

use sagascope_conventions::FaultKind;
use shop_simulation::{Mutant, Options, Trouble, run};

/// A seed among these shows it.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;

fn is_seen(invariant: &str, mutant: Mutant) {
    is_seen_under(Trouble::all(), invariant, mutant);
}

fn is_seen_under(trouble: impl IntoIterator<Item = Trouble>, invariant: &str, mutant: Mutant) {
    let customers = Options {
        shoppers: 12,
        travellers: 0,
        ..Options::default()
    };
    is_seen_by(customers, trouble, invariant, mutant);
}

fn is_seen_by_travellers(invariant: &str, mutant: Mutant) {
    let customers = Options {
        shoppers: 0,
        travellers: 12,
        ..Options::default()
    };
    is_seen_by(customers, Trouble::all(), invariant, mutant);
}

fn is_seen_by(customers: Options, trouble: impl IntoIterator<Item = Trouble>, invariant: &str, mutant: Mutant) {
    let options = Options {
        trouble: Some(trouble.into_iter().collect()),
        mutant: Some(mutant),
        trouble_seconds: 10,
        ..customers
    };
    let sees = |seed| {
        let violations = run(seed, &options).violations;
        violations.iter().any(|violation| violation.invariant == invariant)
    };
    assert!(SEEDS.into_iter().any(sees), "{invariant} does not see {mutant:?}");
}

#[test]
fn inv_01_sees_refunds_that_are_not_made() {
    is_seen("INV-01", Mutant::Swallows("payments", "/refunds"));
}

#[test]
fn inv_02_sees_goods_that_nobody_puts_back() {
    is_seen("INV-02", Mutant::Swallows("inventory", "/release"));
}

#[test]
fn inv_02_sees_a_room_that_nobody_gives_back() {
    is_seen_by_travellers("INV-02", Mutant::Swallows("hotels", "/release"));
}

#[test]
fn inv_03_sees_transactions_that_never_end() {
    let sql =
        "CREATE TRIGGER IF NOT EXISTS mutant BEFORE UPDATE ON transactions WHEN NEW.final = 1 AND NEW.number % 3 = 0
        BEGIN SELECT RAISE(ABORT, 'never'); END";
    is_seen_by_travellers("INV-03", Mutant::Sabotages("booking", sql));
}

#[test]
fn two_phase_sees_a_participant_that_decides_alone() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON in_doubt
        BEGIN UPDATE reservations SET state = 'confirmed' WHERE reservation_id = NEW.id; DELETE FROM in_doubt WHERE id = NEW.id; END";
    is_seen_by_travellers("2PC", Mutant::Sabotages("hotels", sql));
}

#[test]
fn inv_03_sees_sagas_that_never_end() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant BEFORE UPDATE ON sagas WHEN NEW.final = 1 AND NEW.number % 5 = 0
        BEGIN SELECT RAISE(ABORT, 'never'); END";
    is_seen("INV-03", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_04_sees_a_step_that_is_not_undone() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER UPDATE ON sagas WHEN NEW.state = 'compensated'
        BEGIN UPDATE sagas SET instance = json_remove(instance, '$.steps[0].undo') WHERE number = NEW.number; END";
    is_seen("INV-04", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_05_sees_a_consumer_without_an_inbox() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON inbox
        BEGIN DELETE FROM inbox WHERE number = NEW.number; END";
    let again = [
        Trouble::LostAnswer,
        Trouble::Crash,
        Trouble::Fault(FaultKind::DuplicatedMessage),
    ];
    is_seen_under(again, "INV-05", Mutant::Sabotages("analytics", sql));
}

#[test]
fn the_picture_check_sees_state_events_that_are_not_told() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON state_events WHEN NEW.number % 11 = 0
        BEGIN DELETE FROM state_events WHERE number = NEW.number; END";
    is_seen("PICTURE", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_06_sees_keys_that_are_forgotten() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER UPDATE ON idempotency
        BEGIN DELETE FROM idempotency WHERE number = NEW.number; END";
    is_seen("INV-06", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_07_sees_events_without_an_outbox_row() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON outbox
        WHEN NEW.topic = 'orders.events' AND NEW.number % 5 = 0 BEGIN DELETE FROM outbox WHERE number = NEW.number; END";
    is_seen("INV-07", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_07_sees_rows_that_are_marked_and_not_published() {
    is_seen("INV-07", Mutant::Swallows("broker", "/messages"));
}

#[test]
fn inv_08_sees_a_gap_in_a_stream() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER UPDATE ON sagas WHEN NEW.final = 1
        BEGIN DELETE FROM events WHERE aggregate_id = NEW.id AND event_version = 2; END";
    is_seen("INV-08", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_09_sees_a_read_model_that_missed_an_event() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER UPDATE ON sagas WHEN NEW.final = 1 AND NEW.number % 5 = 0
        BEGIN DELETE FROM order_summary WHERE order_id = NEW.id; END";
    is_seen("INV-09", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_09_sees_a_rebuild_that_comes_out_otherwise() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER UPDATE OF rebuilding ON projections WHEN NEW.rebuilding = 1
        BEGIN DELETE FROM events WHERE position = 1; END";
    is_seen("INV-09", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_10_sees_a_position_that_goes_back() {
    let sql =
        "CREATE TRIGGER IF NOT EXISTS mutant AFTER UPDATE ON positions WHEN NEW.committed > 2 AND NEW.committed % 2 = 1
        BEGIN UPDATE positions SET committed = 1 WHERE consumer_group = NEW.consumer_group AND topic = NEW.topic
            AND partition = NEW.partition; END";
    is_seen("INV-10", Mutant::Sabotages("broker", sql));
}

#[test]
fn inv_11_sees_a_message_that_a_group_never_does() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON inbox WHEN NEW.number % 9 = 0
        BEGIN DELETE FROM inbox WHERE number = NEW.number; END";
    is_seen("INV-11", Mutant::Sabotages("notifications", sql));
}

#[test]
fn inv_11_sees_dead_letters_that_vanish() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON dead_letters
        BEGIN DELETE FROM dead_letters WHERE id = NEW.id; END";
    let trouble = [Trouble::Fault(FaultKind::PoisonMessage)];
    is_seen_under(trouble, "INV-11", Mutant::Sabotages("broker", sql));
}

#[test]
fn inv_12_sees_a_saga_that_leaves_its_trace() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON sagas
        BEGIN UPDATE sagas SET headers = '{}' WHERE number = NEW.number; END";
    is_seen("INV-12", Mutant::Sabotages("orders", sql));
}

#[test]
fn inv_12_sees_a_compensation_that_forgot_its_step() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON choreography_spans
        BEGIN DELETE FROM choreography_spans WHERE number = NEW.number; END";
    is_seen("INV-12", Mutant::Sabotages("payments", sql));
}

#[test]
fn inv_14_sees_a_leak_at_the_door() {
    is_seen("INV-14", Mutant::Leaks);
}
