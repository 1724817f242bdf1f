//! What is sent, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::completejourney::{Basket, NoOrder, OrderRequest};

/// The baskets of a replay, in time order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) baskets: Vec<Basket>,
}

impl Plan {
    /// `count` of the baskets, without the first `from`.
    pub(super) fn new(baskets: Vec<Basket>, from: usize, count: usize) -> Self {
        Self { baskets: baskets.into_iter().skip(from).take(count).collect() }
    }

    /// The orders that the baskets make.
    pub(super) fn orders(&self) -> Vec<OrderRequest<'_>> {
        self.baskets.iter().flat_map(Basket::orders).collect()
    }

    /// The lines that are no lines of an order, by reason.
    pub(super) fn no_orders(&self) -> BTreeMap<NoOrder, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.baskets.iter().flat_map(|basket| &basket.no_orders) {
            *counts.entry(*reason).or_default() += 1;
        }
        counts
    }

    /// The baskets without a line of an order.
    pub(super) fn empty_baskets(&self) -> usize {
        self.baskets.iter().filter(|basket| basket.lines.is_empty()).count()
    }

    /// The baskets that are several orders.
    pub(super) fn split_baskets(&self) -> usize {
        self.baskets.iter().filter(|basket| basket.orders().nth(1).is_some()).count()
    }
}

/// When orders are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    start: Instant,
    interval: Option<Duration>,
}

impl Pace {
    /// From `start` on, so many a second; without a rate, each as soon as there is room for it.
    pub(super) fn new(start: Instant, rate: Option<f64>) -> Self {
        Self { start, interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)) }
    }

    /// When the first order is due.
    pub(super) fn start(self) -> Instant {
        self.start
    }

    /// When an order is due; `None` when there is no rate.
    fn due(self, number: usize) -> Option<Instant> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.interval.map(|interval| self.start + interval * number)
    }

    /// Waits until an order is due, and tells when that was.
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
    fn a_rate_gives_every_order_its_time() {
        let start = Instant::now();
        let pace = Pace::new(start, Some(4.0));
        assert_eq!(pace.due(0), Some(start));
        assert_eq!(pace.due(6), Some(start + Duration::from_millis(1_500)));
        assert_eq!(Pace::new(start, None).due(6), None);
    }
}
