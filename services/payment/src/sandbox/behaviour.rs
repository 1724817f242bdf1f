//! How the sandbox misbehaves: one charge by its card token, all calls by a mode.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest delay of an answer, in ms.
const MAX_DELAY_MS: u64 = 60_000;

/// What happens to a charge. A repeated request with the key of a recorded charge gets a plain answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CardBehaviour {
    /// `tok_ok`: captured.
    Capture,
    /// `tok_declined` and every unknown token: declined.
    Decline,
    /// `tok_slow_<ms>`: captured, answered after that many milliseconds.
    Slow(Duration),
    /// `tok_fail`: 500, nothing captured.
    Fail,
    /// `tok_fail_after`: captured, then 500.
    FailAfter,
    /// `tok_drop`: captured, then the connection is closed without an answer.
    Drop,
    /// `tok_twice`: captured once and answered with `duplicate: true`, as if a proxy had sent the request twice and
    /// forwarded the second answer.
    Twice,
}

impl CardBehaviour {
    pub(super) fn of_token(token: &str) -> Self {
        match token {
            "tok_ok" => Self::Capture,
            "tok_fail" => Self::Fail,
            "tok_fail_after" => Self::FailAfter,
            "tok_drop" => Self::Drop,
            "tok_twice" => Self::Twice,
            other => match other.strip_prefix("tok_slow_").and_then(|ms| ms.parse().ok()) {
                Some(ms) => Self::Slow(delay(ms)),
                None => Self::Decline,
            },
        }
    }
}

/// How all calls under `/v1/charges` are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Behaviour {
    pub(super) mode: Mode,
    /// The delay of answers in the mode `slow`, in ms; at most 60,000.
    #[serde(default)]
    delay_ms: u64,
}

impl Behaviour {
    pub(super) fn delay(self) -> Duration {
        delay(self.delay_ms)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    #[default]
    Normal,
    /// Everything is done and answered late.
    Slow,
    /// Nothing is done; 500.
    Fail,
    /// Everything is done; the connection is closed without an answer.
    Drop,
    /// Look-ups always answer 404, as a lagging replica would.
    UnknownLookups,
}

fn delay(ms: u64) -> Duration {
    Duration::from_millis(ms.min(MAX_DELAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_choose_the_behaviour_and_unknown_ones_are_declined() {
        assert_eq!(CardBehaviour::of_token("tok_ok"), CardBehaviour::Capture);
        assert_eq!(CardBehaviour::of_token("tok_slow_250"), CardBehaviour::Slow(Duration::from_millis(250)));
        assert_eq!(CardBehaviour::of_token("tok_slow_99999999"), CardBehaviour::Slow(Duration::from_secs(60)));
        for declined in ["tok_declined", "", "tok_slow_", "tok_slow_-1", "4242"] {
            assert_eq!(CardBehaviour::of_token(declined), CardBehaviour::Decline, "{declined}");
        }
    }
}
