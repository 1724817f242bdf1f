//! Counters that were too low for an order, so that orders for sold-out SKUs are refused without a transaction.

use std::collections::HashMap;
use std::time::Duration;

use primitives::Sku;
use stock::{Levels, Shortage};
use tokio::time::Instant;

use crate::domain::Quantities;

/// A counter that was read longer ago than this refuses nothing: stock may have returned.
const FRESH: Duration = Duration::from_secs(1);
/// A SKU that no order has asked for in this time is forgotten.
const INTEREST: Duration = Duration::from_secs(60);
/// The most SKUs that are kept. An order for another one is refused by a transaction.
const MOST: usize = 1_000;

/// The counters of SKUs that were too low for some order.
#[derive(Debug, Default)]
pub(crate) struct Shortages {
    known: HashMap<Sku, KnownLevel>,
}

#[derive(Debug)]
struct KnownLevel {
    available: u64,
    seen_at: Instant,
    asked_at: Instant,
}

impl Shortages {
    /// The lines that ask for more than the counters had a moment ago; empty when none is known to be short.
    pub(crate) fn of(&mut self, lines: &Quantities, now: Instant) -> Vec<Shortage> {
        let mut shortages = Vec::new();
        for (sku, quantity) in lines {
            let Some(known) = self.known.get_mut(sku) else { continue };
            known.asked_at = now;
            let requested = u64::from(quantity.get());
            if known.available < requested && now.saturating_duration_since(known.seen_at) < FRESH {
                shortages.push(Shortage { sku: sku.clone(), requested, available: known.available });
            }
        }
        shortages
    }

    /// Whether a SKU was short lately and had fewer pieces than this.
    pub(crate) fn concern(&self, sku: &Sku, pieces: u64) -> bool {
        self.known.get(sku).is_some_and(|known| known.available < pieces)
    }

    /// Keeps the counter that was too low for an order.
    pub(crate) fn learn(&mut self, sku: &Sku, available: u64, now: Instant) {
        if self.known.len() < MOST || self.known.contains_key(sku) {
            self.known.insert(sku.clone(), KnownLevel { available, seen_at: now, asked_at: now });
        }
    }

    /// Stock was returned.
    pub(crate) fn forget(&mut self, sku: &Sku) {
        self.known.remove(sku);
    }

    /// The SKUs to poll, without those that no order asks for any more.
    pub(crate) fn watched(&mut self, now: Instant) -> Vec<Sku> {
        self.known.retain(|_, known| now.saturating_duration_since(known.asked_at) < INTEREST);
        self.known.keys().cloned().collect()
    }

    /// Takes in the counters of a poll that began at `looked_at`. Where stock was returned, transactions decide again.
    pub(crate) fn look(&mut self, levels: &Levels, looked_at: Instant) {
        for (sku, available) in levels.iter() {
            let Some(known) = self.known.get_mut(sku) else { continue };
            if known.seen_at > looked_at {
                // A batch has seen the counter since.
            } else if available > known.available {
                self.known.remove(sku);
            } else {
                known.available = available;
                known.seen_at = looked_at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use primitives::Quantity;

    use super::*;

    fn lines(sku: &str, pieces: u32) -> Quantities {
        [(sku.parse().unwrap(), Quantity::try_from(pieces).unwrap())].into()
    }

    fn levels(sku: &str, available: u64) -> Levels {
        [(sku.parse().unwrap(), available)].into_iter().collect()
    }

    #[test]
    fn more_than_is_left_is_refused_as_long_as_that_is_fresh() {
        let start = Instant::now();
        let mut shortages = Shortages::default();
        assert!(shortages.of(&lines("a", 5), start).is_empty());
        shortages.learn(&"a".parse().unwrap(), 2, start);
        assert_eq!(shortages.of(&lines("a", 3), start).len(), 1);
        assert!(shortages.of(&lines("a", 2), start).is_empty());
        assert!(shortages.of(&lines("b", 3), start).is_empty());
        assert!(shortages.of(&lines("a", 3), start + FRESH).is_empty());
        shortages.look(&levels("a", 1), start + FRESH);
        assert_eq!(shortages.of(&lines("a", 2), start + FRESH)[0].available, 1);
    }

    #[test]
    fn what_comes_back_is_sold_again() {
        let start = Instant::now();
        let later = start + Duration::from_millis(10);
        let mut shortages = Shortages::default();
        shortages.learn(&"a".parse().unwrap(), 0, later);
        // This look is older than what the batch saw.
        shortages.look(&levels("a", 7), start);
        assert_eq!(shortages.of(&lines("a", 1), later).len(), 1);
        shortages.look(&levels("a", 1), later);
        assert!(shortages.of(&lines("a", 1), later).is_empty());
        shortages.learn(&"a".parse().unwrap(), 0, later);
        shortages.forget(&"a".parse().unwrap());
        assert!(shortages.of(&lines("a", 1), later).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_fades() {
        let start = Instant::now();
        let mut shortages = Shortages::default();
        for number in 0..2 * MOST {
            shortages.learn(&format!("s{number}").parse().unwrap(), 0, start);
        }
        assert_eq!(shortages.watched(start).len(), MOST);
        assert!(shortages.watched(start + INTEREST).is_empty());
    }
}
