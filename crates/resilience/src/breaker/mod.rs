//! A circuit breaker: while a peer fails, calls are refused at once, except for a few probes that find out whether it
//! has recovered.

mod config;
mod outcomes;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use envelope::Error;
use tokio::time::Instant;

use crate::lock::locked;
pub use config::{BreakerConfig, WindowConfig};
use outcomes::{Counts, Outcome, Outcomes};

/// The `Retry-After` of a call that finds all probes taken.
const WAIT_FOR_PROBES: Duration = Duration::from_secs(1);

/// Why a call was refused.
#[derive(Debug, thiserror::Error)]
#[error("the breaker of {peer} is open")]
struct BreakerOpen {
    peer: Arc<str>,
}

/// A closed breaker counts. When enough calls have failed, or were slow, it opens and refuses all calls. After a time
/// it is half open and admits a few probes, whose outcomes close or reopen it.
///
/// Sources: Nygard, "Release It!", 2007; resilience4j's `CircuitBreaker` for the windows, the two rates and the probes.
/// In addition, a call that began before a change of state does not count after it.
#[derive(Debug)]
pub(crate) struct Breaker {
    peer: Arc<str>,
    config: BreakerConfig,
    slow_from: Duration,
    open_for: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// The number of state changes.
    generation: u64,
}

#[derive(Debug)]
enum State {
    Closed(Outcomes),
    Open { until: Instant },
    HalfOpen { since: Instant, taken: u64, counts: Counts },
}

impl Breaker {
    pub(crate) fn new(peer: Arc<str>, config: &BreakerConfig) -> Self {
        let inner = Inner { state: State::Closed(Outcomes::new(config.window)), generation: 0 };
        inner.state.report(&peer);
        Self {
            peer,
            config: *config,
            slow_from: Duration::from_millis(config.slow_ms),
            // Also for a config that was built in code: keeps `Instant` arithmetic within range.
            open_for: Duration::from_millis(config.open_ms.min(600_000)),
            inner: Mutex::new(inner),
        }
    }

    /// Admits or refuses a call. The outcome is reported to the returned [`Pass`].
    ///
    /// # Errors
    /// `UNAVAILABLE`, with the time after which a retry makes sense.
    pub(crate) fn admit(&self) -> Result<Pass<'_>, Error> {
        let started = Instant::now();
        let mut inner = locked(&self.inner);
        match &mut inner.state {
            _ if !self.config.enabled => {}
            State::Closed(_) => {}
            State::Open { until } if started < *until => {
                let left = *until - started;
                return Err(self.refusal(left));
            }
            State::Open { .. } => self.start_probing(&mut inner, started),
            State::HalfOpen { taken, .. } if *taken < self.probes() => *taken += 1,
            // Probes that have not returned for this long are replaced.
            State::HalfOpen { since, .. } if started.duration_since(*since) >= self.open_for => {
                self.start_probing(&mut inner, started);
            }
            State::HalfOpen { .. } => return Err(self.refusal(WAIT_FOR_PROBES)),
        }
        Ok(Pass { breaker: self, generation: inner.generation, started, is_settled: false })
    }

    /// Whether the breaker is closed: neither open nor probing.
    pub(crate) fn is_closed(&self) -> bool {
        !self.config.enabled || matches!(locked(&self.inner).state, State::Closed(_))
    }

    fn probes(&self) -> u64 {
        self.config.probes.max(1).into()
    }

    fn start_probing(&self, inner: &mut Inner, now: Instant) {
        self.change(inner, State::HalfOpen { since: now, taken: 1, counts: Counts::default() });
    }

    fn refusal(&self, retry_after: Duration) -> Error {
        metrics::counter!("resilience_breaker_refusals_total", "peer" => self.peer.clone()).increment(1);
        Error::unavailable(BreakerOpen { peer: self.peer.clone() }).with_retry_after(retry_after)
    }

    /// Records the end of a call. Without an outcome, a probe is returned.
    fn settle(&self, generation: u64, outcome: Option<Outcome>) {
        let mut inner = locked(&self.inner);
        if inner.generation != generation || !self.config.enabled {
            return;
        }
        let next = match (&mut inner.state, outcome) {
            (State::Closed(outcomes), Some(outcome)) => {
                let counts = outcomes.add(outcome);
                (counts.calls >= self.min_calls() && self.is_bad(counts, counts.calls)).then(|| self.opened())
            }
            (State::HalfOpen { counts, .. }, Some(outcome)) => {
                counts.add(outcome);
                // Decided as soon as the remaining probes can't change the result.
                let is_bad = self.is_bad(*counts, self.probes());
                let is_done = counts.calls >= self.probes();
                let closed = || State::Closed(Outcomes::new(self.config.window));
                if is_bad { Some(self.opened()) } else { is_done.then(closed) }
            }
            (State::HalfOpen { taken, .. }, None) => {
                *taken -= 1;
                None
            }
            (State::Closed(_), None) | (State::Open { .. }, _) => None,
        };
        if let Some(next) = next {
            self.change(&mut inner, next);
        }
    }

    /// The fewest calls in the window; a window of calls may be smaller than the configured minimum.
    fn min_calls(&self) -> u64 {
        let least = self.config.min_calls.max(1);
        match self.config.window {
            WindowConfig::Calls(size) => least.min(size.max(1)).into(),
            WindowConfig::Seconds(_) => least.into(),
        }
    }

    fn is_bad(&self, counts: Counts, calls: u64) -> bool {
        let reaches = |bad: u64, percent: u32| bad * 100 >= calls * u64::from(percent.max(1));
        reaches(counts.failed, self.config.failure_percent) || reaches(counts.slow, self.config.slow_percent)
    }

    fn opened(&self) -> State {
        State::Open { until: Instant::now() + self.open_for }
    }

    fn change(&self, inner: &mut Inner, next: State) {
        let (from, to) = (inner.state.name(), next.name());
        inner.state = next;
        inner.generation += 1;
        inner.state.report(&self.peer);
        if to == "open" {
            tracing::warn!(peer = %self.peer, from, to, "the breaker changed");
        } else if from != to {
            tracing::info!(peer = %self.peer, from, to, "the breaker changed");
        }
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Closed(_) => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }

    /// Sets the gauge of the state.
    fn report(&self, peer: &Arc<str>) {
        for state in ["closed", "open", "half_open"] {
            let is_on = if state == self.name() { 1.0 } else { 0.0 };
            metrics::gauge!("resilience_breaker_state", "peer" => peer.clone(), "state" => state).set(is_on);
        }
    }
}

/// An admitted call. If it is dropped without an outcome, because its caller is gone, it counts as a slow call if it
/// took that long, and otherwise not at all.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    generation: u64,
    started: Instant,
    is_settled: bool,
}

impl Pass<'_> {
    /// How long the call has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The call has ended.
    pub(crate) fn settle(mut self, failed: bool) {
        self.is_settled = true;
        let slow = self.elapsed() >= self.breaker.slow_from;
        self.breaker.settle(self.generation, Some(Outcome { failed, slow }));
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            let slow = self.elapsed() >= self.breaker.slow_from;
            self.breaker.settle(self.generation, slow.then_some(Outcome { failed: false, slow }));
        }
    }
}

#[cfg(test)]
mod tests {
    use envelope::Reason;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(window: WindowConfig) -> Breaker {
        let config = BreakerConfig { window, min_calls: 10, failure_percent: 50, ..BreakerConfig::default() };
        Breaker::new("peer".into(), &config)
    }

    fn state(breaker: &Breaker) -> &'static str {
        locked(&breaker.inner).state.name()
    }

    fn record(breaker: &Breaker, failed: bool, times: u32) {
        for _ in 0..times {
            breaker.admit().unwrap().settle(failed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_at_the_failure_rate_and_not_below_the_minimum() {
        for window in [WindowConfig::Seconds(10), WindowConfig::Calls(12), WindowConfig::Calls(8)] {
            let breaker = breaker(window);
            record(&breaker, false, 4);
            record(&breaker, true, 3);
            assert_eq!(state(&breaker), "closed");
            record(&breaker, true, if window == WindowConfig::Calls(8) { 1 } else { 3 });
            assert_eq!(state(&breaker), "open", "{window:?}");
            let refusal = breaker.admit().unwrap_err();
            assert_eq!((refusal.reason(), refusal.retry_after()), (Reason::Unavailable, Some(5 * SECOND)));
            advance(4 * SECOND).await;
            assert_eq!(breaker.admit().unwrap_err().retry_after(), Some(SECOND));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_are_forgotten() {
        let breaker = breaker(WindowConfig::Seconds(10));
        record(&breaker, true, 9);
        advance(10 * SECOND).await;
        record(&breaker, true, 9);
        assert_eq!(state(&breaker), "closed");
        record(&breaker, true, 1);
        assert_eq!(state(&breaker), "open");
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_when_all_calls_are_slow_including_abandoned_ones() {
        let breaker = breaker(WindowConfig::Seconds(60));
        for number in 0..10 {
            let pass = breaker.admit().unwrap();
            advance(2 * SECOND).await;
            if number % 2 == 0 { drop(pass) } else { pass.settle(false) }
        }
        assert_eq!(state(&breaker), "open");
        let breaker = self::breaker(WindowConfig::Seconds(60));
        (0..100).for_each(|_| drop(breaker.admit().unwrap()));
        assert_eq!(state(&breaker), "closed");
    }

    async fn half_open() -> Breaker {
        let breaker = breaker(WindowConfig::Seconds(10));
        record(&breaker, true, 10);
        advance(5 * SECOND).await;
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn probes_decide() {
        let breaker = half_open().await;
        let mut probes: Vec<_> = (0..5).map(|_| breaker.admit().unwrap()).collect();
        assert_eq!(state(&breaker), "half_open");
        assert_eq!(breaker.admit().unwrap_err().retry_after(), Some(SECOND));
        // A dropped probe is returned.
        drop(probes.pop());
        probes.push(breaker.admit().unwrap());
        assert!(breaker.admit().is_err());
        for (number, probe) in probes.into_iter().enumerate() {
            assert_eq!(state(&breaker), "half_open");
            probe.settle(number < 2);
        }
        assert_eq!(state(&breaker), "closed");
        // Earlier outcomes are forgotten.
        record(&breaker, true, 9);
        assert_eq!(state(&breaker), "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn failed_probes_reopen_it_before_the_last_one_returns() {
        let breaker = half_open().await;
        let probes: Vec<_> = (0..5).map(|_| breaker.admit().unwrap()).collect();
        for (number, probe) in probes.into_iter().enumerate() {
            probe.settle(true);
            assert_eq!(state(&breaker) == "open", number >= 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lost_probes_are_replaced_and_their_late_outcomes_ignored() {
        let breaker = half_open().await;
        let lost: Vec<_> = (0..5).map(|_| breaker.admit().unwrap()).collect();
        advance(5 * SECOND).await;
        let probe = breaker.admit().unwrap();
        lost.into_iter().for_each(|pass| pass.settle(true));
        assert_eq!(state(&breaker), "half_open");
        probe.settle(false);
        record(&breaker, false, 4);
        assert_eq!(state(&breaker), "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_disabled_breaker_admits_all_calls() {
        let config = BreakerConfig { enabled: false, ..BreakerConfig::default() };
        let breaker = Breaker::new("peer".into(), &config);
        record(&breaker, true, 1_000);
        assert!(breaker.admit().is_ok());
    }
}
