//! The gateway's configuration, one file a concern.

mod access_log;
mod cache;
mod cors;
mod deadlines;
mod http;
mod limits;
mod placement;
mod upstreams;

use serde::Deserialize;
use service::ServiceConfig;
use service::config::{AdminConfig, LogConfig, TelemetryConfig};
use service::tls::TlsConfig;

pub use access_log::AccessLogConfig;
pub use cache::CacheConfig;
pub use cors::CorsConfig;
pub use deadlines::DeadlinesConfig;
pub use http::HttpConfig;
pub use limits::{LimitsConfig, RatesConfig};
pub use placement::PlacementConfig;
pub use upstreams::UpstreamsConfig;

/// Everything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The public port.
    pub http: HttpConfig,
    /// The port for health checks and metrics.
    pub admin: AdminConfig,
    /// What is logged, and how.
    #[serde(default)]
    pub log: LogConfig,
    /// Where traces go.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// Mutual TLS with other services; without it calls between them are plain.
    pub tls: Option<TlsConfig>,
    /// Which requests have a log line of their own.
    #[serde(default)]
    pub access_log: AccessLogConfig,
    /// The services behind the gateway.
    pub upstreams: UpstreamsConfig,
    /// How long a request may take.
    #[serde(default)]
    pub deadlines: DeadlinesConfig,
    /// How much is served at once, and how much of it to one client.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Copies of the catalogue.
    #[serde(default)]
    pub cache: CacheConfig,
    /// Which replica of the order service places an order.
    #[serde(default)]
    pub placement: PlacementConfig,
    /// Which web pages may call from a browser.
    #[serde(default)]
    pub cors: CorsConfig,
}

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}
