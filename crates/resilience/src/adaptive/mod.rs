//! An adaptive concurrency limit: finds the number of concurrent requests that the process serves well, and refuses the
//! least important ones first.
//!
//! The limit follows Gradient2 of Netflix's concurrency-limits (`Gradient2Limit.java`, 2018): it is multiplied by the
//! ratio of baseline latency to current latency, and grows by its square root, an allowance for short queues. The
//! differences are in [`gradient`]: a baseline for each class of requests, and the conditions under which it may rise.
//!
//! Browsing and orders share a limit. Browsing may fill only a part of it, so it is refused first. Payments have their
//! own limit, which follows their own latency: a payment waits a second for the card network and uses no server
//! meanwhile, so in a shared limit waiting payments would fill it while the servers idle. In the simulation a shared
//! limit left 0.7 to 0.8 of the goodput at five times the load; separate limits leave 0.99. Payments still take
//! precedence: their load on the servers raises the latency of the other requests, whose limit falls first, while the
//! wait for the card network hides it in the latency of payments. The limit of payments falls only when there are more
//! payments than could be served without any other load; the surplus is then refused rather than queued until all of
//! them are late.
//!
//! Cost: a request enters by one compare-and-swap and leaves by four atomic additions, without a lock. Once per window
//! one leaving request takes a lock and computes the new limit.

mod baseline;
mod config;
mod gradient;
mod samples;
#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Priority;
use gradient::{Gradient, Load};
use samples::Samples;

pub use config::{AdaptiveLimitConfig, PaymentsLimitConfig, PriorityShares};

/// A limit on requests in flight. Clones share the limit.
#[derive(Debug, Clone)]
pub struct AdaptiveLimit(Arc<Inner>);

/// A request in flight. Dropping it without an outcome records no latency: the client disconnected, or the request
/// failed, and failures may be fast.
#[derive(Debug)]
#[must_use = "the request counts as in flight only while its permit lives"]
pub struct Permit {
    inner: Arc<Inner>,
    priority: Priority,
    class: usize,
    started: Instant,
}

#[derive(Debug)]
struct Inner {
    shares: PriorityShares,
    epoch: Instant,
    min_samples: u32,
    /// Of browsing and orders.
    shared: Limit,
    payments: Limit,
}

/// One limit, with the measurements of the current window.
#[derive(Debug)]
struct Limit {
    name: &'static str,
    in_flight: AtomicU32,
    /// The most requests in flight.
    limit: AtomicU32,
    /// The highest number in flight since the window began.
    peak: AtomicU32,
    /// Whether a request was refused since the window began.
    refused: AtomicBool,
    samples: Samples,
    gradient: Mutex<Gradient>,
    /// The beginning of the window, in ns since the epoch.
    window_began: AtomicU64,
    /// The shortest length of the window, in ns.
    window: AtomicU64,
    metrics: Metrics,
}

#[derive(Debug)]
struct Metrics {
    limit: metrics::Gauge,
    in_flight: metrics::Gauge,
    refusals: [metrics::Counter; 3],
}

impl AdaptiveLimit {
    /// The number of request classes; higher class numbers count as the last class.
    pub const CLASSES: usize = samples::CLASSES;

    /// A limit with nothing in flight. `name` is its label in the metrics `adaptive_limit_requests`,
    /// `adaptive_limit_in_flight` (the highest number in the last window) and `adaptive_limit_refusals_total`;
    /// `payments` is the label of the limit of payments in the first two.
    pub fn new(name: &'static str, payments: &'static str, config: &AdaptiveLimitConfig) -> Self {
        let PaymentsLimitConfig { initial, min, max } = config.payments;
        let of_payments = AdaptiveLimitConfig { initial, min, max, ..config.clone() };
        Self(Arc::new(Inner {
            shares: config.shares,
            epoch: Instant::now(),
            min_samples: config.min_samples,
            shared: Limit::new(name, name, config),
            payments: Limit::new(payments, name, &of_payments),
        }))
    }

    /// Admits a request, or refuses it with `OVERLOADED`, to be retried after a second.
    ///
    /// Requests of one class should have similar latencies: a class is a route, numbered below [`Self::CLASSES`].
    pub fn acquire(&self, priority: Priority, class: usize) -> Result<Permit, envelope::Error> {
        let inner = &self.0;
        let (limit, allowed) = (inner.limit(priority), inner.allowed(priority));
        let entered = limit.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_flight| {
            (in_flight < allowed).then(|| in_flight + 1)
        });
        let before = entered.map_err(|_| limit.refuse(priority))?;
        // Usually only a load, since the peak is reached early in a window.
        if before >= limit.peak.load(Ordering::Relaxed) {
            limit.peak.fetch_max(before + 1, Ordering::Relaxed);
        }
        Ok(Permit { inner: Arc::clone(inner), priority, class, started: Instant::now() })
    }

    /// The current limit of browsing and orders.
    pub fn limit(&self) -> u32 {
        self.0.shared.limit.load(Ordering::Relaxed)
    }

    /// The requests in flight, including payments.
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight()
    }
}

impl Permit {
    /// The request was served; its latency is the time since it was admitted.
    pub fn succeeded(self) {
        let limit = self.inner.limit(self.priority);
        limit.samples.add(self.class, self.started.elapsed());
        limit.close_window_if_due(&self.inner);
    }

    /// The request was lost to overload: its deadline passed, or a service that it called was overloaded.
    pub fn overloaded(self) {
        let limit = self.inner.limit(self.priority);
        limit.samples.add_lost();
        limit.close_window_if_due(&self.inner);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let limit = self.inner.limit(self.priority);
        if limit.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Without requests no window closes.
            limit.metrics.in_flight.set(0);
        }
    }
}

impl Inner {
    fn in_flight(&self) -> u32 {
        let in_flight = |limit: &Limit| limit.in_flight.load(Ordering::Relaxed);
        in_flight(&self.shared) + in_flight(&self.payments)
    }

    /// The limit that this priority counts against.
    fn limit(&self, priority: Priority) -> &Limit {
        if priority == Priority::Pay { &self.payments } else { &self.shared }
    }

    /// The most requests in flight, including a new one of this priority, for it to be admitted; at least 1.
    fn allowed(&self, priority: Priority) -> u32 {
        let percent = match priority {
            Priority::Browse => self.shares.browse,
            Priority::Order => self.shares.order,
            Priority::Pay => 100,
        };
        let limit = self.limit(priority).limit.load(Ordering::Relaxed);
        let allowed = u64::from(limit) * u64::from(percent.min(100)) / 100;
        u32::try_from(allowed).unwrap_or(limit).max(1)
    }
}

impl Limit {
    fn new(name: &'static str, of: &'static str, config: &AdaptiveLimitConfig) -> Self {
        let gradient = Gradient::new(config);
        let limit = gradient.limit();
        let metrics = Metrics::new(name, of);
        metrics.limit.set(limit);
        Self {
            name,
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(limit),
            peak: AtomicU32::new(0),
            refused: AtomicBool::new(false),
            samples: Samples::new(Duration::from_micros(config.slack_us)),
            gradient: Mutex::new(gradient),
            window_began: AtomicU64::new(0),
            window: AtomicU64::new(config.window_ms.saturating_mul(1_000_000)),
            metrics,
        }
    }

    fn refuse(&self, priority: Priority) -> envelope::Error {
        self.refused.store(true, Ordering::Relaxed);
        self.metrics.refusals[position(priority)].increment(1);
        envelope::Error::new(envelope::Reason::Overloaded, "too many requests are being served")
            .with_retry_after(Duration::from_secs(1))
    }

    fn is_due(&self, now: u64) -> bool {
        now.saturating_sub(self.window_began.load(Ordering::Relaxed)) >= self.window.load(Ordering::Relaxed)
    }

    fn close_window_if_due(&self, inner: &Inner) {
        if self.samples.count() < inner.min_samples {
            return;
        }
        let now = nanos(inner.epoch.elapsed());
        if !self.is_due(now) {
            return;
        }
        // The holder of the lock is closing this window.
        let mut gradient = match self.gradient.try_lock() {
            Ok(gradient) => gradient,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if self.is_due(now) {
            self.close_window(now, inner.in_flight(), &mut gradient);
        }
    }

    fn close_window(&self, now: u64, in_flight: u32, gradient: &mut Gradient) {
        let began = self.window_began.swap(now, Ordering::Relaxed);
        let load = Load {
            window: self.samples.take(),
            elapsed: Duration::from_nanos(now.saturating_sub(began)),
            peak: self.peak.swap(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed),
            in_flight,
            refused: self.refused.swap(false, Ordering::Relaxed),
        };
        let limit = gradient.update(&load);
        let before = self.limit.swap(limit, Ordering::Relaxed);
        self.window.store(nanos(gradient.next_window(&load)), Ordering::Relaxed);
        self.metrics.limit.set(limit);
        self.metrics.in_flight.set(load.peak);
        if limit != before {
            tracing::debug!(name = self.name, limit, before, peak = load.peak, "the concurrency limit changed");
        }
    }
}

impl Metrics {
    fn new(name: &'static str, of: &'static str) -> Self {
        Self {
            limit: metrics::gauge!("adaptive_limit_requests", "limit" => name),
            in_flight: metrics::gauge!("adaptive_limit_in_flight", "limit" => name),
            refusals: Priority::ALL.map(|priority| {
                metrics::counter!("adaptive_limit_refusals_total", "limit" => of, "priority" => priority.name())
            }),
        }
    }
}

/// The position of a priority in [`Priority::ALL`].
fn position(priority: Priority) -> usize {
    match priority {
        Priority::Browse => 0,
        Priority::Order => 1,
        Priority::Pay => 2,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_of(initial: u32) -> AdaptiveLimit {
        let payments = PaymentsLimitConfig { initial: 3, min: 1, max: 3 };
        let config = AdaptiveLimitConfig { initial, min: 1, payments, ..AdaptiveLimitConfig::default() };
        AdaptiveLimit::new("test", "test-payments", &config)
    }

    fn enter(limit: &AdaptiveLimit, priority: Priority) -> Vec<Permit> {
        std::iter::from_fn(|| limit.acquire(priority, 0).ok()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_lowest_priority_is_refused_first_and_payments_count_separately() {
        let limit = limit_of(100);
        let browsing = enter(&limit, Priority::Browse);
        let orders = enter(&limit, Priority::Order);
        let payments = enter(&limit, Priority::Pay);
        assert_eq!((browsing.len(), orders.len(), payments.len()), (75, 25, 3));
        assert_eq!(limit.in_flight(), 103);
        drop(browsing);
        assert!(limit.acquire(Priority::Pay, 0).is_err());
        assert_eq!(enter(&limit, Priority::Browse).len(), 50, "orders count for browsing too");
        drop((orders, payments));
        assert_eq!(limit.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_overloaded_and_states_when_to_retry() {
        let limit = limit_of(1);
        let _held = limit.acquire(Priority::Order, 0).unwrap();
        let refused = limit.acquire(Priority::Order, 0).unwrap_err();
        assert_eq!(refused.reason(), envelope::Reason::Overloaded);
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn losses_lower_the_limit_and_abandoned_requests_do_not() {
        let limit = limit_of(100);
        for lost in [false, true] {
            for _ in 0..100 {
                let permit = limit.acquire(Priority::Order, 0).unwrap();
                tokio::time::advance(Duration::from_millis(5)).await;
                if lost {
                    permit.overloaded();
                }
            }
            assert_eq!(limit.limit() < 100, lost);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_payments_lower_the_limit_of_payments_alone() {
        let config = AdaptiveLimitConfig { initial: 100, ..AdaptiveLimitConfig::default() };
        let limit = AdaptiveLimit::new("test", "test-payments", &config);
        let before = enter(&limit, Priority::Pay).len();
        for _ in 0..100 {
            let permit = limit.acquire(Priority::Pay, 0).unwrap();
            tokio::time::advance(Duration::from_millis(5)).await;
            permit.overloaded();
        }
        assert!(enter(&limit, Priority::Pay).len() < before);
        assert_eq!(limit.limit(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_class_out_of_range_counts_as_the_last() {
        let limit = limit_of(100);
        limit.acquire(Priority::Order, usize::MAX).unwrap().succeeded();
        assert_eq!(limit.0.shared.samples.take().classes[0].class, AdaptiveLimit::CLASSES - 1);
    }

    #[test]
    fn threads_never_exceed_the_limit() {
        let limit = limit_of(10);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if let Ok(_permit) = limit.acquire(Priority::Order, 0) {
                            assert!(limit.in_flight() <= 10);
                        }
                    }
                });
            }
        });
        assert_eq!(limit.in_flight(), 0);
    }
}
