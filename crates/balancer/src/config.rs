//! The configuration of an upstream: its targets, balancing strategy, health checks, ejection and call policy.

use std::sync::Arc;
use std::time::Duration;

use resilience::{BreakerConfig, BulkheadConfig, HedgeConfig, PolicyConfig, RetryConfig};
use serde::{Deserialize, Deserializer};

use crate::discovery::{DnsConfig, Targets};

/// `[upstreams.NAME]`: the replicas of another service and how they are called. The short form is the targets alone,
/// with defaults for the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamConfig {
    /// The targets; see [`Targets`].
    pub endpoints: Targets,
    /// How a replica is chosen; `p2c_ewma` by default.
    pub strategy: Strategy,
    /// The zone of this process; none by default. Replicas of the same zone are preferred.
    pub zone: Option<Arc<str>>,
    /// Active health checks.
    pub health: HealthConfig,
    /// Ejection of replicas whose calls fail.
    pub ejection: EjectionConfig,
    /// The time in which the share of a new or returning replica rises to its full one, in ms; 10,000 by default, 0 to
    /// 600,000.
    pub slow_start_ms: u64,
    /// The panic threshold: if fewer than this percentage of the replicas are available, all are called, available or
    /// not; 30 by default, 0 to 100. It keeps the last ones from being overloaded.
    pub panic_percent: u32,
    /// DNS lookups.
    pub dns: DnsConfig,
    /// The policy of calls: time-out, retries, breaker, bulkhead and hedge.
    pub policy: PolicyConfig,
}

/// How a replica is chosen among the available ones. A call with a key uses `Rendezvous` under every strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Of two random replicas, the one with the lower product of peak latency and requests in flight.
    #[default]
    P2cEwma,
    /// The fewest requests in flight in proportion to the weight.
    LeastRequests,
    /// In turn, each in proportion to its weight, evenly mixed.
    WeightedRoundRobin,
    /// In turn.
    RoundRobin,
    /// The same replica for the same client address.
    IpHash,
    /// The same replica for the same key; `p2c_ewma` without a key.
    Rendezvous,
}

/// `health`: active health checks by `grpc.health.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct HealthConfig {
    /// The period of the checks, in ms; 5,000 by default, 50 to 600,000. The first one comes at a random time within
    /// it.
    pub interval_ms: u64,
    /// The time-out of a check, in ms; 2,000 by default, 10 to 60,000.
    pub timeout_ms: u64,
    /// Failed checks in a row after which a replica is unhealthy; 3 by default, 1 to 100.
    pub failures: u32,
    /// Successful checks in a row after which it is healthy again; 2 by default, 1 to 100.
    pub successes: u32,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { interval_ms: 5_000, timeout_ms: 2_000, failures: 3, successes: 2 }
    }
}

/// `ejection`: outlier detection. A replica whose calls fail gets no calls for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct EjectionConfig {
    /// Failures in a row that eject a replica while others succeed; 5 by default, 1 to 1,000.
    pub consecutive_failures: u32,
    /// Failures beyond those of the others at the same times that eject a replica, in percent of its calls; 25 by
    /// default, 1 to 100.
    pub excess_percent: u32,
    /// The fewest calls within 10 s for that comparison; 20 by default, 1 to 100,000.
    pub min_calls: u32,
    /// The first ejection, in ms; 30,000 by default, 10 to 3,600,000. The second one is twice as long, the third three
    /// times, and so on.
    pub base_ms: u64,
    /// The longest ejection, in ms; 300,000 by default, `base_ms` to 3,600,000.
    pub max_ms: u64,
    /// The most replicas ejected at once, in percent, rounded down but at least one; 50 by default, 0 to 100. With 0
    /// none is ejected.
    pub max_percent: u32,
}

impl Default for EjectionConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            excess_percent: 25,
            min_calls: 20,
            base_ms: 30_000,
            max_ms: 300_000,
            max_percent: 50,
        }
    }
}

impl HealthConfig {
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl UpstreamConfig {
    /// The defaults, for these targets.
    pub fn new(endpoints: Targets) -> Self {
        Self {
            endpoints,
            strategy: Strategy::default(),
            zone: None,
            health: HealthConfig::default(),
            ejection: EjectionConfig::default(),
            slow_start_ms: 10_000,
            panic_percent: 30,
            dns: DnsConfig::default(),
            policy: PolicyConfig::default(),
        }
    }

    pub(crate) fn slow_start(&self) -> Duration {
        Duration::from_millis(self.slow_start_ms)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an upstream must be its targets, or a table with `endpoints` and known settings")]
enum Form {
    Targets(Targets),
    Table(Box<Table>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    endpoints: Targets,
    #[serde(default)]
    strategy: Strategy,
    zone: Option<String>,
    #[serde(default)]
    health: HealthConfig,
    #[serde(default)]
    ejection: EjectionConfig,
    slow_start_ms: Option<u64>,
    panic_percent: Option<u32>,
    #[serde(default)]
    dns: DnsConfig,
    attempt_timeout_ms: Option<u64>,
    #[serde(default)]
    retry: RetryConfig,
    #[serde(default)]
    breaker: BreakerConfig,
    #[serde(default)]
    bulkhead: BulkheadConfig,
    #[serde(default)]
    hedge: HedgeConfig,
}

impl<'de> Deserialize<'de> for UpstreamConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = match Form::deserialize(deserializer)? {
            Form::Targets(targets) => return Ok(Self::new(targets)),
            Form::Table(table) => *table,
        };
        let default = Self::new(table.endpoints);
        let attempt_timeout_ms = table.attempt_timeout_ms.unwrap_or(default.policy.attempt_timeout_ms);
        Ok(Self {
            strategy: table.strategy,
            zone: zone(table.zone)?,
            health: table.health,
            ejection: table.ejection,
            slow_start_ms: within("slow_start_ms", table.slow_start_ms.unwrap_or(default.slow_start_ms), 0, 600_000)?,
            panic_percent: within("panic_percent", table.panic_percent.unwrap_or(default.panic_percent), 0, 100)?,
            dns: table.dns,
            policy: PolicyConfig {
                attempt_timeout_ms: within("attempt_timeout_ms", attempt_timeout_ms, 1, 600_000)?,
                retry: table.retry,
                breaker: table.breaker,
                bulkhead: table.bulkhead,
                hedge: table.hedge,
            },
            endpoints: default.endpoints,
        })
    }
}

impl<'de> Deserialize<'de> for HealthConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        within("health.interval_ms", config.interval_ms, 50, 600_000)?;
        within("health.timeout_ms", config.timeout_ms, 10, 60_000)?;
        within("health.failures", config.failures, 1, 100)?;
        within("health.successes", config.successes, 1, 100)?;
        Ok(config)
    }
}

impl<'de> Deserialize<'de> for EjectionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        within("ejection.consecutive_failures", config.consecutive_failures, 1, 1_000)?;
        within("ejection.excess_percent", config.excess_percent, 1, 100)?;
        within("ejection.min_calls", config.min_calls, 1, 100_000)?;
        within("ejection.base_ms", config.base_ms, 10, 3_600_000)?;
        within("ejection.max_ms", config.max_ms, config.base_ms, 3_600_000)?;
        within("ejection.max_percent", config.max_percent, 0, 100)?;
        Ok(config)
    }
}

fn zone<E: serde::de::Error>(zone: Option<String>) -> Result<Option<Arc<str>>, E> {
    match zone {
        Some(name) if name.trim().is_empty() => Err(E::custom("zone must not be blank")),
        zone => Ok(zone.map(Arc::from)),
    }
}

fn within<T, E>(name: &str, value: T, least: T, most: T) -> Result<T, E>
where
    T: Copy + PartialOrd + std::fmt::Display,
    E: serde::de::Error,
{
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(E::custom(format_args!("{name} must be from {least} to {most}, not {value}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn load(value: Value) -> Result<UpstreamConfig, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn the_short_form_has_defaults_for_the_rest() {
        let short = load(json!("http://a:1,http://b:1")).unwrap();
        assert_eq!(short, load(json!(["http://a:1", "http://b:1"])).unwrap());
        assert_eq!(short, load(json!({ "endpoints": ["http://a:1", "http://b:1"] })).unwrap());
        assert_eq!(short, load(json!({ "endpoints": "http://a:1,http://b:1", "health": {} })).unwrap());
    }

    #[test]
    fn a_table_overrides_defaults() {
        let config = load(json!({
            "endpoints": [{ "target": "dns://a:1", "zone": "east" }], "zone": "east", "strategy": "least_requests",
            "attempt_timeout_ms": 200, "retry": { "max_attempts": 1 }, "ejection": { "base_ms": 50 },
        }));
        let config = config.unwrap();
        assert_eq!((config.zone.as_deref(), config.strategy), (Some("east"), Strategy::LeastRequests));
        assert_eq!((config.policy.attempt_timeout_ms, config.policy.retry.max_attempts), (200, 1));
        assert_eq!((config.ejection.base_ms, config.ejection.max_percent), (50, 50));
    }

    #[test]
    fn values_out_of_bounds_do_not_load() {
        for bad in [
            json!({}),
            json!({ "endpoints": [] }),
            json!({ "endpoints": "http://a:1", "stratagem": "round_robin" }),
            json!({ "endpoints": "http://a:1", "strategy": "random" }),
            json!({ "endpoints": "http://a:1", "zone": " " }),
            json!({ "endpoints": "http://a:1", "panic_percent": 101 }),
            json!({ "endpoints": "http://a:1", "attempt_timeout_ms": 0 }),
            json!({ "endpoints": "http://a:1", "health": { "failures": 0 } }),
            json!({ "endpoints": "http://a:1", "ejection": { "base_ms": 1_000, "max_ms": 999 } }),
            json!({ "endpoints": "http://a:1", "ejection": { "surprise": 1 } }),
        ] {
            assert!(load(bad.clone()).is_err(), "{bad}");
        }
    }
}
