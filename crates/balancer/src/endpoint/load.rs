//! The load of a replica, measured by the calls to it: how many are in flight, how long they take, how many fail.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::outcome_window::OutcomeWindow;
use super::peak_ewma::PeakEwma;

/// Each failure multiplies the slowness of a replica by this factor, up to the maximum: failures may be fast, and must
/// not attract calls.
const FAILURE_FACTOR: f64 = 2.0;
const MAX_FAILURE_SLOWNESS: f64 = 20.0;
/// The assumed latency of a replica that has not answered yet.
const INITIAL_LATENCY: Duration = Duration::from_millis(1);
/// A replica counts as stuck if it owes responses and has given none for this many times its latency, within the
/// bounds.
const STUCK_FACTOR: f64 = 5.0;
const STUCK_MIN: Duration = Duration::from_millis(50);
const STUCK_MAX: Duration = Duration::from_millis(500);
/// It also owes a response after this many calls that were given up without one: with hedging, others may answer before
/// it is even late.
const MAX_UNANSWERED: u32 = 3;
/// After this time without a response, a stuck or slow replica is tried again, one call at a time.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// A call given up this shortly before its deadline was given up because of it.
pub(crate) const DEADLINE_MARGIN: Duration = Duration::from_millis(2);

/// The outcome of a call, as far as it concerns the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The replica did its part, whatever it answered.
    Answered,
    /// The replica sheds load.
    Overloaded,
    /// The replica failed, or broke the call off.
    Failed,
    /// The connection broke. Another call has been counted as the failure.
    Broken,
    /// No response came in time.
    Late,
    /// The caller gave the call up early; nothing is known.
    Dropped,
}

/// The calls to one replica.
#[derive(Debug)]
pub(crate) struct Load {
    origin: Instant,
    /// Calls whose response has not ended.
    in_flight: AtomicU32,
    /// Calls whose response has not begun.
    waiting: AtomicU32,
    /// The newest connection that is known to have broken.
    broken: AtomicU64,
    /// Calls given up since the last response.
    unanswered: AtomicU32,
    /// When the last response began, or the first call that has waited since; in ns since `origin`.
    progress_at: AtomicU64,
    history: Mutex<History>,
}

#[derive(Debug)]
struct History {
    /// In seconds.
    latency: PeakEwma,
    /// Relative to the baseline of each method.
    slowness: PeakEwma,
    outcomes: OutcomeWindow,
    failures_in_row: u32,
    /// The time of the first of them.
    failing_since: Option<Instant>,
    answered_at: Option<Instant>,
}

impl Load {
    /// `origin` is the same for all replicas of an upstream.
    pub(crate) fn new(origin: Instant) -> Self {
        let history = History {
            latency: PeakEwma::new(INITIAL_LATENCY.as_secs_f64()),
            slowness: PeakEwma::new(1.0),
            outcomes: OutcomeWindow::new(),
            failures_in_row: 0,
            failing_since: None,
            answered_at: None,
        };
        Self {
            origin,
            in_flight: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            broken: AtomicU64::new(0),
            unanswered: AtomicU32::new(0),
            progress_at: AtomicU64::new(0),
            history: Mutex::new(history),
        }
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let owed = self.owes();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if !owed {
            self.progress_at.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The response has begun, or never will. `ratio` is the latency relative to the method's baseline.
    pub(crate) fn settle(&self, took: Duration, ratio: f64, outcome: Outcome) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if matches!(outcome, Outcome::Dropped | Outcome::Late) {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        } else {
            self.unanswered.store(0, Ordering::Relaxed);
            self.progress_at.store(self.now(), Ordering::Relaxed);
        }
        let at = self.origin.elapsed();
        self.history().record(at, took.as_secs_f64(), ratio, outcome);
    }

    /// Whether this is the first report that this connection, or a later one, broke.
    pub(crate) fn is_first_break(&self, connection: u64) -> bool {
        self.broken.fetch_max(connection, Ordering::Relaxed) < connection
    }

    /// The call was not sent.
    pub(crate) fn withdraw(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The response has ended.
    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether it owes responses and gives none: it is avoided if possible.
    pub(crate) fn is_stuck(&self) -> bool {
        let silent = self.silence();
        if silent < STUCK_MIN || (silent >= RETRY_AFTER && self.waiting.load(Ordering::Relaxed) == 0) {
            return false;
        }
        silent >= STUCK_MAX || silent.as_secs_f64() > self.history().latency.get() * STUCK_FACTOR
    }

    /// Whether it has owed responses without giving any for so long that callers give up because of it.
    pub(crate) fn is_silent(&self) -> bool {
        self.silence() >= STUCK_MAX
    }

    /// How long it has owed responses without giving any.
    fn silence(&self) -> Duration {
        let since = self.progress_at.load(Ordering::Relaxed);
        if self.owes() { Duration::from_nanos(self.now().saturating_sub(since)) } else { Duration::ZERO }
    }

    /// The latency of its responses relative to the baselines: 1 is usual. It rises at once and falls slowly. A replica
    /// that is avoided for its slowness can't improve, so after a while without a response the next call tries it
    /// again.
    pub(crate) fn slowness(&self) -> f64 {
        let slowness = self.history().slowness.get();
        if self.is_due_for_retry() { slowness.min(1.0) } else { slowness }
    }

    fn is_due_for_retry(&self) -> bool {
        let since = Duration::from_nanos(self.now().saturating_sub(self.progress_at.load(Ordering::Relaxed)));
        since >= RETRY_AFTER && self.waiting.load(Ordering::Relaxed) == 0
    }

    /// The calls of the last 10 s.
    pub(crate) fn recent(&self) -> OutcomeWindow {
        let at = self.origin.elapsed();
        let mut history = self.history();
        history.outcomes.advance(at);
        history.outcomes.clone()
    }

    /// Failures since the last success.
    pub(crate) fn failures_in_row(&self) -> u32 {
        self.history().failures_in_row
    }

    /// Whether it has answered a call since `then`.
    pub(crate) fn has_answered_since(&self, then: Instant) -> bool {
        self.history().answered_at.is_some_and(|at| at >= then)
    }

    /// The time of the first of its failures in a row.
    pub(crate) fn failing_since(&self) -> Option<Instant> {
        self.history().failing_since
    }

    /// Forgets failures and latencies, when the replica is ejected: afterwards it is judged by new calls alone.
    pub(crate) fn forgive(&self) {
        self.unanswered.store(0, Ordering::Relaxed);
        let mut history = self.history();
        history.outcomes = OutcomeWindow::new();
        history.failures_in_row = 0;
        history.failing_since = None;
        history.latency.reset();
        history.slowness.reset();
    }

    fn owes(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.unanswered.load(Ordering::Relaxed) >= MAX_UNANSWERED
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

impl History {
    fn record(&mut self, at: Duration, took: f64, ratio: f64, outcome: Outcome) {
        match outcome {
            // Fast refusals say nothing about how long work takes.
            Outcome::Overloaded => return,
            Outcome::Answered => {
                self.latency.record(took);
                self.slowness.record(ratio);
                self.outcomes.record(at, false);
                self.failures_in_row = 0;
                self.failing_since = None;
                self.answered_at = Some(Instant::now());
                return;
            }
            Outcome::Failed => {
                let raised = (self.slowness.get() * FAILURE_FACTOR).min(MAX_FAILURE_SLOWNESS);
                self.slowness.raise(raised.max(ratio));
            }
            // The response would have taken at least as long.
            Outcome::Late | Outcome::Broken | Outcome::Dropped => self.slowness.raise(ratio),
        }
        if matches!(outcome, Outcome::Failed | Outcome::Late) {
            self.outcomes.record(at, true);
            self.failures_in_row = self.failures_in_row.saturating_add(1);
            self.failing_since.get_or_insert_with(Instant::now);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn call(load: &Load, took: Duration, outcome: Outcome) {
        load.begin();
        load.settle(took, took.as_secs_f64() * 1_000.0, outcome);
        load.end();
    }

    #[tokio::test(start_paused = true)]
    async fn fast_failures_and_dropped_calls_look_slow() {
        let load = Load::new(Instant::now());
        call(&load, MS, Outcome::Answered);
        for expected in [1.9, 3.9, 7.9, 15.9, 19.9, 19.9] {
            call(&load, MS, Outcome::Failed);
            assert!(load.slowness() > expected);
        }
        assert!(load.slowness() <= 20.0);
        call(&load, 2_000 * MS, Outcome::Dropped);
        assert!(load.slowness() > 1_900.0);
        load.forgive();
        assert!(load.slowness() <= 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_avoided_replica_is_tried_again_one_call_at_a_time() {
        let load = Load::new(Instant::now());
        for _ in 0..6 {
            call(&load, MS, Outcome::Failed);
        }
        tokio::time::advance(RETRY_AFTER - MS).await;
        assert!(load.slowness() > 5.0);
        tokio::time::advance(MS).await;
        assert!(load.slowness() <= 1.0);
        load.begin();
        assert!(load.slowness() > 5.0);
        load.settle(MS, 1.0, Outcome::Failed);
        load.end();
        assert!(load.slowness() > 5.0);
        tokio::time::advance(RETRY_AFTER).await;
        assert!(load.slowness() <= 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_in_a_row() {
        let load = Load::new(Instant::now());
        for outcome in [Outcome::Failed, Outcome::Answered, Outcome::Failed, Outcome::Overloaded, Outcome::Failed] {
            call(&load, MS, outcome);
        }
        assert_eq!(load.failures_in_row(), 2);
        load.forgive();
        assert_eq!(load.failures_in_row(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_and_failures_count_and_overload_does_not() {
        let origin = Instant::now();
        let (load, other) = (Load::new(origin), Load::new(origin));
        for outcome in [Outcome::Answered, Outcome::Failed, Outcome::Late, Outcome::Overloaded] {
            call(&load, MS, outcome);
            call(&other, MS, Outcome::Answered);
        }
        let excess = || load.recent().excess_percent(&[other.recent()], 3);
        assert!((excess().unwrap() - 200.0 / 3.0).abs() < 0.001);
        tokio::time::advance(10_000 * MS).await;
        assert_eq!(excess(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_owes_responses_and_gives_none_is_stuck() {
        let load = Load::new(Instant::now());
        tokio::time::advance(10_000 * MS).await;
        assert!(!load.is_stuck());
        load.begin();
        load.begin();
        tokio::time::advance(400 * MS).await;
        load.settle(400 * MS, 1.0, Outcome::Answered);
        load.end();
        tokio::time::advance(400 * MS).await;
        assert!(!load.is_stuck());
        tokio::time::advance(200 * MS).await;
        assert!(load.is_stuck());
        load.settle(1_000 * MS, 1.0, Outcome::Dropped);
        assert!(!load.is_stuck());
        assert_eq!(load.in_flight(), 1);
    }
}
