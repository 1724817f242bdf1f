//! The scores of rendezvous hashing (highest random weight). They are the same in every process and every release, so
//! that all gateways agree.
//!
//! Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on
//! Networking 6(1), 1998. The choice does not depend on the order of the replicas, and a replica that joins or leaves
//! moves only the keys that it gains or had.

use rapidhash::v3::{RapidSecrets, rapidhash_v3, rapidhash_v3_seeded};

/// A replica's part of its scores: a hash of its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(RapidSecrets);

impl Seed {
    pub(super) fn of(name: &str) -> Self {
        Self(RapidSecrets::seed(rapidhash_v3(name.as_bytes())))
    }

    /// The score of the replica for the key; the highest one gets it.
    pub(super) fn score(&self, key: &str) -> u64 {
        rapidhash_v3_seeded(key.as_bytes(), &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 20_000;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("http://order-{number}.order:7003/")).collect()
    }

    fn winner<'a>(names: &'a [String], key: &str) -> &'a str {
        names.iter().max_by_key(|name| Seed::of(name).score(key)).unwrap()
    }

    fn keys() -> impl Iterator<Item = String> {
        (0..KEYS).map(|number| format!("SKU-{number}"))
    }

    /// A changed hash would move keys during a rolling upgrade.
    #[test]
    fn scores_never_change() {
        let score = |name| Seed::of(name).score("COFFEE-ESPRESSO-1KG");
        let scores = ["http://order-0:7003/", "http://order-1:7003/"].map(score);
        assert_eq!(scores, [1_651_014_419_927_284_589, 15_216_154_202_546_161_774]);
    }

    #[test]
    fn shares_are_even() {
        for count in [2, 3, 5, 8] {
            let names = names(count);
            let fair = KEYS / count;
            for name in &names {
                let share = keys().filter(|key| winner(&names, key) == name).count();
                assert!(share.abs_diff(fair) * 20 < fair, "{name} of {count} has {share}, fair is {fair}");
            }
        }
    }

    #[test]
    fn a_replica_that_leaves_moves_only_its_own_keys() {
        let before = names(4);
        let after: Vec<_> = before.iter().filter(|name| !name.contains("order-2")).cloned().collect();
        for key in keys() {
            let (old, new) = (winner(&before, &key), winner(&after, &key));
            assert!(old == new || old.contains("order-2"), "{key} moved from {old} to {new}");
        }
    }
}
