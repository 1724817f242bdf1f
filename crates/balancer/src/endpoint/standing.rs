//! Whether a replica should be called: its reported health, its ejection, a pause after it was overloaded, and its slow
//! start.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::EjectionConfig;

/// The pause after OVERLOADED, which means that a queue was full at that moment; queues drain within fractions of a
/// second. Avoiding a replica makes the distribution less even, so the pause is short. `Retry-After` is not used: it is
/// meant for clients, in whole seconds.
pub(crate) const OVERLOAD_PAUSE: Duration = Duration::from_millis(100);

/// The share of calls at the beginning of a slow start.
const INITIAL_SHARE: f64 = 0.1;

/// Times are in ms since `origin`; 0 means never.
#[derive(Debug)]
pub(crate) struct Standing {
    origin: Instant,
    slow_start: Duration,
    is_unhealthy: AtomicBool,
    ejected_until: AtomicU64,
    /// Recent ejections in a row.
    ejections: AtomicU32,
    overloaded_until: AtomicU64,
    /// The start of the last slow start.
    available_since: AtomicU64,
}

impl Standing {
    pub(crate) fn new(slow_start: Duration) -> Self {
        Self {
            origin: Instant::now(),
            slow_start,
            is_unhealthy: AtomicBool::new(false),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            overloaded_until: AtomicU64::new(0),
            available_since: AtomicU64::new(0),
        }
    }

    /// Whether it is healthy and not ejected.
    pub(crate) fn is_available(&self) -> bool {
        !self.is_unhealthy.load(Ordering::Relaxed) && !self.is_ejected()
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.now() < self.ejected_until.load(Ordering::Relaxed)
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.now() < self.overloaded_until.load(Ordering::Relaxed)
    }

    pub(crate) fn overloaded(&self) {
        self.overloaded_until.store(self.now() + millis(OVERLOAD_PAUSE), Ordering::Relaxed);
    }

    /// Sets its reported health, and returns whether that is a change.
    pub(crate) fn set_healthy(&self, healthy: bool) -> bool {
        let has_changed = self.is_unhealthy.swap(!healthy, Ordering::Relaxed) == healthy;
        if has_changed && healthy {
            self.warm_up();
        }
        has_changed
    }

    /// Ejects it and returns for how long: `base_ms` times the number of its ejections, `max_ms` at most. The number
    /// starts over after `max_ms` without an ejection.
    pub(crate) fn eject(&self, config: &EjectionConfig) -> Duration {
        let now = self.now();
        let last = self.ejected_until.load(Ordering::Relaxed);
        if last > 0 && now > last + config.max_ms {
            self.ejections.store(0, Ordering::Relaxed);
        }
        let times = u64::from(self.ejections.fetch_add(1, Ordering::Relaxed)) + 1;
        let time = config.base_ms.saturating_mul(times).min(config.max_ms);
        self.ejected_until.store(now + time, Ordering::Relaxed);
        // The slow start follows the ejection.
        self.available_since.store(now + time, Ordering::Relaxed);
        Duration::from_millis(time)
    }

    /// Begins a slow start: the replica is new, or back.
    pub(crate) fn warm_up(&self) {
        self.available_since.store(self.now(), Ordering::Relaxed);
    }

    /// Its part of a full share: rises from a tenth to 1 during the slow start.
    pub(crate) fn warmth(&self) -> f64 {
        let since = self.available_since.load(Ordering::Relaxed);
        let passed = Duration::from_millis(self.now().saturating_sub(since));
        if passed >= self.slow_start {
            return 1.0;
        }
        (passed.as_secs_f64() / self.slow_start.as_secs_f64()).max(INITIAL_SHARE)
    }

    fn now(&self) -> u64 {
        // From 1, so that 0 stands for never.
        millis(self.origin.elapsed()) + 1
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ejections_grow_until_the_replica_has_been_well_for_long() {
        let config = EjectionConfig { base_ms: 1_000, max_ms: 2_500, ..EjectionConfig::default() };
        let standing = Standing::new(Duration::ZERO);
        for expected in [1_000, 2_000, 2_500, 2_500] {
            assert_eq!(standing.eject(&config), Duration::from_millis(expected));
            assert!(!standing.is_available());
            tokio::time::advance(Duration::from_millis(expected)).await;
            assert!(standing.is_available());
        }
        tokio::time::advance(Duration::from_millis(2_600)).await;
        assert_eq!(standing.eject(&config), Duration::from_millis(1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_rises_after_each_return() {
        let standing = Standing::new(Duration::from_secs(10));
        assert!(standing.warmth() < 0.11);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!((0.49..0.51).contains(&standing.warmth()));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(standing.warmth() >= 1.0);
        assert!(standing.set_healthy(false) && !standing.set_healthy(false) && !standing.is_available());
        assert!(standing.set_healthy(true) && standing.warmth() < 0.11);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_of_an_overloaded_replica_is_short() {
        let standing = Standing::new(Duration::ZERO);
        standing.overloaded();
        assert!(standing.is_overloaded() && standing.is_available());
        tokio::time::advance(OVERLOAD_PAUSE).await;
        assert!(!standing.is_overloaded());
    }
}
