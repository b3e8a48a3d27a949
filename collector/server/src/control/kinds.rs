//! What each kind of fault does, in a sentence, and which strengths make sense.

use sagascope_conventions::{FaultKind, FaultStrength};

/// Longest delay, so that a forgotten fault does not hang a service.
const DELAY_MAX_MS: u64 = 60_000;
const OFFSET_MAX_MS: u64 = 86_400_000;

/// For the catalogue.
pub(super) const fn description(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Latency => "Delays a share of the requests.",
        FaultKind::ErrorRate => "Answers a share of the requests with 503.",
        FaultKind::Hang => "Never answers a share of the requests.",
        FaultKind::Crash => "Ends the process once; its supervisor starts it again.",
        FaultKind::SlowDatabase => "Delays every database call.",
        FaultKind::DeclinedCards => "Declines a share of the charges.",
        FaultKind::OutOfStock => "Lets nothing be reserved.",
        FaultKind::PausedProjection => "Stops the read models; they fall behind and catch up afterwards.",
        FaultKind::StoppedOutboxRelay => "Stops the outbox relay; messages wait and go out afterwards.",
        FaultKind::LostMessage => "Loses a share of the deliveries; they come again.",
        FaultKind::DuplicatedMessage => "Delivers a share of the messages twice.",
        FaultKind::ReorderedMessage => "Lets a share of the messages overtake others.",
        FaultKind::PoisonMessage => "Makes a share of the messages impossible to handle; they end as dead letters.",
        FaultKind::Partition => "Cuts the service off from another.",
        FaultKind::ClockSkew => "Sets the service's clock off.",
    }
}

/// The first strength field that is missing or senseless, with what is wrong.
pub(super) fn check(kind: FaultKind, strength: &FaultStrength) -> Result<(), (&'static str, String)> {
    for &field in kind.required_strength() {
        let given = match field {
            "percent" => strength.percent.is_some(),
            "delay_ms" => strength.delay_ms.is_some(),
            "peer" => strength.peer.as_ref().is_some_and(|peer| !peer.is_empty()),
            _ => strength.offset_ms.is_some(),
        };
        if !given {
            return Err((field, format!("{kind} needs strength.{field}.")));
        }
    }
    if strength.percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
        return Err(("percent", "Give 1 to 100.".into()));
    }
    if strength
        .delay_ms
        .is_some_and(|delay| !(1..=DELAY_MAX_MS).contains(&delay))
    {
        return Err(("delay_ms", format!("Give 1 to {DELAY_MAX_MS}.")));
    }
    if strength
        .offset_ms
        .is_some_and(|offset| offset == 0 || offset.unsigned_abs() > OFFSET_MAX_MS)
    {
        return Err(("offset_ms", format!("Give up to {OFFSET_MAX_MS} either way, not 0.")));
    }
    Ok(())
}
