//! Whether a replica is to be called: its health as it says itself, ejection for what became of calls, a moment's rest
//! after it was overloaded, and how far it is warmed up.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::EjectionConfig;

/// After OVERLOADED. It means that a queue was full at that moment, and queues empty within fractions of a second. What
/// goes elsewhere meanwhile is spread less well, so the time is short; `Retry-After` is meant for clients, who count in
/// whole seconds, and is not used.
pub(crate) const OVERLOADED: Duration = Duration::from_millis(100);

/// The share of calls with which a slow start begins.
const FIRST_SHARE: f64 = 0.1;

/// Each moment is in ms since `origin`; 0 is none.
#[derive(Debug)]
pub(crate) struct Standing {
    origin: Instant,
    slow_start: Duration,
    is_unhealthy: AtomicBool,
    ejected_until: AtomicU64,
    /// How often it was ejected lately.
    ejections: AtomicU32,
    overloaded_until: AtomicU64,
    /// When it was last made available.
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
        self.overloaded_until.store(self.now() + millis(OVERLOADED), Ordering::Relaxed);
    }

    /// What it says of itself; whether that is news.
    pub(crate) fn set_healthy(&self, healthy: bool) -> bool {
        let is_news = self.is_unhealthy.swap(!healthy, Ordering::Relaxed) == healthy;
        if is_news && healthy {
            self.warm_up();
        }
        is_news
    }

    /// Leaves it alone: each time longer, until it has been well for as long as the longest time. Gives for how long.
    pub(crate) fn eject(&self, config: &EjectionConfig) -> Duration {
        let now = self.now();
        let last = self.ejected_until.load(Ordering::Relaxed);
        if last > 0 && now > last + config.max_ms {
            self.ejections.store(0, Ordering::Relaxed);
        }
        let times = u64::from(self.ejections.fetch_add(1, Ordering::Relaxed)) + 1;
        let time = config.base_ms.saturating_mul(times).min(config.max_ms);
        self.ejected_until.store(now + time, Ordering::Relaxed);
        // It begins slowly when the time is over.
        self.available_since.store(now + time, Ordering::Relaxed);
        Duration::from_millis(time)
    }

    /// It is new, or back: its share begins to rise.
    pub(crate) fn warm_up(&self) {
        self.available_since.store(self.now(), Ordering::Relaxed);
    }

    /// Its part of a full share: from a tenth when it became available to 1 at the end of the slow start.
    pub(crate) fn warmth(&self) -> f64 {
        let since = self.available_since.load(Ordering::Relaxed);
        let passed = Duration::from_millis(self.now().saturating_sub(since));
        if passed >= self.slow_start {
            return 1.0;
        }
        (passed.as_secs_f64() / self.slow_start.as_secs_f64()).max(FIRST_SHARE)
    }

    fn now(&self) -> u64 {
        // From 1, so that 0 is no moment.
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
    async fn each_ejection_is_longer_until_it_was_well_for_long() {
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
    async fn a_share_rises_after_each_return() {
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
    async fn the_rest_of_an_overloaded_one_is_short() {
        let standing = Standing::new(Duration::ZERO);
        standing.overloaded();
        assert!(standing.is_overloaded() && standing.is_available());
        tokio::time::advance(OVERLOADED).await;
        assert!(!standing.is_overloaded());
    }
}
