//! A token bucket for each of many keys, in a table of fixed size.
//!
//! The table is set-associative, like a processor's cache: a key's hash names a set of [`WAYS`] buckets, and the key
//! takes its own bucket of the set, or else one that is full. A full bucket remembers nothing of its last key, which
//! loses nothing by giving it up. If no bucket of the set is full, the key uses the set's overflow bucket, shared with
//! all other keys that find no bucket.
//!
//! Why not a map with eviction: a client that sends from many addresses must not grow the memory, evict the bucket of
//! another key (an evicted bucket comes back full, which lifts the limit), or drain it. Here
//! - memory is allocated once: 34 bytes for each of `max_keys`;
//! - a bucket in use is never reassigned or shared, so keys that came first keep exactly their limit;
//! - a key never exceeds its limit: when it moves from the overflow bucket to its own, the level moves with it;
//! - keys without a bucket are limited too much, never too little, and to cause that, an attacker has to keep all
//!   buckets of a set from filling. Hashes are keyed at random, so nobody can choose a set.
//!
//! With `max_keys` in use at once (the table has twice as many buckets) about 0.4 % of the sets overflow. A key is in
//! use only while its bucket fills: a moment for a client within its rate.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use super::gcra::Gcra;
use super::{Decision, KeyedConfig, Share};
use crate::lock::locked;

/// Buckets of a set.
const WAYS: usize = 16;
/// Keys in use that a set is sized for.
const KEYS_PER_SET: usize = WAYS / 2;

/// One limit for each key. Clones share the table.
pub struct Keyed<K: ?Sized> {
    table: Arc<Table>,
    keys: PhantomData<fn(&K)>,
}

struct Table {
    gcra: Gcra,
    hasher: RandomState,
    sets: Box<[Mutex<Set>]>,
    refusals: metrics::Counter,
    shared: metrics::Counter,
}

/// Keys are identified by a 64-bit hash. A bucket is the time at which it is full, in ns.
struct Set {
    hashes: [u64; WAYS],
    full_at: [u64; WAYS],
    overflow_full_at: u64,
}

impl<K: Hash + ?Sized> Keyed<K> {
    /// A table of full buckets. `name` is the label in the metrics `rate_limit_refusals_total` and
    /// `rate_limit_shared_total`, the number of decisions by an overflow bucket.
    pub fn new(name: &'static str, config: &KeyedConfig, share: &Share) -> Self {
        let keys = usize::try_from(config.max_keys).unwrap_or(usize::MAX);
        let sets = keys.div_ceil(KEYS_PER_SET).max(1);
        let table = Table {
            gcra: Gcra::new(&config.rate(), share),
            hasher: RandomState::new(),
            sets: (0..sets).map(|_| Mutex::new(Set::new())).collect(),
            refusals: metrics::counter!("rate_limit_refusals_total", "limit" => name),
            shared: metrics::counter!("rate_limit_shared_total", "limit" => name),
        };
        Self { table: Arc::new(table), keys: PhantomData }
    }

    /// Takes a token of this key, if there is one.
    pub fn take(&self, key: &K) -> Decision {
        let table = &*self.table;
        let hash = table.hasher.hash_one(key);
        let now = table.gcra.now();
        // The lock is held for tens of ns, and contended only by keys of the same set.
        let mut set = locked(table.set_of(hash));
        let way = set.way_of(hash, now);
        let full_at = match way {
            Some(way) => &mut set.full_at[way],
            None => &mut set.overflow_full_at,
        };
        let (next, decision) = table.gcra.decide(*full_at, now);
        *full_at = next;
        drop(set);
        if way.is_none() {
            table.shared.increment(1);
        }
        if !decision.allowed {
            table.refusals.increment(1);
        }
        decision
    }
}

impl Table {
    fn set_of(&self, hash: u64) -> &Mutex<Set> {
        // The high bits choose the set evenly without a division (Lemire, "Fast random integer generation in an
        // interval", 2019).
        let sets = u128::try_from(self.sets.len()).unwrap_or(1);
        let position = usize::try_from((u128::from(hash) * sets) >> 64).unwrap_or(0);
        &self.sets[position]
    }
}

impl Set {
    fn new() -> Self {
        Self { hashes: [0; WAYS], full_at: [0; WAYS], overflow_full_at: 0 }
    }

    /// The position of this key's bucket: its own, or a full one that becomes its own.
    fn way_of(&mut self, hash: u64, now: u64) -> Option<usize> {
        if let Some(own) = self.hashes.iter().position(|&known| known == hash) {
            return Some(own);
        }
        let free = self.full_at.iter().position(|&full_at| full_at <= now)?;
        self.hashes[free] = hash;
        // The key may have used the overflow bucket so far.
        self.full_at[free] = self.overflow_full_at;
        Some(free)
    }
}

impl<K: ?Sized> Clone for Keyed<K> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table), keys: PhantomData }
    }
}

impl<K: ?Sized> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("sets", &self.table.sets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use tokio::time::Instant;

    use super::super::RateConfig;
    use super::super::testing::{conforms, paused, rates};
    use super::*;

    fn config(rate: &RateConfig, max_keys: u32) -> KeyedConfig {
        KeyedConfig { requests: rate.requests, period_ms: rate.period_ms, burst: rate.burst, max_keys }
    }

    proptest! {
        #[test]
        fn no_key_exceeds_its_limit_however_many_there_are(
            rate in rates(),
            steps in proptest::collection::vec((0_u64..20_000, 0_usize..40), 1..400),
        ) {
            let admitted = paused(async {
                // Two sets: many keys find no bucket of their own.
                let keyed = Keyed::<usize>::new("test", &config(&rate, 16), &Share::alone());
                let mut admitted = vec![Vec::new(); 40];
                for (gap, key) in steps {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    if keyed.take(&key).allowed {
                        admitted[key].push(Instant::now());
                    }
                }
                admitted
            });
            prop_assert!(admitted.iter().all(|of_key| conforms(of_key, &rate, rate.burst())));
        }

        #[test]
        fn the_limit_holds_while_the_number_of_replicas_changes(
            rate in rates(),
            steps in proptest::collection::vec((0_u64..200_000, 1_u32..6), 1..100),
        ) {
            let admitted = paused(async {
                let share = Share::alone();
                let keyed = Keyed::<str>::new("test", &config(&rate, 16), &share);
                let mut admitted = Vec::new();
                for (gap, replicas) in steps {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    share.set_replicas(replicas);
                    if keyed.take("key").allowed {
                        admitted.push(Instant::now());
                    }
                }
                admitted
            });
            // A burst is rounded up by less than one for each other replica.
            prop_assert!(conforms(&admitted, &rate, rate.burst() + 4));
        }

        #[test]
        fn replicas_together_admit_as_much_as_one_would(
            rate in rates(),
            replicas in 1_u32..6,
            steps in proptest::collection::vec((0_u64..100_000, any::<usize>()), 1..200),
        ) {
            let admitted = paused(async {
                let share = Share::alone();
                share.set_replicas(replicas);
                let limits: Vec<_> =
                    (0..replicas).map(|_| Keyed::<str>::new("test", &config(&rate, 16), &share)).collect();
                let mut admitted = Vec::new();
                for (gap, at) in steps {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    if limits[at % limits.len()].take("key").allowed {
                        admitted.push(Instant::now());
                    }
                }
                admitted
            });
            // Each replica's window may begin with a full bucket, so their fractions add up too.
            prop_assert!(conforms(&admitted, &rate, replicas * (rate.burst().div_ceil(replicas) + 1)));
        }

        #[test]
        fn the_times_of_a_decision_are_exact(
            rate in rates(),
            gaps_us in proptest::collection::vec(0_u64..200_000, 1..50),
        ) {
            paused(async {
                let keyed = Keyed::<str>::new("test", &config(&rate, 16), &Share::alone());
                let take = || keyed.take("key");
                for gap in gaps_us {
                    tokio::time::advance(Duration::from_micros(gap)).await;
                    let decision = take();
                    let next = take();
                    prop_assert_eq!(next.allowed, decision.remaining > 0);
                    prop_assert_eq!(next.allowed, next.retry_after.is_none());
                    if let Some(wait) = next.retry_after {
                        tokio::time::advance(wait - Duration::from_nanos(1)).await;
                        prop_assert!(!take().allowed);
                        tokio::time::advance(Duration::from_nanos(1)).await;
                        prop_assert!(take().allowed);
                    }
                }
                Ok(())
            })?;
        }
    }

    #[test]
    fn a_refusal_states_when_to_retry() {
        let rate = RateConfig { requests: 1, period_ms: 3_000, burst: None };
        let keyed = Keyed::<str>::new("test", &config(&rate, 16), &Share::alone());
        assert!(keyed.take("key").refusal().is_none());
        let refusal = keyed.take("key").refusal().unwrap();
        assert_eq!(refusal.reason(), envelope::Reason::RateLimited);
        assert_eq!(refusal.retry_after_seconds(), Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_in_use_is_unaffected_by_an_attacker_with_many_keys() {
        let rate = RateConfig { requests: 10, period_ms: 1_000, burst: None };
        let keyed = Keyed::<str>::new("test", &config(&rate, 64), &Share::alone());
        let alone = Keyed::<str>::new("test", &config(&rate, 64), &Share::alone());
        for round in 0..200 {
            assert_eq!(keyed.take("buyer"), alone.take("buyer"), "round {round}");
            for attacker in 0..500 {
                keyed.take(&format!("attacker {attacker} {round}"));
            }
            tokio::time::advance(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_keys_grow_neither_the_memory_nor_the_number_of_admitted_requests() {
        let rate = RateConfig { requests: 3, period_ms: 60_000, burst: None };
        let keyed = Keyed::<u64>::new("test", &config(&rate, 1_024), &Share::alone());
        assert_eq!(keyed.table.sets.len(), 128);
        assert!(size_of::<Mutex<Set>>() <= 34 * KEYS_PER_SET);
        let admitted: usize = (0..50_000).map(|key| (0..4).filter(|_| keyed.take(&key).allowed).count()).sum();
        assert!(admitted <= 128 * (WAYS + 1) * 3, "{admitted}");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!((0..1_024).filter(|key| keyed.take(key).allowed).count() > 1_000, "buckets are free again");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_up_to_the_bound_have_their_own_buckets() {
        let rate = RateConfig { requests: 2, period_ms: 60_000, burst: None };
        let keyed = Keyed::<u32>::new("test", &config(&rate, 10_000), &Share::alone());
        let served = (0..10_000).filter(|key| keyed.take(key).allowed && keyed.take(key).allowed).count();
        assert!(served > 9_950, "{served}");
        assert!((0..10_000).all(|key| !keyed.take(&key).allowed));
    }

    #[test]
    fn threads_share_the_tokens_of_a_key() {
        let rate = RateConfig { requests: 100, period_ms: 86_400_000, burst: None };
        let keyed = Keyed::<str>::new("test", &config(&rate, 16), &Share::alone());
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1_000).filter(|_| keyed.take("key").allowed).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
    }
}
