//! No checker is blind: for each promise there is a cluster that breaks it, and its checker says so.

use shop_simulation::{Mutant, Options, Trouble, run};

/// A seed among these shows it.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;

fn is_seen(invariant: &str, mutant: Mutant) {
    let options = Options {
        trouble: Some(Trouble::all().collect()),
        mutant: Some(mutant),
        ..Options::default()
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
    is_seen("INV-05", Mutant::Sabotages("analytics", sql));
}

#[test]
fn the_picture_check_sees_state_events_that_are_not_told() {
    let sql = "CREATE TRIGGER IF NOT EXISTS mutant AFTER INSERT ON state_events WHEN NEW.number % 11 = 0
        BEGIN DELETE FROM state_events WHERE number = NEW.number; END";
    is_seen("PICTURE", Mutant::Sabotages("orders", sql));
}
