//! The SKUs in current demand, as seen by this gateway: decaying counts in a table of fixed size.

use std::cmp::Reverse;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Each count takes four bytes. SKUs that share a slot count as equally hot. This affects speed only: an order may go
/// to another replica than the other orders of its SKU.
const SLOTS: usize = 16_384;
/// The half-life of counts, so that a finished sale is soon forgotten.
const HALF_LIFE: Duration = Duration::from_secs(1);

/// Recent orders by SKU.
#[derive(Debug)]
pub(super) struct Heat {
    counts: Box<[AtomicU32]>,
    /// Randomly keyed per process, so that clients can't choose SKUs that share a slot.
    hasher: RandomState,
    since: Instant,
    halvings: AtomicU64,
}

impl Heat {
    pub(super) fn new() -> Self {
        Self {
            counts: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            since: Instant::now(),
            halvings: AtomicU64::new(0),
        }
    }

    /// Counts an order of these SKUs and returns the hottest one.
    ///
    /// Heat is compared by its power of two, and ties go to the smallest SKU. So gateways, which see different orders
    /// of the same demand, mostly agree; without demand they always agree.
    pub(super) fn hottest<'a>(&self, skus: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        self.fade();
        let by_heat = skus.into_iter().map(|sku| (magnitude(self.count(sku)), Reverse(sku)));
        by_heat.max().map(|(_, Reverse(sku))| sku)
    }

    /// Counts a SKU and returns the previous count.
    fn count(&self, sku: &str) -> u32 {
        let slot = usize::try_from(self.hasher.hash_one(sku) % SLOTS as u64).unwrap_or_default();
        self.counts[slot].fetch_add(1, Ordering::Relaxed)
    }

    /// Halves the counts as often as due. The first caller does it for all.
    fn fade(&self) {
        let due = self.since.elapsed().as_secs() / HALF_LIFE.as_secs();
        let done = self.halvings.load(Ordering::Relaxed);
        let mine =
            due > done && self.halvings.compare_exchange(done, due, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !mine {
            return;
        }
        let halvings = u32::try_from(due - done).unwrap_or(u32::MAX);
        for count in &self.counts {
            let _always_some = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                Some(count.checked_shr(halvings).unwrap_or(0))
            });
        }
    }
}

/// 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7, and so on.
fn magnitude(count: u32) -> u32 {
    u32::BITS - count.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_demand_the_smallest_sku_decides_regardless_of_line_order() {
        for skus in [["b", "a", "c"], ["c", "b", "a"]] {
            assert_eq!(Heat::new().hottest(skus), Some("a"));
        }
        assert_eq!(Heat::new().hottest([]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_hottest_sku_decides_until_it_has_decayed() {
        let heat = Heat::new();
        for _ in 0..100 {
            heat.hottest(["z-sale"]);
        }
        assert_eq!(heat.hottest(["tea", "z-sale"]), Some("z-sale"));
        assert_eq!(heat.hottest(["z-sale", "milk"]), Some("z-sale"));
        tokio::time::advance(HALF_LIFE * 7).await;
        assert_eq!(heat.hottest(["tea", "z-sale"]), Some("tea"));
    }

    #[tokio::test(start_paused = true)]
    async fn counts_halve_once_per_half_life_down_to_zero() {
        let heat = Heat::new();
        for _ in 0..16 {
            heat.hottest(["tea"]);
        }
        tokio::time::advance(HALF_LIFE).await;
        heat.fade();
        heat.fade();
        assert_eq!(heat.count("tea"), 8);
        tokio::time::advance(HALF_LIFE * 3).await;
        heat.fade();
        assert_eq!(heat.count("tea"), 1);
        tokio::time::advance(HALF_LIFE * 1_000).await;
        heat.fade();
        assert_eq!(heat.count("tea"), 0);
    }

    #[test]
    fn magnitudes_are_powers_of_two() {
        assert_eq!([0, 1, 2, 3, 4, 7, 8].map(magnitude), [0, 1, 2, 2, 3, 3, 4]);
    }
}
