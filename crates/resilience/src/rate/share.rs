//! A limit that holds across replicas: each takes the limit divided by the number of live replicas.
//!
//! Why a share and not tokens leased from the peer that rendezvous hashing names:
//! - A decision is local: no round trip before every first request of a key, and nothing to wait for. With leases a
//!   slow or dead peer holds up, or wrongly passes, every request of the keys that it owns, just when something is
//!   already wrong. Here a lost peer costs nothing; the others take over its share when they hear of it.
//! - A wrong number of replicas is wrong by a known factor and heals by itself. After one of `n` dies, the limit is
//!   `(n - 1) / n` of what was promised until the number is updated; while one joins, `(n + 1) / n`. A lease that is
//!   lost with its holder is hard to tell from one that is used.
//! - The price: a client whose requests all reach one replica gets only that replica's share. The balancer in front
//!   spreads by least connections, so this hits a client on a single long-lived connection; the limits are set with
//!   room for it, and with `n` of 2 to 5 the factor is small against that room.
//!
//! Buckets stay as full as they are when the number changes: a bucket's level is kept as time, and the time in which
//! the bucket fills is the same for every number of replicas. Only rounding changes it: a replica's burst is rounded
//! up, so that `n` replicas together may admit up to `n - 1` more at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The most replicas a limit is divided by.
const MAX_REPLICAS: u32 = 1_024;

/// The number of live replicas that share a limit. Clones are the same number; one clone is kept up to date, and all
/// limiters that hold another follow at once.
#[derive(Debug, Clone)]
pub struct Share(Arc<AtomicU32>);

impl Share {
    /// A limit of one replica: all of it, until told otherwise.
    pub fn alone() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    /// Tells how many replicas live, this one among them; kept within 1 and 1,024.
    pub fn set_replicas(&self, replicas: u32) {
        self.0.store(replicas.clamp(1, MAX_REPLICAS), Ordering::Relaxed);
    }

    /// How many replicas share the limit; at least 1.
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
    fn clones_follow_and_no_number_is_too_small() {
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
