//! Answers of the gateway, and what follows from them.

use std::collections::BTreeMap;
use std::time::Duration;

use envelope::Reason;
use serde_json::Value;

/// An answer of the gateway.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The reason of a failure, if it is a known one.
    pub(super) reason: Option<Reason>,
    pub(super) retry_after: Option<Duration>,
    /// Whether it is the stored answer to an earlier request with the same key.
    pub(super) replayed: bool,
    /// The data; null in a failure.
    pub(super) data: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The gateway can't be reached.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// The gateway did not answer in time.
    #[error("timed out")]
    Timeout(#[source] reqwest::Error),
    /// The connection was lost before the answer was complete.
    #[error("connection lost")]
    Lost(#[source] reqwest::Error),
    /// The answer is too large.
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

/// The next step after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The answer is final.
    Done,
    /// Retry, at the earliest after this time.
    Retry(Duration),
    /// Retry with a new token.
    NewToken,
}

impl Step {
    /// The next step. Everything that may be temporary is retried, which the idempotency key makes safe.
    pub(super) fn after(answered: &Result<Answer, CallError>) -> Self {
        let answer = match answered {
            Err(CallError::TooLarge) => return Self::Done,
            Err(_) => return Self::Retry(Duration::ZERO),
            Ok(answer) => answer,
        };
        let wait = answer.retry_after.unwrap_or_default();
        match (answer.status, answer.reason) {
            (_, Some(Reason::TokenExpired | Reason::Unauthenticated)) => Self::NewToken,
            (429 | 502 | 503 | 504, _) | (_, Some(Reason::IdempotencyInFlight)) => Self::Retry(wait),
            _ => Self::Done,
        }
    }
}

/// The final outcome of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReplayOutcome {
    /// Placed; `replayed` when by an earlier attempt or run.
    Accepted { replayed: bool },
    /// Refused by the shop.
    Refused(Reason),
    /// Failed, with the reason of the last attempt.
    Failed(String),
}

impl ReplayOutcome {
    /// The outcome by the last answer.
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

/// Whether this is the shop's decision about an order rather than a fault.
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
    fn only_temporary_failures_are_retried() {
        let retry = Step::Retry(Duration::from_secs(1));
        assert_eq!(Step::after(&answer(503, Some(Reason::Overloaded))), retry);
        assert_eq!(Step::after(&answer(504, Some(Reason::DeadlineExceeded))), retry);
        assert_eq!(Step::after(&answer(429, Some(Reason::RateLimited))), retry);
        assert_eq!(Step::after(&answer(409, Some(Reason::IdempotencyInFlight))), retry);
        assert_eq!(Step::after(&answer(502, None)), retry);
        assert_eq!(Step::after(&answer(401, Some(Reason::TokenExpired))), Step::NewToken);
        for (status, reason) in [(201, None), (409, Some(Reason::InsufficientStock)), (500, Some(Reason::Internal))] {
            assert_eq!(Step::after(&answer(status, reason)), Step::Done);
        }
    }

    #[test]
    fn refusals_are_distinguished_from_failures() {
        assert_eq!(ReplayOutcome::of(&answer(201, None)), ReplayOutcome::Accepted { replayed: false });
        for reason in [Reason::InsufficientStock, Reason::SkuNotFound, Reason::RiskRejected] {
            assert_eq!(ReplayOutcome::of(&answer(409, Some(reason))), ReplayOutcome::Refused(reason));
        }
        for reason in [Reason::ValidationFailed, Reason::IdempotencyKeyReused, Reason::RateLimited, Reason::Internal] {
            assert_eq!(ReplayOutcome::of(&answer(400, Some(reason))), ReplayOutcome::Failed(reason.name().to_owned()));
        }
        assert_eq!(ReplayOutcome::of(&answer(200, None)), ReplayOutcome::Failed("HTTP 200".into()));
        assert_eq!(ReplayOutcome::of(&Err(CallError::TooLarge)), ReplayOutcome::Failed("answer too large".into()));
    }
}
