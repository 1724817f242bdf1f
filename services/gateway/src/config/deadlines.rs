//! `[deadlines]`

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::endpoint::{Budget, Endpoint, OperationId};

/// The longest budget of a request, in ms; the services accept no longer one.
const LONGEST_MS: u64 = 60_000;

/// `[deadlines]`: the time budget of a request, from its first byte to the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Raw")]
pub struct DeadlinesConfig {
    other: Duration,
    /// By the index of the operation.
    by_operation: Vec<Duration>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    /// The default budget, in ms; 5,000, from 1 to 60,000.
    default_ms: u64,
    /// The budget of calls that may wait for a payment provider, in ms; 8,000, from 1 to 60,000.
    payment_ms: u64,
    /// The budgets of single calls, in ms, by their `operationId` in OpenAPI, case-insensitive:
    /// `routes = { placeOrder = 3000 }`. None by default; each from 1 to 60,000.
    routes: BTreeMap<String, u64>,
}

impl Default for Raw {
    fn default() -> Self {
        Self { default_ms: 5_000, payment_ms: 8_000, routes: BTreeMap::new() }
    }
}

impl From<&Raw> for DeadlinesConfig {
    fn from(raw: &Raw) -> Self {
        let own = |operation| raw.routes.iter().find(|(name, _)| OperationId::parse(name) == Some(operation));
        let ms_of = |operation: OperationId| match (own(operation), operation.budget()) {
            (Some((_, ms)), _) => *ms,
            (None, Budget::Payment) => raw.payment_ms,
            (None, Budget::Default) => raw.default_ms,
        };
        let by_operation = OperationId::ALL.iter().map(|&operation| Duration::from_millis(ms_of(operation))).collect();
        Self { other: Duration::from_millis(raw.default_ms), by_operation }
    }
}

impl TryFrom<Raw> for DeadlinesConfig {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let own = [("default_ms", raw.default_ms), ("payment_ms", raw.payment_ms)];
        for (name, ms) in own.into_iter().chain(raw.routes.iter().map(|(id, ms)| (id.as_str(), *ms))) {
            if !(1..=LONGEST_MS).contains(&ms) {
                return Err(format!("the deadline {name} must be from 1 to {LONGEST_MS} ms, not {ms}"));
            }
        }
        match raw.routes.keys().find(|name| OperationId::parse(name).is_none()) {
            Some(unknown) => Err(format!("no call has the operationId {unknown}")),
            None => Ok(Self::from(&raw)),
        }
    }
}

impl Default for DeadlinesConfig {
    fn default() -> Self {
        Self::from(&Raw::default())
    }
}

impl DeadlinesConfig {
    /// The budget of a call; the default one without an endpoint.
    pub fn budget(&self, endpoint: Option<&Endpoint>) -> Duration {
        endpoint.and_then(|endpoint| self.by_operation.get(endpoint.operation.index())).copied().unwrap_or(self.other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::endpoints;

    fn load(value: serde_json::Value) -> Result<DeadlinesConfig, serde_json::Error> {
        serde_json::from_value(value)
    }

    fn budget_ms(config: &DeadlinesConfig, id: &str) -> u128 {
        let endpoint = endpoints().iter().find(|endpoint| endpoint.id == id).unwrap();
        config.budget(Some(endpoint)).as_millis()
    }

    #[test]
    fn a_call_has_its_own_budget_or_that_of_its_kind() {
        let config = load(json!({ "default_ms": 4_000, "routes": { "placeorder": 3_000, "payOrder": 9_000 } }));
        let config = config.unwrap();
        for (id, ms) in [("placeOrder", 3_000), ("payOrder", 9_000), ("cancelOrder", 8_000), ("getMe", 4_000)] {
            assert_eq!(budget_ms(&config, id), ms, "{id}");
        }
        assert_eq!(config.budget(None), Duration::from_secs(4));
    }

    #[test]
    fn unknown_calls_and_values_out_of_bounds_do_not_load() {
        let error = load(json!({ "routes": { "placeOrders": 3_000 } })).unwrap_err();
        assert!(error.to_string().contains("placeOrders"), "{error}");
        for bad in [
            json!({ "routes": { "placeOrder": 0 } }),
            json!({ "routes": { "placeOrder": 60_001 } }),
            json!({ "routes": { "placeOrder": "soon" } }),
            json!({ "default_ms": 0 }),
            json!({ "payment_ms": 60_001 }),
            json!({ "order_ms": 1 }),
        ] {
            assert!(load(bad.clone()).is_err(), "{bad}");
        }
    }
}
