//! The scores of rendezvous hashing. They are the same in every process and every release: all gateways must agree.

use rapidhash::v3::{RapidSecrets, rapidhash_v3, rapidhash_v3_seeded};

/// What a replica's scores depend on besides the key: its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(RapidSecrets);

impl Seed {
    pub(super) fn of(name: &str) -> Self {
        Self(RapidSecrets::seed(rapidhash_v3(name.as_bytes())))
    }

    /// How strongly the replica wants the key; the highest score gets it.
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

    /// A hash that changed would send orders elsewhere during a rolling upgrade.
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
    fn a_replica_that_goes_moves_only_its_own_keys() {
        let before = names(4);
        let after: Vec<_> = before.iter().filter(|name| !name.contains("order-2")).cloned().collect();
        for key in keys() {
            let (old, new) = (winner(&before, &key), winner(&after, &key));
            assert!(old == new || old.contains("order-2"), "{key} moved from {old} to {new}");
        }
    }
}
