//! The classification of a failed attempt: whether it may have had an effect, and whether another attempt is safe.

use std::error::Error as _;
use std::time::Duration;

use envelope::{Error, Reason};
use tonic_types::StatusExt as _;

use crate::Expired;

/// Whether a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// It has no effect that matters to the caller: a read, or a log-in whose tokens nobody got. It is repeated, and
    /// every answer is final.
    Read,
    /// It takes effect once, under an idempotency key, and a peer that refuses a later attempt has first made every
    /// earlier one impossible. It is repeated, and a refusal is final.
    Fenced,
    /// It takes effect once, under an idempotency key. It is repeated, but a refusal of a later attempt says nothing
    /// about an earlier one whose outcome is unknown: then that failure is the answer, and the caller may send the call
    /// again.
    Idempotent,
    /// It is retried only if it is known to have had no effect.
    Once,
}

impl Safety {
    /// Whether an attempt may be repeated after one with an unknown outcome.
    pub(crate) fn is_repeatable(self) -> bool {
        self != Self::Once
    }
}

/// The failure of one attempt, which is one request to the peer.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    effect: Effect,
    requested_pause: Option<Duration>,
    is_last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The peer did not start.
    None,
    /// The request may have taken effect, in part or as a whole.
    Unknown,
    /// The peer has decided; repeating gives the same answer.
    Decided,
}

impl Failure {
    /// Adds the pause that the peer asks for before the next attempt. A gRPC status has it in `RetryInfo`; this is for
    /// other protocols, such as HTTP's `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.requested_pause = Some(pause);
        self
    }

    /// Marks this as the last attempt, for callers that know that another one can't succeed.
    #[must_use]
    pub fn last(self) -> Self {
        Self { is_last: true, ..self }
    }

    /// The error that the caller gets if this is the last attempt.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Like [`Self::error`], by value.
    pub fn into_error(self) -> Error {
        self.error
    }

    /// Whether the request is known to have had no effect: there was no connection, the stream was refused, or the peer
    /// sheds load.
    pub fn had_no_effect(&self) -> bool {
        self.effect == Effect::None
    }

    /// Whether the request may have taken effect.
    pub(crate) fn is_open(&self) -> bool {
        self.effect == Effect::Unknown
    }

    /// Whether the peer has refused the request, for another reason than that it is still running.
    pub(crate) fn is_refusal(&self) -> bool {
        self.effect == Effect::Decided && !self.is_in_flight()
    }

    /// Whether another attempt is safe and may succeed. Client errors are never retried.
    pub fn is_retryable(&self, safety: Safety) -> bool {
        match self.effect {
            _ if self.is_last => false,
            Effect::None => true,
            Effect::Unknown => safety.is_repeatable(),
            Effect::Decided => false,
        }
    }

    /// Like [`Self::is_retryable`], for the attempt with this number. A later attempt that finds its idempotency key in
    /// flight has met an earlier attempt of the same call.
    pub(crate) fn is_retryable_at(&self, safety: Safety, number: u32) -> bool {
        // If a second replica sheds load too, the service is overloaded, and a third request would add to it.
        let is_shed_again = number > 1 && self.error.reason() == Reason::Overloaded;
        (self.is_retryable(safety) && !is_shed_again) || (number > 1 && safety.is_repeatable() && self.is_in_flight())
    }

    /// Whether another replica may answer differently at once. A rate limit and a key in flight hold for all replicas.
    pub(crate) fn is_of_one_replica(&self) -> bool {
        self.error.reason() != Reason::RateLimited && !self.is_in_flight()
    }

    /// The pause that the peer asked for. The `Retry-After` of an error made in this process does not count.
    pub(crate) fn requested_pause(&self) -> Option<Duration> {
        self.requested_pause
    }

    /// Whether it timed out, here or at the peer.
    pub(crate) fn is_timeout(&self) -> bool {
        self.error.reason() == Reason::DeadlineExceeded
    }

    /// Whether the idempotency key is in flight.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.error.reason() == Reason::IdempotencyInFlight
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let requested_pause = status.get_details_retry_info().and_then(|info| info.retry_delay);
        Self { requested_pause, ..Error::from_status(status).into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // Errors from the wire have no source. A source means that the error was made in this process, and that its
        // text and Retry-After are guesses.
        let is_from_peer = error.source().is_none();
        let requested_pause = if is_from_peer { error.retry_after() } else { None };
        let effect = match error.reason() {
            Reason::RateLimited | Reason::Overloaded if is_from_peer => Effect::None,
            _ if !error.is_server_fault() => Effect::Decided,
            _ if envelope::was_never_sent(&error) => Effect::None,
            _ => Effect::Unknown,
        };
        Self { error, effect, requested_pause, is_last: false }
    }
}

impl From<Expired> for Failure {
    fn from(expired: Expired) -> Self {
        Error::from(expired).into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};

    use tonic::{Code, ConnectError, Status, TimeoutExpired};

    use super::*;

    const IF_IDEMPOTENT: [bool; 2] = [true, false];
    const ALWAYS: [bool; 2] = [true, true];
    const NEVER: [bool; 2] = [false, false];

    /// Retryable when idempotent and when not; without effect.
    fn classify(failure: &Failure) -> ([bool; 2], bool) {
        let retryable = [Safety::Idempotent, Safety::Once].map(|safety| failure.is_retryable(safety));
        (retryable, failure.had_no_effect())
    }

    #[test]
    fn each_reason_of_an_answer_is_classified() {
        for &reason in Reason::ALL {
            let expected = match reason {
                Reason::RateLimited | Reason::Overloaded => (ALWAYS, true),
                Reason::Internal | Reason::Unavailable | Reason::DeadlineExceeded => (IF_IDEMPOTENT, false),
                _ => (NEVER, false),
            };
            let error = || Error::new(reason, "text").with_retry_after(Duration::from_secs(3));
            for failure in [Failure::from(error()), Failure::from(error().into_status())] {
                assert_eq!(classify(&failure), expected, "{reason:?}");
                assert_eq!(failure.requested_pause(), Some(Duration::from_secs(3)), "{reason:?}");
                let later = failure.is_retryable_at(Safety::Idempotent, 2);
                let (safe, once) =
                    (expected.0[0] && reason != Reason::Overloaded, expected.0[1] && reason != Reason::Overloaded);
                assert_eq!(later, safe || reason == Reason::IdempotencyInFlight, "{reason:?}");
                assert_eq!(failure.is_retryable_at(Safety::Once, 2), once, "{reason:?}");
                assert_eq!(failure.is_retryable_at(Safety::Idempotent, 1), expected.0[0], "{reason:?}");
            }
        }
    }

    #[test]
    fn transport_errors_are_classified() {
        let refused = ConnectError(Box::new(IoError::from(ErrorKind::ConnectionRefused)));
        let cases = [
            (Status::from_error(Box::new(refused)), (ALWAYS, true)),
            (Status::from_error(Box::new(IoError::from(ErrorKind::BrokenPipe))), (IF_IDEMPOTENT, false)),
            (Status::from_error(Box::new(TimeoutExpired(()))), (IF_IDEMPOTENT, false)),
            (Status::new(Code::Unavailable, "a proxy"), (IF_IDEMPOTENT, false)),
            (Status::new(Code::ResourceExhausted, "a proxy"), (IF_IDEMPOTENT, false)),
            (Status::new(Code::Unknown, "a proxy"), (IF_IDEMPOTENT, false)),
        ];
        for (status, expected) in cases {
            let text = format!("{status:?}");
            let failure = Failure::from(status);
            assert_eq!(classify(&failure), expected, "{text}");
            assert_eq!(failure.requested_pause(), None, "{text}");
        }
        assert_eq!(classify(&Failure::from(Expired)), (IF_IDEMPOTENT, false));
    }

    #[test]
    fn a_last_failure_is_not_retried() {
        for number in [1, 2] {
            let failure = || Failure::from(Error::new(Reason::Overloaded, "text"));
            assert_eq!(failure().is_retryable_at(Safety::Idempotent, number), number == 1);
            assert!(!failure().last().is_retryable_at(Safety::Idempotent, number));
        }
    }
}
