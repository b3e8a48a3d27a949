//! INV-13: whoever decides, and however commands travel, the same script ends in the same business.

use std::collections::BTreeSet;

use sagascope_conventions::{FaultKind, OrderFlow};
use shop_simulation::{Options, Script, run};

/// Cards that the bank declines by nature: that depends on the order's id, which is another one in each run.
const BY_NATURE: &str = "insufficient_funds";

fn business(seed: u64, script: Script) -> Vec<String> {
    let options = Options {
        shoppers: 8,
        trouble: Some(BTreeSet::new()),
        script: Some(script),
        ..Options::default()
    };
    let outcome = run(seed, &options);
    assert!(outcome.violations.is_empty(), "{script:?}: {:?}", outcome.violations);
    outcome.business
}

/// The same but for the words of the reason, which name the way that was gone.
fn without_reasons(business: &[String]) -> Vec<String> {
    let words = |line: &String| line.split(' ').take(4).collect::<Vec<_>>().join(" ");
    business.iter().map(words).collect()
}

#[test]
fn inv_13_orchestrated_and_choreographed_orders_end_the_same() {
    let faults = [
        None,
        Some((FaultKind::DeclinedCards, "payments")),
        Some((FaultKind::OutOfStock, "inventory")),
    ];
    let mut compared = 0;
    for (seed, fault) in (1..=2).flat_map(|seed| faults.map(|fault| (seed, fault))) {
        let orchestrated = business(
            seed,
            Script {
                flow: OrderFlow::EventSourced,
                fault,
            },
        );
        for flow in [OrderFlow::Choreographed, OrderFlow::Hardened] {
            let other = business(seed, Script { flow, fault });
            if orchestrated.iter().chain(&other).any(|line| line.contains(BY_NATURE)) {
                continue;
            }
            compared += 1;
            assert_eq!(
                without_reasons(&orchestrated),
                without_reasons(&other),
                "seed {seed}, {fault:?}, {flow:?}"
            );
        }
    }
    assert!(compared > 4, "only {compared} were compared");
    let undone = business(
        1,
        Script {
            flow: OrderFlow::Choreographed,
            fault: faults[1],
        },
    );
    assert!(
        undone
            .iter()
            .filter(|line| line.starts_with("key-"))
            .all(|line| line.contains("compensated"))
    );
}
