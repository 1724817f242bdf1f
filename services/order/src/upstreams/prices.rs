//! A cache of the catalogue's prices, and which of them may still be used. Without I/O.

use std::collections::HashMap;
use std::time::Duration;

use primitives::{Money, Sku};
use tokio::time::Instant;

/// The most prices that are kept; the others of a larger catalogue are requested each time.
const MAX_PRICES: usize = 200_000;

/// The known prices. The caller passes the time.
///
/// A price may be used for `keep` after it was requested. While the catalogue is followed all prices may be used: each
/// change arrives, so they were right at the last message that reported no further change.
#[derive(Debug)]
pub(crate) struct Prices {
    keep: Duration,
    known: HashMap<Sku, KnownPrice>,
    /// All changes up to this time have arrived.
    followed_to: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct KnownPrice {
    price: Money,
    version: u64,
    /// The price was right at this time.
    at: Instant,
}

impl Prices {
    /// No price is used for longer than `keep` after it has changed.
    pub(crate) fn new(keep: Duration) -> Self {
        Self { keep, known: HashMap::new(), followed_to: None }
    }

    /// The price, if what is known is recent enough.
    pub(crate) fn get(&self, sku: &Sku, now: Instant) -> Option<Money> {
        let known = self.known.get(sku)?;
        let right_at = self.followed_to.map_or(known.at, |to| to.max(known.at));
        (now < right_at + self.keep).then_some(known.price)
    }

    /// Keeps a price as of a time. Answers may arrive in any order; the higher version wins.
    pub(crate) fn learn(&mut self, sku: Sku, price: Money, version: u64, at: Instant) {
        let full = self.known.len() >= MAX_PRICES;
        match self.known.get_mut(&sku) {
            Some(known) if known.version > version => {}
            Some(known) => *known = KnownPrice { price, version, at: at.max(known.at) },
            None if full => {}
            None => {
                self.known.insert(sku, KnownPrice { price, version, at });
            }
        }
    }

    /// Every change up to a time has arrived.
    pub(crate) fn followed_to(&mut self, at: Instant) {
        self.followed_to = Some(at);
    }

    /// Changes no longer arrive.
    pub(crate) fn lost(&mut self) {
        self.followed_to = None;
    }
}

#[cfg(test)]
mod tests {
    use primitives::Currency;

    use super::*;

    const KEEP: Duration = Duration::from_secs(2);
    const MS: Duration = Duration::from_millis(1);

    fn price(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn tea() -> Sku {
        "tea".parse().unwrap()
    }

    #[test]
    fn a_price_that_was_asked_for_is_used_for_its_time() {
        let now = Instant::now();
        let mut prices = Prices::new(KEEP);
        assert_eq!(prices.get(&tea(), now), None);
        prices.learn(tea(), price(5), 1, now);
        assert_eq!(prices.get(&tea(), now + KEEP - MS), Some(price(5)));
        assert_eq!(prices.get(&tea(), now + KEEP), None);
    }

    #[test]
    fn a_price_that_is_followed_is_used_for_as_long_as_changes_are_heard_of() {
        let now = Instant::now();
        let mut prices = Prices::new(KEEP);
        prices.learn(tea(), price(5), 1, now);
        prices.followed_to(now + KEEP * 10);
        assert_eq!(prices.get(&tea(), now + KEEP * 11 - MS), Some(price(5)));
        assert_eq!(prices.get(&tea(), now + KEEP * 11), None);
        prices.followed_to(now + KEEP * 11);
        assert_eq!(prices.get(&tea(), now + KEEP * 11), Some(price(5)));
        prices.lost();
        assert_eq!(prices.get(&tea(), now + KEEP * 11), None);
    }

    #[test]
    fn a_late_answer_does_not_bring_an_old_price_back() {
        let now = Instant::now();
        let mut prices = Prices::new(KEEP);
        prices.learn(tea(), price(7), 2, now);
        prices.learn(tea(), price(5), 1, now + MS);
        assert_eq!(prices.get(&tea(), now), Some(price(7)));
        prices.learn(tea(), price(7), 2, now + MS);
        assert_eq!(prices.get(&tea(), now + KEEP), Some(price(7)));
    }

    #[test]
    fn a_catalogue_that_is_too_large_is_kept_in_part() {
        let now = Instant::now();
        let mut prices = Prices::new(KEEP);
        for number in 0..=MAX_PRICES {
            prices.learn(number.to_string().parse().unwrap(), price(5), 1, now);
        }
        assert_eq!(prices.known.len(), MAX_PRICES);
        assert_eq!(prices.get(&MAX_PRICES.to_string().parse().unwrap(), now), None);
        prices.learn("0".parse().unwrap(), price(6), 2, now);
        assert_eq!(prices.get(&"0".parse().unwrap(), now), Some(price(6)));
    }
}
