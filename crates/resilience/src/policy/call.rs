//! One call under a policy: its attempts, the pauses between them, and the hedge of the first.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use envelope::{Error, Reason};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::{Attempt, Shared};
use crate::deadline::Deadline;
use crate::failure::{Failure, Safety};
use crate::fallback::Answer;

/// A call that was cut short by its own deadline counts against the peer only if it had at least this fraction (one
/// quarter) of the attempt time-out.
const FAIR_TIME_DIVISOR: u32 = 4;

/// A call that has not been made yet.
#[derive(Debug, Clone, Copy)]
#[must_use = "a call does nothing until it is run"]
pub struct Call<'a> {
    policy: &'a Shared,
    deadline: Deadline,
    safety: Safety,
    is_hedged: bool,
    attempt_timeout: Duration,
}

/// Why an attempt has no answer.
enum Setback {
    Failed(Failure),
    /// The attempt was not made, since the deadline has passed.
    Refused(Error),
}

impl<'a> Call<'a> {
    pub(super) fn new(policy: &'a Shared, deadline: Deadline) -> Self {
        let attempt_timeout = policy.attempt_timeout;
        Self { policy, deadline, safety: Safety::Once, is_hedged: false, attempt_timeout }
    }

    /// Sets whether it may be repeated; [`Safety::Once`] by default.
    pub fn safety(mut self, safety: Safety) -> Self {
        self.safety = safety;
        self
    }

    /// Starts a second attempt if the first one takes longer than most, and uses the first success. For reads: has no
    /// effect unless the call is a [`Safety::Read`].
    pub fn hedged(mut self) -> Self {
        self.is_hedged = true;
        self
    }

    /// Overrides the policy's `attempt_timeout_ms`.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Makes attempts until one succeeds or no other is allowed. An attempt is one request to the peer; it may be
    /// dropped at any await point.
    ///
    /// # Errors
    /// The error of the last attempt; `DEADLINE_EXCEEDED` if the call or its last attempt timed out, `OVERLOADED` if
    /// too many calls are in flight, `UNAVAILABLE` if the breaker is open.
    pub async fn run<T, F, W>(self, mut attempt: F) -> Result<T, Error>
    where
        F: FnMut(Attempt) -> W,
        W: Future<Output = Result<T, Failure>>,
    {
        self.deadline.remaining()?;
        let _permit = self.enter().await?;
        let pass = self.policy.breaker.admit()?;
        self.policy.budget.deposit();
        let result = self.attempts(&mut attempt).await;
        // A call with little time says nothing about the peer.
        let is_late = result.as_ref().is_err_and(|error| error.reason() == Reason::DeadlineExceeded);
        if !(is_late && self.deadline.remaining().is_err() && pass.elapsed() < self.attempt_timeout / FAIR_TIME_DIVISOR)
        {
            pass.settle(result.as_ref().is_err_and(is_against_peer));
        }
        result
    }

    async fn attempts<T, F, W>(self, attempt: &mut F) -> Result<T, Error>
    where
        F: FnMut(Attempt) -> W,
        W: Future<Output = Result<T, Failure>>,
    {
        let mut number = 1;
        let mut last: Option<Failure> = None;
        loop {
            let failure = match self.round(&mut number, attempt).await {
                Ok(value) => return Ok(value),
                Err(Setback::Failed(failure)) => failure,
                Err(Setback::Refused(refusal)) => return Err(with_last(refusal, last)),
            };
            if failure.is_timeout() && self.deadline.remaining().is_err() {
                return Err(with_last(failure.into_error(), last));
            }
            let Some(pause) = self.pause(&failure, number) else { return Err(self.final_error(failure, last)) };
            tracing::debug!(peer = %self.policy.peer, number, ?pause, error = %failure.error(), "retrying");
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            // An attempt that may have taken effect is what the caller has to learn of, whatever comes after it.
            last = last.filter(|last| last.is_open() && !failure.is_open()).or(Some(failure));
            number += 1;
        }
    }

    /// Like [`Self::run`], with a fallback in case the peer does not answer. A refusal by the peer, such as
    /// `NOT_FOUND`, is an answer. The fallback is not bound by the deadline, since it is what is left when time is up.
    ///
    /// # Errors
    /// The refusals of the peer, and the errors of the fallback.
    pub async fn run_or<T, F, W, G, V>(self, attempt: F, fallback: G) -> Result<Answer<T>, Error>
    where
        F: FnMut(Attempt) -> W,
        W: Future<Output = Result<T, Failure>>,
        G: FnOnce(Error) -> V,
        V: Future<Output = Result<T, Error>>,
    {
        let error = match self.run(attempt).await {
            Ok(value) => return Ok(Answer { value, degraded: false }),
            Err(error) => error,
        };
        if !error.is_server_fault() && error.reason() != Reason::RateLimited {
            return Err(error);
        }
        self.policy.count("resilience_fallbacks_total");
        tracing::debug!(peer = %self.policy.peer, error = %error, "using the fallback");
        Ok(Answer { value: fallback(error).await?, degraded: true })
    }

    async fn enter(&self) -> Result<SemaphorePermit<'a>, Error> {
        let entered = self.policy.bulkhead.enter(self.deadline).await;
        entered.inspect_err(|_| self.policy.count("resilience_bulkhead_refusals_total"))
    }

    /// Runs one attempt, or the first one and its hedge concurrently. Sets `number` to that of the last attempt.
    async fn round<T, F, W>(self, number: &mut u32, attempt: &mut F) -> Result<T, Setback>
    where
        F: FnMut(Attempt) -> W,
        W: Future<Output = Result<T, Failure>>,
    {
        let mut first = pin!(self.start(*number, attempt)?);
        let Some(delay) = self.hedge_delay(*number) else { return Ok(first.await?) };
        let began = Instant::now();
        tokio::select! {
            biased;
            result = &mut first => return Ok(result?),
            () = tokio::time::sleep(delay) => {}
        }
        let is_paid = self.policy.budget.pay_for_hedge();
        let hedge = if is_paid { self.start(*number + 1, attempt).ok() } else { None };
        let Some(hedge) = hedge else { return Ok(first.await?) };
        *number += 1;
        self.policy.count("resilience_hedges_total");
        let mut hedge = pin!(hedge);
        tokio::select! {
            result = &mut first => match result {
                Err(failure) if failure.is_retryable(self.safety) => Ok(hedge.await?),
                settled => Ok(settled?),
            },
            result = &mut hedge => match result {
                Err(failure) if failure.is_retryable(self.safety) => Ok(first.await?),
                settled => {
                    // The latency of the first attempt is unknown, but at least this long.
                    self.policy.hedge.record(began.elapsed());
                    self.policy.count("resilience_hedges_won_total");
                    Ok(settled?)
                }
            },
        }
    }

    fn hedge_delay(&self, number: u32) -> Option<Duration> {
        let may_hedge =
            self.is_hedged && self.safety == Safety::Read && number == 1 && self.policy.retry.max_attempts > 1;
        if may_hedge { self.policy.hedge.delay() } else { None }
    }

    /// Begins an attempt, unless the deadline has passed.
    fn start<T, F, W>(
        self,
        number: u32,
        attempt: &mut F,
    ) -> Result<impl Future<Output = Result<T, Failure>> + use<'a, T, F, W>, Error>
    where
        F: FnMut(Attempt) -> W,
        W: Future<Output = Result<T, Failure>>,
    {
        let left = self.deadline.remaining()?;
        let is_shorter = self.attempt_timeout < left;
        let deadline = if is_shorter { self.deadline.at_most(self.attempt_timeout) } else { self.deadline };
        Ok(self.finish(deadline, attempt(Attempt { number, deadline })))
    }

    async fn finish<T>(self, deadline: Deadline, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let began = Instant::now();
        let result = deadline.bound(work).await.unwrap_or_else(|expired| {
            self.policy.count("resilience_attempt_timeouts_total");
            Err(expired.into())
        });
        if self.is_hedged && (result.is_ok() || result.as_ref().is_err_and(Failure::is_timeout)) {
            self.policy.hedge.record(began.elapsed());
        }
        result
    }

    /// The error of a call that ends with this failure. An earlier attempt that may have taken effect comes first: when
    /// the key is still in flight, when the last attempt did not start, and when the peer refuses it without having
    /// made the earlier one impossible.
    fn final_error(&self, failure: Failure, last: Option<Failure>) -> Error {
        let says_nothing = failure.is_in_flight()
            || (self.safety != Safety::Read && failure.had_no_effect())
            || (self.safety == Safety::Idempotent && failure.is_refusal());
        match last {
            Some(last) if says_nothing && last.is_open() => last.into_error(),
            _ => failure.into_error(),
        }
    }

    /// The pause before the next attempt, which this pays for; `None` if the call ends with this failure.
    fn pause(&self, failure: &Failure, number: u32) -> Option<Duration> {
        let retry = &self.policy.retry;
        if number >= retry.max_attempts || !failure.is_retryable_at(self.safety, number) {
            return None;
        }
        let pause = retry.pause(failure, number);
        if pause >= self.deadline.remaining().ok()? {
            return None;
        }
        if !self.policy.budget.pay_for_retry() {
            self.policy.count("resilience_budget_exhausted_total");
            return None;
        }
        self.policy.count("resilience_retries_total");
        Some(pause)
    }
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Setback {
    fn from(refusal: Error) -> Self {
        Self::Refused(refusal)
    }
}

/// Whether the error of a call counts against the peer. Shedding load does not.
fn is_against_peer(error: &Error) -> bool {
    error.is_server_fault() && error.reason() != Reason::Overloaded
}

/// The error of a call that ran out of time, with the failure before that.
fn with_last(error: Error, last: Option<Failure>) -> Error {
    match last {
        Some(last) if error.reason() == Reason::DeadlineExceeded => error.with_source(last.into_error()),
        Some(last) => last.into_error(),
        None => error,
    }
}
