//! The addresses of all targets of an upstream, merged into one set.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::target::Address;

/// The addresses of each target, and the merged set, which can be watched.
#[derive(Debug)]
pub(super) struct ReplicaSet {
    upstream: &'static str,
    max: usize,
    /// The addresses of the target at each position.
    targets: Mutex<Vec<Vec<Address>>>,
    set: watch::Sender<Arc<[Address]>>,
}

impl ReplicaSet {
    /// A set with these addresses of each target, of which at most `max` are used.
    pub(super) fn new(upstream: &'static str, targets: Vec<Vec<Address>>, max: usize) -> Self {
        let (set, left_out) = merge(&targets, max);
        report(upstream, &set, left_out);
        Self { upstream, max, targets: Mutex::new(targets), set: watch::Sender::new(set.into()) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Arc<[Address]>> {
        self.set.subscribe()
    }

    /// Replaces the addresses of the target at `position`. Notifies watchers only if the set changes.
    pub(super) fn publish(&self, position: usize, addresses: Vec<Address>) {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(target) = targets.get_mut(position) else { return };
        *target = addresses;
        let (set, left_out) = merge(&targets, self.max);
        // Still under the lock, so that an older set never replaces a newer one.
        self.set.send_if_modified(|current| {
            let has_changed = **current != *set;
            if has_changed {
                report(self.upstream, &set, left_out);
                *current = set.into();
            }
            has_changed
        });
    }
}

/// The first `max` addresses, sorted, each URI once, and the number of those left out. Of two addresses with the same
/// URI the one with the higher weight is kept, then the one of the earlier target.
fn merge(targets: &[Vec<Address>], max: usize) -> (Vec<Address>, usize) {
    let mut set: Vec<Address> = targets.iter().flatten().cloned().collect();
    set.sort_by_cached_key(|address| (address.uri.to_string(), Reverse(address.weight)));
    set.dedup_by(|later, earlier| later.uri == earlier.uri);
    let left_out = set.len().saturating_sub(max);
    set.truncate(max);
    (set, left_out)
}

fn report(upstream: &'static str, set: &[Address], left_out: usize) {
    let count = u32::try_from(set.len()).unwrap_or(u32::MAX);
    metrics::gauge!("balance_discovered_endpoints", "upstream" => upstream).set(f64::from(count));
    tracing::info!(upstream, endpoints = count, "the set of replicas changed");
    if left_out > 0 {
        tracing::warn!(upstream, left_out, "more replicas than max_endpoints; the rest is ignored");
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
    fn equal_answers_in_another_order_change_nothing() {
        let (a, b) = (address("http://10.0.0.1:1", 1, None), address("http://10.0.0.2:1", 1, None));
        let replicas = ReplicaSet::new("stock", vec![vec![]], 8);
        let mut set = replicas.watch();
        replicas.publish(0, vec![b.clone(), a.clone(), b.clone()]);
        assert!(set.has_changed().unwrap());
        assert_eq!(**set.borrow_and_update(), [a.clone(), b.clone()]);
        replicas.publish(0, vec![a.clone(), b.clone()]);
        assert!(!set.has_changed().unwrap());
        replicas.publish(0, vec![b.clone()]);
        assert_eq!(**set.borrow_and_update(), [b]);
    }

    #[test]
    fn each_uri_is_kept_once_with_the_highest_weight_and_then_the_earliest_target() {
        let light = address("http://a:1", 1, None);
        let heavy = address("http://a:1", 2, Some("east"));
        let later = address("http://a:1", 2, Some("west"));
        let replicas = ReplicaSet::new("stock", vec![vec![light], vec![heavy.clone()], vec![later]], 8);
        assert_eq!(**replicas.watch().borrow(), [heavy]);
    }
}
