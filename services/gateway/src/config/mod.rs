//! The configuration of the gateway, one file for each section.

mod access_log;
mod cache;
mod cors;
mod deadlines;
mod http;
mod limits;
mod placement;
mod upstreams;

pub use access_log::AccessLogConfig;
pub use cache::CacheConfig;
pub use cors::CorsConfig;
pub use deadlines::DeadlinesConfig;
pub use http::HttpConfig;
pub use limits::{LimitsConfig, RatesConfig};
pub use placement::PlacementConfig;
pub use upstreams::UpstreamsConfig;

service::process_config! {
    /// The configuration of the gateway.
    pub struct Config {
        /// The public port.
        pub http: HttpConfig,
        /// The access log.
        #[serde(default)]
        pub access_log: AccessLogConfig,
        /// The services behind the gateway.
        pub upstreams: UpstreamsConfig,
        /// The time budgets of requests.
        #[serde(default)]
        pub deadlines: DeadlinesConfig,
        /// Limits on concurrency and on the requests of one client.
        #[serde(default)]
        pub limits: LimitsConfig,
        /// The cache of the catalogue.
        #[serde(default)]
        pub cache: CacheConfig,
        /// The choice of the order replica that places an order.
        #[serde(default)]
        pub placement: PlacementConfig,
        /// The origins of web pages that may call the API.
        #[serde(default)]
        pub cors: CorsConfig,
    }
}
