//! `[access_log]`

use std::num::NonZeroU32;

use serde::Deserialize;

/// `[access_log]`: which requests are logged. All are counted in the metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLogConfig {
    /// One of this many reads that the cache answers on its fast path is logged; 100, at least 1, which logs all. Such
    /// reads have no effect, are anonymous, and cost a fraction of a log line. Requests refused under overload are
    /// logged at debug level. Every other request is logged.
    pub cached_one_in: NonZeroU32,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self { cached_one_in: const { NonZeroU32::new(100).unwrap() } }
    }
}
