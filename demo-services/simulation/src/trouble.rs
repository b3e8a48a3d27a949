//! What can go wrong, and which of it goes wrong under a seed.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sagascope_conventions::FaultKind;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// A request never arrives.
    LostRequest,
    /// A request takes effect, and its answer never arrives.
    LostAnswer,
    /// A request arrives twice.
    Duplicate,
    /// A message takes so long that later ones overtake it.
    Overtaken,
    /// A caller that gave up cuts the work on its request off.
    CutOff,
    /// Two machines cannot reach each other for a while.
    Partition,
    /// A service dies at some moment.
    Crash,
    /// A service dies at some await in the middle of its work.
    CrashMidWork,
    /// The disk of a machine is slow.
    SlowDisk,
    /// The clock of a machine is off.
    ClockSkew,
    /// The collector takes nothing.
    CollectorAway,
    /// A fault of the catalogue, armed in a service.
    Fault(FaultKind),
}

/// Faults of the catalogue that are armed here.
const FAULTS: [FaultKind; 12] = [
    FaultKind::Latency,
    FaultKind::ErrorRate,
    FaultKind::Hang,
    FaultKind::SlowDatabase,
    FaultKind::DeclinedCards,
    FaultKind::OutOfStock,
    FaultKind::StoppedOutboxRelay,
    FaultKind::PausedProjection,
    FaultKind::LostMessage,
    FaultKind::DuplicatedMessage,
    FaultKind::ReorderedMessage,
    FaultKind::PoisonMessage,
];

impl Trouble {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        [
            Self::LostRequest,
            Self::LostAnswer,
            Self::Duplicate,
            Self::Overtaken,
            Self::CutOff,
            Self::Partition,
            Self::Crash,
            Self::CrashMidWork,
            Self::SlowDisk,
            Self::ClockSkew,
            Self::CollectorAway,
        ]
        .into_iter()
        .chain(FAULTS.map(Self::Fault))
    }

    /// A short word.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Fault(kind) => kind.as_str().to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// Made by the weather of the network at every message, and not one episode after the other.
    pub(crate) const fn is_weather(self) -> bool {
        matches!(
            self,
            Self::LostRequest | Self::LostAnswer | Self::Duplicate | Self::Overtaken | Self::CutOff
        )
    }
}

/// The services that can be hit by a fault of the catalogue.
pub(crate) fn targets(kind: FaultKind) -> &'static [&'static str] {
    match kind {
        FaultKind::DeclinedCards => &["payments"],
        FaultKind::OutOfStock => &["inventory", "hotels", "cars"],
        FaultKind::StoppedOutboxRelay => &["orders", "payments", "booking"],
        FaultKind::PausedProjection => &["orders", "analytics"],
        FaultKind::LostMessage
        | FaultKind::DuplicatedMessage
        | FaultKind::ReorderedMessage
        | FaultKind::PoisonMessage => &[
            "notifications",
            "analytics",
            "orders",
            "inventory",
            "payments",
            "shipping",
        ],
        _ => &[
            "orders",
            "inventory",
            "payments",
            "shipping",
            "booking",
            "hotels",
            "cars",
        ],
    }
}

/// Which kinds a seed has: about half of them, so that kinds are seen together and alone.
pub(crate) fn swarm(seed: u64) -> BTreeSet<Trouble> {
    let mut dice = StdRng::seed_from_u64(seed ^ 0x5eed_5eed);
    let mut enabled: BTreeSet<Trouble> = Trouble::all().filter(|_| dice.random_bool(0.5)).collect();
    if enabled.is_empty() {
        enabled.insert(Trouble::Crash);
    }
    enabled
}
