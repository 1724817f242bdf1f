//! `[mongo]`: the database, and the bounds of connections and operations.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// The connection to MongoDB. The defaults suit a replica set in one region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MongoConfig {
    /// `mongodb://…` with all members of the replica set; it may contain a password and is never logged.
    pub uri: SecretString,
    /// The database of the platform.
    pub database: String,
    /// The most connections to each member; 100. Further operations wait for one, within their deadline.
    #[serde(default = "defaults::max_pool_size")]
    pub max_pool_size: u32,
    /// The connections kept open to each member; 4, so that a burst does not begin with handshakes.
    #[serde(default = "defaults::min_pool_size")]
    pub min_pool_size: u32,
    /// The most connections to a member being established at once; 8.
    #[serde(default = "defaults::max_connecting")]
    pub max_connecting: u32,
    /// How long an idle connection is kept, in ms; 60,000, below the limits of common load balancers and firewalls.
    #[serde(default = "defaults::max_idle_time_ms")]
    pub max_idle_time_ms: u64,
    /// The time-out for establishing a connection, in ms; 2,000.
    #[serde(default = "defaults::connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// How long an operation waits for a suitable member, for example during an election, in ms; 5,000. The caller's
    /// deadline bounds it too.
    #[serde(default = "defaults::server_selection_timeout_ms")]
    pub server_selection_timeout_ms: u64,
    /// The period of the checks that detect a new primary, in ms; 2,000, at least 500.
    #[serde(default = "defaults::heartbeat_period_ms")]
    pub heartbeat_period_ms: u64,
    /// How long a majority write waits for the members before it fails with a retryable error, in ms; 5,000.
    #[serde(default = "defaults::write_concern_timeout_ms")]
    pub write_concern_timeout_ms: u64,
}

impl MongoConfig {
    /// The defaults, for the database at `uri`.
    pub fn new(uri: impl Into<SecretString>, database: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            max_pool_size: defaults::max_pool_size(),
            min_pool_size: defaults::min_pool_size(),
            max_connecting: defaults::max_connecting(),
            max_idle_time_ms: defaults::max_idle_time_ms(),
            connect_timeout_ms: defaults::connect_timeout_ms(),
            server_selection_timeout_ms: defaults::server_selection_timeout_ms(),
            heartbeat_period_ms: defaults::heartbeat_period_ms(),
            write_concern_timeout_ms: defaults::write_concern_timeout_ms(),
        }
    }

    pub(crate) fn write_concern_timeout(&self) -> Duration {
        Duration::from_millis(self.write_concern_timeout_ms)
    }
}

mod defaults {
    pub(super) fn max_pool_size() -> u32 {
        100
    }
    pub(super) fn min_pool_size() -> u32 {
        4
    }
    pub(super) fn max_connecting() -> u32 {
        8
    }
    pub(super) fn max_idle_time_ms() -> u64 {
        60_000
    }
    pub(super) fn connect_timeout_ms() -> u64 {
        2_000
    }
    pub(super) fn server_selection_timeout_ms() -> u64 {
        5_000
    }
    pub(super) fn heartbeat_period_ms() -> u64 {
        2_000
    }
    pub(super) fn write_concern_timeout_ms() -> u64 {
        5_000
    }
}
