//! A limit that holds across replicas: each takes the limit divided by the number of live replicas.
//!
//! Why a share and not tokens leased from the owner of a key (by rendezvous hashing):
//! - Decisions are local: no round trip, and no peer to wait for. With leases, a slow or dead peer delays, or wrongly
//!   admits, every request of the keys that it owns, just when something else is failing. Here a lost peer costs
//!   nothing; the others take over its share once they know.
//! - A wrong number of replicas errs by a known factor and corrects itself. After one of `n` dies, the effective limit
//!   is `(n - 1) / n` of the configured one until the number is updated; while one joins, it is `(n + 1) / n`. A lease
//!   lost with its holder is hard to tell from a used one.
//! - The cost: a client whose requests all reach one replica gets that replica's share only. The load balancer in front
//!   spreads connections, so this affects a client on a single long-lived connection. Limits are set with room for it,
//!   and with 2 to 5 replicas the factor is small against that room.
//!
//! A change of the number leaves buckets as full as they are: a bucket's level is stored as a time, and the time in
//! which a bucket fills does not depend on the number of replicas. Only rounding does: a replica's burst is rounded up,
//! so that `n` replicas together may admit up to `n - 1` more at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The most replicas that a limit is divided by.
const MAX_REPLICAS: u32 = 1_024;

/// The number of live replicas that share a limit. Clones share the number: an update through one takes effect at once
/// in all limiters.
#[derive(Debug, Clone)]
pub struct Share(Arc<AtomicU32>);

impl Share {
    /// The whole limit, until the number of replicas is set.
    pub fn alone() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    /// Sets the number of live replicas, this one included; clamped to 1 to 1,024.
    pub fn set_replicas(&self, replicas: u32) {
        self.0.store(replicas.clamp(1, MAX_REPLICAS), Ordering::Relaxed);
    }

    /// The number of replicas that share the limit; at least 1.
    pub fn replicas(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::alone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_number_and_it_is_clamped() {
        let share = Share::alone();
        let other = share.clone();
        share.set_replicas(3);
        assert_eq!(other.replicas(), 3);
        share.set_replicas(0);
        assert_eq!(other.replicas(), 1);
        share.set_replicas(u32::MAX);
        assert_eq!(other.replicas(), MAX_REPLICAS);
    }
}
