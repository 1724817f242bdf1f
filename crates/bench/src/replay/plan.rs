//! The baskets of a replay, and when its orders are due.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::completejourney::{Basket, OrderRequest, SkipReason};

/// The baskets of a replay, in time order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) baskets: Vec<Basket>,
}

impl Plan {
    /// Takes `count` baskets after skipping the first `from`.
    pub(super) fn new(baskets: Vec<Basket>, from: usize, count: usize) -> Self {
        Self { baskets: baskets.into_iter().skip(from).take(count).collect() }
    }

    /// The orders of all baskets.
    pub(super) fn orders(&self) -> Vec<OrderRequest<'_>> {
        self.baskets.iter().flat_map(Basket::orders).collect()
    }

    /// The number of skipped purchases by reason.
    pub(super) fn skipped(&self) -> BTreeMap<SkipReason, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.baskets.iter().flat_map(|basket| &basket.skipped) {
            *counts.entry(*reason).or_default() += 1;
        }
        counts
    }

    /// The number of baskets without an order line.
    pub(super) fn empty_baskets(&self) -> usize {
        self.baskets.iter().filter(|basket| basket.lines.is_empty()).count()
    }

    /// The number of baskets that became several orders.
    pub(super) fn split_baskets(&self) -> usize {
        self.baskets.iter().filter(|basket| basket.orders().nth(1).is_some()).count()
    }
}

/// When orders are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct DueTimes {
    start: Instant,
    interval: Option<Duration>,
}

impl DueTimes {
    /// From `start` on at this rate per second; without a rate, orders have no due times.
    pub(super) fn new(start: Instant, rate: Option<f64>) -> Self {
        Self { start, interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)) }
    }

    /// When the first order is due.
    pub(super) fn start(self) -> Instant {
        self.start
    }

    /// When an order is due; `None` without a rate.
    fn due(self, number: usize) -> Option<Instant> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.interval.map(|interval| self.start + interval * number)
    }

    /// Waits until an order is due and gives that time.
    pub(super) async fn wait_for(self, number: usize) -> Option<Instant> {
        let due = self.due(number);
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_rate_every_order_has_a_due_time() {
        let start = Instant::now();
        let due_times = DueTimes::new(start, Some(4.0));
        assert_eq!(due_times.due(0), Some(start));
        assert_eq!(due_times.due(6), Some(start + Duration::from_millis(1_500)));
        assert_eq!(DueTimes::new(start, None).due(6), None);
    }
}
