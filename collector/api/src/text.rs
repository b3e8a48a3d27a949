//! Words, glyphs and numbers as both dashboards print them.

use sagascope_conventions::{
    BreakerState, CanaryState, FaultKind, FaultState, InvariantState, ProjectionState, SagaState, StepState,
};

use crate::canaries::{Canary, CanaryCalls};
use crate::experiments::RunState;
use crate::faults::FaultStatus;
use crate::invariants::InvariantCounts;

/// What is printed for a value that is not known; never 0.
pub const UNKNOWN: &str = "·";

/// Meaning of a colour; each screen has its own palette for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Running, in flight.
    Info,
    /// Succeeded, closed, caught up.
    Good,
    /// Waiting, behind, half-open, pending.
    Notice,
    /// Compensating, compensated.
    Undo,
    /// Failed, open, stalled, firing, stuck.
    Bad,
    /// A fault that is practised.
    Practice,
    /// No data.
    Dim,
}

/// A state's shape, its shape in ASCII, and its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// One cell wide.
    pub glyph: &'static str,
    /// The same in ASCII.
    pub ascii: &'static str,
    /// Colour role.
    pub tone: Tone,
}

const fn mark(glyph: &'static str, ascii: &'static str, tone: Tone) -> Mark {
    Mark { glyph, ascii, tone }
}

/// Running, in flight.
pub const RUNNING: Mark = mark("◐", "~", Tone::Info);
/// Good.
pub const GOOD: Mark = mark("●", "+", Tone::Good);
/// Waiting.
pub const WAITING: Mark = mark("◔", ".", Tone::Notice);
/// Undo.
pub const UNDO: Mark = mark("↩", "<", Tone::Undo);
/// Bad.
pub const BAD: Mark = mark("✖", "x", Tone::Bad);
/// Needs a person.
pub const STUCK: Mark = mark("⚑", "!", Tone::Bad);
/// Practised failure.
pub const FAULT: Mark = mark("⚡", "*", Tone::Practice);
/// No data.
pub const NO_DATA: Mark = mark("·", "-", Tone::Dim);

/// Mark of a saga.
#[must_use]
pub const fn saga_mark(state: SagaState, stuck: bool) -> Mark {
    if stuck {
        return STUCK;
    }
    match state {
        SagaState::Running => RUNNING,
        SagaState::Completed => GOOD,
        SagaState::Compensating | SagaState::Compensated => UNDO,
        SagaState::Failed => BAD,
    }
}

/// Mark of a forward step.
#[must_use]
pub const fn step_mark(state: StepState) -> Mark {
    match state {
        StepState::Pending => NO_DATA,
        StepState::Running => RUNNING,
        StepState::Retrying => WAITING,
        StepState::Succeeded => GOOD,
        StepState::Failed => BAD,
    }
}

/// Mark of a breaker.
#[must_use]
pub const fn breaker_mark(state: Option<BreakerState>) -> Mark {
    match state {
        Some(BreakerState::Closed) => GOOD,
        Some(BreakerState::Open | BreakerState::ForcedOpen) => BAD,
        Some(BreakerState::HalfOpen) => WAITING,
        Some(BreakerState::Disabled) | None => NO_DATA,
    }
}

/// Mark of a read model.
#[must_use]
pub const fn projection_mark(state: ProjectionState) -> Mark {
    match state {
        ProjectionState::CaughtUp => GOOD,
        ProjectionState::Behind => WAITING,
        ProjectionState::Replaying => RUNNING,
        ProjectionState::Stalled => BAD,
        ProjectionState::NoData => NO_DATA,
    }
}

/// Mark of a canary.
#[must_use]
pub const fn canary_mark(state: CanaryState) -> Mark {
    match state {
        CanaryState::Running => RUNNING,
        CanaryState::RolledBack => UNDO,
        CanaryState::Promoted => GOOD,
    }
}

/// Where a canary stands, in a few words.
#[must_use]
pub fn canary_state(canary: &Canary) -> String {
    match canary.state {
        CanaryState::Running => format!("gets {} %", canary.percent),
        CanaryState::RolledBack => "rolled back".into(),
        CanaryState::Promoted => "promoted, gets all".into(),
    }
}

/// How a version did: `3.0 % of 1,204 failed`.
#[must_use]
pub fn canary_calls(calls: Option<CanaryCalls>) -> String {
    match calls.map(|calls| (calls, calls.error_ratio())) {
        None => UNKNOWN.into(),
        Some((_, None)) => "no calls".into(),
        Some((calls, Some(ratio))) => format!("{} of {} failed", percent(ratio), count(calls.calls)),
    }
}

/// Who decided its share.
#[must_use]
pub const fn canary_decider(canary: &Canary) -> &'static str {
    if canary.by_itself { "its numbers" } else { "a person" }
}

/// More of its calls failed than of the stable version's.
#[must_use]
pub fn canary_is_worse(canary: &Canary) -> bool {
    let ratio = |calls: Option<CanaryCalls>| calls.and_then(CanaryCalls::error_ratio).unwrap_or(0.0);
    ratio(canary.canary) > ratio(canary.stable)
}

/// Mark of an invariant.
#[must_use]
pub const fn invariant_mark(state: InvariantState) -> Mark {
    match state {
        InvariantState::Holds => GOOD,
        InvariantState::NoData => NO_DATA,
        InvariantState::Violated => BAD,
    }
}

/// How many invariants hold, in a few words: `13 hold`, `2 of 13 broken`.
#[must_use]
pub fn invariants(counts: InvariantCounts) -> (Mark, String) {
    let InvariantCounts {
        hold,
        violated,
        no_data,
    } = counts;
    match (violated, no_data) {
        (1.., _) => (BAD, format!("{violated} of {} broken", counts.all())),
        (0, 0) if hold == 0 => (NO_DATA, "nobody looks".into()),
        (0, 0) => (GOOD, format!("{hold} hold")),
        (0, _) => (NO_DATA, format!("{hold} hold, {no_data} not looked at")),
    }
}

/// Mark of a fault.
#[must_use]
pub const fn fault_mark(state: FaultState) -> Mark {
    match state {
        FaultState::Pending => WAITING,
        FaultState::Active => FAULT,
        FaultState::Expired | FaultState::Cleared => NO_DATA,
    }
}

/// Mark of an experiment's run.
#[must_use]
pub const fn run_mark(state: RunState) -> Mark {
    match state {
        RunState::Running => RUNNING,
        RunState::Passed => GOOD,
        RunState::Failed => BAD,
        RunState::Error => STUCK,
        RunState::Cancelled => NO_DATA,
    }
}

/// A state's word as people read it: `half_open` → `half-open`, `caught_up` → `caught up`.
#[must_use]
pub fn words(word: &str) -> String {
    match word {
        "half_open" => "half-open".into(),
        "forced_open" => "forced open".into(),
        other => other.replace('_', " "),
    }
}

/// A length of time: `0.4 ms`, `85 ms`, `1.24 s`, `12 s`, `3 m 5 s`, `2 h 4 m`, `3 d 2 h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "∞".into();
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let s = seconds.abs();
    let text = if s < 0.001 {
        format!("{:.1} ms", s * 1e3)
    } else if s < 0.9995 {
        format!("{:.0} ms", s * 1e3)
    } else if s < 9.995 {
        format!("{s:.2} s")
    } else if s < 59.5 {
        format!("{s:.0} s")
    } else {
        let whole = s.round() as u64;
        match whole {
            0..3_600 => format!("{} m {} s", whole / 60, whole % 60),
            3_600..86_400 => format!("{} h {} m", whole / 3_600, whole % 3_600 / 60),
            _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
        }
    };
    format!("{sign}{text}")
}

/// An age, coarse: `now`, `12 s`, `3 m`, `2 h`, `4 d`. A clock a little ahead of ours counts as now.
#[must_use]
pub fn age(seconds: f64) -> String {
    if seconds < 1.0 {
        return "now".into();
    }
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} m", whole / 60),
        3_600..86_400 => format!("{} h", whole / 3_600),
        _ => format!("{} d", whole / 86_400),
    }
}

/// How long ago: `just now`, `12 s ago`.
#[must_use]
pub fn ago(seconds: f64) -> String {
    match age(seconds).as_str() {
        "now" => "just now".into(),
        age => format!("{age} ago"),
    }
}

/// Milliseconds, or [`UNKNOWN`].
#[must_use]
pub fn millis(ms: Option<f64>) -> String {
    ms.map_or_else(|| UNKNOWN.into(), |ms| duration(ms / 1e3))
}

/// Digits in groups of three: `1,204`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: `20.4/s`, `1,912/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second >= 100.0 {
        format!("{}/s", count(per_second.round() as u64))
    } else {
        format!("{per_second:.1}/s")
    }
}

/// A share: `0.4 %`.
#[must_use]
pub fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// Bytes: `214 MB` (decimal, as disks are sold).
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1e3;
        unit += 1;
    }
    if unit == 0 || value >= 99.5 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// The first eight characters of an id, as lists show it.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.char_indices().nth(8).map_or(id, |(end, _)| &id[..end])
}

/// Text from outside made safe to show: control characters (C0, DEL, C1), bidi controls and invisible format
/// characters become U+FFFD, tabs and line breaks become spaces. `limit` bounds the characters kept.
#[must_use]
pub fn scrub(text: &str, limit: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(limit * 4));
    for (n, c) in text.chars().enumerate() {
        if n == limit {
            kept.push('…');
            break;
        }
        kept.push(match c {
            '\t' | '\n' | '\r' => ' ',
            c if c.is_control() || is_format_control(c) => '\u{fffd}',
            c => c,
        });
    }
    kept
}

const fn is_format_control(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// One line for a fault in force: `payments: error rate 100 %`.
#[must_use]
pub fn fault_line(status: &FaultStatus) -> String {
    let fault = &status.fault;
    let mut line = format!("{}: {}", fault.target.service, words(fault.kind.as_str()));
    let strength = &fault.strength;
    if let Some(percent) = strength.percent {
        line.push_str(&format!(" {percent} %"));
    }
    if let Some(delay) = strength.delay_ms {
        line.push_str(&format!(" {delay} ms"));
    }
    if let Some(peer) = &strength.peer {
        line.push_str(&format!(" from {peer}"));
    }
    if let Some(offset) = strength.offset_ms {
        line.push_str(&format!(" {offset} ms"));
    }
    line
}

/// What a fault will do, in a sentence.
#[must_use]
pub fn fault_effect(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Latency => "Requests take longer by the delay; past the caller's timeout they count as failures.",
        FaultKind::ErrorRate => "Requests are answered 503; callers' breakers open, sagas retry, then compensate.",
        FaultKind::Hang => {
            "Requests are never answered; callers time out, breakers open, sagas retry, then compensate."
        }
        FaultKind::Crash => {
            "The process ends at once, as with kill -9, and is restarted by its supervisor; work resumes from its database."
        }
        FaultKind::SlowDatabase => "Every database call takes longer by the delay; the service slows as a whole.",
        FaultKind::DeclinedCards => {
            "Charges are declined, a business refusal: sagas compensate at once, breakers stay closed."
        }
        FaultKind::OutOfStock => "Nothing can be reserved, a business refusal: sagas compensate at once.",
        FaultKind::PausedProjection => "Read models stop applying; lag grows, then drains once it ends.",
        FaultKind::StoppedOutboxRelay => {
            "Committed events are not published; the outbox fills, read models elsewhere fall silent, nothing is lost."
        }
        FaultKind::LostMessage => "Deliveries vanish on the way; at-least-once delivery brings them again.",
        FaultKind::DuplicatedMessage => "Deliveries come twice; the inbox applies each once.",
        FaultKind::ReorderedMessage => "Deliveries overtake each other.",
        FaultKind::PoisonMessage => "Deliveries cannot be handled; after their attempts they become dead letters.",
        FaultKind::Partition => "Calls to and from the peer do not get through.",
        FaultKind::ClockSkew => "The service's clock is off.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_the_sketches() {
        for (seconds, text) in [
            (0.0004, "0.4 ms"),
            (0.085, "85 ms"),
            (0.9996, "1.00 s"),
            (1.24, "1.24 s"),
            (12.4, "12 s"),
            (59.7, "1 m 0 s"),
            (185.0, "3 m 5 s"),
            (7_440.0, "2 h 4 m"),
            (266_400.0, "3 d 2 h"),
            (-1.5, "-1.50 s"),
            (f64::INFINITY, "∞"),
            (f64::NAN, "∞"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn numbers_carry_their_units() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_204), "1,204");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rate(20.44), "20.4/s");
        assert_eq!(rate(1_912.3), "1,912/s");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(214_000_000), "214 MB");
        assert_eq!(bytes(1_500), "1.5 kB");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(millis(None), UNKNOWN);
        assert_eq!(age(-3.0), "now");
        assert_eq!(age(61.0), "1 m");
        assert_eq!((ago(0.2).as_str(), ago(61.0).as_str()), ("just now", "1 m ago"));
    }

    #[test]
    fn hostile_text_becomes_harmless_text() {
        let hostile = "a\x1b]52;c;cHduZWQ=\x07\u{202e}b\u{9b}2J\nc\u{200f}";
        let safe = scrub(hostile, 1_000);
        assert!(
            !safe.chars().any(|c| c.is_control() || is_format_control(c)),
            "{safe:?}"
        );
        assert!(safe.starts_with('a') && safe.contains('b') && safe.contains(" c"));
        assert_eq!(scrub("abcdef", 3), "abc…");
        assert_eq!(scrub("abc", 3), "abc");
    }

    #[test]
    fn ids_are_cut_between_characters() {
        assert_eq!(short_id("7f3a91c2-aaaa"), "7f3a91c2");
        assert_eq!(short_id("ü".repeat(9).as_str()), "ü".repeat(8));
        assert_eq!(short_id("abc"), "abc");
    }
}
