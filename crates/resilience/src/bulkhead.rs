//! A bulkhead: bounds the calls in flight to one peer, so that a slow peer can't exhaust the process. After Nygard,
//! "Release It!", 2007.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use envelope::{Error, Reason};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Deadline;
use crate::config::within;

/// The bounds of calls to one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulkheadConfig {
    /// Calls in flight, each with all of its attempts and pauses, 1 to 1,000,000; 2,048 by default.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_in_flight: u32,
    /// Calls that wait for a permit, first come, first served, 0 to 1,000,000; 1,024 by default.
    #[serde(deserialize_with = "within::<0, 1_000_000, _, _>")]
    pub max_waiting: u32,
    /// How long a call waits for a permit, in milliseconds, 0 to 60,000; 100 by default.
    #[serde(deserialize_with = "within::<0, 60_000, _, _>")]
    pub max_wait_ms: u64,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self { max_in_flight: 2_048, max_waiting: 1_024, max_wait_ms: 100 }
    }
}

/// The permits of calls in flight.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    permits: Semaphore,
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
}

impl Bulkhead {
    pub(crate) fn new(config: &BulkheadConfig) -> Self {
        let size = |count: u32| usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            permits: Semaphore::new(size(config.max_in_flight.max(1)).min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            max_waiting: size(config.max_waiting),
            max_wait: Duration::from_millis(config.max_wait_ms),
        }
    }

    /// Waits for a permit, which lasts until it is dropped. The semaphore is fair: new calls do not overtake waiting
    /// ones.
    ///
    /// # Errors
    /// `OVERLOADED` if too many calls wait or the wait is too long, `DEADLINE_EXCEEDED` if the deadline comes first.
    pub(crate) async fn enter(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.waiting, self.max_waiting).ok_or_else(full)?;
        let wait = deadline.remaining()?.min(self.max_wait);
        match tokio::time::timeout(wait, self.permits.acquire()).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(deadline.remaining().map_or_else(Error::from, |_| full())),
        }
    }
}

fn full() -> Error {
    Error::new(Reason::Overloaded, "too many requests are in flight").with_retry_after(Duration::from_secs(1))
}

/// A waiting call.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let entered = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn permits_and_waits_are_bounded_and_fair() {
        let config = BulkheadConfig { max_in_flight: 1, max_waiting: 2, max_wait_ms: 100 };
        let (bulkhead, began) = (Bulkhead::new(&config), tokio::time::Instant::now());
        let soon = Deadline::after(Duration::from_millis(50));
        let late = Deadline::after(Duration::from_secs(9));
        let held = bulkhead.enter(late).await.unwrap();
        let (mut first, mut second) = (Box::pin(bulkhead.enter(late)), Box::pin(bulkhead.enter(soon)));
        assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
        assert_eq!(bulkhead.enter(late).await.unwrap_err().reason(), Reason::Overloaded);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(second.await.unwrap_err().reason(), Reason::DeadlineExceeded);
        assert_eq!(began.elapsed(), Duration::from_millis(50));
        // A freed permit goes to the waiting call, before any new one.
        drop(held);
        assert!(bulkhead.permits.try_acquire().is_err());
        let held = first.await.unwrap();
        assert_eq!(bulkhead.enter(late).await.unwrap_err().reason(), Reason::Overloaded);
        // A call that gives up waiting releases its place in the queue.
        let mut dropped = Box::pin(bulkhead.enter(late));
        assert!(futures::poll!(&mut dropped).is_pending());
        drop((dropped, held));
        assert_eq!(bulkhead.waiting.load(Ordering::Relaxed), 0);
        assert!(bulkhead.enter(late).await.is_ok());
    }
}
