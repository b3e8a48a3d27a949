//! What a failed call means to the step that made it.

use sagascope_conventions::WaitingFor;

use super::machine::StepFailure;
use crate::caller::CallError;

impl From<CallError> for StepFailure {
    /// Only a clear refusal, and a call that never left, are known to have had no effect.
    fn from(error: CallError) -> Self {
        let (error_type, reason) = (error.error_type().to_owned(), error.reason());
        let failure = match &error {
            CallError::Refused { .. } => Self::refused(&error_type, reason),
            CallError::BreakerOpen { breaker, .. } => {
                Self::not_tried(&error_type, reason).waiting(WaitingFor::Breaker, breaker)
            }
            CallError::BulkheadFull { .. } | CallError::Unavailable { status: Some(429), .. } => {
                Self::not_tried(&error_type, reason)
            }
            CallError::Unavailable { .. } | CallError::TimedOut { .. } | CallError::Malformed { .. } => {
                Self::lost(&error_type, reason)
            }
        };
        Self {
            retryable: error.is_retryable(),
            ..failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;
    use std::time::Duration;

    #[test]
    fn only_a_refusal_and_a_call_that_never_left_are_known_to_have_had_no_effect() {
        let declined = Problem::conflict("card_declined", "declined");
        let breaker = "payments".to_owned();
        let unavailable = |status| CallError::Unavailable {
            reason: String::new(),
            status,
            retry_after: None,
        };
        let cases = [
            (
                CallError::Refused {
                    status: 409,
                    problem: declined,
                },
                false,
                false,
            ),
            (
                CallError::BreakerOpen {
                    breaker,
                    retry_after: None,
                },
                true,
                false,
            ),
            (
                CallError::BulkheadFull {
                    bulkhead: "critical".to_owned(),
                },
                true,
                false,
            ),
            (unavailable(Some(429)), true, false),
            (unavailable(Some(503)), true, true),
            (unavailable(None), true, true),
            (
                CallError::TimedOut {
                    after: Duration::from_secs(1),
                },
                true,
                true,
            ),
            (CallError::Malformed { reason: String::new() }, false, true),
        ];
        for (error, retryable, may_have_acted) in cases {
            let failure = StepFailure::from(error.clone());
            assert_eq!(
                (failure.retryable, failure.may_have_acted),
                (retryable, may_have_acted),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_step_refused_by_a_breaker_waits_for_it() {
        let open = CallError::BreakerOpen {
            breaker: "payments".to_owned(),
            retry_after: None,
        };
        assert_eq!(
            StepFailure::from(open).waiting,
            (WaitingFor::Breaker, "payments".to_owned())
        );
    }
}
