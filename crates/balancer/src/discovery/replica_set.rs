//! The one set that the targets of an upstream come to together.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::target::Address;

/// What each target of an upstream comes to, and all of it as one set that can be watched.
#[derive(Debug)]
pub(super) struct Board {
    upstream: &'static str,
    most: usize,
    /// One place a target.
    found: Mutex<Vec<Vec<Address>>>,
    set: watch::Sender<Arc<[Address]>>,
}

impl Board {
    /// For these targets, of which at most so many addresses are used.
    pub(super) fn new(upstream: &'static str, found: Vec<Vec<Address>>, most: usize) -> Self {
        let (set, left_out) = merged(&found, most);
        report(upstream, &set, left_out);
        Self { upstream, most, found: Mutex::new(found), set: watch::Sender::new(set.into()) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Arc<[Address]>> {
        self.set.subscribe()
    }

    /// Replaces what the target at `place` comes to. Who watches hears of it only when the set is another one.
    pub(super) fn publish(&self, place: usize, addresses: Vec<Address>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = found.get_mut(place) else { return };
        *slot = addresses;
        let (set, left_out) = merged(&found, self.most);
        // Still under the lock, so that an older set never comes after a newer one.
        self.set.send_if_modified(|current| {
            let is_news = **current != *set;
            if is_news {
                report(self.upstream, &set, left_out);
                *current = set.into();
            }
            is_news
        });
    }
}

/// All addresses, sorted, each once, at most so many; and how many more there are. Of two with the same URI the heavier
/// one stands, and then the one whose target comes first.
fn merged(found: &[Vec<Address>], most: usize) -> (Vec<Address>, usize) {
    let mut set: Vec<Address> = found.iter().flatten().cloned().collect();
    set.sort_by_cached_key(|address| (address.uri.to_string(), Reverse(address.weight)));
    set.dedup_by(|later, earlier| later.uri == earlier.uri);
    let left_out = set.len().saturating_sub(most);
    set.truncate(most);
    (set, left_out)
}

fn report(upstream: &'static str, set: &[Address], left_out: usize) {
    let count = u32::try_from(set.len()).unwrap_or(u32::MAX);
    metrics::gauge!("balance_discovered_endpoints", "upstream" => upstream).set(f64::from(count));
    tracing::info!(upstream, endpoints = count, "the set of replicas is another one");
    if left_out > 0 {
        tracing::warn!(upstream, left_out, "more replicas than max_endpoints; the rest is left out");
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn address(uri: &str, weight: u32, zone: Option<&str>) -> Address {
        Address { uri: uri.parse().unwrap(), zone: zone.map(Arc::from), weight: NonZeroU32::new(weight).unwrap() }
    }

    #[test]
    fn equal_answers_in_another_order_are_no_news() {
        let (a, b) = (address("http://10.0.0.1:1", 1, None), address("http://10.0.0.2:1", 1, None));
        let board = Board::new("stock", vec![vec![]], 8);
        let mut set = board.watch();
        board.publish(0, vec![b.clone(), a.clone(), b.clone()]);
        assert!(set.has_changed().unwrap());
        assert_eq!(**set.borrow_and_update(), [a.clone(), b.clone()]);
        board.publish(0, vec![a.clone(), b.clone()]);
        assert!(!set.has_changed().unwrap());
        board.publish(0, vec![b.clone()]);
        assert_eq!(**set.borrow_and_update(), [b]);
    }

    #[test]
    fn each_uri_stands_once_the_heavier_and_then_the_first() {
        let light = address("http://a:1", 1, None);
        let heavy = address("http://a:1", 2, Some("east"));
        let later = address("http://a:1", 2, Some("west"));
        let board = Board::new("stock", vec![vec![light], vec![heavy.clone()], vec![later]], 8);
        assert_eq!(**board.watch().borrow(), [heavy]);
    }
}
