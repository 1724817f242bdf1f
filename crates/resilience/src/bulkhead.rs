//! How many calls to a peer may be under way, so that a slow one can't take all of a process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use envelope::{Error, Reason};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Deadline;
use crate::config::within;

/// How many calls to a peer may be under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulkheadConfig {
    /// Calls under way, with all their attempts and pauses, 1 to 1,000,000; 2,048 by default.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_in_flight: u32,
    /// Calls that wait for a place, in the order in which they came, 0 to 1,000,000; 1,024 by default.
    #[serde(deserialize_with = "within::<0, 1_000_000, _, _>")]
    pub max_waiting: u32,
    /// How long a call waits for a place, in milliseconds, 0 to 60,000; 100 by default.
    #[serde(deserialize_with = "within::<0, 60_000, _, _>")]
    pub max_wait_ms: u64,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self { max_in_flight: 2_048, max_waiting: 1_024, max_wait_ms: 100 }
    }
}

/// The places of the calls that are under way.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    places: Semaphore,
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
}

impl Bulkhead {
    pub(crate) fn new(config: &BulkheadConfig) -> Self {
        let size = |count: u32| usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            places: Semaphore::new(size(config.max_in_flight.max(1)).min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            max_waiting: size(config.max_waiting),
            max_wait: Duration::from_millis(config.max_wait_ms),
        }
    }

    /// A place, kept until it is dropped. The semaphore is fair: nobody overtakes one who waits.
    ///
    /// # Errors
    /// `OVERLOADED` when too many wait or the wait was too long, `DEADLINE_EXCEEDED` when the deadline came first.
    pub(crate) async fn enter(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _turn = Turn::take(&self.waiting, self.max_waiting).ok_or_else(full)?;
        let wait = deadline.remaining()?.min(self.max_wait);
        match tokio::time::timeout(wait, self.places.acquire()).await {
            Ok(place) => place.map_err(Error::internal),
            Err(_) => Err(deadline.remaining().map_or_else(Error::from, |_| full())),
        }
    }
}

fn full() -> Error {
    Error::new(Reason::Overloaded, "too many requests are under way").with_retry_after(Duration::from_secs(1))
}

/// One of those who wait.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let turn = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_and_waits_are_bounded_and_come_in_turn() {
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
        // Whoever waits gets the place that comes free, before anybody new.
        drop(held);
        assert!(bulkhead.places.try_acquire().is_err());
        let held = first.await.unwrap();
        assert_eq!(bulkhead.enter(late).await.unwrap_err().reason(), Reason::Overloaded);
        // One who gives up waiting leaves nothing behind.
        let mut dropped = Box::pin(bulkhead.enter(late));
        assert!(futures::poll!(&mut dropped).is_pending());
        drop((dropped, held));
        assert_eq!(bulkhead.waiting.load(Ordering::Relaxed), 0);
        assert!(bulkhead.enter(late).await.is_ok());
    }
}
