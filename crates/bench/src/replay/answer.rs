//! What an answer of the gateway means to the one who asked.

use std::collections::BTreeMap;
use std::time::Duration;

use envelope::Reason;
use serde_json::Value;

/// An answer of the gateway.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The reason of a failure, when it is one of the contract.
    pub(super) reason: Option<Reason>,
    pub(super) retry_after: Option<Duration>,
    /// Whether it is the answer to an earlier request with the same key.
    pub(super) replayed: bool,
    /// What was asked for; null in a failure.
    pub(super) data: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The gateway can't be reached.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// It did not answer in time.
    #[error("timed out")]
    Timeout(#[source] reqwest::Error),
    /// The connection was lost before the answer was complete.
    #[error("connection lost")]
    Lost(#[source] reqwest::Error),
    /// What came is too large.
    #[error("answer too large")]
    TooLarge,
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout(error)
        } else if error.is_connect() {
            Self::Connect(error)
        } else {
            Self::Lost(error)
        }
    }
}

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is final.
    Done,
    /// Send the same again, at the earliest after this time.
    Again(Duration),
    /// Send the same again with a new token.
    NewToken,
}

impl Step {
    /// What to do next. Everything that may pass is tried again: it is safe, since it has the same idempotency key.
    pub(super) fn after(answered: &Result<Answer, CallError>) -> Self {
        let answer = match answered {
            Err(CallError::TooLarge) => return Self::Done,
            Err(_) => return Self::Again(Duration::ZERO),
            Ok(answer) => answer,
        };
        let wait = answer.retry_after.unwrap_or_default();
        match (answer.status, answer.reason) {
            (_, Some(Reason::TokenExpired | Reason::Unauthenticated)) => Self::NewToken,
            (429 | 502 | 503 | 504, _) | (_, Some(Reason::IdempotencyInFlight)) => Self::Again(wait),
            _ => Self::Done,
        }
    }
}

/// What became of an order in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was placed; `replayed` when by an earlier try or run.
    Accepted { replayed: bool },
    /// The shop refused it, for a reason that a shop has.
    Refused(Reason),
    /// It was neither: the reason of the last try.
    Failed(String),
}

impl Outcome {
    /// What the last answer says about an order.
    pub(super) fn of(answered: &Result<Answer, CallError>) -> Self {
        match answered {
            Ok(Answer { status: 201, replayed, .. }) => Self::Accepted { replayed: *replayed },
            Ok(Answer { reason: Some(reason), .. }) if is_refusal(*reason) => Self::Refused(*reason),
            Ok(Answer { reason: Some(reason), .. }) => Self::Failed(reason.name().to_owned()),
            Ok(Answer { status, .. }) => Self::Failed(format!("HTTP {status}")),
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// Whether this is the shop's decision about an order, as opposed to a fault of somebody.
fn is_refusal(reason: Reason) -> bool {
    matches!(reason, Reason::InsufficientStock | Reason::SkuNotFound | Reason::RiskRejected)
}

/// Adds one to a count.
pub(super) fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, reason: Option<Reason>) -> Result<Answer, CallError> {
        Ok(Answer { status, reason, retry_after: Some(Duration::from_secs(1)), replayed: false, data: Value::Null })
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let again = Step::Again(Duration::from_secs(1));
        assert_eq!(Step::after(&answer(503, Some(Reason::Overloaded))), again);
        assert_eq!(Step::after(&answer(504, Some(Reason::DeadlineExceeded))), again);
        assert_eq!(Step::after(&answer(429, Some(Reason::RateLimited))), again);
        assert_eq!(Step::after(&answer(409, Some(Reason::IdempotencyInFlight))), again);
        assert_eq!(Step::after(&answer(502, None)), again);
        assert_eq!(Step::after(&answer(401, Some(Reason::TokenExpired))), Step::NewToken);
        for (status, reason) in [(201, None), (409, Some(Reason::InsufficientStock)), (500, Some(Reason::Internal))] {
            assert_eq!(Step::after(&answer(status, reason)), Step::Done);
        }
    }

    #[test]
    fn a_refusal_is_no_failure_and_a_failure_is_no_refusal() {
        assert_eq!(Outcome::of(&answer(201, None)), Outcome::Accepted { replayed: false });
        for reason in [Reason::InsufficientStock, Reason::SkuNotFound, Reason::RiskRejected] {
            assert_eq!(Outcome::of(&answer(409, Some(reason))), Outcome::Refused(reason));
        }
        for reason in [Reason::ValidationFailed, Reason::IdempotencyKeyReused, Reason::RateLimited, Reason::Internal] {
            assert_eq!(Outcome::of(&answer(400, Some(reason))), Outcome::Failed(reason.name().to_owned()));
        }
        assert_eq!(Outcome::of(&answer(200, None)), Outcome::Failed("HTTP 200".into()));
        assert_eq!(Outcome::of(&Err(CallError::TooLarge)), Outcome::Failed("answer too large".into()));
    }
}
