//! The state that a replica keeps in memory: the current rules, and the counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::config::VelocityConfig;
use crate::domain::{Attempt, Bucket, Candidate, Counter, Counts, Entry, Velocity, VersionedRules};
use crate::error::RiskError;

/// Shared by all calls.
pub(super) struct Board {
    rules: RwLock<Option<Arc<VersionedRules>>>,
    velocity: Mutex<Velocity>,
    counter: Counter,
}

impl Board {
    pub(super) fn new(counter: Counter, bounds: &VelocityConfig) -> Self {
        let velocity = Velocity::new(counter, bounds.max_counts.get(), bounds.max_attempts.get());
        Self { rules: RwLock::default(), velocity: Mutex::new(velocity), counter }
    }

    /// The counter of this process.
    pub(super) fn counter(&self) -> Counter {
        self.counter
    }

    pub(super) fn rules(&self) -> Result<Arc<VersionedRules>, RiskError> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone().ok_or(RiskError::NoRules)
    }

    /// Makes rules the current ones, unless they are older.
    pub(super) fn set_rules(&self, rules: VersionedRules) {
        let mut current = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if rules.supersedes(current.as_deref()) {
            tracing::info!(version = rules.version, "rules are in force");
            metrics::gauge!("risk_rules_version").set(gauge(rules.version));
            *current = Some(Arc::new(rules));
        }
    }

    /// Counts an order, unless its attempt was counted before.
    pub(super) fn count(&self, order: &Candidate) {
        let uncounted = self.velocity().count(order);
        if uncounted > 0 {
            metrics::counter!("risk_uncounted_total").increment(uncounted);
        }
    }

    /// Runs a judgement on the current counts.
    pub(super) fn judge<T>(&self, judge: impl FnOnce(&Counts) -> T) -> T {
        judge(self.velocity().counts())
    }

    /// Whether an attempt was counted here.
    pub(super) fn has_counted(&self, attempt: &Attempt) -> bool {
        self.velocity().has_counted(attempt)
    }

    /// Merges the counts of other replicas.
    pub(super) fn learn(&self, entries: &[Entry]) {
        self.velocity().learn(entries);
    }

    /// Forgets what no window reaches any more, and returns the counts that the other replicas have not been told.
    pub(super) fn untold(&self, window: Duration, now: Bucket, most: usize) -> Vec<Entry> {
        let mut velocity = self.velocity();
        velocity.forget_before(window, now);
        metrics::gauge!("risk_counts").set(gauge(u64::try_from(velocity.counts().len()).unwrap_or(u64::MAX)));
        velocity.untold(most)
    }

    pub(super) fn told(&self, entries: &[Entry]) {
        self.velocity().told(entries);
    }

    /// Forgets all counts: no rule needs them.
    pub(super) fn clear(&self) {
        self.velocity().clear();
        metrics::gauge!("risk_counts").set(0.0);
    }

    fn velocity(&self) -> MutexGuard<'_, Velocity> {
        // Nothing panics while the lock is held.
        self.velocity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gauges are floating-point numbers; the values are far below the limit of their precision.
fn gauge(value: u64) -> f64 {
    u32::try_from(value).map_or(f64::MAX, f64::from)
}
