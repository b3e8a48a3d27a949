//! How much of a service's traffic a new version gets, and when it gets more, or none. Pure: time comes in as an argument.

use std::collections::VecDeque;
use std::time::Duration;

use sagascope_conventions::CanaryState as State;
use serde::{Deserialize, Serialize};

/// The ladder: a canary that does well climbs it step by step.
pub(crate) const STEPS: [u8; 4] = [5, 25, 50, 100];
/// Calls older than this say nothing about a version any more.
const WINDOW: Duration = Duration::from_secs(30);
/// Calls within this are counted together.
const SLICE: Duration = Duration::from_secs(1);
/// Changes kept for people.
const HISTORY: usize = 32;

/// Calls and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
}

impl Tally {
    /// Share of failures, 0 to 1; zero without calls.
    fn error_ratio(self) -> f64 {
        if self.calls == 0 {
            return 0.0;
        }
        self.errors as f64 / self.calls as f64
    }

    const fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// The same, of both versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcomes {
    pub(crate) stable: Tally,
    pub(crate) canary: Tally,
}

impl Outcomes {
    const fn add(&mut self, other: Self) {
        self.stable.add(other.stable);
        self.canary.add(other.canary);
    }
}

/// When the share changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Calls of the canary below which its error ratio says nothing.
    pub(crate) min_calls: u64,
    /// Percentage points by which it may exceed that of the stable version.
    pub(crate) max_excess_percent: u8,
    /// Calls on a step after which the next is taken; without it a person takes each.
    pub(crate) promote_after_calls: Option<u64>,
}

/// What the numbers ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Stay,
    /// No more traffic for the canary.
    RollBack { reason: String },
    /// The next step.
    Promote { percent: u8, reason: String },
}

/// Decides from the calls of the last while, and from how many the canary has had on its step.
pub(crate) fn decide(percent: u8, lately: Outcomes, on_step: u64, limits: Limits) -> Decision {
    let Outcomes { stable, canary } = lately;
    if canary.calls < limits.min_calls {
        return Decision::Stay;
    }
    let allowed = stable.error_ratio() + f64::from(limits.max_excess_percent) / 100.0;
    let told = format!(
        "{} of {} calls failed, {} of {} of the stable version",
        canary.errors, canary.calls, stable.errors, stable.calls
    );
    if canary.error_ratio() > allowed {
        return Decision::RollBack { reason: told };
    }
    match (limits.promote_after_calls, next_step(percent)) {
        (Some(enough), Some(next)) if on_step >= enough => Decision::Promote {
            percent: next,
            reason: told,
        },
        _ => Decision::Stay,
    }
}

/// The step after a share; `None` at the top.
pub(crate) fn next_step(percent: u8) -> Option<u8> {
    STEPS.into_iter().find(|&step| step > percent)
}

/// A change of the share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) state: State,
    pub(crate) percent: u8,
    pub(crate) reason: String,
    /// Nobody but the numbers decided it.
    pub(crate) by_itself: bool,
}

/// When something happens: since the registry began, and on the clock for people.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) elapsed: Duration,
    pub(crate) clock: String,
    pub(crate) unix_nanos: u64,
}

/// A version of a service on trial. Which calls were lately is forgotten with the process, so a rule that comes back from
/// the database proves itself anew on its step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Canary {
    pub(crate) version: String,
    pub(crate) percent: u8,
    pub(crate) state: State,
    pub(crate) limits: Limits,
    /// Since it began.
    pub(crate) total: Outcomes,
    /// Since it is on its step.
    #[serde(skip)]
    pub(crate) on_step: u64,
    pub(crate) history: VecDeque<Change>,
    /// Changes that are not kept yet, each with its time.
    #[serde(skip)]
    pub(crate) fresh: Vec<(u64, Change)>,
    #[serde(skip)]
    slices: VecDeque<(Duration, Outcomes)>,
}

impl Canary {
    /// Begins with a share.
    pub(crate) fn begin(version: &str, percent: u8, limits: Limits, now: &Moment) -> Self {
        let mut canary = Self {
            version: version.to_owned(),
            percent,
            state: State::Running,
            limits,
            total: Outcomes::default(),
            on_step: 0,
            history: VecDeque::new(),
            fresh: Vec::new(),
            slices: VecDeque::new(),
        };
        canary.turn(state_at(percent), percent, "a person has set it", false, now);
        canary
    }

    /// Another share or other limits for the same version, as a person says. What was counted on the same share counts on.
    pub(crate) fn set(&mut self, percent: u8, limits: Limits, now: &Moment) {
        self.limits = limits;
        if self.percent != percent || self.state == State::RolledBack {
            self.turn(state_at(percent), percent, "a person has set it", false, now);
        }
    }

    /// The next step; false when it has all already, or was rolled back.
    pub(crate) fn promote(&mut self, now: &Moment) -> bool {
        match next_step(self.percent) {
            Some(percent) if self.state == State::Running => {
                self.turn(state_at(percent), percent, "a person has promoted it", false, now);
                true
            }
            _ => false,
        }
    }

    /// Its share is taken away; false when it had none.
    pub(crate) fn roll_back(&mut self, now: &Moment) -> bool {
        let had_a_share = self.state != State::RolledBack;
        if had_a_share {
            self.turn(State::RolledBack, 0, "a person has rolled it back", false, now);
        }
        had_a_share
    }

    /// What callers saw; true when that changed the share.
    pub(crate) fn note(&mut self, outcomes: Outcomes, now: &Moment) -> bool {
        self.total.add(outcomes);
        if self.state == State::RolledBack {
            return false;
        }
        self.on_step = self.on_step.saturating_add(outcomes.canary.calls);
        match self.slices.back_mut() {
            Some((at, slice)) if now.elapsed.saturating_sub(*at) < SLICE => slice.add(outcomes),
            _ => self.slices.push_back((now.elapsed, outcomes)),
        }
        match decide(self.percent, self.lately(now.elapsed), self.on_step, self.limits) {
            Decision::Stay => false,
            Decision::RollBack { reason } => {
                self.turn(State::RolledBack, 0, &reason, true, now);
                true
            }
            Decision::Promote { percent, reason } => {
                self.turn(state_at(percent), percent, &reason, true, now);
                true
            }
        }
    }

    /// Calls that still say something.
    pub(crate) fn lately(&mut self, now: Duration) -> Outcomes {
        self.slices.retain(|(at, _)| now.saturating_sub(*at) < WINDOW);
        let mut lately = Outcomes::default();
        self.slices.iter().for_each(|(_, slice)| lately.add(*slice));
        lately
    }

    /// Why it is as it is.
    pub(crate) fn reason(&self) -> &str {
        self.history.back().map_or("", |change| &change.reason)
    }

    fn turn(&mut self, state: State, percent: u8, reason: &str, by_itself: bool, now: &Moment) {
        (self.state, self.percent, self.on_step) = (state, percent, 0);
        self.slices.clear();
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        let change = Change {
            at: now.clock.clone(),
            state,
            percent,
            reason: reason.to_owned(),
            by_itself,
        };
        self.fresh.push((now.unix_nanos, change.clone()));
        self.history.push_back(change);
    }
}

const fn state_at(percent: u8) -> State {
    if percent >= 100 {
        State::Promoted
    } else {
        State::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_HAND: Limits = Limits {
        min_calls: 20,
        max_excess_percent: 10,
        promote_after_calls: None,
    };
    const BY_ITSELF: Limits = Limits {
        promote_after_calls: Some(100),
        ..BY_HAND
    };

    fn outcomes(stable: (u64, u64), canary: (u64, u64)) -> Outcomes {
        let tally = |(errors, calls)| Tally { calls, errors };
        Outcomes {
            stable: tally(stable),
            canary: tally(canary),
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment {
            elapsed: Duration::from_secs(seconds),
            clock: format!("second {seconds}"),
            unix_nanos: seconds * 1_000_000_000,
        }
    }

    fn is_rolled_back(stable: (u64, u64), canary: (u64, u64)) -> bool {
        let decision = decide(10, outcomes(stable, canary), 0, BY_HAND);
        assert!(matches!(decision, Decision::Stay | Decision::RollBack { .. }));
        decision != Decision::Stay
    }

    #[test]
    fn too_few_calls_say_nothing() {
        assert!(!is_rolled_back((0, 500), (19, 19)));
        assert!(is_rolled_back((0, 500), (20, 20)));
    }

    #[test]
    fn what_counts_is_how_much_worse_it_is_than_the_stable_version() {
        assert!(!is_rolled_back((0, 100), (2, 20)), "the limit itself is allowed");
        assert!(is_rolled_back((0, 100), (3, 20)));
        assert!(
            !is_rolled_back((50, 100), (12, 20)),
            "both suffer, it is not the version"
        );
        assert!(is_rolled_back((50, 100), (13, 20)));
        assert!(!is_rolled_back((100, 100), (20, 20)));
        assert!(
            !is_rolled_back((0, 0), (2, 20)),
            "nothing to compare with: as if it never failed"
        );
        assert!(is_rolled_back((0, 0), (3, 20)));
    }

    #[test]
    fn a_canary_climbs_only_as_fast_as_it_proves_itself_and_only_when_told_to() {
        let well = outcomes((0, 900), (0, 100));
        let promoted = |percent, on_step, limits| match decide(percent, well, on_step, limits) {
            Decision::Promote { percent, .. } => Some(percent),
            _ => None,
        };
        assert_eq!(promoted(5, 99, BY_ITSELF), None);
        assert_eq!(promoted(5, 100, BY_ITSELF), Some(25));
        assert_eq!(promoted(10, 100, BY_ITSELF), Some(25), "a share between two steps");
        assert_eq!(promoted(50, 100, BY_ITSELF), Some(100));
        assert_eq!(promoted(100, 9_999, BY_ITSELF), None);
        assert_eq!(promoted(5, 9_999, BY_HAND), None);
    }

    #[test]
    fn by_hand_it_goes_up_the_ladder() {
        let mut canary = Canary::begin("2.0.0", 5, BY_HAND, &at(0));
        for (percent, state) in [(25, State::Running), (50, State::Running), (100, State::Promoted)] {
            assert!(canary.promote(&at(1)));
            assert_eq!((canary.percent, canary.state), (percent, state));
        }
        assert!(!canary.promote(&at(2)), "it has all");
        assert_eq!(canary.history.len(), 4);
    }

    #[test]
    fn a_sick_one_loses_its_share_and_says_why_until_a_person_sets_it_again() {
        let mut canary = Canary::begin("2.0.0", 10, BY_HAND, &at(0));
        assert!(!canary.note(outcomes((0, 90), (0, 10)), &at(1)));
        assert!(canary.note(outcomes((1, 90), (9, 10)), &at(2)));
        assert_eq!((canary.percent, canary.state), (0, State::RolledBack));
        assert_eq!(canary.reason(), "9 of 20 calls failed, 1 of 180 of the stable version");
        assert_eq!(
            canary.history.iter().map(|change| change.by_itself).collect::<Vec<_>>(),
            [false, true]
        );
        assert!(!canary.promote(&at(3)) && !canary.roll_back(&at(3)));
        assert!(
            !canary.note(outcomes((0, 9), (9, 9)), &at(3)),
            "late news change nothing"
        );
        canary.set(10, BY_HAND, &at(4));
        assert_eq!((canary.percent, canary.state), (10, State::Running));
        assert!(
            !canary.note(outcomes((0, 90), (0, 30)), &at(5)),
            "what was before is forgotten"
        );
    }

    #[test]
    fn a_promoted_one_is_watched_on() {
        let mut canary = Canary::begin("2.0.0", 100, BY_HAND, &at(0));
        assert_eq!(canary.state, State::Promoted);
        assert!(canary.note(outcomes((0, 0), (20, 20)), &at(1)));
        assert_eq!(canary.state, State::RolledBack);
    }

    #[test]
    fn old_calls_are_forgotten_and_the_rest_is_bounded() {
        let mut canary = Canary::begin("2.0.0", 10, BY_HAND, &at(0));
        for second in 0..1_000 {
            canary.note(outcomes((0, 9), (0, 1)), &at(second));
            canary.note(outcomes((0, 9), (0, 1)), &at(second));
        }
        assert_eq!(canary.lately(Duration::from_secs(999)), outcomes((0, 540), (0, 60)));
        assert!(canary.slices.len() <= 30);
        for second in 0..100 {
            canary.set(u8::try_from(second % 50).unwrap(), BY_HAND, &at(second));
        }
        assert_eq!(canary.history.len(), HISTORY);
    }
}
