//! What a replica has in memory: the rules that hold, and the counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::config::VelocityConfig;
use crate::domain::{Attempt, Attempts, Bucket, Candidate, Counter, Counts, Entry, VersionedRules, bucket_at};
use crate::error::RiskError;

/// Shared by all calls.
pub(super) struct Board {
    rules: RwLock<Option<Arc<VersionedRules>>>,
    velocity: Mutex<Velocity>,
    counter: Counter,
    bounds: VelocityConfig,
}

struct Velocity {
    counts: Counts,
    attempts: Attempts,
}

impl Board {
    pub(super) fn new(counter: Counter, bounds: &VelocityConfig) -> Self {
        let velocity = Mutex::new(Velocity::new(counter, bounds));
        Self { rules: RwLock::default(), velocity, counter, bounds: bounds.clone() }
    }

    /// Who counts here.
    pub(super) fn counter(&self) -> Counter {
        self.counter
    }

    pub(super) fn rules(&self) -> Result<Arc<VersionedRules>, RiskError> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone().ok_or(RiskError::NoRules)
    }

    /// Puts rules in place, unless newer ones are.
    pub(super) fn set_rules(&self, rules: VersionedRules) {
        let mut current = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|current| current.version < rules.version) {
            tracing::info!(version = rules.version, "rules hold");
            metrics::gauge!("risk_rules_version").set(gauge(rules.version));
            *current = Some(Arc::new(rules));
        }
    }

    /// Counts an order, unless its attempt was counted before.
    pub(super) fn count(&self, order: &Candidate) {
        let now = bucket_at(order.at);
        let mut velocity = self.velocity();
        if velocity.attempts.add(order.attempt, now) {
            for subject in order.subjects() {
                if !velocity.counts.add(subject, now) {
                    metrics::counter!("risk_uncounted_total").increment(1);
                }
            }
        }
    }

    /// The verdict of the rules by what has been counted.
    pub(super) fn judge<T>(&self, judge: impl FnOnce(&Counts) -> T) -> T {
        judge(&self.velocity().counts)
    }

    /// Whether an attempt was counted here.
    pub(super) fn has_counted(&self, attempt: &Attempt) -> bool {
        self.velocity().attempts.has(attempt)
    }

    /// Takes in what others have counted.
    pub(super) fn learn(&self, entries: &[Entry]) {
        let mut velocity = self.velocity();
        for entry in entries {
            velocity.counts.learn(*entry);
        }
    }

    /// Forgets what no window reaches, and gives what others have to be told.
    pub(super) fn untold(&self, window: Duration, now: Bucket, most: usize) -> Vec<Entry> {
        let mut velocity = self.velocity();
        velocity.counts.forget_before(window, now);
        let steps = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        velocity.attempts.forget_before(now.saturating_sub(steps));
        metrics::gauge!("risk_counts").set(gauge(u64::try_from(velocity.counts.len()).unwrap_or(u64::MAX)));
        velocity.counts.untold(most)
    }

    pub(super) fn told(&self, entries: &[Entry]) {
        self.velocity().counts.told(entries);
    }

    /// Forgets all counts: no rule asks for them.
    pub(super) fn clear(&self) {
        *self.velocity() = Velocity::new(self.counter, &self.bounds);
        metrics::gauge!("risk_counts").set(0.0);
    }

    fn velocity(&self) -> MutexGuard<'_, Velocity> {
        // Nothing panics while it is held.
        self.velocity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Velocity {
    fn new(counter: Counter, bounds: &VelocityConfig) -> Self {
        Self {
            counts: Counts::new(counter, bounds.max_counts.get()),
            attempts: Attempts::new(bounds.max_attempts.get()),
        }
    }
}

/// A gauge is a floating-point number; what is shown is far below where that loses count.
fn gauge(value: u64) -> f64 {
    u32::try_from(value).map_or(f64::MAX, f64::from)
}
