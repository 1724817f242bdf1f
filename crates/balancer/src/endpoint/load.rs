//! How a replica is doing, by the calls to it: how many are under way, how long they take, how many fail.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::peak::Peak;
use super::tally::Tally;

/// A failure makes a replica look so many times slower, up to the second: failures may be fast, and must not attract.
const FAILURE_TIMES: f64 = 2.0;
const FAILURE_MOST: f64 = 20.0;
/// What a replica is taken to need before it has answered anything.
const UNKNOWN: Duration = Duration::from_millis(1);
/// A replica that owes answers, and has given none for so many times its latency, within these bounds, is stuck as far
/// as anybody can tell.
const STUCK_TIMES: f64 = 5.0;
const STUCK_SOONEST: Duration = Duration::from_millis(50);
const STUCK: Duration = Duration::from_millis(500);
/// It also owes an answer after so many calls that were given up without any: others may answer before it is even late.
const UNHEARD: u32 = 3;
/// So long after its last answer, one call at a time finds out whether a replica that was stuck or slow is back.
const TRIED_AGAIN: Duration = Duration::from_secs(10);
/// A call that was given up so shortly before its deadline was given up because of it.
pub(crate) const GRACE: Duration = Duration::from_millis(2);

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The replica did its part, whatever it answered.
    Answered,
    /// It sheds load.
    Overloaded,
    /// It is not well: it failed or broke off.
    Failed,
    /// The connection broke off, which has been counted as a failure before.
    Broken,
    /// It gave no answer in time.
    Late,
    /// Nobody waited for the answer; nothing is known.
    Dropped,
}

/// The calls to one replica.
#[derive(Debug)]
pub(crate) struct Load {
    origin: Instant,
    /// Calls whose answer has not ended.
    in_flight: AtomicU32,
    /// Calls whose answer has not begun.
    waiting: AtomicU32,
    /// The last connection that was seen to break.
    broken: AtomicU64,
    /// Calls since the last answer that were given up.
    unheard: AtomicU32,
    /// When an answer last began, or the first call that has waited for one since; in ns since `origin`.
    progress_at: AtomicU64,
    history: Mutex<History>,
}

#[derive(Debug)]
struct History {
    /// Of answers, in seconds.
    latency: Peak,
    /// In times of what is usual for each method.
    slowness: Peak,
    tally: Tally,
    failures_in_row: u32,
    /// When the first of them was.
    failing_since: Option<Instant>,
    answered_at: Option<Instant>,
}

impl Load {
    /// `origin` is the same for all replicas of an upstream.
    pub(crate) fn new(origin: Instant) -> Self {
        let history = History {
            latency: Peak::new(UNKNOWN.as_secs_f64()),
            slowness: Peak::new(1.0),
            tally: Tally::new(),
            failures_in_row: 0,
            failing_since: None,
            answered_at: None,
        };
        Self {
            origin,
            in_flight: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            broken: AtomicU64::new(0),
            unheard: AtomicU32::new(0),
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

    /// The answer has begun, or never will.
    /// `times` is how long it took beside what is usual.
    pub(crate) fn settle(&self, took: Duration, times: f64, verdict: Verdict) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if matches!(verdict, Verdict::Dropped | Verdict::Late) {
            self.unheard.fetch_add(1, Ordering::Relaxed);
        } else {
            self.unheard.store(0, Ordering::Relaxed);
            self.progress_at.store(self.now(), Ordering::Relaxed);
        }
        let at = self.origin.elapsed();
        self.history().note(at, took.as_secs_f64(), times, verdict);
    }

    /// Whether nobody has said before that this connection, or a later one, broke.
    pub(crate) fn is_first_break(&self, connection: u64) -> bool {
        self.broken.fetch_max(connection, Ordering::Relaxed) < connection
    }

    /// The call was not sent.
    pub(crate) fn withdraw(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The answer has ended.
    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether it is better left alone, as it owes answers and gives none.
    pub(crate) fn is_stuck(&self) -> bool {
        let silent = self.silence();
        if silent < STUCK_SOONEST || (silent >= TRIED_AGAIN && self.waiting.load(Ordering::Relaxed) == 0) {
            return false;
        }
        silent >= STUCK || silent.as_secs_f64() > self.history().latency.get() * STUCK_TIMES
    }

    /// Whether it owes answers, and has given none for so long that who gives up waiting does so because of that.
    pub(crate) fn is_silent(&self) -> bool {
        self.silence() >= STUCK
    }

    /// For how long it has owed answers without giving any.
    fn silence(&self) -> Duration {
        let since = self.progress_at.load(Ordering::Relaxed);
        if self.owes() { Duration::from_nanos(self.now().saturating_sub(since)) } else { Duration::ZERO }
    }

    /// How long its answers take, beside what is usual for each method: 1 is usual. Up at once and down slowly; but
    /// whoever is left alone for it has no way to show better, so after a while without an answer the next call finds
    /// out.
    pub(crate) fn slowness(&self) -> f64 {
        let slowness = self.history().slowness.get();
        if self.is_to_be_tried_again() { slowness.min(1.0) } else { slowness }
    }

    fn is_to_be_tried_again(&self) -> bool {
        let since = Duration::from_nanos(self.now().saturating_sub(self.progress_at.load(Ordering::Relaxed)));
        since >= TRIED_AGAIN && self.waiting.load(Ordering::Relaxed) == 0
    }

    /// The calls of the last 10 s.
    pub(crate) fn recent(&self) -> Tally {
        let at = self.origin.elapsed();
        let mut history = self.history();
        history.tally.turn(at);
        history.tally.clone()
    }

    /// Failures since the last call that went well.
    pub(crate) fn failures_in_row(&self) -> u32 {
        self.history().failures_in_row
    }

    /// Whether it has answered a call since then.
    pub(crate) fn has_answered_since(&self, then: Instant) -> bool {
        self.history().answered_at.is_some_and(|at| at >= then)
    }

    /// When the first of its failures in a row was.
    pub(crate) fn failing_since(&self) -> Option<Instant> {
        self.history().failing_since
    }

    /// Forgets failures, when a replica comes back: it is to be judged by what it does from now on.
    pub(crate) fn forgive(&self) {
        self.unheard.store(0, Ordering::Relaxed);
        let mut history = self.history();
        history.tally = Tally::new();
        history.failures_in_row = 0;
        history.failing_since = None;
        history.latency.forget();
        history.slowness.forget();
    }

    fn owes(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.unheard.load(Ordering::Relaxed) >= UNHEARD
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

impl History {
    fn note(&mut self, at: Duration, took: f64, times: f64, verdict: Verdict) {
        match verdict {
            // Fast refusals say nothing of how long work takes.
            Verdict::Overloaded => return,
            Verdict::Answered => {
                self.latency.note(took);
                self.slowness.note(times);
                self.tally.note(at, false);
                self.failures_in_row = 0;
                self.failing_since = None;
                self.answered_at = Some(Instant::now());
                return;
            }
            Verdict::Failed => {
                let raised = (self.slowness.get() * FAILURE_TIMES).min(FAILURE_MOST);
                self.slowness.raise(raised.max(times));
            }
            // It would have taken no less.
            Verdict::Late | Verdict::Broken | Verdict::Dropped => self.slowness.raise(times),
        }
        if matches!(verdict, Verdict::Failed | Verdict::Late) {
            self.tally.note(at, true);
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

    fn call(load: &Load, took: Duration, verdict: Verdict) {
        load.begin();
        load.settle(took, took.as_secs_f64() * 1_000.0, verdict);
        load.end();
    }

    #[tokio::test(start_paused = true)]
    async fn fast_failures_look_slow_and_waiting_in_vain_too() {
        let load = Load::new(Instant::now());
        call(&load, MS, Verdict::Answered);
        for expected in [1.9, 3.9, 7.9, 15.9, 19.9, 19.9] {
            call(&load, MS, Verdict::Failed);
            assert!(load.slowness() > expected);
        }
        assert!(load.slowness() <= 20.0);
        call(&load, 2_000 * MS, Verdict::Dropped);
        assert!(load.slowness() > 1_900.0);
        load.forgive();
        assert!(load.slowness() <= 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_left_alone_is_tried_again_one_call_at_a_time() {
        let load = Load::new(Instant::now());
        for _ in 0..6 {
            call(&load, MS, Verdict::Failed);
        }
        tokio::time::advance(TRIED_AGAIN - MS).await;
        assert!(load.slowness() > 5.0);
        tokio::time::advance(MS).await;
        assert!(load.slowness() <= 1.0);
        load.begin();
        assert!(load.slowness() > 5.0);
        load.settle(MS, 1.0, Verdict::Failed);
        load.end();
        assert!(load.slowness() > 5.0);
        tokio::time::advance(TRIED_AGAIN).await;
        assert!(load.slowness() <= 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_in_a_row() {
        let load = Load::new(Instant::now());
        for verdict in [Verdict::Failed, Verdict::Answered, Verdict::Failed, Verdict::Overloaded, Verdict::Failed] {
            call(&load, MS, verdict);
        }
        assert_eq!(load.failures_in_row(), 2);
        load.forgive();
        assert_eq!(load.failures_in_row(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_and_failures_are_counted_and_refusals_for_overload_are_not() {
        let origin = Instant::now();
        let (load, other) = (Load::new(origin), Load::new(origin));
        for verdict in [Verdict::Answered, Verdict::Failed, Verdict::Late, Verdict::Overloaded] {
            call(&load, MS, verdict);
            call(&other, MS, Verdict::Answered);
        }
        let excess = || load.recent().excess_percent(&[other.recent()], 3);
        assert!((excess().unwrap() - 200.0 / 3.0).abs() < 0.001);
        tokio::time::advance(10_000 * MS).await;
        assert_eq!(excess(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_answers_and_gives_none_is_stuck() {
        let load = Load::new(Instant::now());
        tokio::time::advance(10_000 * MS).await;
        assert!(!load.is_stuck());
        load.begin();
        load.begin();
        tokio::time::advance(400 * MS).await;
        load.settle(400 * MS, 1.0, Verdict::Answered);
        load.end();
        tokio::time::advance(400 * MS).await;
        assert!(!load.is_stuck());
        tokio::time::advance(200 * MS).await;
        assert!(load.is_stuck());
        load.settle(1_000 * MS, 1.0, Verdict::Dropped);
        assert!(!load.is_stuck());
        assert_eq!(load.in_flight(), 1);
    }
}
