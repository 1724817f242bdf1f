//! `[access_log]`

use std::num::NonZeroU32;

use serde::Deserialize;

/// `[access_log]`: which requests have a log line of their own. All are counted in the metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLogConfig {
    /// Of how many reads that the cache answered at once, on the shortest way, one is logged; 100, at least 1, which
    /// logs each. They change nothing, say nothing about anybody, and cost a fraction of what a line costs. What is
    /// refused for too much load is logged at debug. Every other request has its line.
    pub cached_one_in: NonZeroU32,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self { cached_one_in: const { NonZeroU32::new(100).unwrap() } }
    }
}
