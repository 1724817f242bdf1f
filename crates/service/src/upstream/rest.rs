//! Whether a replica is to be left alone for a moment, learned from what became of connections and calls to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// After a failed connection: long enough that a dead replica costs next to nothing, short enough that one that has
/// come back is used again before anybody misses it. Not shorter than an attempt to connect, so that never two attempts
/// wait at once.
pub(super) const UNREACHABLE: Duration = Duration::from_secs(1);

/// After OVERLOADED. It means that a queue was full at that moment, and queues empty within fractions of a second. What
/// goes elsewhere meanwhile is spread less well, so the time is short; `Retry-After` is meant for clients, who count in
/// whole seconds, and is not used.
pub(super) const OVERLOADED: Duration = Duration::from_millis(100);

/// No rest.
const NONE: u64 = 0;

/// The rest of one replica. Each field is in ms since `origin`.
#[derive(Debug)]
pub(super) struct Rest {
    origin: Instant,
    /// Not [`NONE`] from a failed connection until one is made.
    unreachable_until: AtomicU64,
    overloaded_until: AtomicU64,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            unreachable_until: AtomicU64::new(NONE),
            overloaded_until: AtomicU64::new(NONE),
        }
    }
}

impl Rest {
    pub(super) fn is_on(&self) -> bool {
        let now = self.after(Duration::ZERO);
        let lasts = |until: &AtomicU64| now < until.load(Ordering::Relaxed);
        lasts(&self.unreachable_until) || lasts(&self.overloaded_until)
    }

    pub(super) fn overloaded(&self) {
        self.overloaded_until.store(self.after(OVERLOADED), Ordering::Relaxed);
    }

    /// A connection failed. Whether that is news.
    pub(super) fn unreachable(&self) -> bool {
        self.unreachable_until.swap(self.after(UNREACHABLE), Ordering::Relaxed) == NONE
    }

    /// A connection was made. Whether that is news.
    pub(super) fn reached(&self) -> bool {
        self.unreachable_until.swap(NONE, Ordering::Relaxed) != NONE
    }

    /// A call is about to be made. If the last connection failed, this one call finds out whether the replica is back,
    /// and the others stay away until it has: when a machine is gone without a word, each attempt takes its full time.
    pub(super) fn trying(&self) {
        let until = self.unreachable_until.load(Ordering::Relaxed);
        if until != NONE {
            // If it fails, somebody has made or missed a connection in between, and that is the better news.
            let _ = self.unreachable_until.compare_exchange(
                until,
                self.after(UNREACHABLE),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }

    fn after(&self, time: Duration) -> u64 {
        u64::try_from((self.origin.elapsed() + time).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_call_at_a_time_finds_out_whether_a_replica_is_back() {
        let rest = Rest::default();
        assert!(!rest.is_on());
        assert!(rest.unreachable() && rest.is_on());
        tokio::time::advance(UNREACHABLE).await;
        assert!(!rest.is_on());
        rest.trying();
        assert!(rest.is_on());
        assert!(!rest.unreachable());
        tokio::time::advance(UNREACHABLE).await;
        rest.trying();
        assert!(rest.reached() && !rest.is_on());
        rest.trying();
        assert!(!rest.is_on() && !rest.reached());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_does_not_end_the_rest_of_an_overloaded_replica() {
        let rest = Rest::default();
        rest.overloaded();
        rest.reached();
        assert!(rest.is_on());
        tokio::time::advance(OVERLOADED).await;
        assert!(!rest.is_on());
    }
}
