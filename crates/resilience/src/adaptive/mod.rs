//! A concurrency limit that finds by itself how much at once is served well, and refuses the least important first.
//!
//! The limit follows Gradient2 of Netflix's concurrency-limits (`Gradient2Limit.java`, 2018): it falls by the ratio of
//! the latency of quiet times to the latency now, and grows by the square root of itself, an allowance for short
//! queues. What is ours is in [`gradient`]: the baseline of each class of requests, and when it may rise.
//!
//! Browsing and orders share a limit: browsing may fill a part of it only, so it is what goes first. Payments have a
//! limit of their own, which follows their own latency. A payment waits a second for the card network and does nothing
//! meanwhile; counted together, waiting payments fill the limit while the servers idle. In the simulation that left
//! 0.7 to 0.8 of the goodput at five times the load; counted apart it is 0.99. Payments still come before all else:
//! what they take of the servers shows in the latency of the others, whose limit falls further than theirs may, while
//! the second that a payment waits for a card network hides it from theirs. Only when there are more payments than
//! could be served with everything else gone, their limit falls too, and the surplus is refused rather than kept
//! waiting until it is too late for all of them.
//!
//! A request enters by one compare-and-swap and leaves by four additions, none behind a lock; once a window one of
//! those that leave takes a lock and computes the new limit.

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

/// A limit on the requests in flight. Clones are the same limit.
#[derive(Debug, Clone)]
pub struct AdaptiveLimit(Arc<Inner>);

/// A request in flight. Dropped without a verdict it tells nothing about latency: the client went away, or the request
/// failed, and a failure may be fast.
#[derive(Debug)]
#[must_use = "the request is in flight only while its permit lives"]
pub struct Permit {
    limit: Arc<Inner>,
    priority: Priority,
    class: usize,
    started: Instant,
}

#[derive(Debug)]
struct Inner {
    shares: PriorityShares,
    epoch: Instant,
    min_samples: u32,
    /// Browsing and orders.
    shared: Lane,
    payments: Lane,
}

/// What one limit holds for.
#[derive(Debug)]
struct Lane {
    name: &'static str,
    in_flight: AtomicU32,
    /// How many may be in flight.
    limit: AtomicU32,
    /// The most in flight since the window began.
    peak: AtomicU32,
    /// Whether one was refused since the window began.
    refused: AtomicBool,
    samples: Samples,
    gradient: Mutex<Gradient>,
    /// The beginning of the window, in ns since the epoch.
    window_began: AtomicU64,
    /// The shortest time it lasts, in ns.
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
    /// How many classes of requests are told apart; the classes from this number on count as the last one.
    pub const CLASSES: usize = samples::CLASSES;

    /// A limit with nothing in flight. `name` is its label in the metrics `adaptive_limit_requests`,
    /// `adaptive_limit_in_flight` (the most in the last window) and `adaptive_limit_refusals_total`, `payments` that of
    /// the limit of payments in the first two.
    pub fn new(name: &'static str, payments: &'static str, config: &AdaptiveLimitConfig) -> Self {
        let PaymentsLimitConfig { initial, min, max } = config.payments;
        let of_payments = AdaptiveLimitConfig { initial, min, max, ..config.clone() };
        Self(Arc::new(Inner {
            shares: config.shares,
            epoch: Instant::now(),
            min_samples: config.min_samples,
            shared: Lane::new(name, name, config),
            payments: Lane::new(payments, name, &of_payments),
        }))
    }

    /// Lets a request in, or refuses it with `OVERLOADED`, to be tried again after a second.
    ///
    /// Requests of one class take about as long as each other: a class is a route, by a number below
    /// [`Self::CLASSES`].
    pub fn acquire(&self, priority: Priority, class: usize) -> Result<Permit, envelope::Error> {
        let inner = &self.0;
        let (lane, allowed) = (inner.lane(priority), inner.allowed(priority));
        let entered = lane.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_flight| {
            (in_flight < allowed).then(|| in_flight + 1)
        });
        let before = entered.map_err(|_| lane.refuse(priority))?;
        // Mostly only a load: the peak is reached early in a window.
        if before >= lane.peak.load(Ordering::Relaxed) {
            lane.peak.fetch_max(before + 1, Ordering::Relaxed);
        }
        Ok(Permit { limit: Arc::clone(inner), priority, class, started: Instant::now() })
    }

    /// How many requests for browsing and orders may be in flight now.
    pub fn limit(&self) -> u32 {
        self.0.shared.limit.load(Ordering::Relaxed)
    }

    /// The requests in flight, payments among them.
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight()
    }
}

impl Permit {
    /// The request was served: the time since it entered is its latency.
    pub fn succeeded(self) {
        let lane = self.limit.lane(self.priority);
        lane.samples.add(self.class, self.started.elapsed());
        lane.close_window_if_due(&self.limit);
    }

    /// The request was lost to overload: its time ran out, or what it called refused for being overloaded.
    pub fn overloaded(self) {
        let lane = self.limit.lane(self.priority);
        lane.samples.add_lost();
        lane.close_window_if_due(&self.limit);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let lane = self.limit.lane(self.priority);
        if lane.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            // No window closes while nothing comes.
            lane.metrics.in_flight.set(0);
        }
    }
}

impl Inner {
    fn in_flight(&self) -> u32 {
        let in_flight = |lane: &Lane| lane.in_flight.load(Ordering::Relaxed);
        in_flight(&self.shared) + in_flight(&self.payments)
    }

    /// What this priority is counted with.
    fn lane(&self, priority: Priority) -> &Lane {
        if priority == Priority::Pay { &self.payments } else { &self.shared }
    }

    /// How many may be in flight there when a request of this priority has entered; at least 1.
    fn allowed(&self, priority: Priority) -> u32 {
        let percent = match priority {
            Priority::Browse => self.shares.browse,
            Priority::Order => self.shares.order,
            Priority::Pay => 100,
        };
        let limit = self.lane(priority).limit.load(Ordering::Relaxed);
        let allowed = u64::from(limit) * u64::from(percent.min(100)) / 100;
        u32::try_from(allowed).unwrap_or(limit).max(1)
    }
}

impl Lane {
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
        self.metrics.refusals[rank(priority)].increment(1);
        envelope::Error::new(envelope::Reason::Overloaded, "too many requests are being served")
            .with_retry_after(Duration::from_secs(1))
    }

    fn is_due(&self, now: u64) -> bool {
        now.saturating_sub(self.window_began.load(Ordering::Relaxed)) >= self.window.load(Ordering::Relaxed)
    }

    fn close_window_if_due(&self, of: &Inner) {
        if self.samples.count() < of.min_samples {
            return;
        }
        let now = nanos(of.epoch.elapsed());
        if !self.is_due(now) {
            return;
        }
        // Whoever holds the lock is closing this very window.
        let mut gradient = match self.gradient.try_lock() {
            Ok(gradient) => gradient,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if self.is_due(now) {
            self.close_window(now, of.in_flight(), &mut gradient);
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

/// The place of a priority in [`Priority::ALL`].
fn rank(priority: Priority) -> usize {
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
    async fn the_lowest_goes_first_and_payments_are_counted_for_themselves() {
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
    async fn a_refusal_is_overloaded_and_says_when_to_come_back() {
        let limit = limit_of(1);
        let _held = limit.acquire(Priority::Order, 0).unwrap();
        let refused = limit.acquire(Priority::Order, 0).unwrap_err();
        assert_eq!(refused.reason(), envelope::Reason::Overloaded);
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn losses_lower_the_limit_and_abandoned_requests_tell_nothing() {
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
