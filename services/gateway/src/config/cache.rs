//! `[cache]`

use std::time::Duration;

use serde::Deserialize;

/// `[cache]`: the cache of answers of the catalogue.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Raw")]
pub struct CacheConfig {
    fresh_ms: u64,
    stale_ms: u64,
    wait_ms: u64,
    max_bytes: u64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    /// How long a copy is served without asking inventory, in ms; 1,000, at most 60,000. With 0 inventory is always
    /// asked. A changed price may be shown for this long, in addition to the 2 s for which it may still be sold;
    /// changes through this gateway are visible at once.
    fresh_ms: u64,
    /// How long a copy is kept in case inventory does not answer, in ms; 600,000 (10 minutes), from `fresh_ms` to
    /// 86,400,000.
    stale_ms: u64,
    /// How long a reader waits for inventory if there is a stale copy, in ms; 250, from 1 to 60,000. After that it gets
    /// the stale copy, and a later answer of inventory serves the next reader.
    wait_ms: u64,
    /// The total size of all copies, in bytes; 67,108,864 (64 MiB), from 65,536 to 17,179,869,184.
    max_bytes: u64,
}

impl Default for Raw {
    fn default() -> Self {
        Self { fresh_ms: 1_000, stale_ms: 600_000, wait_ms: 250, max_bytes: 64 << 20 }
    }
}

impl TryFrom<Raw> for CacheConfig {
    type Error = &'static str;

    fn try_from(Raw { fresh_ms, stale_ms, wait_ms, max_bytes }: Raw) -> Result<Self, Self::Error> {
        let checks = [
            (fresh_ms <= 60_000, "`fresh_ms` must be at most 60,000"),
            ((fresh_ms..=86_400_000).contains(&stale_ms), "`stale_ms` must be from `fresh_ms` to 86,400,000"),
            ((1..=60_000).contains(&wait_ms), "`wait_ms` must be from 1 to 60,000"),
            ((1 << 16..=1 << 34).contains(&max_bytes), "`max_bytes` must be from 65,536 to 17,179,869,184"),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, otherwise)) => Err(otherwise),
            None => Ok(Self { fresh_ms, stale_ms, wait_ms, max_bytes }),
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        let Raw { fresh_ms, stale_ms, wait_ms, max_bytes } = Raw::default();
        Self { fresh_ms, stale_ms, wait_ms, max_bytes }
    }
}

impl CacheConfig {
    /// How long a copy is served without asking inventory.
    pub fn fresh(&self) -> Duration {
        Duration::from_millis(self.fresh_ms)
    }

    /// How long a copy is kept.
    pub fn stale(&self) -> Duration {
        Duration::from_millis(self.stale_ms)
    }

    /// How long a reader waits for inventory if there is a stale copy.
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    /// The total size of all copies, in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_out_of_bounds_do_not_load() {
        let load = |value| serde_json::from_value::<CacheConfig>(value);
        let default = load(json!({})).unwrap();
        assert_eq!((default.fresh(), default.stale()), (Duration::from_secs(1), Duration::from_secs(600)));
        assert!(load(json!({ "fresh_ms": 0, "stale_ms": 0 })).is_ok());
        for bad in [
            json!({ "fresh_ms": 60_001 }),
            json!({ "fresh_ms": 2_000, "stale_ms": 1_999 }),
            json!({ "stale_ms": 86_400_001 }),
            json!({ "wait_ms": 0 }),
            json!({ "max_bytes": 1 }),
            json!({ "max_age": 1 }),
        ] {
            assert!(load(bad.clone()).is_err(), "{bad}");
        }
    }
}
