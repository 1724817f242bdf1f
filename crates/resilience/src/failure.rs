//! What the failure of an attempt tells: whether it can have done something, and whether the peer is to blame.

use std::error::Error as _;
use std::time::Duration;

use envelope::{Error, Reason};
use tonic_types::StatusExt as _;

use crate::Expired;

/// Whether a call may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// Doing it twice does no harm: a read, or a write under an idempotency key.
    Idempotent,
    /// It is tried again only when it is known not to have happened.
    Once,
}

/// The failure of one attempt, which is one call to the peer.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    effect: Effect,
    told_pause: Option<Duration>,
    is_last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The peer did not begin.
    None,
    /// It may have been done, in part or as a whole.
    Unknown,
    /// The peer has decided; asking again gives the same.
    Decided,
}

impl Failure {
    /// The same, told by the peer to wait that long before the next attempt. A gRPC status with `RetryInfo` needs no
    /// telling; this is for other protocols, such as HTTP's `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.told_pause = Some(pause);
        self
    }

    /// The same, after which no other attempt is made: whoever makes it knows that none could end better.
    #[must_use]
    pub fn last(self) -> Self {
        Self { is_last: true, ..self }
    }

    /// The error that the caller gets when this is the last attempt.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The same, given away.
    pub fn into_error(self) -> Error {
        self.error
    }

    /// Whether the peer is known not to have begun: there was no connection, the stream was refused, or the peer sheds
    /// load.
    pub fn had_no_effect(&self) -> bool {
        self.effect == Effect::None
    }

    /// Whether another attempt is safe and may end better. Errors of the client are never tried again.
    pub fn is_retryable(&self, safety: Safety) -> bool {
        match self.effect {
            _ if self.is_last => false,
            Effect::None => true,
            Effect::Unknown => safety == Safety::Idempotent,
            Effect::Decided => false,
        }
    }

    /// The same as `is_retryable`, for the attempt of that number. A later attempt that finds its idempotency key in
    /// flight has met an earlier one of the same call, not somebody else's.
    pub(crate) fn is_retryable_at(&self, safety: Safety, number: u32) -> bool {
        // When a second replica sheds load too, the service has too much to do, and a third request makes it worse.
        let is_shed_again = number > 1 && self.error.reason() == Reason::Overloaded;
        (self.is_retryable(safety) && !is_shed_again)
            || (number > 1 && safety == Safety::Idempotent && self.is_in_flight())
    }

    /// Whether another replica may answer otherwise at once. A rate limit and a key in flight hold everywhere.
    pub(crate) fn is_of_one_replica(&self) -> bool {
        self.error.reason() != Reason::RateLimited && !self.is_in_flight()
    }

    /// The pause that the peer asked for. What an error made here proposes to the client is not the peer's word.
    pub(crate) fn told_pause(&self) -> Option<Duration> {
        self.told_pause
    }

    /// Whether time ran out, here or at the peer.
    pub(crate) fn is_timeout(&self) -> bool {
        self.error.reason() == Reason::DeadlineExceeded
    }

    /// Whether the same idempotency key is being worked on.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.error.reason() == Reason::IdempotencyInFlight
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let told_pause = status.get_details_retry_info().and_then(|info| info.retry_delay);
        Self { told_pause, ..Error::from_status(status).into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // What our services say comes without a source. One means that the error was made in this process, and that
        // its text and its Retry-After are guesses.
        let is_said = error.source().is_none();
        let told_pause = if is_said { error.retry_after() } else { None };
        let effect = match error.reason() {
            Reason::RateLimited | Reason::Overloaded if is_said => Effect::None,
            _ if !error.is_server_fault() => Effect::Decided,
            _ if envelope::was_never_sent(&error) => Effect::None,
            _ => Effect::Unknown,
        };
        Self { error, effect, told_pause, is_last: false }
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

    const ONLY_IF_SAFE: [bool; 2] = [true, false];
    const ALWAYS: [bool; 2] = [true, true];
    const NEVER: [bool; 2] = [false, false];

    /// Retryable when idempotent and when not; without effect.
    fn told(failure: &Failure) -> ([bool; 2], bool) {
        let retryable = [Safety::Idempotent, Safety::Once].map(|safety| failure.is_retryable(safety));
        (retryable, failure.had_no_effect())
    }

    #[test]
    fn each_reason_of_an_answer_is_classified() {
        for &reason in Reason::ALL {
            let expected = match reason {
                Reason::RateLimited | Reason::Overloaded => (ALWAYS, true),
                Reason::Internal | Reason::Unavailable | Reason::DeadlineExceeded => (ONLY_IF_SAFE, false),
                _ => (NEVER, false),
            };
            let error = || Error::new(reason, "text").with_retry_after(Duration::from_secs(3));
            for failure in [Failure::from(error()), Failure::from(error().into_status())] {
                assert_eq!(told(&failure), expected, "{reason:?}");
                assert_eq!(failure.told_pause(), Some(Duration::from_secs(3)), "{reason:?}");
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
    fn what_breaks_on_the_way_is_classified() {
        let refused = ConnectError(Box::new(IoError::from(ErrorKind::ConnectionRefused)));
        let cases = [
            (Status::from_error(Box::new(refused)), (ALWAYS, true)),
            (Status::from_error(Box::new(IoError::from(ErrorKind::BrokenPipe))), (ONLY_IF_SAFE, false)),
            (Status::from_error(Box::new(TimeoutExpired(()))), (ONLY_IF_SAFE, false)),
            (Status::new(Code::Unavailable, "a proxy"), (ONLY_IF_SAFE, false)),
            (Status::new(Code::ResourceExhausted, "a proxy"), (ONLY_IF_SAFE, false)),
            (Status::new(Code::Unknown, "a proxy"), (ONLY_IF_SAFE, false)),
        ];
        for (status, expected) in cases {
            let text = format!("{status:?}");
            let failure = Failure::from(status);
            assert_eq!(told(&failure), expected, "{text}");
            assert_eq!(failure.told_pause(), None, "{text}");
        }
        assert_eq!(told(&Failure::from(Expired)), (ONLY_IF_SAFE, false));
    }

    #[test]
    fn after_the_last_one_there_is_no_other() {
        for number in [1, 2] {
            let failure = || Failure::from(Error::new(Reason::Overloaded, "text"));
            assert_eq!(failure().is_retryable_at(Safety::Idempotent, number), number == 1);
            assert!(!failure().last().is_retryable_at(Safety::Idempotent, number));
        }
    }
}
