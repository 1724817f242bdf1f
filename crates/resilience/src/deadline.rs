//! The deadline of a request. It is propagated from hop to hop, as `grpc-timeout` on the wire.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The moment at which the caller stops waiting for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// The deadline passed before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct Expired;

impl Deadline {
    /// A deadline `budget` from now.
    pub fn after(budget: Duration) -> Self {
        Self(Instant::now() + budget)
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The remaining time; an error if there is none, so that expired work does not start.
    pub fn remaining(self) -> Result<Duration, Expired> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Expired) } else { Ok(left) }
    }

    /// The earlier of this deadline and one `budget` from now.
    #[must_use]
    pub fn at_most(self, budget: Duration) -> Self {
        self.min(Self::after(budget))
    }

    /// Runs `work`, and drops it when the deadline passes.
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, Expired> {
        self.remaining()?;
        tokio::time::timeout_at(self.0, work).await.map_err(|_| Expired)
    }
}

impl From<Expired> for envelope::Error {
    fn from(expired: Expired) -> Self {
        Self::deadline_exceeded().with_source(expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_bounded_and_expired_work_never_starts() {
        let deadline = Deadline::after(Duration::from_secs(1));
        assert_eq!(deadline.bound(async { 1 }).await, Ok(1));
        assert_eq!(deadline.bound(std::future::pending::<()>()).await, Err(Expired));
        let started = std::cell::Cell::new(false);
        assert_eq!(deadline.bound(async { started.set(true) }).await, Err(Expired));
        assert!(!started.get());
    }
}
