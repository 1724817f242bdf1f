//! `[upstreams]`

use balancer::UpstreamConfig;
use serde::Deserialize;

/// `[upstreams]`: the replicas of each service, and how they are called. Each is a string such as
/// `"http://a:1,http://b:2"` or `"dns://order-headless:7003"`, a list of such strings, or a table with all settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// Users, sessions, keys.
    pub user: UpstreamConfig,
    /// Catalogue and stock.
    pub inventory: UpstreamConfig,
    /// Orders and their payments.
    pub order: UpstreamConfig,
    /// Accounts.
    pub payment: UpstreamConfig,
    /// Statements, and runs of the reconciliation.
    pub reconciliation: UpstreamConfig,
}
