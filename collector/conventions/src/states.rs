//! State names, the same on the wire, in the API and on both screens.

use serde::{Deserialize, Serialize};

/// Declares an enum with one stable word per variant, usable in attributes, JSON and text.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every variant, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in attributes and JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word; `None` when it is none of ours.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Where a saga instance stands. `stuck` is a judgement beside it, not a state.
    SagaState {
        /// Steps are going forward.
        Running = "running",
        /// Effects are being undone.
        Compensating = "compensating",
        /// Final: every step is done.
        Completed = "completed",
        /// Final: every effect is undone.
        Compensated = "compensated",
        /// Final: an undo could not be done, a person is needed.
        Failed = "failed",
    }
}

impl SagaState {
    /// True when no further change is expected.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated | Self::Failed)
    }
}

words! {
    /// Where one step, or one compensation, stands.
    StepState {
        /// Known from `saga.steps`, not begun.
        Pending = "pending",
        /// An attempt is under way.
        Running = "running",
        /// The next attempt is due.
        Retrying = "retrying",
        /// Done.
        Succeeded = "succeeded",
        /// Out of attempts.
        Failed = "failed",
    }
}

words! {
    /// Who decides what comes next in a saga.
    Coordination {
        /// One orchestrator.
        Orchestration = "orchestration",
        /// Each service, by the events it hears.
        Choreography = "choreography",
    }
}

words! {
    /// What a saga step waits for.
    WaitingFor {
        /// A time.
        Timer = "timer",
        /// A message.
        Message = "message",
        /// Its next attempt.
        Retry = "retry",
        /// A breaker to close.
        Breaker = "breaker",
        /// An outbox to be relayed.
        Outbox = "outbox",
        /// A person.
        Person = "person",
    }
}

words! {
    /// Circuit breaker states; *closed* flows, *open* refuses.
    BreakerState {
        /// Calls flow.
        Closed = "closed",
        /// Calls are refused.
        Open = "open",
        /// A few calls probe.
        HalfOpen = "half_open",
        /// A person refuses calls.
        ForcedOpen = "forced_open",
        /// A person lets every call through, unrecorded.
        Disabled = "disabled",
    }
}

impl BreakerState {
    /// True when calls do not flow freely.
    #[must_use]
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Open | Self::HalfOpen | Self::ForcedOpen)
    }
}

words! {
    /// Where the new version of a service stands that gets a share of its requests.
    CanaryState {
        /// It has a share.
        Running = "running",
        /// It did worse than the stable version, or a person has taken its share away.
        RolledBack = "rolled_back",
        /// It has all. It is still compared with what the stable version did, and rolled back when it fails.
        Promoted = "promoted",
    }
}

words! {
    /// Whether an invariant holds; what is worse comes later.
    InvariantState {
        /// Looked at, and nothing found.
        Holds = "holds",
        /// Not looked at for a while.
        NoData = "no_data",
        /// Violations were found.
        Violated = "violated",
    }
}

words! {
    /// How a read model keeps up.
    ProjectionState {
        /// At the head.
        CaughtUp = "caught_up",
        /// Behind, and progressing.
        Behind = "behind",
        /// Rebuilding from the past.
        Replaying = "replaying",
        /// Behind, without progress.
        Stalled = "stalled",
        /// Nothing heard yet, or not for a while.
        NoData = "no_data",
    }
}
